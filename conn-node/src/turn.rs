//! One turn: asked of the function `ai`, and answered by the node itself where that says nothing in time.

mod payload;
mod record;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use conversation::budget::Size;
use conversation::{Invocation, Outcome};
use protocol::function::{AiLine, AiOutcome, FailureReason};
use tokio::time::Instant;

use crate::budget::{Ask, Grant, Refused};
use crate::clock;
use crate::exact;
use crate::fallback::{self, People};
use crate::gap::Gap;
use crate::held::Held;
use crate::invocation::{Broken, Reader};
use crate::invoke::InvokeError;
use crate::node::Node;
use crate::survive::survive;
use crate::trace;
pub(crate) use payload::choices_of;
use record::Record;

/// By how much the function's own first-token clock is ahead of the node's: what it says when that runs out (it knows more
/// than the node) still arrives in time, and a visitor who hears the node instead waits no longer than can be noticed.
const HEAD_START: Duration = Duration::from_millis(2);

/// By how much the function's own clock between two pieces is ahead of the node's, which knows nothing of what the model says
/// and the function holds back. Only a function that stands still lets this one run out.
const GAP_HEAD_START: Duration = Duration::from_secs(1);

/// Runs one turn and feeds what comes back into the conversation, whatever happens exactly one outcome last.
pub(crate) async fn run(node: Arc<Node>, held: Arc<Held>, invocation: Invocation) {
    let _running = Running::count(&node);
    let mut record = Record::new(held.id().site());
    let asked = survive("a turn", ask(&node, &held, &invocation, &mut record)).await;
    let asked = asked.unwrap_or(Err(Unanswered::Panicked));
    let result = asked.as_ref().map_or_else(Unanswered::result, |_| "ok");
    node.metrics.invocations.with(result).inc();
    trace::handle_result(result, asked.as_ref().err().map(Unanswered::reason));
    let outcome = asked.unwrap_or_else(|unanswered| {
        tracing::warn!(conversation = %held.id(), function = node.config.functions.ai_name, %unanswered, "turn failed");
        if record.has_begun() {
            return Outcome::Failure; // What was written is kept.
        }
        record.handle_fallback(unanswered.reason());
        own_answer(&node, &held, &invocation)
    });
    record.end(&node.metrics.assistant, &outcome);
    held.handle_outcome(&node, invocation.run, outcome);
}

/// The node's own answer. It comes whatever happens: where the intents fail, the core has the site's own words.
fn own_answer(node: &Node, held: &Held, invocation: &Invocation) -> Outcome {
    let (site, language) = (held.id().site(), held.language());
    let words = node.config.sites.get(site).map_or(&[][..], |site| &site.handover_words);
    let people = People { requests: &node.person_requests, words };
    let answer = || fallback::answer(node.intents(site), people, &node.policy(site).fallback, invocation, &language);
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or(Outcome::Failure)
}

/// Why the function's own outcome is none.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Function(#[from] InvokeError),
    #[error("it said nothing within ai.first_token_ms")]
    Silent,
    #[error("it began to answer, and then nothing came for ai.gap_ms and a second")]
    Stalled,
    #[error("the node panicked while it listened, which is a fault of the node: please report it")]
    Panicked,
    #[error("it failed: {}", .0.as_str())]
    Failed(FailureReason),
    #[error("it was not asked: {0}")]
    NoBudget(#[from] Refused),
}

impl From<Broken> for Unanswered {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Function(error) => Self::Function(error),
            Broken::Silent => Self::Stalled,
        }
    }
}

impl Unanswered {
    /// The label of `frontdesk_invocations_total`.
    fn result(&self) -> &'static str {
        match self {
            Self::Function(error) => error.as_str(),
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::Panicked => "panicked",
            Self::Failed(_) => "ok",
            Self::NoBudget(_) => "no_budget",
        }
    }

    /// The label of `frontdesk_fallbacks_total`.
    fn reason(&self) -> &'static str {
        match self {
            Self::Function(InvokeError::Throttled(_)) => "function_throttled",
            Self::Function(InvokeError::Unreachable { .. }) => "function_unreachable",
            Self::Function(InvokeError::Failed(_)) => "function_failed",
            Self::Function(InvokeError::TimedOut(_)) | Self::Silent | Self::Stalled => "function_timeout",
            Self::Panicked => "node_failed",
            Self::Failed(reason) => reason.as_str(),
            Self::NoBudget(_) => FailureReason::Budget.as_str(),
        }
    }
}

/// Asks the function. Until its first piece the first-token clock runs, from here on and whatever the time is spent on;
/// only a piece or the outcome stops it. From then on the function may be silent for no longer than a model may.
async fn ask(
    node: &Arc<Node>,
    held: &Arc<Held>,
    invocation: &Invocation,
    record: &mut Record,
) -> Result<Outcome, Unanswered> {
    let silent_at = Instant::now() + Duration::from_millis(node.config.ai.first_token_ms) + HEAD_START;
    let mut silence = pin!(exact::until(silent_at));
    let longest_gap = Duration::from_millis(node.config.ai.gap_ms) + GAP_HEAD_START;
    let mut grant = grant(node, held, invocation).await?;
    let request = payload::request(held, invocation, grant.models());
    let reader = Reader::invoke(node, &node.config.functions.ai_name, &request, invocation.deadline);
    // Silent: then nobody knows whether a model is being asked.
    let mut reader = match before(silence.as_mut(), reader).await? {
        Ok(reader) => reader,
        Err(error) => {
            grant.give_back();
            return Err(error.into());
        }
    };
    let mut gap = None;
    loop {
        let line = match &mut gap {
            Some(gap) => reader.next_within::<AiLine>(gap).await?,
            None => before(silence.as_mut(), reader.next::<AiLine>()).await??,
        };
        match line.ok_or_else(|| reader.failed())? {
            AiLine::Delta(text) => {
                if gap.is_none() {
                    gap = Some(Gap::new(longest_gap, Instant::now()));
                    held.trace(|trace, _| trace.handle_first_token());
                }
                record.handle_delta();
                node.metrics.deltas.inc();
                held.handle(node, |live, now| live.handle_delta(now, invocation.run, &text));
            }
            AiLine::Quota(quota) => grant.handle_quota(&quota),
            AiLine::Report(report) => {
                grant.handle_report(&report);
                record.handle_report(report);
            }
            AiLine::Unknown(_) => {}
            AiLine::Outcome(outcome) => {
                reader.finish();
                return match outcome {
                    AiOutcome::Answer(answer) => Ok(payload::answer(answer)),
                    AiOutcome::Handover(handover) => Ok(payload::handover(&handover)),
                    AiOutcome::Failure(failure) => Err(Unanswered::Failed(failure.reason)),
                };
            }
        }
    }
}

/// What `come` comes to, if it comes before the silence is too long.
async fn before<T>(
    silence: Pin<&mut impl Future<Output = ()>>,
    come: impl Future<Output = T>,
) -> Result<T, Unanswered> {
    tokio::select! {
        biased;
        come = come => Ok(come),
        () = silence => Err(Unanswered::Silent),
    }
}

/// Takes budget of the site's models. Half of the first-token clock may pass with waiting for it; the other half is the
/// model's.
async fn grant(node: &Node, held: &Held, invocation: &Invocation) -> Result<Grant, Refused> {
    let site = held.id().site();
    let ask = Ask {
        site,
        models: node.models(site),
        size: Size::of(invocation.lines.iter().map(|line| &*line.text)),
        until: clock::now() + node.config.ai.first_token_ms / 2,
    };
    node.budgets.acquire(ask).await
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
