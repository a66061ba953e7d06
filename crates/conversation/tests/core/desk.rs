//! A conversation on a desk: a script of inputs, one a line, becomes a transcript of what came out.
//!
//! ```text
//! send m text…            a visitor's message with the id m; also: ask, close, stop T, rate N comment…
//! read                    the store answers the read; also: read fails
//! stored                  the store has appended; also: lost (it did not, and did not say so), lost but stored
//! taken by EVENT          somebody else appended first
//! fenced                  another node has claimed the conversation
//! lose N                  the store loses the newest N events
//! elsewhere EVENT         somebody else appends, and nothing is heard of it
//! hear                    the bus tells of the newest event; also: hear N
//! hear turn T at O text…  the bus tells of a run on another node, which started at deadline − 30 s
//! delta text…             the function writes; also: delta of B text…
//! answer text…            the function ends; also: failure, handover text…, answer of B text…
//! routed queue            also: routed kim, routed nobody
//! wait MS                 time goes by; also: timeout (until the core wants to be called)
//! due N, refresh, ask turn  as the names say; N is the claim
//! idle since MS           the site's rules end what was silent since then
//! rest                    the conversation is let go of, and woken again; also: may it rest
//! forget                  the node loses its memory, or the client goes to another node
//! pull                    a visitor's connection takes what there is; also: pull agents, resume N
//! ```
//! EVENT: `visitor m text…`, `answer T text…`, `handover`, `queue`, `agent m text…`, `note text…`, `closed`.
//! Runs are called A, B, C … in the order in which they start.

use std::fmt::Write;
use std::sync::Arc;

use conversation::{
    AnswerEnd, Assignee, Audience, Body, Claim, ClosedBy, Command, Event, Fence, HandoverReason, Live, MessageId,
    Millis, Notice, Outcome, Output, Piece, Policy, Position, Reply, Role, Seq, TurnText,
};
use expect_test::Expect;

/// Runs a script against the default policy of a node that need not listen for others' signs of life.
pub(crate) fn check(script: &str, expected: Expect) {
    check_with(Policy { heartbeat: None, runner_silence: 60_000, ..Policy::default() }, script, expected);
}

/// Runs a script against a policy.
pub(crate) fn check_with(policy: Policy, script: &str, expected: Expect) {
    let mut desk = Desk::new(policy);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let shown = if line.len() > 72 { format!("{:.16}… ({} bytes)", line, line.len()) } else { line.to_owned() };
        writeln!(desk.transcript, "> {shown}").unwrap();
        desk.step(line);
        desk.carry_out();
    }
    expected.assert_eq(&desk.transcript);
}

struct Desk {
    policy: Arc<Policy>,
    live: Live,
    now: Millis,
    log: Vec<Event>,
    appending: Option<Arc<Event>>,
    runs: Vec<u32>,
    next_key: u64,
    visitor: Position,
    agents: Position,
    transcript: String,
}

impl Desk {
    fn new(policy: Policy) -> Self {
        let policy = Arc::new(policy);
        let mut desk = Self {
            live: Live::new(Arc::clone(&policy)),
            policy,
            now: 1_000,
            log: vec![],
            appending: None,
            runs: vec![],
            next_key: 1,
            visitor: Position::default(),
            agents: Position::default(),
            transcript: String::new(),
        };
        desk.carry_out();
        desk
    }

    fn step(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now = self.now;
        match verb {
            "send" => {
                let (id, text) = named(rest);
                self.command(Command::Send { id, text });
            }
            "ask" if rest == "turn" => self.live.handle_ask_turn(),
            "ask" => self.command(Command::AskPerson),
            "close" => self.command(Command::Close),
            "stop" => self.command(Command::Stop { turn: number(rest) }),
            "rate" => {
                let (score, comment) = rest.split_once(' ').unwrap_or((rest, ""));
                self.command(Command::Rate { score: number(score), comment: comment.into() });
            }
            "read" | "stored" | "lost" | "taken" | "fenced" | "lose" | "elsewhere" => self.store(verb, rest),
            "hear" => self.hear(rest),
            "delta" | "answer" | "failure" | "handover" => self.function(verb, rest),
            "routed" => {
                let to = match rest {
                    "queue" => Some(Assignee::Queue),
                    "nobody" => None,
                    agent => Some(Assignee::Agent(agent.into())),
                };
                self.live.handle_routed(now, to);
            }
            "wait" => {
                self.now += u64::from(number(rest));
                self.live.handle_timeout(self.now);
            }
            "timeout" => {
                self.now = self.live.poll_timeout().expect("the core waits for no time");
                writeln!(self.transcript, "  at {}", self.now).unwrap();
                self.live.handle_timeout(self.now);
            }
            "forget" => self.live = Live::new(Arc::clone(&self.policy)),
            "due" => self.live.handle_due(now, Claim::new(number(rest).into()).unwrap()),
            "idle" => self.live.handle_idle(now, number(rest.trim_start_matches("since ")).into()),
            "rest" => self.live = Live::wake(Arc::clone(&self.policy), self.live.rest()),
            "may" => {
                let answer = if self.live.may_rest() { "yes" } else { "no" };
                writeln!(self.transcript, "  {answer}").unwrap();
            }
            "refresh" => self.live.handle_refresh(now),
            "pull" => self.pull(rest),
            "resume" => {
                let after = number(rest);
                let after_at = self.log.get((after as usize).wrapping_sub(1)).map_or(0, |event| event.at);
                writeln!(self.transcript, "  {:?}", self.live.resume(after, after_at)).unwrap();
                self.visitor = Position { seq: after, epoch: self.live.epoch(), ..Position::default() };
            }
            other => panic!("no such input: {other}"),
        }
    }

    fn command(&mut self, command: Command) {
        let key = self.next_key;
        self.next_key += 1;
        self.live.handle_command(self.now, key, command);
    }

    fn store(&mut self, verb: &str, rest: &str) {
        let now = self.now;
        match (verb, rest) {
            ("read", "fails") => self.live.handle_read_failed(now),
            ("read", _) => {
                let known = (self.live.state().head() as usize).saturating_sub(1);
                let events = self.log.get(known..).unwrap_or_default().to_vec();
                self.live.handle_read(now, events, false);
            }
            ("stored", _) => {
                self.land();
                self.live.handle_appended(now);
            }
            ("lost", how) => {
                if how == "but stored" {
                    self.land();
                }
                self.appending = None;
                self.live.handle_append_failed(now);
            }
            ("taken", by) => {
                self.append(by.trim_start_matches("by "));
                self.appending = None;
                self.live.handle_conflict(now);
            }
            ("fenced", _) => {
                self.appending = None;
                self.live.handle_fenced(now);
            }
            ("lose", count) => self.log.truncate(self.log.len() - number(count) as usize),
            (_, event) => self.append(event),
        }
    }

    fn land(&mut self) {
        let event = self.appending.take().expect("nothing is being appended");
        assert_eq!(event.seq as usize, self.log.len() + 1);
        self.log.push((*event).clone());
    }

    fn append(&mut self, event: &str) {
        self.log.push(Event { seq: self.log.len() as Seq + 1, at: self.now, body: body(event) });
    }

    fn hear(&mut self, rest: &str) {
        if let Some(turn) = rest.strip_prefix("turn ") {
            let (turn, rest) = turn.split_once(" at ").unwrap();
            let (offset, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let offset = number(offset) as usize;
            let deadline = 31_000 + u64::from(number(turn));
            let heard = TurnText { turn: number(turn), run: 9_000 + number(turn), offset, text: text.into(), deadline };
            return self.live.handle_heard_turn(self.now, &heard);
        }
        let seq = if rest.is_empty() { self.log.len() } else { number(rest) as usize };
        let previous_at = if seq == 1 { 0 } else { self.log[seq - 2].at };
        self.live.handle_heard_event(self.now, self.log[seq - 1].clone().into(), previous_at);
    }

    fn function(&mut self, verb: &str, rest: &str) {
        let (run, text) = match rest.strip_prefix("of ") {
            Some(rest) => {
                let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
                (self.runs[(name.as_bytes()[0] - b'A') as usize], text)
            }
            None => (*self.runs.last().expect("nothing runs"), rest),
        };
        let outcome = match verb {
            "delta" => return self.live.handle_delta(self.now, run, text),
            "answer" => Outcome::Answer {
                text: text.into(),
                end: AnswerEnd::Complete,
                offer_person: false,
                sources: None,
                choices: None,
            },
            "handover" => {
                Outcome::Handover { reason: HandoverReason::Assistant, summary: "".into(), text: text.into() }
            }
            _ => Outcome::Failure,
        };
        self.live.handle_outcome(self.now, run, outcome);
    }

    fn pull(&mut self, who: &str) {
        let audience = if who == "agents" { Audience::Agents } else { Audience::Visitor };
        let mut position = if who == "agents" { self.agents } else { self.visitor };
        while let Some(piece) = self.live.next_piece(&mut position, audience) {
            match piece {
                Piece::Event(event) => writeln!(self.transcript, "  gets {}", told(&event)),
                Piece::Reset(head) => writeln!(self.transcript, "  is reset, gets up to {head}"),
                Piece::Hidden(seq, _) => writeln!(self.transcript, "  gets {seq} hidden"),
                Piece::Delta { turn, run, offset, text } => {
                    let run = self.run(run);
                    writeln!(self.transcript, "  gets turn {turn} run {run} at {offset}: {}", shortened(&text))
                }
                Piece::History(after) => {
                    writeln!(self.transcript, "  reads history after {after}").unwrap();
                    // As a driver does: what the client holds is compared with what is there now.
                    if !position.is_continued_by(self.log.get(after.saturating_sub(1) as usize..).unwrap_or_default()) {
                        position = Position { epoch: position.epoch, ..Position::default() };
                        writeln!(self.transcript, "  is reset").unwrap();
                        continue;
                    }
                    let event = self.log[after as usize].clone();
                    let Some(Piece::Event(event)) = position.take(event.into(), audience) else { panic!("not taken") };
                    writeln!(self.transcript, "  gets {}", told(&event))
                }
            }
            .unwrap();
        }
        *(if who == "agents" { &mut self.agents } else { &mut self.visitor }) = position;
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.live.poll_output() {
            let line = match output {
                Output::Append { event, due, fence, previous_at } => {
                    let due = due.map_or("nothing due".to_owned(), |due| format!("due at {due}"));
                    let fence = match fence {
                        Fence::Open => String::new(),
                        Fence::Unclaimed => ", unless claimed".to_owned(),
                        Fence::Claimed(claim) => format!(", under claim {claim}"),
                    };
                    assert_eq!(previous_at, self.live.state().head_at());
                    let line = format!("append {}, {due}{fence}", told(&event));
                    self.appending = Some(event);
                    line
                }
                Output::Release { head, due, claim } => {
                    let due = due.map_or("nothing due".to_owned(), |due| format!("due at {due}"));
                    format!("give claim {claim} back at {head}, {due}")
                }
                Output::Read { after } => format!("read after {after}"),
                Output::Reply { to, reply: Reply::Acked(seq) } => format!("ack #{to} at {seq}"),
                Output::Reply { to, reply: Reply::Refused(why, wait) } => format!("refuse #{to}: {why:?}, wait {wait}"),
                Output::Publish(Notice::Event { event, .. }) => format!("publish event {}", event.seq),
                Output::Publish(Notice::Turn(t)) => {
                    let run = self.run(t.run);
                    format!("publish turn {} run {run} at {}: {}", t.turn, t.offset, shortened(&t.text))
                }
                Output::Publish(Notice::AskTurn) => "publish who runs the turn?".to_owned(),
                Output::Publish(Notice::Forgotten) => panic!("the core forgets nothing"),
                Output::Invoke(i) => {
                    let lines: Vec<String> = i.lines.iter().map(|l| format!("{}: {}", role(l.role), l.text)).collect();
                    let (run, lines) = (self.run(i.run), lines.join(" | "));
                    format!("invoke turn {} run {run} until {}: {lines}", i.turn, i.deadline)
                }
                Output::Cancel { run } => format!("cancel run {}", self.run(run)),
                Output::Route => "route".to_owned(),
                Output::Wake => "wake".to_owned(),
            };
            writeln!(self.transcript, "  {line}").unwrap();
        }
        if let Some(violation) = self.live.violation() {
            writeln!(self.transcript, "  violation: {violation}").unwrap();
        }
    }

    fn run(&mut self, run: u32) -> String {
        if run > 9_000 {
            return "elsewhere".to_owned();
        }
        let at = self.runs.iter().position(|known| *known == run).unwrap_or_else(|| {
            self.runs.push(run);
            self.runs.len() - 1
        });
        char::from(b'A' + at as u8).to_string()
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Visitor => "visitor",
        Role::Assistant => "assistant",
        Role::Agent => "agent",
    }
}

fn number(text: &str) -> u32 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn named(rest: &str) -> (MessageId, Arc<str>) {
    let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
    (MessageId([id.as_bytes()[0]; 16]), text.into())
}

fn body(event: &str) -> Body {
    let (kind, rest) = event.split_once(' ').unwrap_or((event, ""));
    match kind {
        "visitor" => {
            let (id, text) = named(rest);
            Body::VisitorMessage { id, text }
        }
        "agent" => {
            let (id, text) = named(rest);
            Body::AgentMessage { agent: "kim".into(), id, text }
        }
        "answer" => {
            let (turn, text) = rest.split_once(' ').unwrap();
            Body::Answer {
                turn: number(turn),
                text: text.into(),
                end: AnswerEnd::Complete,
                offer_person: false,
                sources: None,
                choices: None,
            }
        }
        "handover" => Body::Handover { reason: HandoverReason::VisitorAsked, summary: "".into(), text: "".into() },
        "queue" => Body::Assigned { to: Assignee::Queue },
        "note" => Body::Note { agent: "kim".into(), text: rest.into() },
        "closed" => Body::Closed { by: ClosedBy::Agent },
        other => panic!("no such event: {other}"),
    }
}

fn told(event: &Event) -> String {
    let what = match &event.body {
        Body::VisitorMessage { id, text } => format!("visitor {} {}", char::from(id.0[0]), shortened(text)),
        Body::Answer { turn, text, end, offer_person, .. } => {
            let offer = if *offer_person { ", offers a person" } else { "" };
            format!("answer to {turn} ({end:?}{offer}) {}", shortened(text))
        }
        Body::Handover { reason, summary, text } => {
            let last_words = if text.is_empty() { String::new() } else { format!(" after {}", shortened(text)) };
            format!("handover ({reason:?}) {}{last_words}", shortened(summary))
        }
        Body::Assigned { to } => format!("assigned to {to:?}"),
        Body::AgentMessage { text, .. } => format!("agent {}", shortened(text)),
        Body::Note { text, .. } => format!("note {}", shortened(text)),
        Body::Closed { by } => format!("closed by {by:?}"),
        Body::Rated { score, comment } => format!("rated {score} {comment:?}"),
    };
    format!("{}: {what}", event.seq)
}

fn shortened(text: &str) -> String {
    if text.len() <= 72 { format!("{text:?}") } else { format!("{} bytes", text.len()) }
}
