//! The one who watches: what must hold of every log, by the numbers of DESIGN.md's invariants.
//!
//! It is told of every event the moment the store takes it, and writes the rules down a second time: the core's own fold
//! is checked, not trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use conversation::{Audience, Body, Command, Event, MessageId, Millis, Policy, Refusal, Reply, Seq, State};

use crate::agenda::{ConversationIx, Incarnation};
use crate::rules::{Rules, check_bounds};

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
    rules: Rules,
    /// What was in the log once and is no longer.
    lost: Vec<Lost>,
    lost_states: Vec<State>,
    /// Messages whose senders were told that they are stored.
    acked: BTreeSet<MessageId>,
    /// The newest turn that was run, and by whom.
    runner: Option<(Seq, Incarnation)>,
    /// What the function says in a run.
    scripts: BTreeMap<(Seq, u32), Vec<Arc<str>>>,
}

/// An event that the store lost or forgot.
#[derive(Debug)]
struct Lost {
    event: Arc<Event>,
    /// The one before it, which whoever holds this one holds too.
    before: Option<Arc<Event>>,
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
        watched.rules.check_body(event)?;
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

    /// The newest events of a log are gone. How many of them were messages that had been acknowledged.
    pub(crate) fn lost(&mut self, conversation: ConversationIx, count: usize) -> Checked<u64> {
        let watched = &mut self.conversations[conversation];
        let kept = watched.log.len() - count;
        for at in kept..watched.log.len() {
            let before = at.checked_sub(1).map(|before| Arc::clone(&watched.log[before]));
            watched.lost.push(Lost { event: Arc::clone(&watched.log[at]), before });
            watched.lost_states.push(watched.states[at + 1].clone());
        }
        watched.states.truncate(kept + 1);
        let gone = watched.log.split_off(kept);
        watched.rules = Rules::after(&watched.log)?;
        let acked = |event: &&Arc<Event>| match &event.body {
            Body::VisitorMessage { id, .. } => watched.acked.contains(id),
            _ => false,
        };
        Ok(gone.iter().filter(acked).count() as u64)
    }

    /// Whether the log has ever been another one.
    pub(crate) fn has_lost(&self, conversation: ConversationIx) -> bool {
        !self.conversations[conversation].lost.is_empty()
    }

    /// What was stored at `seq`, now or once.
    fn stored_at(&self, conversation: ConversationIx, seq: Seq) -> impl Iterator<Item = &Event> {
        let watched = &self.conversations[conversation];
        let now = (seq as usize).checked_sub(1).and_then(|at| watched.log.get(at));
        let once = watched.lost.iter().map(|lost| &lost.event).filter(move |event| event.seq == seq);
        now.into_iter().chain(once).map(|event| &**event)
    }

    /// What the log up to `seq` said, now or once.
    pub(crate) fn states_at(&self, conversation: ConversationIx, seq: Seq) -> impl Iterator<Item = &State> {
        let once = self.conversations[conversation].lost_states.iter().filter(move |state| state.head() == seq);
        self.state_at(conversation, seq).into_iter().chain(once)
    }

    /// A node's copy is a prefix of the log, folded to the same; or of a log that was lost, as long as nobody noticed. It
    /// is never a mixture.
    pub(crate) fn folded(&self, conversation: ConversationIx, state: &State) -> Checked {
        let known = self.states_at(conversation, state.head()).any(|truth| truth == state);
        ensure!(1, known, "a node folded {} events to another state than the log's", state.head());
        Ok(())
    }

    /// A node has replied to a command.
    pub(crate) fn replied(&mut self, conversation: ConversationIx, command: &Command, reply: &Reply) -> Checked {
        let Command::Send { id, text } = command else {
            let Reply::Acked(seq) = reply else { return Ok(()) };
            let stored = *seq == 0 || self.stored_at(conversation, *seq).next().is_some();
            ensure!(2, stored, "{command:?} acked at {seq}, beyond the log");
            return Ok(());
        };
        match reply {
            Reply::Acked(seq) => {
                let holds = self.stored_at(conversation, *seq).any(|event| match &event.body {
                    Body::VisitorMessage { id: stored, text: stored_text } => stored == id && stored_text == text,
                    _ => false,
                });
                let stored = self.log(conversation).get((*seq as usize).wrapping_sub(1));
                ensure!(2, holds, "message {id:?} acked at {seq}, where the log has {stored:?}");
                self.conversations[conversation].acked.insert(*id);
            }
            Reply::Refused(Refusal::IdReused, _) => {
                let watched = &self.conversations[conversation];
                let is_it = |lost: &Lost| match &lost.event.body {
                    Body::VisitorMessage { id: lost, .. } | Body::AgentMessage { id: lost, .. } => lost == id,
                    _ => false,
                };
                let known = watched.rules.ids.contains_key(id) || watched.lost.iter().any(is_it);
                ensure!(3, known, "message {id:?} refused as a repeat, but it is not in the log");
            }
            Reply::Refused(..) => {}
        }
        Ok(())
    }

    /// An event on its way to somebody who got `newest` last, if that is known: it is in the log right behind that one, or
    /// both are in a log that was lost, as long as nobody noticed.
    pub(crate) fn delivered(
        &self,
        conversation: ConversationIx,
        event: &Event,
        audience: Audience,
        newest: Option<&Arc<Event>>,
    ) -> Checked {
        let watched = &self.conversations[conversation];
        let at = event.seq as usize - 1;
        let stored = watched.log.get(at);
        let now = stored.filter(|stored| ***stored == *event).map(|_| at.checked_sub(1).map(|at| &watched.log[at]));
        let once = watched.lost.iter().filter(|lost| *lost.event == *event).map(|lost| lost.before.as_ref());
        let mut befores = now.into_iter().chain(once).peekable();
        ensure!(4, befores.peek().is_some(), "delivered {event:?}, stored {stored:?}");
        let follows = newest.is_none() || befores.any(|before| before == newest);
        ensure!(4, follows, "delivered {event:?} to somebody who holds {newest:?}, of another log, and was not reset");
        let note = matches!(event.body, Body::Note { .. });
        ensure!(7, !(note && audience == Audience::Visitor), "note {} delivered to a visitor", event.seq);
        Ok(())
    }

    /// A seq shown without its content.
    pub(crate) fn hidden(&self, conversation: ConversationIx, seq: Seq, audience: Audience) -> Checked {
        let note = self.stored_at(conversation, seq).any(|event| matches!(event.body, Body::Note { .. }));
        ensure!(4, note && audience == Audience::Visitor, "event {seq} hidden from {audience:?}, which is no note");
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
        ensure!(
            4,
            self.states_at(conversation, seq).next().is_some(),
            "a piece of turn {turn} for somebody at {seq}, beyond the log"
        );
        let is_open = |state: &State| state.open_turn().is_some_and(|open| turn <= open && turn > state.answered());
        let open = self.states_at(conversation, seq).any(is_open);
        ensure!(6, open, "a piece of turn {turn} after {seq}, where it is over");
        let scripts = self.conversations[conversation].scripts.get(&(turn, run));
        let written = scripts.into_iter().flatten().any(|script| script.get(offset..offset + text.len()) == Some(text));
        ensure!(4, written, "turn {turn} run {run}: nobody wrote {text:?} at {offset} ({scripts:?})");
        Ok(())
    }

    /// What the function is going to say in a run.
    pub(crate) fn script(&mut self, conversation: ConversationIx, turn: Seq, run: u32, text: &str) {
        self.conversations[conversation].scripts.entry((turn, run)).or_default().push(text.into());
    }

    /// A node starts a run of a turn; whether another one had started one before.
    pub(crate) fn runs(&mut self, conversation: ConversationIx, turn: Seq, node: Incarnation) -> bool {
        let before = self.conversations[conversation].runner.replace((turn, node));
        before.is_some_and(|(other, runner)| other == turn && runner != node)
    }

    /// Who started the newest run.
    pub(crate) fn runner(&self, conversation: ConversationIx) -> Option<Incarnation> {
        self.conversations[conversation].runner.map(|(_, node)| node)
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
