//! A conversation as one node holds it: commands, the log, the bus and the running turn meet here.
//!
//! Inputs are the `handle_*` methods, each with the time; what is to be done comes out of [`Live::poll_output`], and
//! [`Live::poll_timeout`] says when [`Live::handle_timeout`] is to be called. One store operation is under way at a time;
//! everything that wants to append waits its turn and is decided against the newest state, again after every conflict.
//! What the log asks for (a turn to run, an assignment to make) is compared with what is under way after every input: no
//! input has to have been seen for it to happen.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cursor::{Cursor, Offered, Resume, resume};
use crate::decide::{self, Answer, Command, Decision, Refusal};
use crate::due::due_at;
use crate::event::{AnswerEnd, Assignee, Body, Event};
use crate::id::{Millis, Seq};
use crate::policy::{MAX_RETRY_WAIT, Policy};
use crate::state::{State, Violation};
use crate::turn::{Elsewhere, Invocation, Outcome, Phase, Turn, TurnText, fallback_answer, run_number};
use crate::window::Window;

/// Names one command of one connection until it has its reply. Made by the driver.
pub type CommandKey = u64;

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Append `event` at its seq, with this due mark; then call [`Live::handle_appended`], [`Live::handle_conflict`] or
    /// [`Live::handle_append_failed`].
    Append {
        /// The event.
        event: Arc<Event>,
        /// The conversation's place in the due index from then on.
        due: Option<Millis>,
    },
    /// Read the log after this seq; then call [`Live::handle_read`] or [`Live::handle_read_failed`].
    Read {
        /// The last seq known here.
        after: Seq,
    },
    /// Tell a connection what became of its command.
    Reply {
        /// Which command.
        to: CommandKey,
        /// What became of it.
        reply: Reply,
    },
    /// Tell the other nodes.
    Publish(Notice),
    /// Invoke the function `ai`; feed [`Live::handle_delta`] and, once, [`Live::handle_outcome`].
    Invoke(Invocation),
    /// The run is no longer wanted; its inputs are ignored from now on.
    Cancel {
        /// Which.
        run: u32,
    },
    /// Invoke the function `routing`; then call [`Live::handle_routed`].
    Route,
    /// Connections have something to pull.
    Wake,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is in the log at this seq; 0: there was nothing to do.
    Acked(Seq),
    /// It was refused; come back after so many milliseconds (0: not by itself).
    Refused(Refusal, Millis),
}

/// What goes over the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An event was stored.
    Event(Arc<Event>),
    /// A turn has started here, or goes on.
    Turn(TurnText),
    /// Who runs the open turn? It answers with the text so far.
    AskTurn,
}

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
    turn: Option<Turn>,
    elsewhere: Option<Elsewhere>,
    /// From when on this node may do what the log asks for; `None`: it is another node's business, or a due time's.
    may_act_at: Option<Millis>,
    routing: bool,
    last_run: u32,
    violation: Option<Violation>,
    wake: bool,
    outputs: VecDeque<Output>,
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
            turn: None,
            elsewhere: None,
            may_act_at: None,
            routing: false,
            last_run: 0,
            violation: None,
            wake: false,
            outputs: VecDeque::new(),
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

    /// The append under way succeeded.
    pub fn handle_appended(&mut self, now: Millis) {
        let Step::Appending { intent, event } = std::mem::replace(&mut self.step, Step::Idle) else { return };
        self.retry = None;
        if matches!(event.body, Body::VisitorMessage { .. }) {
            // Its answer is this node's business, unless the node that runs the open turn hears of it.
            self.may_act_at = self.may_act_at.or(Some(self.runner_until().unwrap_or(now)));
        }
        if matches!(event.body, Body::Handover { .. }) {
            self.may_act_at = Some(now);
        }
        if let Some(key) = intent.reply_to() {
            self.reply(key, Reply::Acked(event.seq));
        }
        self.outputs.push_back(Output::Publish(Notice::Event(Arc::clone(&event))));
        self.take(event);
        self.advance(now);
    }

    /// The seq was taken: somebody else appended. Reads on and decides again.
    pub fn handle_conflict(&mut self, now: Millis) {
        if let Step::Appending { intent, event } = std::mem::replace(&mut self.step, Step::Idle) {
            if broken!(self.policy, SkipRedecision) {
                let event = Arc::new(Event { seq: event.seq + 1, ..(*event).clone() });
                self.outputs.push_back(Output::Append { event: Arc::clone(&event), due: None });
                self.step = Step::Appending { intent, event };
                return;
            }
            self.waiting.push_front(intent);
            self.stale = true;
        }
        self.advance(now);
    }

    /// The store did not answer the append, so it is unknown whether it happened. The client keeps its message and comes
    /// back with the same id; what the node itself wants to append is tried again.
    pub fn handle_append_failed(&mut self, now: Millis) {
        if let Step::Appending { intent, .. } = std::mem::replace(&mut self.step, Step::Idle) {
            self.waiting.push_front(intent);
        }
        self.store_failed(now);
    }

    /// What was read after the known head; `more` says that the log goes on.
    pub fn handle_read(&mut self, now: Millis, events: Vec<Event>, more: bool) {
        if !matches!(self.step, Step::Reading) {
            return;
        }
        self.step = Step::Idle;
        let progress = !events.is_empty();
        for event in events {
            self.bus.offer(event.seq, Arc::new(event));
            self.drain_bus();
        }
        // A gap that a whole read did not fill holds events that are not in the log: there is nothing to wait for.
        self.stale = progress && (more || self.bus.has_gap());
        if !self.stale && self.bus.has_gap() {
            self.bus = Cursor::at(self.state.head());
        }
        if !self.stale {
            self.retry = None;
            if !self.loaded {
                self.loaded = true;
                self.wake = true;
                self.ask_for_runner(now);
            }
        }
        self.advance(now);
    }

    /// The log could not be read.
    pub fn handle_read_failed(&mut self, now: Millis) {
        if matches!(self.step, Step::Reading) {
            self.step = Step::Idle;
        }
        self.store_failed(now);
    }

    /// The bus says that an event was stored.
    pub fn handle_heard_event(&mut self, now: Millis, event: Arc<Event>) {
        if self.bus.offer(event.seq, event) == Offered::Gap && self.loaded {
            self.stale = true;
        }
        self.advance(now);
    }

    /// The bus says how far another node's turn is.
    pub fn handle_heard_turn(&mut self, now: Millis, heard: &TurnText) {
        if heard.turn <= self.state.answered() || self.turn.is_some() {
            return;
        }
        let until = heard.deadline + self.policy.turn_grace;
        let there = self.elsewhere.get_or_insert_with(|| Elsewhere {
            turn: heard.turn,
            run: heard.run,
            text: String::new(),
            until,
        });
        there.until = until;
        if !there.hear(heard) {
            self.outputs.push_back(Output::Publish(Notice::AskTurn));
        }
        if self.may_act_at.is_some() {
            self.may_act_at = Some(until);
        }
        self.wake = true;
        self.advance(now);
    }

    /// Another node asks who runs the open turn.
    pub fn handle_ask_turn(&mut self) {
        if let Some(turn) = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending) {
            self.outputs.push_back(Output::Publish(Notice::Turn(turn.text_from(0))));
        }
    }

    /// The function wrote a piece.
    pub fn handle_delta(&mut self, now: Millis, run: u32, piece: &str) {
        let max_bytes = self.policy.max_answer_bytes;
        let Some(turn) = self.running(run).filter(|_| !piece.is_empty()) else { return };
        let offset = turn.text.len();
        let fits = turn.push(piece, max_bytes);
        let text = turn.text_from(offset);
        self.outputs.push_back(Output::Publish(Notice::Turn(text)));
        self.wake = true;
        if !fits {
            self.end_turn(run, Outcome::Failure);
            self.outputs.push_back(Output::Cancel { run });
        }
        self.advance(now);
    }

    /// The run is over.
    pub fn handle_outcome(&mut self, now: Millis, run: u32, outcome: Outcome) {
        if outcome == Outcome::Failure && broken!(self.policy, WaitForever) {
            return;
        }
        self.end_turn(run, outcome);
        self.advance(now);
    }

    /// Routing said who takes the conversation; if it failed, the queue does, where people will see it.
    pub fn handle_routed(&mut self, now: Millis, to: Option<Assignee>) {
        self.routing = false;
        self.waiting.push_back(Intent::Assign { to: to.unwrap_or(Assignee::Queue) });
        self.advance(now);
    }

    /// A due time came and this node has claimed it: whatever is missing is now its business.
    pub fn handle_due(&mut self, now: Millis) {
        if self.runner_until().is_none_or(|until| until <= now) {
            self.elsewhere = None;
            self.may_act_at = Some(now);
        }
        self.stale = true;
        self.advance(now);
    }

    /// The time that [`Live::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Millis) {
        let overdue = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending && now >= self.turn_ends_at(turn));
        if let Some(run) = overdue.map(|turn| turn.run).filter(|_| !broken!(self.policy, WaitForever)) {
            self.outputs.push_back(Output::Cancel { run });
            self.end_turn(run, Outcome::Failure);
        }
        if self.elsewhere.as_ref().is_some_and(|there| there.until <= now) {
            self.elsewhere = None;
            self.wake = true;
        }
        self.advance(now);
    }

    /// When to call [`Live::handle_timeout`], if at all. May lie in the past.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let turn = self.turn.as_ref().filter(|turn| turn.phase != Phase::Ending).map(|turn| self.turn_ends_at(turn));
        let there = self.elsewhere.as_ref().map(|there| there.until);
        // While the store works, or after a violation, these two wait for something else than time.
        let can_act = matches!(self.step, Step::Idle) && self.violation.is_none();
        let retry = self.retry.map(|(_, at)| at).filter(|_| can_act);
        let owed = can_act && self.retry.is_none() && self.is_owed() && self.turn.is_none() && !self.routing;
        let act = self.may_act_at.filter(|_| owed);
        [turn, there, act, retry].into_iter().flatten().min()
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

    /// The answer being written: turn, run, text so far.
    pub(crate) fn written(&self) -> Option<(Seq, u32, &str)> {
        let here = self.turn.as_ref().map(|turn| (turn.turn, turn.run, turn.text.as_str()));
        here.or_else(|| self.elsewhere.as_ref().map(|there| (there.turn, there.run, there.text.as_str())))
    }

    fn turn_ends_at(&self, turn: &Turn) -> Millis {
        turn.deadline + self.policy.turn_grace
    }

    fn runner_until(&self) -> Option<Millis> {
        self.elsewhere.as_ref().map(|there| there.until)
    }

    fn running(&mut self, run: u32) -> Option<&mut Turn> {
        self.turn.as_mut().filter(|turn| turn.run == run && turn.phase != Phase::Ending)
    }

    fn is_owed(&self) -> bool {
        self.state.open_turn().is_some() || self.state.wants_assignment()
    }

    /// After loading: an open turn may be running elsewhere.
    fn ask_for_runner(&mut self, now: Millis) {
        if self.is_owed() && self.may_act_at.is_none() {
            self.may_act_at = Some(now + self.policy.patience);
            self.outputs.push_back(Output::Publish(Notice::AskTurn));
        }
    }

    fn stop(&mut self, key: CommandKey, turn: Seq) {
        let is_open = self.state.open_turn().is_some_and(|open| turn > self.state.answered() && turn <= open);
        let here = self.turn.as_mut().filter(|running| is_open && running.phase != Phase::Ending);
        let Some(running) = here else {
            return self.waiting.push_back(Intent::Command { key, command: Command::Stop { turn } });
        };
        running.phase = Phase::Ending;
        // Stop for a message that waits behind the running answer means both.
        let answer = Answer { turn: turn.max(running.turn), ..stopped(running) };
        let run = running.run;
        self.outputs.push_back(Output::Cancel { run });
        self.waiting.push_back(Intent::Answer { answer, reply_to: Some(key) });
    }

    /// Before a handover or a close: what the visitor has read of an answer stays in the log.
    fn keep_part(&mut self) {
        let Some(turn) = self.turn.as_mut().filter(|t| t.phase == Phase::Streaming) else { return };
        turn.phase = Phase::Ending;
        let (run, answer) = (turn.run, stopped(turn));
        self.outputs.push_back(Output::Cancel { run });
        self.waiting.push_back(Intent::Answer { answer, reply_to: None });
    }

    fn end_turn(&mut self, run: u32, outcome: Outcome) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.run == run && turn.phase != Phase::Ending) else {
            return;
        };
        turn.phase = Phase::Ending;
        let intent = match outcome {
            Outcome::Handover => Intent::GiveAway { turn: turn.turn },
            Outcome::Answer { text, end, offer_person }
                if !text.is_empty() && text.len() <= self.policy.max_answer_bytes =>
            {
                let answer = Answer { turn: turn.turn, text, end, offer_person };
                Intent::Answer { answer, reply_to: None }
            }
            // An empty answer would be silence, and one over the bound is not what was streamed.
            Outcome::Answer { .. } | Outcome::Failure => {
                let question = self.window.visitor_text(turn.turn).unwrap_or_default();
                Intent::Answer { answer: turn.failure_answer(&self.policy, question), reply_to: None }
            }
        };
        self.waiting.push_back(intent);
    }

    /// Does what can be done until a store operation is under way or nothing is left.
    fn advance(&mut self, now: Millis) {
        if let Some((_, at)) = self.retry {
            if now < at {
                return;
            }
            self.stale = true;
        }
        while matches!(self.step, Step::Idle) && self.violation.is_none() {
            self.drain_bus();
            if self.stale {
                return self.read();
            }
            match self.waiting.pop_front() {
                Some(intent) => self.decide(now, intent),
                None => {
                    if self.waiting.capacity() > 0 {
                        self.waiting = VecDeque::new();
                    }
                    break;
                }
            }
        }
        self.reconcile(now);
    }

    fn read(&mut self) {
        self.step = Step::Reading;
        self.outputs.push_back(Output::Read { after: self.state.head() });
    }

    fn drain_bus(&mut self) {
        while let Some(event) = self.bus.next() {
            self.take(event);
        }
    }

    /// The next event of the log: folds it and shows it.
    fn take(&mut self, event: Arc<Event>) {
        if let Err(violation) = self.state.apply(&event) {
            self.violation = Some(violation);
            return;
        }
        if self.bus.seq() < event.seq {
            self.bus.offer(event.seq, Arc::clone(&event));
            self.bus.next();
        }
        self.window.push(event, self.policy.recent_bytes);
        self.wake = true;
    }

    fn decide(&mut self, now: Millis, intent: Intent) {
        let decision = match &intent {
            Intent::Command { command: Command::Stop { turn }, .. } => {
                let there = self.elsewhere.as_ref().map(|there| there.text.as_str()).unwrap_or_default();
                decide::stop(&self.state, *turn, there.into())
            }
            Intent::Command { command, .. } => decide::command(&self.state, &self.policy, command),
            Intent::Answer { answer, .. } => decide::answer(&self.state, &self.policy, answer.clone()),
            Intent::GiveAway { turn } => decide::give_away(&self.state, *turn),
            Intent::Assign { to } => decide::assign(&self.state, to.clone()),
        };
        match decision {
            Decision::Append(body) => self.append(now, intent, body),
            Decision::Done(seq) => self.reply_to(&intent, Reply::Acked(seq)),
            Decision::Refuse(refusal) => self.reply_to(&intent, Reply::Refused(refusal, 0)),
        }
    }

    fn append(&mut self, now: Millis, intent: Intent, body: Body) {
        let event = Arc::new(Event { seq: self.state.head() + 1, at: now, body });
        let due = match self.state.after(&event) {
            Ok(after) => due_at(&after, &self.policy),
            // A deliberate fault must get as far as the log for the simulation to see it there.
            Err(_) if cfg!(feature = "faults") => None,
            // Unreachable while decisions and the fold agree; a disagreement must not reach the log.
            Err(violation) => {
                self.violation = Some(violation);
                return self.reply_to(&intent, Reply::Refused(Refusal::Unavailable, MAX_RETRY_WAIT));
            }
        };
        if broken!(self.policy, AckBeforeStored) {
            self.reply_to(&intent, Reply::Acked(event.seq));
        }
        self.outputs.push_back(Output::Append { event: Arc::clone(&event), due });
        self.step = Step::Appending { intent, event };
    }

    /// Clients are told at once; what the node owes is kept and tried again after a wait that doubles.
    fn store_failed(&mut self, now: Millis) {
        let wait = self.retry.map_or(self.policy.retry_wait, |(wait, _)| (wait * 2).min(MAX_RETRY_WAIT));
        self.retry = Some((wait, now + wait));
        self.stale = true;
        for intent in std::mem::take(&mut self.waiting) {
            self.reply_to(&intent, Reply::Refused(Refusal::Unavailable, wait));
            match intent {
                Intent::Command { .. } => {}
                Intent::Answer { answer, .. } => self.waiting.push_back(Intent::Answer { answer, reply_to: None }),
                owed => self.waiting.push_back(owed),
            }
        }
        self.wake = true;
    }

    /// Compares what the log asks for with what is under way.
    fn reconcile(&mut self, now: Millis) {
        let open = self.state.open_turn();
        if self.elsewhere.as_ref().is_some_and(|there| open.is_none() || there.turn <= self.state.answered()) {
            self.elsewhere = None;
        }
        if let Some(turn) = &self.turn {
            let over = open.is_none() || turn.turn <= self.state.answered();
            let outdated = turn.phase == Phase::Waiting && open.is_some_and(|open| open > turn.turn);
            if !over && !outdated {
                return;
            }
            if turn.phase != Phase::Ending {
                self.outputs.push_back(Output::Cancel { run: turn.run });
            }
            self.turn = None;
            self.wake = true;
            // Whoever ran the turn before runs the one that waited for it.
            self.may_act_at = Some(now);
        }
        if !self.is_owed() {
            if !self.routing {
                self.may_act_at = None;
            }
            return;
        }
        let may_act = self.may_act_at.is_some_and(|at| at <= now);
        if may_act && self.loaded && self.retry.is_none() && self.violation.is_none() && !self.stale {
            match open {
                Some(turn) => self.start_turn(now, turn),
                None if !self.routing => {
                    self.routing = true;
                    self.outputs.push_back(Output::Route);
                }
                None => {}
            }
        }
    }

    fn start_turn(&mut self, now: Millis, turn: Seq) {
        if !matches!(self.step, Step::Idle) {
            return; // What is being appended may change what is to be answered; the log is looked at again after it.
        }
        if now > self.state.newest_message_at() + self.policy.give_up_after {
            let question = self.window.visitor_text(turn).unwrap_or_default();
            let answer = fallback_answer(turn, &self.policy, question);
            return self.decide(now, Intent::Answer { answer, reply_to: None });
        }
        let run = run_number(now, self.last_run);
        self.last_run = run;
        self.elsewhere = None;
        let deadline = now + self.policy.turn_deadline;
        let started = Turn { turn, run, text: String::new(), deadline, phase: Phase::Waiting };
        self.outputs.push_back(Output::Publish(Notice::Turn(started.text_from(0))));
        self.turn = Some(started);
        let lines = self.window.lines(self.state.answered());
        self.outputs.push_back(Output::Invoke(Invocation { turn, run, lines, deadline }));
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

fn stopped(turn: &Turn) -> Answer {
    Answer { turn: turn.turn, text: turn.text.as_str().into(), end: AnswerEnd::Stopped, offer_person: false }
}
