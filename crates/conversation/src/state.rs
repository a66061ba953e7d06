//! The fold: what a conversation's log, read from the start, says now.

use std::collections::HashMap;
use std::fmt;

use crate::event::{Assignee, Body, Event};
use crate::id::{MessageId, Millis, Seq};

/// Who speaks to the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The assistant.
    Assistant,
    /// People; `None` until routing has said who.
    People(Option<Assignee>),
    /// Nobody: the conversation was closed.
    Closed,
}

/// What the log says. Derived from events alone, so every node that folds the same log has the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    head: Seq,
    head_at: Millis,
    owner: Owner,
    /// Every visitor message up to here has its answer.
    answered: Seq,
    /// The visitor messages after that, while the assistant owns the conversation.
    unanswered: Vec<Seq>,
    newest_message_at: Millis,
    handover: Seq,
    handover_at: Millis,
    closed: Seq,
    rating: Option<Rating>,
    messages: HashMap<MessageId, Sent>,
}

/// Where a client's message stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its seq.
    pub seq: Seq,
    /// A fingerprint of its text (see [`fingerprint`]): a repeated id must repeat the text.
    pub fingerprint: u64,
}

/// A visitor's rating as it stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
    /// Its seq.
    pub seq: Seq,
    /// 1 to 5.
    pub score: u8,
    /// A fingerprint of its comment (see [`fingerprint`]).
    pub comment: u64,
}

/// An event that no correct writer can have appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where.
    pub seq: Seq,
    /// What is wrong with it.
    pub rule: Rule,
}

/// The rules of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// seq is dense.
    Dense,
    /// An id stands once.
    IdOnce,
    /// The assistant speaks only while it owns the conversation.
    AssistantOwns,
    /// A turn has one answer, and only messages that exist are answered.
    OneAnswer,
    /// Nothing but a rating follows a close.
    OpenUntilClosed,
    /// A handover comes once, an assignment after it.
    HandoverOnce,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} breaks the rule {:?}: the log is damaged or a writer is wrong", self.seq, self.rule)
    }
}

impl std::error::Error for Violation {}

impl Default for State {
    fn default() -> Self {
        Self {
            head: 0,
            head_at: 0,
            owner: Owner::Assistant,
            answered: 0,
            unanswered: vec![],
            newest_message_at: 0,
            handover: 0,
            handover_at: 0,
            closed: 0,
            rating: None,
            messages: HashMap::new(),
        }
    }
}

impl State {
    /// Takes the next event.
    ///
    /// # Errors
    /// A [`Violation`]; the state is then unchanged.
    pub fn apply(&mut self, event: &Event) -> Result<(), Violation> {
        self.check(event).map_err(|rule| Violation { seq: event.seq, rule })?;
        (self.head, self.head_at) = (event.seq, event.at);
        match &event.body {
            Body::VisitorMessage { id, text } => {
                self.messages.insert(*id, Sent { seq: event.seq, fingerprint: fingerprint(text) });
                if self.owner == Owner::Assistant {
                    self.unanswered.push(event.seq);
                }
                self.newest_message_at = event.at;
            }
            Body::Answer { turn, .. } => {
                self.answered = *turn;
                self.unanswered.retain(|seq| seq > turn);
            }
            Body::Handover { .. } => {
                self.unanswered = vec![];
                self.owner = Owner::People(None);
                (self.handover, self.handover_at) = (event.seq, event.at);
            }
            Body::Assigned { to } => self.owner = Owner::People(Some(to.clone())),
            Body::Closed { .. } => {
                self.unanswered = vec![];
                self.owner = Owner::Closed;
                self.closed = event.seq;
            }
            Body::Rated { score, comment } => {
                self.rating = Some(Rating { seq: event.seq, score: *score, comment: fingerprint(comment) });
            }
            Body::AgentMessage { id, text, .. } => {
                self.messages.insert(*id, Sent { seq: event.seq, fingerprint: fingerprint(text) });
            }
            Body::Note { .. } => {}
        }
        Ok(())
    }

    fn check(&self, event: &Event) -> Result<(), Rule> {
        let closed = self.owner == Owner::Closed;
        if Some(event.seq) != self.head.checked_add(1) {
            return Err(Rule::Dense);
        }
        if closed && !matches!(event.body, Body::Rated { .. } | Body::Note { .. }) {
            return Err(Rule::OpenUntilClosed);
        }
        match &event.body {
            Body::VisitorMessage { id, .. } | Body::AgentMessage { id, .. } if self.messages.contains_key(id) => {
                Err(Rule::IdOnce)
            }
            Body::Answer { .. } if self.owner != Owner::Assistant => Err(Rule::AssistantOwns),
            Body::Answer { turn, .. } if !self.is_unanswered(*turn) => Err(Rule::OneAnswer),
            Body::Handover { .. } if self.owner != Owner::Assistant => Err(Rule::HandoverOnce),
            Body::Assigned { .. } if !matches!(self.owner, Owner::People(_)) => Err(Rule::HandoverOnce),
            _ => Ok(()),
        }
    }

    /// The state that `event` would lead to, without the index of ids: enough to say what is owed after it.
    ///
    /// # Errors
    /// A [`Violation`], as [`State::apply`].
    pub fn after(&self, event: &Event) -> Result<Self, Violation> {
        self.check(event).map_err(|rule| Violation { seq: event.seq, rule })?;
        let (owner, unanswered) = (self.owner.clone(), self.unanswered.clone());
        let mut after = Self { owner, unanswered, messages: HashMap::new(), ..*self };
        after.apply(event)?;
        Ok(after)
    }

    /// The seq of the newest event; 0 for an empty log.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// When the newest event was decided; 0 for an empty log.
    pub fn head_at(&self) -> Millis {
        self.head_at
    }

    /// Who speaks to the visitor.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Every visitor message up to this seq has its answer.
    pub fn answered(&self) -> Seq {
        self.answered
    }

    /// The turn that waits for the assistant: the seq of the newest unanswered visitor message.
    pub fn open_turn(&self) -> Option<Seq> {
        self.unanswered.last().copied()
    }

    /// Whether a visitor message stands at `seq` that waits for the assistant.
    pub fn is_unanswered(&self, seq: Seq) -> bool {
        self.unanswered.binary_search(&seq).is_ok()
    }

    /// When the newest visitor message was stored.
    pub fn newest_message_at(&self) -> Millis {
        self.newest_message_at
    }

    /// Whether the conversation was handed over and nobody has said yet who takes it.
    pub fn wants_assignment(&self) -> bool {
        self.owner == Owner::People(None)
    }

    /// When the conversation was handed over; 0 if it was not.
    pub fn handover_at(&self) -> Millis {
        self.handover_at
    }

    /// The seq of the handover; 0 if there was none.
    pub fn handover(&self) -> Seq {
        self.handover
    }

    /// The seq of the close; 0 while open.
    pub fn closed(&self) -> Seq {
        self.closed
    }

    /// The newest rating.
    pub fn rating(&self) -> Option<Rating> {
        self.rating
    }

    /// Where a message with this id stands, if it is in the log.
    pub fn sent(&self, id: &MessageId) -> Option<Sent> {
        self.messages.get(id).copied()
    }
}

/// FNV-1a over the text, 64 bits: stable from build to build, which std's hasher does not promise. It tells an honest
/// repeat from a client's mistake; a forger could only fool himself.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
