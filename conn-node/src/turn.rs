//! Invocations: one turn through the function `ai`, one assignment through `routing`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conversation::{
    AnswerEnd, Assignee, ConversationId, HandoverReason, Invocation, Line, Outcome, Role, Source, Sources,
};
use futures_util::StreamExt;
use protocol::function::{self, AiLine, AiOutcome, AiRequest, Lines, RoutingLine, RoutingOutcome, RoutingRequest};
use serde::de::DeserializeOwned;

use crate::clock;
use crate::held::Held;
use crate::invoke::{Body, InvokeError};
use crate::node::Node;

/// First wait after "throttled"; doubles up to [`MAX_THROTTLED_WAIT`].
const THROTTLED_WAIT: Duration = Duration::from_millis(50);

/// Longest wait between two tries of a throttled invocation.
const MAX_THROTTLED_WAIT: Duration = Duration::from_millis(800);

/// Throttled for longer than this, the turn gets the fallback: a visitor waits for words, not for places.
const MAX_THROTTLED: Duration = Duration::from_secs(8);

/// How long routing may take.
const ROUTING_DEADLINE: Duration = Duration::from_secs(3);

/// Runs one turn and feeds what comes back into the conversation, whatever happens exactly one outcome last.
pub(crate) async fn run(node: Arc<Node>, held: Arc<Held>, invocation: Invocation) {
    let started = Instant::now();
    let run = invocation.run;
    let _running = Running::count(&node);
    let outcome = match ask(&node, &held, invocation).await {
        Ok(outcome) => {
            node.metrics.invocations.with("ok").inc();
            outcome
        }
        Err(error) => {
            node.metrics.invocations.with(error.as_str()).inc();
            tracing::warn!(conversation = %held.id(), function = node.config.functions.ai_name, %error, "turn failed");
            Outcome::Failure
        }
    };
    node.metrics.ai_response.observe(started.elapsed().as_secs_f64() * 1_000.0);
    held.handle_outcome(&node, run, outcome);
}

/// Asks who takes a conversation that was handed over.
pub(crate) async fn route(node: Arc<Node>, held: Arc<Held>) {
    let function = &node.config.functions.routing_name;
    let assignee = match tokio::time::timeout(ROUTING_DEADLINE, assignee(&node, held.id())).await {
        Ok(Ok(assignee)) => assignee,
        Ok(Err(error)) => {
            tracing::warn!(conversation = %held.id(), function, %error, "routing failed: it stays in the queue");
            None
        }
        Err(_) => {
            tracing::warn!(conversation = %held.id(), function, "routing took too long: it stays in the queue");
            None
        }
    };
    held.handle(&node, |live, now| live.handle_routed(now, assignee));
}

async fn ask(node: &Arc<Node>, held: &Arc<Held>, invocation: Invocation) -> Result<Outcome, InvokeError> {
    let name = &node.config.functions.ai_name;
    let run = invocation.run;
    let deadline = invocation.deadline;
    let mut reader =
        Reader::new(invoke_patiently(node, name, payload(name, &request(held, invocation))?, deadline).await?);
    while let Some(line) = reader.next::<AiLine>(name).await? {
        match line {
            AiLine::Delta(text) => {
                node.metrics.deltas.inc();
                held.handle(node, |live, now| live.handle_delta(now, run, &text));
            }
            AiLine::Outcome(outcome) => return Ok(outcome_of(outcome)),
            AiLine::Quota(_) | AiLine::Report(_) | AiLine::Unknown(_) => {}
        }
    }
    Err(InvokeError::Failed(name.clone()))
}

/// Invokes, and waits a little where all places are taken.
async fn invoke_patiently(node: &Node, name: &str, payload: Bytes, deadline: u64) -> Result<Body, InvokeError> {
    let started = Instant::now();
    let mut wait = THROTTLED_WAIT;
    loop {
        match node.invoker.invoke(name, payload.clone(), deadline).await {
            Err(InvokeError::Throttled(_)) if started.elapsed() + wait < MAX_THROTTLED => {
                // Full jitter: those that were refused together must not come back together.
                tokio::time::sleep(wait.mul_f64(rand::random::<f64>())).await;
                wait = (wait * 2).min(MAX_THROTTLED_WAIT);
            }
            other => return other,
        }
    }
}

fn request(held: &Held, invocation: Invocation) -> AiRequest {
    AiRequest {
        site: held.id().site().to_owned(),
        conversation: held.id().as_str().to_owned(),
        turn: invocation.turn,
        messages: invocation.lines.iter().map(message).collect(),
        language: held.language(),
        deadline_ms: i64::try_from(invocation.deadline).unwrap_or(i64::MAX),
        models: vec![],
        failures: invocation.failures,
    }
}

fn message(line: &Line) -> function::Message {
    let role = match line.role {
        Role::Visitor => function::Role::Visitor,
        Role::Assistant => function::Role::Assistant,
        Role::Agent => function::Role::Agent,
    };
    function::Message { role, text: line.text.to_string() }
}

fn outcome_of(outcome: AiOutcome) -> Outcome {
    match outcome {
        AiOutcome::Answer(answer) => {
            let end = match (answer.intent, answer.fallback, answer.interrupted) {
                (true, ..) => AnswerEnd::Intent,
                (false, true, _) => AnswerEnd::Fallback,
                (false, false, true) => AnswerEnd::Interrupted,
                (false, false, false) => AnswerEnd::Complete,
            };
            let (text, sources) = (answer.text.into(), sources_of(answer.sources));
            Outcome::Answer { text, end, offer_person: answer.offer_person, sources }
        }
        AiOutcome::Handover(handover) => {
            let summary = head(&handover.summary, function::MAX_SUMMARY_BYTES).into();
            Outcome::Handover { reason: reason_of(handover.reason), summary }
        }
        AiOutcome::Failure(_) => Outcome::Failure,
    }
}

fn reason_of(reason: function::HandoverReason) -> HandoverReason {
    match reason {
        function::HandoverReason::VisitorAsked => HandoverReason::VisitorAsked,
        function::HandoverReason::Assistant => HandoverReason::Assistant,
        function::HandoverReason::Rule => HandoverReason::Rule,
        function::HandoverReason::Failures => HandoverReason::Failures,
    }
}

/// What the function says an answer rests on, within bounds. An address that no page may link to is left out.
fn sources_of(sources: Vec<function::Source>) -> Sources {
    let source = |source: function::Source| Source {
        title: head(&source.title, function::MAX_SOURCE_BYTES).into(),
        url: if is_web_address(&source.url) { source.url.into() } else { "".into() },
    };
    let titled = sources.into_iter().filter(|source| !source.title.trim().is_empty());
    let sources: Vec<_> = titled.take(function::MAX_SOURCES).map(source).collect();
    (!sources.is_empty()).then(|| sources.into())
}

/// The first `max_bytes` of `text` at most, ending between characters.
fn head(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

fn is_web_address(url: &str) -> bool {
    url.len() <= function::MAX_SOURCE_BYTES && (url.starts_with("https://") || url.starts_with("http://"))
}

async fn assignee(node: &Node, id: &ConversationId) -> Result<Option<Assignee>, InvokeError> {
    let name = &node.config.functions.routing_name;
    let now = clock::now();
    let deadline = now + ROUTING_DEADLINE.as_millis() as u64;
    let signed = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let request = RoutingRequest {
        site: id.site().to_owned(),
        queue: vec![function::Queued { conversation: id.as_str().to_owned(), since_ms: signed(now) }],
        roster: vec![],
        deadline_ms: signed(deadline),
    };
    let mut reader = Reader::new(invoke_patiently(node, name, payload(name, &request)?, deadline).await?);
    match reader.next::<RoutingLine>(name).await? {
        Some(RoutingLine::Outcome(RoutingOutcome::Assignments(assignments))) => {
            let ours = assignments.into_iter().find(|assignment| assignment.conversation == id.as_str());
            Ok(ours.map(|assignment| match assignment.to {
                function::Assignee::Queue => Assignee::Queue,
                function::Assignee::Agent(agent) => Assignee::Agent(agent.into()),
            }))
        }
        Some(RoutingLine::Outcome(RoutingOutcome::Failure(_))) => Ok(None),
        None => Err(InvokeError::Failed(name.clone())),
    }
}

fn payload(function: &str, request: &impl serde::Serialize) -> Result<Bytes, InvokeError> {
    let unreachable = |error: serde_json::Error| InvokeError::Unreachable {
        function: function.to_owned(),
        reason: error.to_string(),
    };
    Ok(serde_json::to_vec(request).map_err(unreachable)?.into())
}

/// Counts a turn for as long as it runs, also one that is given up.
struct Running {
    node: Arc<Node>,
}

impl Running {
    fn count(node: &Arc<Node>) -> Self {
        node.metrics.turns_running.inc();
        Self { node: Arc::clone(node) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.node.metrics.turns_running.dec();
    }
}

/// Lines of a body.
struct Reader {
    body: Body,
    lines: Lines,
}

impl Reader {
    fn new(body: Body) -> Self {
        Self { body, lines: Lines::default() }
    }

    /// The next line; `None` when the body has ended.
    async fn next<T: DeserializeOwned>(&mut self, function: &str) -> Result<Option<T>, InvokeError> {
        loop {
            match self.lines.poll_line() {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => {}
                Err(_) => return Err(InvokeError::Failed(function.to_owned())),
            }
            match self.body.next().await {
                Some(chunk) => self.lines.handle_chunk(&chunk?),
                None => return Ok(None),
            }
        }
    }
}
