//! What a store keeps of a message.

use std::sync::Arc;

use anyhow::ensure;
use conversation::{AnswerEnd, Body, ConversationId, Event, MessageId};
use store::{Append, Appended, Fence, Store};
use tokio::task::JoinSet;

use super::TEXT;
use super::place::Place;
use crate::table::Table;

/// Events of one conversation: five turns.
const EVENTS: u32 = 10;

/// Conversations that are written at one time.
const AT_ONCE: u32 = 64;

/// Bytes of an answer's text.
const ANSWER_BYTES: usize = 400;

/// Unix milliseconds.
const BEGAN_AT: u64 = 1_790_000_000_000;

/// Stores `messages` of typical size, and divides.
///
/// # Errors
/// The store fails.
pub(super) async fn measure(place: &Place, messages: u32) -> anyhow::Result<Table> {
    let before = place.held()?;
    let conversations = messages.div_ceil(EVENTS);
    let mut writers = JoinSet::new();
    for first in 0..AT_ONCE.min(conversations) {
        let store = Arc::clone(&place.store);
        writers.spawn(async move {
            for number in (first..conversations).step_by(AT_ONCE as usize) {
                converse(&*store, number).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let stored = u64::from(conversations) * u64::from(EVENTS);
    let mean = (TEXT.len() + ANSWER_BYTES) as u64 / 2;
    let mut table = Table::new(&["store", "what", "messages", "bytes per message", "of them text"]);
    let mut row = |what: &str, bytes: u64| {
        let each = format!("{:.0}", bytes as f64 / stored as f64);
        table.row([&place.name, what, &stored.to_string(), &each, &mean.to_string()]);
    };
    let after = place.held()?;
    row(after.what, after.bytes.saturating_sub(before.bytes));
    if let Some(logs) = place.logs()? {
        row(logs.what, logs.bytes);
    }
    Ok(table)
}

/// Five questions with a due time each, and their answers.
async fn converse(store: &dyn Store, number: u32) -> anyhow::Result<()> {
    // As long as a visitor's id is.
    let conversation = ConversationId::new("shop", &format!("v{number:022}"), 1)?;
    let answer: Arc<str> = "word ".repeat(ANSWER_BYTES / 5).into();
    for seq in 1..=EVENTS {
        let at = BEGAN_AT + u64::from(seq);
        let is_question = seq % 2 == 1;
        let body = if is_question {
            let id = MessageId(((u128::from(number) << 64) | u128::from(seq)).to_le_bytes());
            Body::VisitorMessage { id, text: TEXT.into() }
        } else {
            Body::Answer {
                turn: seq - 1,
                text: answer.clone(),
                end: AnswerEnd::Complete,
                offer_person: false,
                sources: None,
                choices: None,
            }
        };
        let append = Append {
            conversation: &conversation,
            event: &Event { seq, at, body },
            due: is_question.then_some(at + 30_000),
            fence: Fence::Open,
            previous_at: if seq == 1 { 0 } else { at - 1 },
        };
        let appended = store.append_at(append).await?;
        ensure!(appended == Appended::Stored, "an append at a free seq was refused");
    }
    Ok(())
}
