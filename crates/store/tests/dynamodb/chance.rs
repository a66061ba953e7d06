//! Nothing due is lost, whatever several clients do on a bad network.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use conversation::Claim;
use dynoxide::types::AttributeValue;
use store::{ClaimDue, DynamoStore, Fence, SetDue, Store};

use super::proxy::{Fate, Proxy};
use super::random::Random;
use super::server::{Server, client};
use super::{T0, append, claim, conversation, message};

const CONVERSATIONS: u64 = 20;
const STEPS: u64 = 150;

#[tokio::test]
async fn what_is_due_in_the_end_is_found() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address).await;
    let clients = [client(&proxy.url()).await, client(&proxy.url()).await, client(&proxy.url()).await];
    let mut random = Random(11);
    for step in 0..STEPS {
        let (now, store) = (T0 + step * 5_000, &clients[random.below(3) as usize]);
        if random.below(6) == 0 {
            let operation = ["PutItem", "UpdateItem", "Query"][random.below(3) as usize];
            proxy.plan(operation, [if random.below(2) == 0 { Fate::Cut } else { Fate::LoseAnswer }]);
        }
        do_something(store, &mut random, now).await;
    }
    let end = T0 + STEPS * 5_000 + 1_200_000;
    let due = truly_due(&server, end);
    assert!(
        due.len() > 5 && due.len() < CONVERSATIONS as usize,
        "a run in which nothing happened shows nothing: {due:?}"
    );
    proxy.forget_plans();
    let claimed = claim(&clients[0], end).await;
    assert_eq!(claimed.iter().map(|conversation| conversation.ordinal()).collect::<BTreeSet<_>>(), due);
    assert_eq!(claimed.len(), due.len(), "each once");
}

async fn do_something(store: &DynamoStore, random: &mut Random, now: u64) {
    let conversation = conversation(1 + random.below(CONVERSATIONS) as u32);
    let due = (random.below(3) > 0).then(|| now + random.below(200_000));
    // Any answer will do: the table tells at the end what came of it.
    match random.below(5) {
        0 => {
            let claim = Claim::new(now).unwrap();
            let _ = store.claim_due(ClaimDue { now, until: now + 30_000, limit: 3, claim }).await;
        }
        1 => {
            let head = store.head(&conversation).await.unwrap_or(0);
            let due = SetDue { conversation: &conversation, head, due, fence: Fence::Open };
            let _ = store.set_due(due).await;
        }
        _ => {
            let head = store.head(&conversation).await.unwrap_or(0);
            let event = conversation::Event { at: now, ..message(head + 1, "text") };
            let _ = append(store, &conversation, &event, due).await;
        }
    }
}

/// The conversations that are due at `now`, as the table says: the last item of each log decides.
fn truly_due(server: &Server, now: u64) -> BTreeSet<u32> {
    let mut last: BTreeMap<String, (String, Option<u64>)> = BTreeMap::new();
    for item in server.items("c#") {
        let text = |name: &str| match &item[name] {
            AttributeValue::S(text) => text.clone(),
            other => panic!("{name} is {other:?}"),
        };
        let entry = last.entry(text("pk")).or_default();
        if entry.0 <= text("sk") {
            *entry = (text("sk"), due_in(&item));
        }
    }
    let is_due = last.into_iter().filter(|(_, (_, due))| due.is_some_and(|due| due <= now));
    is_due.map(|(log, _)| log.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

fn due_in(item: &HashMap<String, AttributeValue>) -> Option<u64> {
    match item.get("d") {
        Some(AttributeValue::N(due)) => due.parse().ok(),
        _ => None,
    }
}
