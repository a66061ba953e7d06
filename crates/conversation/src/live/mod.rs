//! A conversation as one node holds it: commands, the log, the bus and the running turn meet here.
//!
//! Inputs are the `handle_*` methods, each with the time; what is to be done comes out of [`Live::poll_output`], and
//! [`Live::poll_timeout`] says when [`Live::handle_timeout`] is to be called. One store operation is under way at a time;
//! everything that wants to append waits its turn and is decided against the newest state, again after every conflict.
//! What the log asks for (a turn to run, an assignment to make) is compared with what is under way after every input: no
//! input has to have been seen for it to happen.
mod output;
mod reconcile;
mod store_step;
mod turns;

use std::collections::VecDeque;
use std::sync::Arc;

pub use output::{CommandKey, Notice, Output, Reply};

use crate::claim::{Claim, Fence};
use crate::cursor::{Cursor, Resume};
use crate::decide::{Answer, Command, Farewell, Refusal};
#[cfg(feature = "faults")]
use crate::event::Body;
use crate::event::{AnswerEnd, Assignee, Event};
use crate::id::{Millis, Seq};
use crate::policy::{MAX_RETRY_WAIT, Policy};
use crate::state::{State, Violation};
use crate::turn::{Elsewhere, Turn};
use crate::window::Window;

/// Something that wants to append.
#[derive(Debug)]
enum Intent {
    Command { key: CommandKey, command: Command },
    Answer { answer: Answer, reply_to: Option<CommandKey> },
    GiveAway(Farewell),
    Assign { to: Assignee },
    CloseIdle { before: Millis },
}

/// An event that the bus told of.
#[derive(Debug)]
struct Heard {
    event: Arc<Event>,
    /// When the one before it was decided.
    previous_at: Millis,
}

/// What is remembered of a conversation at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rested {
    /// The seq of its newest event.
    pub head: Seq,
    /// When that was decided.
    pub head_at: Millis,
    /// See [`Live::epoch`].
    pub epoch: u32,
}

/// The store operation under way.
#[derive(Debug)]
enum Step {
    Idle,
    Appending { intent: Intent, event: Arc<Event> },
    Reading,
}

/// One conversation on one node. See the module.
#[derive(Debug)]
pub struct Live {
    policy: Arc<Policy>,
    state: State,
    window: Window,
    bus: Cursor<Heard>,
    step: Step,
    loaded: bool,
    /// The log may be longer than what is known here.
    stale: bool,
    /// An append met another event, which has yet to be read.
    conflicted: bool,
    /// What was known of the log before this conversation went to rest.
    rested: Option<Rested>,
    /// Counts the logs that were lost: positions in one are worth nothing in the next.
    epoch: u32,
    /// The newest claim that this node has made. Kept also when it has ended: it then keeps nobody out, and the claims of
    /// others keep this node out as if it had none.
    claim: Option<Claim>,
    /// Whether that claim still keeps others out, as far as is known here.
    claim_stands: bool,
    /// After a failure of the store: the wait before the next try, and when that is.
    retry: Option<(Millis, Millis)>,
    waiting: VecDeque<Intent>,
    /// What was to be appended when the store failed: nobody knows whether it is in the log.
    doubtful: VecDeque<Arc<Event>>,
    turn: Option<Turn>,
    elsewhere: Option<Elsewhere>,
    /// From when on this node may do what the log asks for; `None`: it is another node's business, or a due time's.
    may_act_at: Option<Millis>,
    /// Until when somebody must be heard of who does what the log asks for; then he is asked for.
    unheard_until: Option<Millis>,
    /// Another node's claim kept this one out, and nothing has happened since: what is owed is its business, or the next
    /// claimer's.
    kept_out: bool,
    routing: bool,
    last_run: u32,
    violation: Option<Violation>,
    wake: bool,
    outputs: VecDeque<Output>,
    /// What was decided before a conflict, for the fault that does not decide again.
    #[cfg(feature = "faults")]
    decided: Option<Body>,
}

impl Live {
    /// A conversation of which nothing is known yet; it asks for its log at once.
    pub fn new(policy: Arc<Policy>) -> Self {
        let mut live = Self {
            policy,
            state: State::default(),
            window: Window::default(),
            bus: Cursor::at(0),
            step: Step::Idle,
            loaded: false,
            stale: true,
            conflicted: false,
            rested: None,
            epoch: 0,
            claim: None,
            claim_stands: false,
            retry: None,
            waiting: VecDeque::new(),
            doubtful: VecDeque::new(),
            turn: None,
            elsewhere: None,
            may_act_at: None,
            unheard_until: None,
            kept_out: false,
            routing: false,
            last_run: 0,
            violation: None,
            wake: false,
            outputs: VecDeque::new(),
            #[cfg(feature = "faults")]
            decided: None,
        };
        live.read();
        live
    }

    /// A conversation that was let go of at rest. If its log is not the one that it was then, positions of that time are
    /// reset.
    pub fn wake(policy: Arc<Policy>, rested: Rested) -> Self {
        Self { rested: Some(rested), epoch: rested.epoch, ..Self::new(policy) }
    }

    /// What to remember of it while it rests.
    pub fn rest(&self) -> Rested {
        Rested { head: self.state.head(), head_at: self.state.head_at(), epoch: self.epoch }
    }

    /// A visitor wants something. The reply comes as an [`Output::Reply`] with this key.
    pub fn handle_command(&mut self, now: Millis, key: CommandKey, command: Command) {
        if let Some((wait, _)) = self.retry {
            return self.reply(key, Reply::Refused(Refusal::Unavailable, wait));
        }
        if self.violation.is_some() {
            return self.reply(key, Reply::Refused(Refusal::Unavailable, MAX_RETRY_WAIT));
        }
        if self.waiting.len() >= self.policy.max_waiting && !broken!(self.policy, UnboundedQueue) {
            return self.reply(key, Reply::Refused(Refusal::Busy, self.policy.retry_wait));
        }
        match command {
            Command::Stop { turn } => self.stop(key, turn),
            Command::AskPerson | Command::Close => {
                self.keep_part();
                self.waiting.push_back(Intent::Command { key, command });
            }
            _ => self.waiting.push_back(Intent::Command { key, command }),
        }
        self.advance(now);
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.outputs.capacity() > 0 {
            self.outputs = VecDeque::new(); // 18,000 idle conversations must not keep room for what they once did.
        }
        std::mem::take(&mut self.wake).then_some(Output::Wake)
    }

    /// Whether the log has been read, so that connections can be told where they stand.
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Whether all that was known to be in the log has been read, also what [`Live::handle_refresh`] asked for. A driver
    /// looks at it before it believes [`Live::resume`] that a client is ahead of the log.
    pub fn is_current(&self) -> bool {
        self.loaded && !self.stale && !matches!(self.step, Step::Reading)
    }

    /// Whether the store failed last time and has not answered since.
    pub fn is_store_failing(&self) -> bool {
        self.retry.is_some()
    }

    /// Whether the log asks for something: an answer, or an assignment.
    pub fn is_owed(&self) -> bool {
        self.state.open_turn().is_some() || self.state.wants_assignment()
    }

    /// The newest claim that this node has made, if it has made one.
    pub fn claim(&self) -> Option<Claim> {
        self.claim
    }

    /// Counts the logs that were lost. A [`crate::Position`] belongs to one of them.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether nothing is under way or owed by this node: with no connection left, it can be forgotten.
    pub fn is_idle(&self) -> bool {
        matches!(self.step, Step::Idle)
            && self.waiting.is_empty()
            && self.turn.is_none()
            && !self.routing
            && self.retry.is_none()
            && (self.may_act_at.is_none() || !self.is_owed())
    }

    /// Whether it can be let go of until the next input (see [`Live::rest`]): nothing is under way or owed here, and nobody
    /// elsewhere is writing an answer, of which the next piece would come at once, or is still to be heard of.
    pub fn may_rest(&self) -> bool {
        self.loaded && self.is_idle() && self.runner().is_none() && self.unheard_until.is_none()
    }

    /// What the log says.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The rule that the log breaks, if it does: then nothing more is appended to it.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Where a client goes on that holds events up to `after`, the newest of them decided at `after_at` (0: it does not
    /// know). One whose newest event is no longer in memory is believed for now: what is delivered next is compared with it.
    pub fn resume(&self, after: Seq, after_at: Millis) -> Resume {
        let is_another = |event: &Arc<Event>| after_at != 0 && event.at != after_at;
        let is_lost = after > self.state.head() || self.window.get(after).is_some_and(is_another);
        if is_lost && !broken!(self.policy, NoReset) { Resume::Reset } else { Resume::After(after) }
    }

    /// What the other nodes are told of the newest event, if it and the one before it are in memory.
    pub fn newest(&self) -> Option<Notice> {
        let event = self.window.get(self.state.head())?;
        let previous_at = match event.seq {
            1 => 0,
            seq => self.window.get(seq - 1)?.at,
        };
        Some(Notice::Event { event: Arc::clone(event), previous_at })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    fn reply_to(&mut self, intent: &Intent, reply: Reply) {
        if let Some(key) = intent.reply_to() {
            self.reply(key, reply);
        }
    }

    fn reply(&mut self, to: CommandKey, reply: Reply) {
        self.outputs.push_back(Output::Reply { to, reply });
    }
}

impl Intent {
    /// Which claims keep it out: none keeps out what a person wants, or what the site's rules ask for.
    fn fence(&self, claim: Option<Claim>) -> Fence {
        match self {
            Intent::Command { .. } | Intent::CloseIdle { .. } => Fence::Open,
            Intent::Answer { answer, .. } if answer.end == AnswerEnd::Stopped => Fence::Open,
            Intent::Answer { .. } | Intent::GiveAway(_) | Intent::Assign { .. } => {
                claim.map_or(Fence::Unclaimed, Fence::Claimed)
            }
        }
    }

    fn reply_to(&self) -> Option<CommandKey> {
        match self {
            Intent::Command { key, .. } => Some(*key),
            Intent::Answer { reply_to, .. } => *reply_to,
            Intent::GiveAway(_) | Intent::Assign { .. } | Intent::CloseIdle { .. } => None,
        }
    }
}
