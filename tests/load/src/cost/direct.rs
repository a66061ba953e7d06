//! One store, asked for what a node asks of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use bytes::Bytes;
use client::Random;
use conversation::{AnswerEnd, Body, Claim, ConversationId, Event, Fence, MessageId, Millis, Seq};
use store::dynamodb::{DynamoStore, Options as StoreOptions};
use store::{Append, Appended, ClaimDue, Index, Key, Listing, Put, Store};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{ANSWER_PIECES, Counted, Options, QUESTION_BYTES};
use crate::dynamodb::DynamoDb;

/// Turns under way at most.
const AT_ONCE: usize = 4_000;

/// How often a node looks for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the site leaves a conversation open, milliseconds.
const OPEN_MS: Millis = 86_400_000;

/// A conversation, and how far it has come.
struct Talk {
    id: ConversationId,
    head: Seq,
    head_at: Millis,
    turns: u32,
}

pub(super) async fn measure(options: &Options, rate: u32, per_conversation: u32) -> anyhow::Result<Counted> {
    let server = DynamoDb::start().await?;
    let counting = StoreOptions { count_capacity: true, ..StoreOptions::default() };
    let store = Arc::new(DynamoStore::connect(&server.url(), counting).await?);
    let looks = tokio::spawn(look(Arc::clone(&store)));
    let turns = u64::from(rate) * options.seconds;
    let (answer, deadline) = (Duration::from_millis(options.answer_ms), options.deadline_ms);
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut idle, mut running, mut begun) = (VecDeque::new(), JoinSet::new(), 0);
    let began = Instant::now();
    for _ in 0..turns {
        ticks.tick().await;
        while let Some(ended) = running.try_join_next() {
            idle.extend(go_on(ended??, per_conversation));
        }
        let talk = match idle.pop_front() {
            Some(talk) => talk,
            None => {
                begun += 1;
                Talk { id: ConversationId::new("shop", &format!("v{begun:022}"), 1)?, head: 0, head_at: 0, turns: 0 }
            }
        };
        let permit = Arc::clone(&at_once).acquire_owned().await?;
        let store = Arc::clone(&store);
        running.spawn(async move {
            let talk = turn(&store, talk, answer, deadline).await;
            drop(permit);
            talk
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let took = began.elapsed();
    sleep(options.rest()).await;
    looks.abort();
    Ok(Counted { rate, per_conversation, turns, took, units: store.consumed().into() })
}

/// The conversation, if more is to be said in it.
fn go_on(talk: Talk, per_conversation: u32) -> Option<Talk> {
    (talk.turns < per_conversation).then_some(talk)
}

/// One turn, with what goes before the first one.
async fn turn(store: &DynamoStore, mut talk: Talk, answer: Duration, deadline: Millis) -> anyhow::Result<Talk> {
    if talk.turns == 0 {
        // The visitor's tab is opened.
        let events = store.read(&talk.id, 0, 1_000).await?;
        ensure!(events.is_empty(), "a conversation that has not begun has events");
        enlist(store, &talk.id).await?;
    }
    let id = MessageId(Random::new(u64::from(talk.head) ^ now()).id());
    let question = Body::VisitorMessage { id, text: "x".repeat(QUESTION_BYTES).into() };
    append(store, &mut talk, question, Some(now() + deadline)).await?;
    sleep(answer).await;
    let text = "word ".repeat(ANSWER_PIECES).into();
    let answer = Body::Answer {
        turn: talk.head,
        text,
        end: AnswerEnd::Complete,
        offer_person: false,
        sources: None,
        choices: None,
    };
    append(store, &mut talk, answer, None).await?;
    talk.turns += 1;
    Ok(talk)
}

/// As a node lists a conversation whose log is about to begin.
async fn enlist(store: &DynamoStore, id: &ConversationId) -> anyhow::Result<()> {
    let key = Key::new(id.site(), "life", &[id.visitor(), "1"])?;
    let index = Index::new(id.site(), "life")?;
    let now = now();
    let listing = Some(Listing { index: &index, position: now + OPEN_MS });
    let put = Put { key: &key, expected: None, value: Bytes::new(), expires_at: None, listing, now };
    let _outcome = store.put(put).await?;
    Ok(())
}

async fn append(store: &DynamoStore, talk: &mut Talk, body: Body, due: Option<Millis>) -> anyhow::Result<()> {
    let event = Event { seq: talk.head + 1, at: now().max(talk.head_at), body };
    let append =
        Append { conversation: &talk.id, event: &event, due, fence: Fence::Unclaimed, previous_at: talk.head_at };
    let appended = store.append_at(append).await?;
    ensure!(appended == Appended::Stored, "an append at a free seq was refused");
    (talk.head, talk.head_at) = (event.seq, event.at);
    Ok(())
}

/// Looks for what is due, for ever.
async fn look(store: Arc<DynamoStore>) -> anyhow::Result<()> {
    let mut random = Random::new(1);
    let mut every = interval(LOOK_EVERY);
    loop {
        every.tick().await;
        let now = now();
        let claim = Claim::new(random.next_u64()).context("a claim that is none")?;
        let _claimed = store.claim_due(ClaimDue { now, until: now + 35_000, limit: 64, claim }).await?;
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
