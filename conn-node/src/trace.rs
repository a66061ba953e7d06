//! A visitor's message, from when it is accepted until its answer is stored, as one trace. Where nothing is traced there
//! is nothing here.
//!
//! The span `turn` is the root. Below it are `append` (for the message and for the answer) and `invoke FUNCTION`, under which the
//! function's own spans come; docs/telemetry.md lists them all.

use conversation::{AnswerEnd, Body, ConversationId};
use telemetry::traces::{self, TARGET};
use tracing::field::Empty;
use tracing::{Span, info_span};

/// The traces of one conversation.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<Box<Turns>>);

#[derive(Debug, Default)]
struct Turns {
    /// Accepted, and no function is asked yet.
    waiting: Option<Span>,
    /// A function is asked, or was, and the answer is not stored yet.
    running: Option<Span>,
}

impl Trace {
    /// A message of the visitor is about to be stored. Where one waits already, they have one answer.
    pub(crate) fn accept(&mut self, id: &ConversationId) {
        let span = turn(id);
        if !span.is_disabled() {
            self.0.get_or_insert_default().waiting.get_or_insert(span);
        }
    }

    /// This event is about to be stored.
    pub(crate) fn append(&self, event: &Body) -> Span {
        let Some(turns) = &self.0 else { return Span::none() };
        let parent = match event {
            Body::VisitorMessage { .. } => &turns.waiting,
            _ => &turns.running,
        };
        match parent {
            Some(turn) => info_span!(target: TARGET, parent: turn, "append", otel.kind = "client"),
            None => Span::none(),
        }
    }

    /// This event is stored, and what follows from it is under way: a function `is_asked` or not.
    pub(crate) fn handle_stored(&mut self, event: &Body, is_asked: bool) {
        let Some(turns) = &mut self.0 else { return };
        match (event, is_asked) {
            // Somebody else answers: a person, or another node.
            (Body::VisitorMessage { .. }, false) => turns.waiting = None,
            (Body::Answer { end, .. }, _) => turns.end(answer(*end)),
            (Body::Handover { .. }, _) => turns.end("handover"),
            _ => {}
        }
        if turns.waiting.is_none() && turns.running.is_none() {
            self.0 = None;
        }
    }

    /// The function of this name is about to be asked for the answer to the message with this seq. A turn whose message this
    /// node has not accepted, such as one of a node that died, begins a trace of its own.
    pub(crate) fn invoke(&mut self, id: &ConversationId, seq: u32, function: &str) -> Span {
        let waiting = self.0.as_mut().and_then(|turns| turns.waiting.take());
        let span = waiting.unwrap_or_else(|| turn(id));
        if span.is_disabled() {
            return span;
        }
        span.record("frontdesk.turn", seq);
        traces::mark(&span, "invoked");
        let invocation = invocation(&span, function);
        self.0.get_or_insert_default().running = Some(span);
        invocation
    }

    /// The first piece of the answer has come.
    pub(crate) fn handle_first_token(&self) {
        if let Some(turn) = self.0.as_ref().and_then(|turns| turns.running.as_ref()) {
            traces::mark(turn, "first_token");
        }
    }

    /// The function of this name is about to be asked who takes the conversation.
    pub(crate) fn route(&self, function: &str) -> Span {
        match self.0.as_ref().and_then(|turns| turns.running.as_ref()) {
            Some(turn) => invocation(turn, function),
            None => Span::none(),
        }
    }

    /// Nothing is under way any more.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

impl Turns {
    fn end(&mut self, outcome: &'static str) {
        if let Some(turn) = self.running.take() {
            turn.record("frontdesk.outcome", outcome);
        }
    }
}

fn turn(id: &ConversationId) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "turn",
        otel.kind = "server",
        frontdesk.site = id.site(),
        frontdesk.turn = Empty,
        frontdesk.outcome = Empty,
        gen_ai.conversation.id = id.as_str(),
    )
}

fn invocation(turn: &Span, function: &str) -> Span {
    info_span!(
        target: TARGET,
        parent: turn,
        "invoke",
        otel.name = format!("invoke {function}"),
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        faas.invoked_name = function,
        frontdesk.result = Empty,
    )
}

/// How the function's part in a turn ended, in the current span; `reason`: why the node answers in its place.
pub(crate) fn handle_result(result: &'static str, reason: Option<&'static str>) {
    let span = Span::current();
    span.record("frontdesk.result", result);
    if let Some(reason) = reason {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", reason);
    }
}

fn answer(end: AnswerEnd) -> &'static str {
    match end {
        AnswerEnd::Complete => "complete",
        AnswerEnd::Stopped => "stopped",
        AnswerEnd::Interrupted => "interrupted",
        AnswerEnd::Fallback => "fallback",
        AnswerEnd::Intent => "intent",
    }
}
