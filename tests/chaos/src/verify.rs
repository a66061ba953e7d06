//! What must be so in the end, whatever was broken when.

use std::collections::{BTreeMap, BTreeSet};

use client::Id;
use conversation::Seq;
use protocol::v1::{ErrorCode, Event, event};

use crate::record::{Shown, TabRecord, View};

/// What became of one visitor.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// The visitor's id.
    pub(crate) visitor: String,
    /// The logs of its conversations as the store holds them, by number. The last is of one that has not begun.
    pub(crate) logs: BTreeMap<u32, Vec<Event>>,
    /// What each tab saw, by name.
    pub(crate) tabs: Vec<(String, TabRecord)>,
}

/// What the store promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// It may forget what it has shown to somebody. Every tab that had seen it must have been told.
    pub(crate) may_reset: bool,
    /// It may forget even what it has acknowledged.
    pub(crate) may_lose: bool,
}

/// What is wrong; empty: nothing.
pub(crate) fn wrong(history: &History, rules: Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut tell = |whose: &str, what: Vec<String>| {
        wrong.extend(what.into_iter().map(|what| format!("{whose} ({}): {what}", history.visitor)));
    };
    let places = places(history);
    for (name, tab) in &history.tabs {
        tell(name, tab.wrong.clone());
        if tab.visitor != history.visitor {
            tell(name, vec![format!("it is the visitor {:?}", tab.visitor)]);
        }
        tell(name, wrong_with_views(tab, history, rules));
        tell(name, wrong_with_messages(tab, &places, rules));
    }
    for (number, log) in &history.logs {
        tell(&format!("conversation {number}"), wrong_with_log(log));
    }
    tell("all tabs", wrong_with_authors(history));
    tell("all tabs", wrong_with_deltas(history));
    wrong
}

/// Where a message stands: conversation, seq, text.
type Place<'a> = (u32, Seq, &'a str);

/// Where each message stands, by its id.
fn places(history: &History) -> BTreeMap<&[u8], Vec<Place<'_>>> {
    let mut places: BTreeMap<&[u8], Vec<Place<'_>>> = BTreeMap::new();
    for (number, log) in &history.logs {
        for event in log {
            if let Some(event::Body::VisitorMessage(message)) = &event.body {
                places.entry(&message.id).or_default().push((*number, event.seq, &message.text));
            }
        }
    }
    places
}

/// Each event once, in order, with the same content: what a tab held is the beginning of the log, and what it holds is all
/// of it.
fn wrong_with_views(tab: &TabRecord, history: &History, rules: Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    if tab.resets > 0 && !rules.may_reset {
        let at = tab.reset_at_s();
        wrong.push(format!(
            "it was told {} times to drop a log that the store cannot have lost (last at {at:.3})",
            tab.resets
        ));
    }
    for view in &tab.views {
        let log = history.logs.get(&view.conversation).map(Vec::as_slice).unwrap_or_default();
        wrong.extend(wrong_with_view(view, log));
    }
    let held = tab.views.last().filter(|view| view.conversation == tab.conversation && !view.is_reset);
    let (held, stored) =
        (held.map_or(0, |view| view.events.len()), history.logs.get(&tab.conversation).map_or(0, Vec::len));
    if held < stored {
        wrong.push(format!("it holds {held} of {stored} events of conversation {}", tab.conversation));
    }
    let newest = history.logs.iter().rev().find(|(_, log)| !log.is_empty()).map_or(0, |(number, _)| *number);
    // A tab whose visitor began the next one in another tab may stay in one that is over.
    if tab.conversation < newest && !is_closed(history.logs.get(&tab.conversation)) {
        wrong.push(format!("it is in conversation {}, and the newest is {newest}", tab.conversation));
    }
    wrong
}

fn is_closed(log: Option<&Vec<Event>>) -> bool {
    log.is_some_and(|log| log.iter().any(|event| matches!(event.body, Some(event::Body::Closed(_)))))
}

fn wrong_with_view(view: &View, log: &[Event]) -> Option<String> {
    let due = |event: &Event, due: Seq| event.seq != due;
    if let Some((event, place)) = view.events.iter().zip(1..).find(|(event, place)| due(event, *place)) {
        return Some(format!("event {} of conversation {} came as number {place}", event.seq, view.conversation));
    }
    if view.is_reset {
        return None;
    }
    if view.events.len() > log.len() {
        let (held, stored, number) = (view.events.len(), log.len(), view.conversation);
        return Some(format!("it held {held} events of conversation {number}, and the store has {stored}"));
    }
    let differs = view.events.iter().zip(log).find(|(held, stored)| held != stored);
    differs.map(|(held, _)| {
        format!("event {} of conversation {} is another one in the store", held.seq, view.conversation)
    })
}

/// What was acknowledged is in one log once, at its seq, with its text, in the order in which it was said; what was refused
/// is in none.
fn wrong_with_messages(tab: &TabRecord, places: &BTreeMap<&[u8], Vec<Place<'_>>>, rules: Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    let acked: BTreeMap<Id, _> = tab.acked.iter().map(|acked| (acked.id, acked)).collect();
    let refused: BTreeMap<Id, ErrorCode> = tab.refused.iter().copied().collect();
    let mut last = (0, 0);
    for (number, (id, text)) in tab.sent.iter().enumerate() {
        let number = number + 1;
        let found = places.get(&id[..]).map(Vec::as_slice).unwrap_or_default();
        let mut tell = |what: String| wrong.push(format!("its message {number} {what}"));
        let Some(acked) = acked.get(id) else {
            match refused.get(id) {
                None if tab.left_behind.contains(id) && found.len() <= 1 => {}
                None if tab.left_behind.contains(id) => tell(format!("is in the store {} times", found.len())),
                None => tell("was neither acknowledged nor refused".to_owned()),
                Some(ErrorCode::ConversationClosed) if found.is_empty() => {}
                Some(code) => tell(format!("was refused as {code:?}, and is in the store {} times", found.len())),
            }
            continue;
        };
        match found {
            // Lost by the store, and the tab was told.
            [] if rules.may_lose && acked.resets < tab.resets => continue,
            [] => tell(format!("was acknowledged at {} and is in no log", acked.seq)),
            [(_, seq, stored)] if *seq == acked.seq && stored == text => {}
            [(_, seq, _)] if *seq != acked.seq => tell(format!("was acknowledged at {} and is at {seq}", acked.seq)),
            [_] => tell("has another text in the store".to_owned()),
            several => tell(format!("is in the store {} times: {:?}", several.len(), seqs(several))),
        }
        if let Some((conversation, seq, _)) = found.first() {
            if (*conversation, *seq) <= last {
                tell(format!("is at {seq} of {conversation}, and the one before it at {} of {}", last.1, last.0));
            }
            last = (*conversation, *seq);
        }
    }
    if tab.unacknowledged > 0 {
        wrong.push(format!("{} commands were never acknowledged", tab.unacknowledged));
    }
    wrong
}

fn seqs(places: &[Place<'_>]) -> Vec<(u32, Seq)> {
    places.iter().map(|(conversation, seq, _)| (*conversation, *seq)).collect()
}

/// The log is dense, every turn has ended, none has two answers, nobody speaks where he may not.
fn wrong_with_log(log: &[Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut asked, mut answered, mut handover, mut assigned, mut closed) = (0, 0, 0, 0, 0);
    for (event, due) in log.iter().zip(1..) {
        let seq = event.seq;
        if seq != due {
            wrong.push(format!("event {seq} stands where {due} belongs"));
        }
        if closed > 0 && !matches!(event.body, Some(event::Body::Rated(_))) {
            wrong.push(format!("event {seq} follows the close"));
        }
        match &event.body {
            Some(event::Body::VisitorMessage(_)) => asked = seq,
            Some(event::Body::Answer(_)) if handover > 0 => {
                wrong.push(format!("event {seq} is an answer of the assistant after a handover"));
            }
            Some(event::Body::Answer(answer)) if answer.turn <= answered => {
                wrong.push(format!("event {seq} is a second answer to turn {}", answer.turn));
            }
            Some(event::Body::Answer(answer)) if answer.turn >= seq => {
                wrong.push(format!("event {seq} answers turn {}, which comes later", answer.turn));
            }
            Some(event::Body::Answer(answer)) => answered = answer.turn,
            Some(event::Body::Handover(_)) => handover = seq,
            Some(event::Body::Assigned(_)) => assigned = seq,
            Some(event::Body::Closed(_)) => closed = seq,
            _ => {}
        }
    }
    if asked > answered && handover == 0 && closed == 0 {
        wrong.push(format!("the message at {asked} was never answered"));
    }
    if handover > 0 && assigned == 0 && closed == 0 {
        wrong.push(format!("the handover at {handover} was never assigned"));
    }
    wrong
}

/// Nothing is in a log that no tab has said.
fn wrong_with_authors(history: &History) -> Vec<String> {
    let said: BTreeSet<(&[u8], &str)> =
        history.tabs.iter().flat_map(|(_, tab)| tab.sent.iter().map(|(id, text)| (&id[..], text.as_str()))).collect();
    let messages = history.logs.values().flatten().filter_map(|event| match &event.body {
        Some(event::Body::VisitorMessage(message)) => Some((event.seq, message)),
        _ => None,
    });
    let unsaid = messages.filter(|(_, message)| !said.contains(&(&message.id[..], message.text.as_str())));
    unsaid.map(|(seq, _)| format!("nobody has said what is stored at {seq}")).collect()
}

/// Two tabs that showed the same run of an answer showed the same text, as far as both got.
fn wrong_with_deltas(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut longest: BTreeMap<(u32, Seq, u32), &str> = BTreeMap::new();
    for Shown { conversation, turn, run, text } in history.tabs.iter().flat_map(|(_, tab)| &tab.shown) {
        let other = longest.entry((*conversation, *turn, *run)).or_insert(text);
        if !other.starts_with(text.as_str()) && !text.starts_with(*other) {
            wrong.push(format!("two texts were shown of run {run} of turn {turn} of conversation {conversation}"));
        }
        if text.len() > other.len() {
            *other = text;
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
