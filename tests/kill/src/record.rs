//! What the tabs saw while it happened, and what they ended with.

use std::sync::{Mutex, MutexGuard, PoisonError};

use client::{Change, Id};
use conversation::Seq;
use protocol::v1::Event;

/// What all tabs saw together.
#[derive(Debug, Default)]
pub(crate) struct Records {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    wrong: Vec<String>,
    connections_lost: u64,
}

/// What one tab said and what became of it.
#[derive(Debug, Default, Clone)]
pub(crate) struct TabRecord {
    /// The messages it was to send, in order: id and text.
    pub(crate) sent: Vec<(Id, String)>,
    /// Those that were acknowledged, in the order of their acks.
    pub(crate) acknowledged: Vec<(Id, Seq)>,
    /// Those that were refused for good.
    pub(crate) refused: Vec<Id>,
}

/// What one visitor's conversation ended with.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) site: String,
    /// The visitor's id.
    pub(crate) visitor: String,
    /// The log as a client reads it that holds nothing.
    pub(crate) fresh: Vec<Event>,
    pub(crate) tabs: Vec<TabHistory>,
}

/// What one tab ended with.
#[derive(Debug, Clone)]
pub(crate) struct TabHistory {
    pub(crate) record: TabRecord,
    /// Its own copy of the log.
    pub(crate) log: Vec<Event>,
    /// Commands that it could not deliver.
    pub(crate) unacknowledged: usize,
}

impl Records {
    /// Takes in what `tab` has learnt.
    pub(crate) fn handle_change(&self, tab: &str, change: &Change) {
        match change {
            Change::Wrong(what) => self.seen().wrong.push(format!("{tab}: {what}")),
            Change::Dropped => self.seen().wrong.push(format!("{tab}: was told to drop its log")),
            Change::Disconnected { .. } => self.seen().connections_lost += 1,
            _ => {}
        }
    }

    /// What a node must never do and did.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.seen().wrong.clone()
    }

    /// How often a connection was lost, or given up by its tab.
    pub(crate) fn connections_lost(&self) -> u64 {
        self.seen().connections_lost
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TabRecord {
    /// Takes in what the tab has learnt; what concerns no message of its own is passed over.
    pub(crate) fn handle_change(&mut self, change: &Change) {
        match change {
            Change::Acked { id, seq } if self.has_sent(id) => self.acknowledged.push((*id, *seq)),
            Change::Refused { id, .. } if self.has_sent(id) => self.refused.push(*id),
            _ => {}
        }
    }

    fn has_sent(&self, id: &Id) -> bool {
        self.sent.iter().any(|(sent, _)| sent == id)
    }
}
