//! The policy in the docs: it allows what the store does, and nothing else.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use bytes::Bytes;
use store::{Delete, Deleted, Fence, Index, Key, List, Listing, Put, PutOutcome, Reserve, SetDue, Store};

use super::proxy::Proxy;
use super::server::{Server, client};
use super::{T0, claim, conversation, message, store_event};

const DOCS: &str = include_str!("../../../../docs/dynamodb.md");

#[tokio::test]
async fn the_policy_in_the_docs_allows_what_is_used_and_nothing_else() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address).await;
    use_everything(&client(&proxy.url()).await).await;
    let used: BTreeSet<String> = proxy.take_seen().into_iter().collect();
    let allowed: BTreeSet<String> = actions_of(DOCS).collect();
    assert_eq!(used, allowed);
}

/// The actions in a policy, such as `"dynamodb:PutItem"`.
fn actions_of(text: &str) -> impl Iterator<Item = String> {
    let quoted = text.split("\"dynamodb:").skip(1).filter_map(|rest| rest.split('"').next());
    quoted.filter(|action| action.bytes().all(|byte| byte.is_ascii_alphanumeric())).map(str::to_owned)
}

async fn use_everything(store: &dyn Store) {
    store_event(store, &conversation(1), &message(1, "text"), Some(T0)).await;
    let due = SetDue { conversation: &conversation(1), head: 1, due: Some(T0), fence: Fence::Open };
    assert!(store.set_due(due).await.is_ok());
    assert_eq!(claim(store, T0).await, [conversation(1)]);
    assert_eq!(store.head(&conversation(1)).await, Ok(1));
    assert_eq!(store.read(&conversation(1), 0, 10).await.map(|events| events.len()), Ok(1));
    assert_eq!(store.forget(&conversation(1), T0).await, Ok(()));
    assert_eq!(claim(store, T0 + 600_000).await, [], "and the slots leave the list");
    let (key, index) = (Key::new("shop", "thing", &["a"]).unwrap(), Index::new("shop", "inbox").unwrap());
    let listing = Some(Listing { index: &index, position: 1 });
    let put = Put { key: &key, expected: None, value: Bytes::from("text"), expires_at: None, listing, now: T0 };
    assert!(matches!(store.put(put).await, Ok(PutOutcome::Stored(_))));
    assert!(store.get(&key, T0).await.is_ok_and(|record| record.is_some()));
    let list = List { index: &index, from: 0, to: 9, after: None, limit: 9, now: T0 };
    assert_eq!(store.list(list).await.map(|listed| listed.len()), Ok(1));
    assert_eq!(store.delete(Delete { key: &key, expected: None, now: T0 }).await, Ok(Deleted::Removed));
    let (one, ready) = (NonZeroU64::MIN, store.ready().await);
    let reserve = Reserve { key: &key, amount: 1, per_minute: one, burst: 1, remaining: None, now: T0 };
    assert_eq!((store.reserve(reserve).await, ready), (Ok(0), Ok(())));
}
