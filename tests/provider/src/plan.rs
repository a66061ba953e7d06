//! A request and a fault become the steps of a response. No time passes here, and nothing is sent.

use std::time::Duration;

use rand::rngs::StdRng;

use crate::chunk::{self, Chunks, event};
use crate::fault::{Fault, Kind};
use crate::headers::{self, Header, RetryAfter};
use crate::options::Answers;
use crate::request::{Completion, Tool};
use crate::rules::Chosen;

/// An image as an attacker would have it: what was said leaves in its address.
const IMAGES: &str = "Of course. ![see](http://127.0.0.1:9/pixel.png?said=secret) and \
    <img src=\"https://elsewhere.example/p.gif?said=secret\"> as you asked.";

const FOREIGN_LINKS: &str = "Please log in [here](https://elsewhere.example/login?from=shop) or at \
    https://elsewhere.example/pay to go on.";

/// A page as a proxy in front of a provider sends it.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head>\n\
    <body><center><h1>502 Bad Gateway</h1></center></body></html>\n";

const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// One response.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) head: Head,
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) steps: Vec<Step>,
}

/// How the status line and headers go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    AtOnce,
    Never,
    /// A byte each so often.
    Slowly(Duration),
    /// The connection ends instead.
    Instead(Ending),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Close,
    Reset,
}

/// A part of the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Nothing, for so long.
    Wait(Duration),
    Bytes(Vec<u8>),
    /// A token: an event with this text, or with the moment at which it is written.
    Token(String),
    /// This, each so often, for good.
    Repeat(Vec<u8>, Duration),
    /// Nothing more, for good.
    Hold,
    /// The connection ends.
    End(Ending),
}

/// What all responses to one request have in common.
pub(crate) struct Context<'a> {
    pub(crate) request: &'a Completion,
    pub(crate) answers: &'a Answers,
    pub(crate) chunks: &'a Chunks,
    pub(crate) id: &'a str,
    /// Unix seconds.
    pub(crate) created: u64,
    pub(crate) retry_after: RetryAfter,
    /// Whether the connection has had a request before.
    pub(crate) is_used: bool,
}

/// The response to a request that was let through.
pub(crate) fn plan(context: &Context<'_>, chosen: &Chosen, random: &mut StdRng) -> Plan {
    let fault = chosen.fault;
    let number = Duration::from_millis(fault.number);
    let stream = |head, steps| Plan { head, status: 200, headers: vec![content_type_of_events()], steps };
    match fault.kind {
        Kind::CloseAtOnce => stream(Head::Instead(Ending::Close), vec![]),
        Kind::ResetAtOnce => stream(Head::Instead(Ending::Reset), vec![]),
        Kind::Stale if context.is_used => stream(Head::Instead(Ending::Close), vec![]),
        Kind::StallBefore => stream(Head::Never, vec![]),
        Kind::StallAfterHeaders => stream(Head::AtOnce, vec![Step::Hold]),
        Kind::EmptyBody => stream(Head::AtOnce, vec![]),
        Kind::RateLimited | Kind::RateLimitedSilent | Kind::QuotaUsedUp | Kind::Status | Kind::Html => {
            refusal(fault, context.retry_after)
        }
        Kind::ErrorDocument => json(200, chunk::error("The server had an error", "server_error", None)),
        _ if !context.request.stream || fault.kind == Kind::Document => document(context, chosen, random),
        Kind::SlowHeaders => stream(Head::Slowly(number), Script::new(context, chosen, random).whole()),
        _ => stream(Head::AtOnce, Script::new(context, chosen, random).of(fault)),
    }
}

/// The response to a request that the quota does not let through.
pub(crate) fn over_quota(message: &str, kind: &str, style: RetryAfter, wait: Duration) -> Plan {
    let mut plan = json(429, chunk::error(message, kind, Some("rate_limit_exceeded")));
    plan.headers.extend(headers::retry_after(style, wait));
    plan
}

/// A JSON document.
pub(crate) fn json(status: u16, body: String) -> Plan {
    let headers = vec![("content-type", "application/json".to_owned())];
    Plan { head: Head::AtOnce, status, headers, steps: vec![Step::Bytes(body.into_bytes())] }
}

fn content_type_of_events() -> Header {
    ("content-type", "text/event-stream; charset=utf-8".to_owned())
}

fn refusal(fault: Fault, style: RetryAfter) -> Plan {
    let status = u16::try_from(fault.number).ok().filter(|status| (200..1000).contains(status)).unwrap_or(500);
    match fault.kind {
        Kind::RateLimited => {
            let wait = Duration::from_millis(fault.number);
            over_quota("Rate limit reached for requests", "requests", style, wait)
        }
        Kind::RateLimitedSilent => over_quota("Rate limit reached", "requests", RetryAfter::None, Duration::ZERO),
        Kind::QuotaUsedUp => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            json(429, chunk::error(message, "insufficient_quota", Some("insufficient_quota")))
        }
        Kind::Html => Plan {
            headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
            ..json(status, PAGE.to_owned())
        },
        _ if status == 529 => json(status, chunk::error("Overloaded", "overloaded_error", None)),
        _ if status < 500 => json(status, chunk::error("The request is refused", "invalid_request_error", None)),
        _ => json(status, chunk::error("The server had an error while processing your request", "server_error", None)),
    }
}

fn document(context: &Context<'_>, chosen: &Chosen, random: &mut StdRng) -> Plan {
    let tokens = tokens(context, chosen);
    let mut wait = context.answers.first_token_ms.draw(random);
    for _ in tokens.iter().skip(1) {
        wait += context.answers.per_token_ms.draw(random);
    }
    let count = tokens.len().try_into().unwrap_or(u64::MAX);
    let mut plan = json(200, chunk::document(context.request, context.id, context.created, &tokens.concat(), count));
    if !wait.is_zero() {
        plan.steps.insert(0, Step::Wait(wait));
    }
    plan
}

/// The words of the answer, not more than the request allows.
fn tokens(context: &Context<'_>, chosen: &Chosen) -> Vec<String> {
    let text = match chosen.fault.kind {
        Kind::Image => Some(IMAGES),
        Kind::ForeignLink => Some(FOREIGN_LINKS),
        _ => chosen.answer.as_deref(),
    };
    let mut tokens = context.answers.tokens(text);
    tokens.truncate(context.request.max_tokens.try_into().unwrap_or(usize::MAX));
    tokens
}

/// Puts the steps of a stream together.
struct Script<'a> {
    context: &'a Context<'a>,
    random: &'a mut StdRng,
    tokens: Vec<String>,
    /// Whether the request's own limit cuts the answer.
    is_cut: bool,
    sent: usize,
    /// After every token.
    between: Option<String>,
    steps: Vec<Step>,
}

impl<'a> Script<'a> {
    fn new(context: &'a Context<'a>, chosen: &Chosen, random: &'a mut StdRng) -> Self {
        let tokens = tokens(context, chosen);
        let all = context.answers.tokens(chosen.answer.as_deref()).len();
        let is_cut = tokens.len() < all && tokens.len() as u64 == context.request.max_tokens;
        Self { context, random, tokens, is_cut, sent: 0, between: None, steps: Vec::new() }
    }

    /// An answer without any fault.
    fn whole(mut self) -> Vec<Step> {
        self.begin();
        self.rest();
        self.end();
        self.steps
    }

    fn of(mut self, fault: Fault) -> Vec<Step> {
        let chunks = self.context.chunks;
        let every = Duration::from_millis(fault.number.max(1));
        match fault.kind {
            Kind::KeepAliveOnly => return vec![Step::Repeat(KEEP_ALIVE.into(), every)],
            Kind::EmptyDeltasOnly => return vec![Step::Repeat(event(&chunks.text("")).into(), every)],
            Kind::Huge => {
                let words = usize::try_from(fault.number).unwrap_or(usize::MAX) / HUGE_WORD.len();
                self.tokens = vec![HUGE_WORD.to_owned(); words.min(MAX_HUGE_WORDS)];
                self.steps.push(Step::Bytes(event(&chunks.role()).into()));
                let tokens = std::mem::take(&mut self.tokens);
                self.sent = tokens.len();
                self.steps.extend(tokens.into_iter().map(Step::Token));
                self.end();
                return self.steps;
            }
            _ => {}
        }
        self.between = match fault.kind {
            Kind::EmptyChoices => Some(event(&chunks.no_choices())),
            Kind::NullContent => Some(event(&chunks.delta(r#"{"content":null}"#))),
            Kind::EmptyDeltas => Some(event(&chunks.text(""))),
            Kind::Comments => Some(KEEP_ALIVE.to_owned()),
            _ => None,
        };
        self.begin();
        self.go_on(fault);
        self.steps
    }

    /// What comes after the chunk with the role.
    fn go_on(&mut self, fault: Fault) {
        let after = usize::try_from(fault.number).unwrap_or(usize::MAX);
        match fault.kind {
            Kind::StallAfter => self.part_then(after, Step::Hold),
            Kind::KeepAliveAfter => {
                self.part_then(after, Step::Repeat(KEEP_ALIVE.into(), Duration::from_millis(50)));
            }
            Kind::CutAfter => self.part_then(after, Step::End(Ending::Close)),
            Kind::ResetAfter => self.part_then(after, Step::End(Ending::Reset)),
            Kind::EndAfter => self.part(after),
            Kind::ErrorInside | Kind::ErrorEvent => {
                let name = if fault.kind == Kind::ErrorEvent { "event: error\n" } else { "" };
                let error = chunk::error("The server had an error", "server_error", None);
                self.part_then(after, Step::Bytes(format!("{name}{}", event(&error)).into()));
            }
            Kind::Malformed => {
                self.with_inside(after, b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"br\n\n")
            }
            Kind::InvalidUtf8 => {
                let mut broken = event(&self.context.chunks.text("#")).into_bytes();
                // Neither byte can begin a character.
                if let Some(at) = broken.iter().rposition(|byte| *byte == b'#') {
                    broken.splice(at..=at, [0xff, 0xfe]);
                }
                self.with_inside(after, &broken);
            }
            Kind::LongLine => {
                let padding = "x".repeat(after.min(64 * 1024 * 1024));
                let line = self.context.chunks.delta(&format!("{{\"content\":\"\",\"padding\":\"{padding}\"}}"));
                self.with_inside(3, event(&line).as_bytes());
            }
            Kind::Handover => self.call(0),
            Kind::HandoverAfter => self.call(after),
            Kind::RoleOnly => {
                self.tokens.clear();
                self.end();
            }
            _ => {
                self.rest();
                self.finish_of(fault.kind);
            }
        }
    }

    /// The end of an answer whose fault is there.
    fn finish_of(&mut self, kind: Kind) {
        match kind {
            Kind::NoFinish => self.done(),
            Kind::Length | Kind::ContentFilter => {
                let reason = if kind == Kind::Length { "length" } else { "content_filter" };
                self.event(&self.context.chunks.finish(reason));
                self.usage();
                self.done();
            }
            Kind::NoUsage | Kind::EmptyUsage => {
                self.finish();
                if kind == Kind::EmptyUsage {
                    self.event(&self.context.chunks.empty_usage());
                }
                self.done();
            }
            Kind::NoDone | Kind::NoDoneOpen => {
                self.finish();
                self.usage();
                if kind == Kind::NoDoneOpen {
                    self.steps.push(Step::Hold);
                }
            }
            Kind::NoBlankLine => {
                self.finish();
                self.usage();
                self.steps.push(Step::Bytes(b"data: [DONE]".to_vec()));
            }
            _ => self.end(),
        }
    }

    fn begin(&mut self) {
        self.wait(true);
        self.event(&self.context.chunks.role());
    }

    /// So many of the tokens, in all.
    fn part(&mut self, until: usize) {
        while self.sent < until.min(self.tokens.len()) {
            if self.sent > 0 {
                self.wait(false);
            }
            self.steps.push(Step::Token(self.tokens[self.sent].clone()));
            self.sent += 1;
            if let Some(between) = self.between.clone() {
                self.steps.push(Step::Bytes(between.into()));
            }
        }
    }

    fn rest(&mut self) {
        self.part(usize::MAX);
    }

    fn part_then(&mut self, until: usize, step: Step) {
        self.part(until);
        self.steps.push(step);
    }

    /// A whole answer with these bytes inside.
    fn with_inside(&mut self, after: usize, bytes: &[u8]) {
        self.part_then(after, Step::Bytes(bytes.to_vec()));
        self.rest();
        self.end();
    }

    fn call(&mut self, after: usize) {
        if after > 0 {
            self.part(after);
        }
        let fallback = Tool { name: "handover".to_owned(), arguments: r#"{"reason":"asked"}"#.to_owned() };
        let tool = self.context.request.tools.first().unwrap_or(&fallback);
        for chunk in self.context.chunks.call(tool) {
            self.event(&chunk);
        }
        self.event(&self.context.chunks.finish("tool_calls"));
        self.usage();
        self.done();
    }

    fn end(&mut self) {
        self.finish();
        self.usage();
        self.done();
    }

    fn finish(&mut self) {
        self.event(&self.context.chunks.finish(if self.is_cut { "length" } else { "stop" }));
    }

    fn usage(&mut self) {
        if self.context.request.include_usage {
            let sent = self.sent.try_into().unwrap_or(u64::MAX);
            self.event(&self.context.chunks.usage(sent));
        }
    }

    fn done(&mut self) {
        self.event("[DONE]");
    }

    fn event(&mut self, data: &str) {
        self.steps.push(Step::Bytes(event(data).into()));
    }

    fn wait(&mut self, is_first: bool) {
        let answers = self.context.answers;
        let latency = if is_first { answers.first_token_ms } else { answers.per_token_ms };
        if !latency.is_none() {
            self.steps.push(Step::Wait(latency.draw(self.random)));
        }
    }
}

/// One word of a huge answer.
const HUGE_WORD: &str = "This answer goes on and on, and nobody reads it to its last word. ";

/// 64 MiB of them.
const MAX_HUGE_WORDS: usize = 64 * 1024 * 1024 / HUGE_WORD.len();
