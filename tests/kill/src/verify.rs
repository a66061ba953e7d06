//! What must be so in the end, whatever was killed when.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context;
use client::Id;
use conversation::{Audience, ConversationId, Seq};
use protocol::event_for;
use protocol::v1::{AnswerEnd, Event, event};
use store::Store;
use store::embedded::{EmbeddedStore, Options};

use crate::record::{History, Records, TabHistory};

/// How much happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) events: u64,
    pub(crate) acknowledged: u64,
    pub(crate) answers: u64,
    pub(crate) complete: u64,
    pub(crate) stopped: u64,
    pub(crate) handovers: u64,
    pub(crate) connections_lost: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { events, acknowledged, answers, complete, stopped, handovers, connections_lost } = self;
        write!(
            f,
            "{acknowledged} messages acknowledged, {answers} answers ({complete} whole, {stopped} stopped, {} broken off \
             or replaced), {handovers} handovers, {events} events, {connections_lost} connections lost",
            answers - complete - stopped
        )
    }
}

/// Counts what happened.
pub(crate) fn figures(histories: &[History], records: &Records) -> Figures {
    let mut figures = Figures { connections_lost: records.connections_lost(), ..Figures::default() };
    for tab in histories.iter().flat_map(|history| &history.tabs) {
        figures.acknowledged += tab.record.acknowledged.len() as u64;
    }
    for event in histories.iter().flat_map(|history| &history.fresh) {
        figures.events += 1;
        match &event.body {
            Some(event::Body::Answer(answer)) => {
                figures.answers += 1;
                figures.complete += u64::from(answer.end() == AnswerEnd::Complete);
                figures.stopped += u64::from(answer.end() == AnswerEnd::Stopped);
            }
            Some(event::Body::Handover(_)) => figures.handovers += 1,
            _ => {}
        }
    }
    figures
}

/// Reads the visitors' conversations from the folder of a store that nobody uses any more.
pub(crate) async fn read_store(data: &Path, histories: &[History]) -> anyhow::Result<Vec<Vec<Event>>> {
    let store = EmbeddedStore::open(data, Options::default()).context("the store cannot be opened")?;
    let mut logs = Vec::new();
    for history in histories {
        let id = ConversationId::new(&history.site, &history.visitor, 1)?;
        let mut log: Vec<Event> = Vec::new();
        loop {
            let after = log.last().map_or(0, |event| event.seq);
            let page = store.read(&id, after, 1_000).await?;
            if page.is_empty() {
                break;
            }
            log.extend(page.iter().map(|event| event_for(event, Audience::Visitor)));
        }
        logs.push(log);
    }
    Ok(logs)
}

/// Everything that is not as it must be. `stored` are the logs in the store, in the order of the histories.
pub(crate) fn wrong(histories: &[History], stored: &[Vec<Event>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (history, stored) in histories.iter().zip(stored) {
        let mut tell = |what: String| wrong.push(format!("{}: {what}", history.visitor));
        if let Some(difference) = difference(stored, &history.fresh) {
            tell(format!("a client that starts anew differs from the store {difference}"));
        }
        for (number, tab) in history.tabs.iter().enumerate() {
            let mut tell = |what: String| tell(format!("tab {}: {what}", number + 1));
            if let Some(difference) = difference(stored, &tab.log) {
                tell(format!("its copy differs from the store {difference}"));
            }
            wrong_with_messages(tab, stored).into_iter().for_each(&mut tell);
        }
        wrong_with_log(stored).into_iter().for_each(tell);
    }
    wrong
}

/// Where two logs differ; `None`: nowhere.
fn difference(stored: &[Event], copy: &[Event]) -> Option<String> {
    let first = stored.iter().zip(copy).position(|(one, other)| one != other);
    match first {
        Some(at) => Some(format!("at event {}", at + 1)),
        None if stored.len() != copy.len() => Some(format!("in length: {} and {} events", copy.len(), stored.len())),
        None => None,
    }
}

/// What was acknowledged is in the log once, at its seq, with its text, in the order in which it was said.
fn wrong_with_messages(tab: &TabHistory, log: &[Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut places: BTreeMap<&[u8], Vec<(Seq, &str)>> = BTreeMap::new();
    for event in log {
        if let Some(event::Body::VisitorMessage(message)) = &event.body {
            places.entry(&message.id).or_default().push((event.seq, &message.text));
        }
    }
    let acknowledged: BTreeMap<Id, Seq> = tab.record.acknowledged.iter().copied().collect();
    let mut last = 0;
    for (number, (id, text)) in tab.record.sent.iter().enumerate() {
        let number = number + 1;
        let Some(seq) = acknowledged.get(id) else {
            if !tab.record.refused.contains(id) {
                wrong.push(format!("its message {number} was neither acknowledged nor refused"));
            }
            continue;
        };
        match places.get(&id[..]).map(Vec::as_slice).unwrap_or_default() {
            [] => wrong.push(format!("its message {number} was acknowledged at {seq} and is not in the log")),
            [(place, stored)] if place == seq && stored == text => {}
            [(place, _)] if place != seq => {
                wrong.push(format!("its message {number} was acknowledged at {seq} and is at {place}"));
            }
            [_] => wrong.push(format!("its message {number} has another text in the log")),
            several => wrong.push(format!("its message {number} is in the log {} times", several.len())),
        }
        if *seq <= last {
            wrong.push(format!("its message {number} is at {seq}, and the one before it at {last}"));
        }
        last = *seq;
    }
    if tab.unacknowledged > 0 {
        wrong.push(format!("{} commands were never acknowledged", tab.unacknowledged));
    }
    wrong
}

/// The log is dense, every turn has ended, and none has two answers.
fn wrong_with_log(log: &[Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut asked, mut answered, mut is_handed_over) = (0, 0, false);
    for (event, due) in log.iter().zip(1..) {
        if event.seq != due {
            wrong.push(format!("event {} stands where {due} belongs", event.seq));
        }
        match &event.body {
            Some(event::Body::VisitorMessage(_)) => asked = event.seq,
            Some(event::Body::Answer(_)) if is_handed_over => {
                wrong.push(format!("event {} is an answer of the assistant after a handover", event.seq));
            }
            Some(event::Body::Answer(answer)) if answer.turn <= answered => {
                wrong.push(format!("event {} is a second answer to turn {}", event.seq, answer.turn));
            }
            Some(event::Body::Answer(answer)) => answered = answer.turn,
            Some(event::Body::Handover(_) | event::Body::Closed(_)) => is_handed_over = true,
            _ => {}
        }
    }
    if asked > answered && !is_handed_over {
        wrong.push(format!("the message at {asked} was never answered"));
    }
    wrong
}

#[cfg(test)]
mod tests;
