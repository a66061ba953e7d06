//! What one tab saw and did, from its first connection to its last.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use client::{Change, Client, Id};
use conversation::Seq;
use protocol::v1::{ErrorCode, Event};
use tokio::time::Instant;

/// What one tab saw and did.
#[derive(Debug, Default, Clone)]
pub(crate) struct TabRecord {
    /// The visitor's id, as the node named it.
    pub(crate) visitor: String,
    /// The messages it was to send, in order.
    pub(crate) sent: Vec<(Id, String)>,
    /// What was acknowledged, in the order of the acks. Not only messages.
    pub(crate) acked: Vec<Acked>,
    /// What was refused for good.
    pub(crate) refused: Vec<(Id, ErrorCode)>,
    /// What was given up, because another conversation had begun. Nobody knows whether it is stored.
    pub(crate) left_behind: Vec<Id>,
    /// The logs it has held, one after the other.
    pub(crate) views: Vec<View>,
    /// The answers it has shown while they were written, one after the other.
    pub(crate) shown: Vec<Shown>,
    /// How often it was told to drop a log that it went on with.
    pub(crate) resets: usize,
    /// When that was last, for finding it in the nodes' logs.
    pub(crate) reset_at: Option<SystemTime>,
    /// The conversation it is in.
    pub(crate) conversation: u32,
    /// Commands that wait for their ack.
    pub(crate) unacknowledged: usize,
    /// What a node must never do and did.
    pub(crate) wrong: Vec<String>,
    /// How often it was welcomed, and how often of these it held a part of the log already.
    pub(crate) welcomes: u64,
    pub(crate) resumes: u64,
    /// How connections ended, by close code. 0: without one.
    pub(crate) ends: BTreeMap<u16, u64>,
    /// How long it had no welcomed connection each time: milliseconds, and the close code that it began with.
    pub(crate) without_ms: Vec<(u16, u64)>,
    /// Since when it has no connection, and how it lost the last one.
    pub(crate) lost: Option<(Instant, u16)>,
}

/// An acknowledged command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acked {
    pub(crate) id: Id,
    pub(crate) seq: Seq,
    /// How many resets the tab had seen before.
    pub(crate) resets: usize,
}

/// Events of one conversation, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) conversation: u32,
    pub(crate) events: Vec<Event>,
    /// The node said that this is no longer the log.
    pub(crate) is_reset: bool,
}

/// What a tab showed of an answer before it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) conversation: u32,
    pub(crate) turn: Seq,
    pub(crate) run: u32,
    pub(crate) text: String,
}

impl TabRecord {
    /// Takes in what the tab has learnt.
    pub(crate) fn handle_change(&mut self, client: &Client, change: Change, now: Instant) {
        self.conversation = client.conversation();
        self.unacknowledged = client.unacknowledged();
        match change {
            Change::Welcomed { visitor, .. } => self.welcome(visitor, now),
            Change::Dropped => self.drop_view(),
            Change::Acked { id, seq } => self.acked.push(Acked { id, seq, resets: self.resets }),
            Change::Refused { id, code } => self.refused.push((id, code)),
            Change::LeftBehind { id } => self.left_behind.push(id),
            Change::Event(event) => self.view().events.push(event),
            Change::Written { .. } => self.show(client),
            Change::Disconnected { code } => {
                let code = code.unwrap_or(0);
                *self.ends.entry(code).or_default() += 1;
                self.lost.get_or_insert((now, code));
            }
            Change::Wrong(what) => self.wrong.push(what),
        }
    }

    /// When it was told last to drop its log: Unix seconds.
    pub(crate) fn reset_at_s(&self) -> f64 {
        let since = self.reset_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since.unwrap_or_default().as_secs_f64()
    }

    fn welcome(&mut self, visitor: String, now: Instant) {
        self.welcomes += 1;
        self.resumes += u64::from(self.views.last().is_some_and(|view| view.conversation == self.conversation));
        if let Some((lost_at, code)) = self.lost.take() {
            self.without_ms.push((code, u64::try_from((now - lost_at).as_millis()).unwrap_or(u64::MAX)));
        }
        if !self.visitor.is_empty() && self.visitor != visitor {
            self.wrong.push(format!("it was {}, and is another visitor now", self.visitor));
        }
        self.visitor = visitor;
    }

    fn drop_view(&mut self) {
        if let Some(view) = self.views.last_mut()
            && view.conversation >= self.conversation
        {
            view.is_reset = true;
            self.resets += 1;
            self.reset_at = Some(SystemTime::now());
        }
    }

    /// The view that the next event belongs to.
    fn view(&mut self) -> &mut View {
        let conversation = self.conversation;
        let fits = self.views.last().is_some_and(|view| view.conversation == conversation && !view.is_reset);
        if !fits {
            self.views.push(View { conversation, ..View::default() });
        }
        let last = self.views.len() - 1;
        &mut self.views[last]
    }

    fn show(&mut self, client: &Client) {
        let Some(written) = client.written() else { return };
        let (turn, run, conversation) = (written.turn, written.run, self.conversation);
        match self.shown.last_mut() {
            Some(shown) if (shown.conversation, shown.turn, shown.run) == (conversation, turn, run) => {
                shown.text.clone_from(&written.text);
            }
            _ => self.shown.push(Shown { conversation, turn, run, text: written.text.clone() }),
        }
    }
}
