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

use crate::cursor::{Cursor, Resume, resume};
use crate::decide::{Answer, Command, Refusal};
#[cfg(feature = "faults")]
use crate::event::Body;
use crate::event::{Assignee, Event};
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
    GiveAway { turn: Seq },
    Assign { to: Assignee },
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
    bus: Cursor<Arc<Event>>,
    step: Step,
    loaded: bool,
    /// The log may be longer than what is known here.
    stale: bool,
    /// After a failure of the store: the wait before the next try, and when that is.
    retry: Option<(Millis, Millis)>,
    waiting: VecDeque<Intent>,
    /// What was to be appended when the store failed: nobody knows whether it is in the log.
    doubtful: VecDeque<Arc<Event>>,
    turn: Option<Turn>,
    elsewhere: Option<Elsewhere>,
    /// From when on this node may do what the log asks for; `None`: it is another node's business, or a due time's.
    may_act_at: Option<Millis>,
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
            retry: None,
            waiting: VecDeque::new(),
            doubtful: VecDeque::new(),
            turn: None,
            elsewhere: None,
            may_act_at: None,
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

    /// Whether nothing is under way or owed by this node: with no connection left, it can be forgotten.
    pub fn is_idle(&self) -> bool {
        matches!(self.step, Step::Idle)
            && self.waiting.is_empty()
            && self.turn.is_none()
            && !self.routing
            && self.retry.is_none()
            && (self.may_act_at.is_none() || !self.is_owed())
    }

    /// What the log says.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The rule that the log breaks, if it does: then nothing more is appended to it.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Where a client that holds events up to `after` goes on.
    pub fn resume(&self, after: Seq) -> Resume {
        if broken!(self.policy, NoReset) { Resume::After(after) } else { resume(after, self.state.head()) }
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
    fn reply_to(&self) -> Option<CommandKey> {
        match self {
            Intent::Command { key, .. } => Some(*key),
            Intent::Answer { reply_to, .. } => *reply_to,
            Intent::GiveAway { .. } | Intent::Assign { .. } => None,
        }
    }
}
