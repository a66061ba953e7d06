//! One conversation alone, fed with whatever bytes say: for property tests and fuzzing, where a shorter history that shows
//! the same is worth more than a whole world.
//!
//! Two bytes are one input. All inputs are such as a driver may give, at any time: also answers to questions that were not
//! asked, and words about runs that are over.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversation::{
    AnswerEnd, Assignee, Audience, Body, Claim, ClosedBy, Command, CommandKey, Event, Fence, HandoverReason, Live,
    MessageId, Millis, Notice, Outcome, Output, Piece, Policy, Position, Resume, Role, Seq, State, TurnText, due_at,
};

use crate::store::{Answer, Append};
use crate::watch::{Breach, Checked, Watch, ensure};

/// More than any end needs.
const MOST_STEPS_TO_SETTLE: usize = 10_000;

/// The claims of this node, and those of others.
const OWN: Claim = Claim::MIN;
const OTHERS: Claim = Claim::MAX;

/// Feeds the inputs that the bytes name, then lets everything settle.
///
/// # Errors
/// The first breach of an invariant.
pub fn feed(bytes: &[u8]) -> Result<(), Breach> {
    let mut alone = Alone::new();
    alone.carry_out()?;
    for input in bytes.chunks_exact(2) {
        alone.step(input[0], input[1])?;
    }
    alone.settle()
}

struct Alone {
    live: Live,
    policy: Arc<Policy>,
    now: Millis,
    watch: Watch,
    due: Option<Millis>,
    /// Due times that came with the events.
    dues: Vec<Option<Millis>>,
    /// The claim on the conversation.
    claim: Option<Claim>,
    operation: Option<Operation>,
    /// Appends that the store did not confirm and may still carry out.
    late: Vec<Append>,
    running: Option<u32>,
    runs: Vec<u32>,
    routing: bool,
    asked: BTreeMap<CommandKey, Command>,
    next_key: CommandKey,
    positions: [(Position, Audience); 2],
    /// The newest event that each position's client holds, if that is known.
    newest: [Option<Arc<Event>>; 2],
}

enum Operation {
    Append(Append),
    Read(Seq),
}

impl Alone {
    fn new() -> Self {
        let policy =
            Policy { max_text_bytes: 20, max_answer_bytes: 24, max_events: 40, max_waiting: 4, ..Policy::default() };
        let policy = Arc::new(Policy { recent_bytes: 300, ..policy });
        let positions = [Audience::Visitor, Audience::Agents].map(|audience| (Position::default(), audience));
        Self {
            live: Live::new(Arc::clone(&policy)),
            watch: Watch::new(Arc::clone(&policy), 1),
            policy,
            now: 1_000_000,
            due: None,
            dues: vec![],
            claim: None,
            operation: None,
            late: vec![],
            running: None,
            runs: vec![],
            routing: false,
            asked: BTreeMap::new(),
            next_key: 0,
            positions,
            newest: [None, None],
        }
    }

    fn step(&mut self, kind: u8, argument: u8) -> Checked {
        let (now, small) = (self.now, u32::from(argument % 32));
        match kind % 31 {
            0 => self.send(argument),
            1 => self.command(Command::Stop { turn: small }),
            2 => self.command(Command::AskPerson),
            3 => self.command(Command::Close),
            4 => self.command(Command::Rate { score: small % 7, comment: "fine".into() }),
            5 => self.store_works()?,
            6 => self.store_conflicts(argument)?,
            7..=9 => self.store_fails(kind % 31 - 7)?,
            10 => self.land_late(argument)?,
            11 => self.append_outside(argument)?,
            12 => self.hear_event(argument),
            13 => self.hear_turn(argument),
            14 => self.live.handle_ask_turn(),
            15..=18 => self.function(kind % 31, argument),
            19 => self.routed(argument),
            20 => self.pass(Millis::from(argument) * 100),
            21 => self.pass_until_timeout()?,
            22 => self.claim(),
            23 => self.live.handle_refresh(now),
            24 | 25 => self.pull(usize::from(kind % 31 == 25))?,
            26 => self.resume(usize::from(argument % 2), u32::from(argument / 2)),
            27 => self.claim = Some(OTHERS),
            28 => self.lose(usize::from(argument % 4))?,
            29 => self.rest(),
            _ => self.answer_nothing(argument),
        }
        self.carry_out()
    }

    /// Whether it was due or not: a driver's clock may be wrong.
    fn claim(&mut self) {
        self.claim = Some(OWN);
        self.live.handle_due(self.now, OWN);
    }

    /// The store loses the newest events.
    fn lose(&mut self, count: usize) -> Checked {
        self.watch.lost(0, count.min(self.watch.head(0) as usize))?;
        self.dues.truncate(self.watch.head(0) as usize);
        (self.due, self.claim) = (self.dues.last().copied().flatten(), None);
        // Nothing that happens from now on happens at the time of something that is lost.
        self.now += 1;
        Ok(())
    }

    fn rest(&mut self) {
        if self.live.is_idle() && self.live.is_loaded() {
            self.live = Live::wake(Arc::clone(&self.policy), self.live.rest());
        }
    }

    fn send(&mut self, argument: u8) {
        let text = ["hello", "绿茶", " ", "far too long for the bound"][usize::from(argument >> 4) % 4];
        self.command(Command::Send { id: MessageId([argument % 16; 16]), text: text.into() });
    }

    fn command(&mut self, command: Command) {
        let key = self.next_key;
        self.next_key += 1;
        self.asked.insert(key, command.clone());
        self.live.handle_command(self.now, key, command);
    }

    fn store_works(&mut self) -> Checked {
        match self.operation.take() {
            Some(Operation::Append(append)) => match self.store(&append)? {
                Answer::Stored => self.live.handle_appended(self.now),
                Answer::Fenced => self.live.handle_fenced(self.now),
                _ => self.live.handle_conflict(self.now),
            },
            Some(Operation::Read(after)) => {
                let events = self.page(after);
                let more = events.last().is_some_and(|last| last.seq < self.watch.head(0));
                self.live.handle_read(self.now, events, more);
            }
            None => {}
        }
        Ok(())
    }

    fn page(&self, after: Seq) -> Vec<Event> {
        let rest = self.watch.log(0).get(after as usize..).unwrap_or_default();
        rest.iter().take(3).map(|event| (**event).clone()).collect()
    }

    fn store(&mut self, append: &Append) -> Checked<Answer> {
        let Append { event, due, fence, previous_at } = append;
        if event.seq != self.watch.head(0) + 1 || *previous_at != self.watch.state(0).head_at() {
            return Ok(Answer::Conflict);
        }
        if !fence.lets_through(self.claim) {
            return Ok(Answer::Fenced);
        }
        self.watch.stored(0, event, *due)?;
        (self.due, self.claim) = (*due, None);
        self.dues.push(*due);
        Ok(Answer::Stored)
    }

    /// Somebody else appends just before.
    fn store_conflicts(&mut self, argument: u8) -> Checked {
        if matches!(self.operation, Some(Operation::Append(_))) {
            self.append_outside(argument)?;
            self.store_works()?;
        }
        Ok(())
    }

    fn store_fails(&mut self, how: u8) -> Checked {
        match self.operation.take() {
            Some(Operation::Append(append)) => {
                match how {
                    0 => {}
                    1 => drop(self.store(&append)?),
                    _ => self.late.push(append),
                }
                self.live.handle_append_failed(self.now);
            }
            Some(Operation::Read(_)) => self.live.handle_read_failed(self.now),
            None => {}
        }
        Ok(())
    }

    fn land_late(&mut self, argument: u8) -> Checked {
        if !self.late.is_empty() {
            let append = self.late.swap_remove(usize::from(argument) % self.late.len());
            self.store(&append)?;
        }
        Ok(())
    }

    fn append_outside(&mut self, argument: u8) -> Checked {
        let (text, agent): (Arc<str>, Arc<str>) = ("hm".into(), "kim".into());
        let id = MessageId([argument % 16; 16]);
        // Events are told apart by their time: two writers never decide one seq in the same moment here, as they hardly ever
        // do in the world. So nothing else is decided in this moment, neither before nor after.
        self.now += 1;
        let state = self.watch.state(0);
        let body = match (argument >> 4) % 8 {
            0 | 1 => Body::VisitorMessage { id, text },
            2 => Body::Note { agent, text },
            3 => Body::AgentMessage { agent, id, text },
            4 => Body::Handover { reason: HandoverReason::VisitorAsked, summary: "".into(), text: "".into() },
            5 => Body::Assigned { to: Assignee::Queue },
            6 => Body::Closed { by: ClosedBy::Agent },
            _ => Body::Answer {
                turn: state.open_turn().unwrap_or(0),
                text,
                end: AnswerEnd::Complete,
                offer_person: false,
                sources: None,
                choices: None,
            },
        };
        let event = Arc::new(Event { seq: self.watch.head(0) + 1, at: self.now, body });
        // The others are as correct as this one: they append what the rules and bounds allow.
        let Ok(after) = state.after(&event) else { return Ok(()) };
        self.now += 1;
        if event.seq + conversation::RESERVED_EVENTS < self.policy.max_events {
            let (due, previous_at) = (due_at(&after, &self.policy), state.head_at());
            self.store(&Append { event, due, fence: Fence::Open, previous_at })?;
        }
        Ok(())
    }

    fn hear_event(&mut self, argument: u8) {
        let log = self.watch.log(0);
        if let Some(event) = log.get(usize::from(argument) % log.len().max(1)) {
            let at = usize::from(argument) % log.len();
            let previous_at = at.checked_sub(1).map_or(0, |before| log[before].at);
            self.live.handle_heard_event(self.now, Arc::clone(event), previous_at);
        }
    }

    fn hear_turn(&mut self, argument: u8) {
        let (turn, run) = (u32::from(argument % 8), 20_000 + u32::from(argument % 3));
        let (offset, text) =
            (usize::from(argument / 64) * 2, ["", "ab", "é", "abcdef"][usize::from(argument / 16 % 4)]);
        let heard = TurnText { turn, run, offset, text: text.into(), deadline: self.now + 5_000 };
        self.live.handle_heard_turn(self.now, &heard);
    }

    fn function(&mut self, kind: u8, argument: u8) {
        if self.runs.is_empty() {
            return;
        }
        let run = self.runs[self.runs.len() - 1 - usize::from(argument % 4).min(self.runs.len() - 1)];
        let text = ["tea", "绿茶", "", "and so on and so on"][usize::from(argument / 4) % 4];
        let outcome = match kind {
            15 => return self.live.handle_delta(self.now, run, text),
            16 => Outcome::Answer {
                text: text.into(),
                end: AnswerEnd::Complete,
                offer_person: false,
                sources: None,
                choices: None,
            },
            17 => Outcome::Failure,
            _ => Outcome::Handover { reason: HandoverReason::Assistant, summary: "".into(), text: "".into() },
        };
        self.running = self.running.filter(|running| *running != run);
        self.live.handle_outcome(self.now, run, outcome);
    }

    fn routed(&mut self, argument: u8) {
        if std::mem::take(&mut self.routing) {
            let to =
                [None, Some(Assignee::Queue), Some(Assignee::Agent("kim".into()))][usize::from(argument % 3)].clone();
            self.live.handle_routed(self.now, to);
        }
    }

    fn pass(&mut self, time: Millis) {
        self.now += time;
        if self.live.poll_timeout().is_some_and(|at| at <= self.now) {
            self.live.handle_timeout(self.now);
        }
    }

    fn pass_until_timeout(&mut self) -> Checked {
        if let Some(at) = self.live.poll_timeout() {
            self.now = self.now.max(at);
            self.live.handle_timeout(self.now);
            let next = self.live.poll_timeout();
            ensure!(8, next.is_none_or(|next| next > self.now), "the timer wants to run again at once, forever");
        }
        Ok(())
    }

    fn pull(&mut self, who: usize) -> Checked {
        let (mut position, audience) = self.positions[who];
        loop {
            let before = position;
            let Some(piece) = self.live.next_piece(&mut position, audience) else { break };
            match piece {
                Piece::Event(event) => {
                    ensure!(4, event.seq == before.seq + 1, "{} after {}", event.seq, before.seq);
                    let newest = self.newest[who].replace(Arc::clone(&event));
                    self.watch.delivered(0, &event, audience, newest.as_ref())?;
                }
                Piece::Reset(_) => {
                    ensure!(4, self.watch.has_lost(0), "a client is reset, and nothing was lost");
                    ensure!(4, position.seq == 0, "a client that is reset stays at {}", position.seq);
                    self.newest[who] = None;
                }
                Piece::Hidden(seq, _) => {
                    self.newest[who] = None;
                    self.watch.hidden(0, seq, audience)?;
                }
                Piece::History(after) => {
                    let page: Vec<Event> = self.page(after.saturating_sub(1));
                    if !position.is_continued_by(&page) {
                        ensure!(4, self.watch.has_lost(0), "history after {after} does not go on from there");
                        (position, self.newest[who]) =
                            (Position { epoch: position.epoch, ..Position::default() }, None);
                        self.live.handle_refresh(self.now);
                        break;
                    }
                    let next = page.into_iter().find(|event| event.seq == after + 1);
                    let Some(piece) = next.and_then(|event| position.take(Arc::new(event), audience)) else {
                        ensure!(4, self.watch.has_lost(0), "history after {after} is beyond the log");
                        self.live.handle_refresh(self.now);
                        break;
                    };
                    self.newest[who] = match piece {
                        Piece::Event(event) => Some(event),
                        _ => None,
                    };
                }
                Piece::Delta { turn, run, offset, text } => {
                    let goes_on = (before.turn, before.run) == (turn, run) && before.offset == offset;
                    ensure!(4, goes_on || offset == 0, "turn {turn} run {run}: piece at {offset} after {before:?}");
                    ensure!(8, !text.is_empty() && text.len() <= 8_192, "a piece of {} bytes", text.len());
                    let is_open = |state: &State| state.open_turn() >= Some(turn) && turn > state.answered();
                    let open = self.watch.states_at(0, position.seq).any(is_open);
                    ensure!(6, open, "a piece of turn {turn} after {}, where it is over", position.seq);
                }
            }
        }
        self.positions[who].0 = position;
        Ok(())
    }

    fn resume(&mut self, who: usize, after: Seq) {
        let held = (after as usize).checked_sub(1).and_then(|at| self.watch.log(0).get(at)).cloned();
        // A client that names what is not in the log says that it holds something else there.
        let after_at = held.as_ref().map_or(1, |event| event.at);
        if self.live.is_current() {
            let is_reset = self.live.resume(after, after_at) == Resume::Reset;
            let seq = if is_reset { 0 } else { after };
            self.newest[who] = held.filter(|_| !is_reset);
            let (turn, epoch) = (after % 8, self.live.epoch());
            let at = if is_reset { 0 } else { after_at };
            self.positions[who].0 = Position { epoch, seq, at, turn, run: 20_000, offset: after as usize % 5 };
        }
    }

    /// Answers that nobody waits for.
    fn answer_nothing(&mut self, argument: u8) {
        let is_reading = matches!(self.operation, Some(Operation::Read(_)));
        let is_appending = matches!(self.operation, Some(Operation::Append(_)));
        match argument % 5 {
            0 if !is_appending => self.live.handle_appended(self.now),
            1 if !is_appending => self.live.handle_conflict(self.now),
            2 if !is_appending => self.live.handle_append_failed(self.now),
            3 if !is_reading => self.live.handle_read_failed(self.now),
            4 if !is_reading => self.live.handle_read(self.now, vec![], true),
            _ => self.live.handle_timeout(self.now),
        }
    }

    fn carry_out(&mut self) -> Checked {
        while let Some(output) = self.live.poll_output() {
            match output {
                Output::Append { event, due, fence, previous_at } => {
                    self.begin(Operation::Append(Append { event, due, fence, previous_at }))?;
                }
                Output::Read { after } => self.begin(Operation::Read(after))?,
                Output::Reply { to, reply } => {
                    let command = self.asked.remove(&to);
                    ensure!(2, command.is_some(), "a second reply to command {to}: {reply:?}");
                    command.into_iter().try_for_each(|command| self.watch.replied(0, &command, &reply))?;
                }
                Output::Publish(Notice::Event { event, .. }) => {
                    let stored = self.watch.log(0).contains(&event) || self.watch.has_lost(0);
                    ensure!(1, stored, "published {event:?}, which is not in the log");
                }
                Output::Release { claim, head, due } => {
                    if Some(claim) == self.claim && head == self.watch.head(0) {
                        (self.due, self.claim) = (due, None);
                    }
                }
                Output::Publish(_) | Output::Wake => {}
                Output::Invoke(invocation) => {
                    ensure!(0, self.running.is_none(), "run {} starts while another goes on", invocation.run);
                    let last = invocation.lines.last().map(|line| line.role);
                    ensure!(0, last == Some(Role::Visitor), "run {} is to answer {last:?}", invocation.run);
                    self.running = Some(invocation.run);
                    self.runs.push(invocation.run);
                }
                Output::Cancel { run } => self.running = self.running.filter(|running| *running != run),
                Output::Route => {
                    ensure!(0, !self.routing, "routing was invoked while it runs");
                    self.routing = true;
                }
            }
        }
        if let Some(violation) = self.live.violation() {
            ensure!(1, false, "the node finds that {violation}");
        }
        self.watch_epoch()?;
        ensure!(8, self.asked.len() <= self.policy.max_waiting + 1, "{} commands wait", self.asked.len());
        self.watch.folded(0, self.live.state())
    }

    fn watch_epoch(&self) -> Checked {
        let is_first = self.live.epoch() == 0;
        ensure!(4, is_first || self.watch.has_lost(0), "the log is taken for another one, and it is the same");
        Ok(())
    }

    fn begin(&mut self, operation: Operation) -> Checked {
        ensure!(0, self.operation.is_none(), "a second store operation while one is under way");
        self.operation = Some(operation);
        Ok(())
    }

    /// Looks at the log, and lets happen what follows from it.
    fn settle_once(&mut self) -> Checked {
        self.live.handle_refresh(self.now);
        self.carry_out()?;
        for _ in 0..MOST_STEPS_TO_SETTLE {
            match () {
                () if self.operation.is_some() => self.store_works()?,
                () if self.running.is_some() => self.function(17, 0),
                () if self.routing => self.routed(1),
                () if self.live.poll_timeout().is_some() => self.pass_until_timeout()?,
                () if self.due.is_some_and(|due| due > self.now) => self.now = self.due.unwrap_or(self.now),
                () if self.due.is_some() => {
                    self.due = Some(self.now + 8_000);
                    self.claim();
                }
                () => break,
            }
            self.carry_out()?;
        }
        Ok(())
    }

    /// Everything works now; nothing may be left to do.
    fn settle(&mut self) -> Checked {
        // The first look may still take in what the bus told of, and the second finds out whether that was lost.
        self.settle_once()?;
        self.settle_once()?;
        self.watch.settled(0, self.due)?;
        ensure!(2, self.asked.is_empty(), "never replied to {:?}", self.asked);
        ensure!(4, self.live.state().head() == self.watch.head(0), "behind the log at the end");
        ensure!(0, self.live.is_idle(), "busy with nothing");
        (0..2).try_for_each(|who| {
            self.pull(who)?;
            let seq = self.positions[who].0.seq;
            ensure!(4, seq == self.watch.head(0), "a client stays at {seq}");
            Ok(())
        })
    }
}
