//! The one who watches: what must hold of every log, by the numbers of DESIGN.md's invariants.
//!
//! It is told of every event the moment the store takes it, and writes the rules down a second time: the core's own fold
//! is checked, not trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use conversation::{Audience, Body, Command, Event, MessageId, Millis, Policy, Refusal, Reply, Seq, State};

use crate::agenda::ConversationIx;

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The number of the invariant; 0: a panic, or a promise between core and driver.
    pub invariant: u8,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.what)
    }
}

impl std::error::Error for Breach {}

/// The answer of every step.
pub(crate) type Checked<T = ()> = Result<T, Breach>;

/// Fails with the invariant's number unless the condition holds.
macro_rules! ensure {
    ($invariant:expr, $holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err($crate::watch::Breach { invariant: $invariant, what: format!($($what)+) });
        }
    };
}
pub(crate) use ensure;

/// Everything known for certain about the conversations.
#[derive(Debug)]
pub(crate) struct Watch {
    policy: Arc<Policy>,
    conversations: Vec<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    log: Vec<Arc<Event>>,
    /// What the log said after each event, from the empty log on.
    states: Vec<State>,
    ids: BTreeMap<MessageId, Seq>,
    messages: BTreeSet<Seq>,
    answered: Seq,
    person: bool,
    closed: bool,
    /// What the function says in a run.
    scripts: BTreeMap<(Seq, u32), Vec<Arc<str>>>,
}

impl Watch {
    pub(crate) fn new(policy: Arc<Policy>, conversations: usize) -> Self {
        let empty = || Watched { states: vec![State::default()], ..Watched::default() };
        Self { policy, conversations: (0..conversations).map(|_| empty()).collect() }
    }

    pub(crate) fn log(&self, conversation: ConversationIx) -> &[Arc<Event>] {
        &self.conversations[conversation].log
    }

    pub(crate) fn head(&self, conversation: ConversationIx) -> Seq {
        self.log(conversation).len() as Seq
    }

    /// What the log says up to `seq`.
    pub(crate) fn state_at(&self, conversation: ConversationIx, seq: Seq) -> Option<&State> {
        self.conversations[conversation].states.get(seq as usize)
    }

    /// What the log says now.
    pub(crate) fn state(&self, conversation: ConversationIx) -> &State {
        let states = &self.conversations[conversation].states;
        &states[states.len() - 1]
    }

    /// The store has taken an event.
    pub(crate) fn stored(&mut self, conversation: ConversationIx, event: &Arc<Event>, due: Option<Millis>) -> Checked {
        let policy = Arc::clone(&self.policy);
        let watched = &mut self.conversations[conversation];
        ensure!(1, event.seq as usize == watched.log.len() + 1, "seq {} after {} events", event.seq, watched.log.len());
        watched.check_body(event)?;
        check_bounds(&policy, event)?;
        let mut state = watched.states[watched.states.len() - 1].clone();
        if let Err(violation) = state.apply(event) {
            ensure!(1, false, "the fold refuses what the rules allow: {violation}");
        }
        let owed = state.open_turn().is_some() || state.wants_assignment();
        ensure!(5, !owed || due.is_some(), "event {} leaves something owed and no due mark", event.seq);
        watched.log.push(Arc::clone(event));
        watched.states.push(state);
        Ok(())
    }

    /// A node's copy is a prefix of the log, folded to the same.
    pub(crate) fn folded(&self, conversation: ConversationIx, state: &State) -> Checked {
        let truth = self.state_at(conversation, state.head());
        ensure!(1, truth == Some(state), "a node folded {} events to another state than the log's", state.head());
        Ok(())
    }

    /// A node has replied to a command.
    pub(crate) fn replied(&self, conversation: ConversationIx, command: &Command, reply: &Reply) -> Checked {
        let Command::Send { id, text } = command else {
            let Reply::Acked(seq) = reply else { return Ok(()) };
            ensure!(2, *seq <= self.head(conversation), "{command:?} acked at {seq}, beyond the log");
            return Ok(());
        };
        match reply {
            Reply::Acked(seq) => {
                let stored = (*seq as usize).checked_sub(1).and_then(|at| self.log(conversation).get(at));
                let holds = stored.is_some_and(|event| match &event.body {
                    Body::VisitorMessage { id: stored, text: stored_text } => stored == id && stored_text == text,
                    _ => false,
                });
                ensure!(2, holds, "message {id:?} acked at {seq}, where the log has {stored:?}");
            }
            Reply::Refused(Refusal::IdReused, _) => {
                let seq = self.conversations[conversation].ids.get(id);
                ensure!(3, seq.is_some(), "message {id:?} refused as a repeat, but it is not in the log");
            }
            Reply::Refused(..) => {}
        }
        Ok(())
    }

    /// An event on its way to somebody.
    pub(crate) fn delivered(&self, conversation: ConversationIx, event: &Event, audience: Audience) -> Checked {
        let stored = self.log(conversation).get(event.seq as usize - 1);
        ensure!(4, stored.is_some_and(|s| **s == *event), "delivered {event:?}, stored {stored:?}");
        let note = matches!(event.body, Body::Note { .. });
        ensure!(7, !(note && audience == Audience::Visitor), "note {} delivered to a visitor", event.seq);
        Ok(())
    }

    /// A seq shown without its content.
    pub(crate) fn hidden(&self, conversation: ConversationIx, seq: Seq, audience: Audience) -> Checked {
        let stored = self.log(conversation).get(seq as usize - 1);
        let note = stored.is_some_and(|event| matches!(event.body, Body::Note { .. }));
        ensure!(4, note && audience == Audience::Visitor, "event {seq} hidden from {audience:?}: {stored:?}");
        Ok(())
    }

    /// A piece of an answer on its way to somebody who holds the log up to `seq`.
    pub(crate) fn streamed(
        &self,
        conversation: ConversationIx,
        seq: Seq,
        (turn, run): (Seq, u32),
        offset: usize,
        text: &str,
    ) -> Checked {
        let Some(state) = self.state_at(conversation, seq) else {
            ensure!(4, false, "a piece of turn {turn} for somebody at {seq}, beyond the log");
            return Ok(());
        };
        let open = state.open_turn().is_some_and(|open| turn <= open && turn > state.answered());
        ensure!(6, open, "a piece of turn {turn} after {seq}, where it is over ({:?})", state.owner());
        let scripts = self.conversations[conversation].scripts.get(&(turn, run));
        let written = scripts.into_iter().flatten().any(|script| script.get(offset..offset + text.len()) == Some(text));
        ensure!(4, written, "turn {turn} run {run}: nobody wrote {text:?} at {offset} ({scripts:?})");
        Ok(())
    }

    /// What the function is going to say in a run.
    pub(crate) fn script(&mut self, conversation: ConversationIx, turn: Seq, run: u32, text: &str) {
        self.conversations[conversation].scripts.entry((turn, run)).or_default().push(text.into());
    }

    /// Nothing is left to be done about a conversation.
    pub(crate) fn settled(&self, conversation: ConversationIx, due: Option<Millis>) -> Checked {
        let state = self.state(conversation);
        ensure!(5, state.open_turn().is_none(), "turn {:?} never ended", state.open_turn());
        ensure!(5, !state.wants_assignment(), "the handover at {} was never assigned", state.handover());
        ensure!(5, due.is_none(), "nothing is owed, but a due mark at {due:?} is left");
        Ok(())
    }
}

impl Watched {
    fn check_body(&mut self, event: &Event) -> Checked {
        let seq = event.seq;
        let after_close = matches!(event.body, Body::Rated { .. } | Body::Note { .. });
        ensure!(1, !self.closed || after_close, "event {seq} after the close: {:?}", event.body);
        match &event.body {
            Body::VisitorMessage { id, .. } | Body::AgentMessage { id, .. } => {
                let first = self.ids.insert(*id, seq);
                ensure!(3, first.is_none(), "id {id:?} at {first:?} and again at {seq}");
                if matches!(event.body, Body::VisitorMessage { .. }) {
                    self.messages.insert(seq);
                }
            }
            Body::Answer { turn, .. } => {
                ensure!(6, !self.person, "answer {seq} after the handover");
                ensure!(5, *turn > self.answered, "answer {seq} to turn {turn}, answered before");
                ensure!(5, self.messages.contains(turn), "answer {seq} to turn {turn}, which is no visitor message");
                self.answered = *turn;
            }
            Body::Handover { .. } => {
                ensure!(6, !self.person, "handed over again at {seq}");
                self.person = true;
            }
            Body::Assigned { .. } => ensure!(6, self.person, "assigned at {seq} before a handover"),
            Body::Closed { .. } => self.closed = true,
            Body::Note { .. } | Body::Rated { .. } => {}
        }
        Ok(())
    }
}

fn check_bounds(policy: &Policy, event: &Event) -> Checked {
    let longest_fallback = policy.fallback.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    let (bytes, bound) = match &event.body {
        Body::VisitorMessage { text, .. } => (text.len(), policy.max_text_bytes),
        Body::Rated { comment, .. } => (comment.len(), policy.max_text_bytes),
        Body::Answer { text, .. } => (text.len(), policy.max_answer_bytes.max(longest_fallback)),
        _ => (0, 0),
    };
    ensure!(8, bytes <= bound, "event {} has {bytes} bytes of text, {bound} are allowed", event.seq);
    if matches!(event.body, Body::VisitorMessage { .. }) {
        ensure!(8, event.seq < policy.max_events, "message {} in a log of {} at most", event.seq, policy.max_events);
    }
    Ok(())
}
