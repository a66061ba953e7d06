//! One turn: a request in, delta lines and one outcome line out. Never silent, whatever the model does.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt};
use protocol::function::{AiAnswer, AiLine, AiOutcome, AiRequest, HandoverReason};
use telemetry::AiMetrics;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::cite;
use crate::clocks::Clocks;
use crate::draft::Draft;
use crate::model::{End, Model, ModelError, Piece, Pieces};
use crate::plan::Plan;
use crate::record::Record;
use crate::settings::Settings;
use crate::speech::Speech;
use crate::text;

/// So much of what the model said is filtered at a time, in bytes; then others have their turn, and the clock is looked at.
const MAX_PART_BYTES: usize = 1_024;

/// How much a model may say for one byte that can be shown: most of an answer may be filtered away.
const SAID_PER_SHOWN: usize = 4;

/// How a model's part in a turn ended.
#[derive(Debug)]
enum Ending {
    Ended(End),
    /// With what the model wrote for the agent.
    Handover(String),
    Failed(ModelError),
}

/// The lines of the turn that `request` asks for: deltas and quotas as they come, then a report and exactly one outcome, by
/// `deadline` at the latest. Dropping the stream drops the model's.
pub fn lines(
    request: AiRequest,
    model: Arc<dyn Model>,
    settings: Arc<Settings>,
    metrics: Arc<AiMetrics>,
    deadline: Instant,
) -> impl Stream<Item = AiLine> + Send {
    async_stream::stream! {
        let started = Instant::now();
        let mut record = Record::new(&request, metrics, started);
        let mut clocks = Clocks::start(settings.clocks, started, deadline);
        let plan = match Plan::new(&request, &settings, &clocks).await {
            Ok(plan) => plan,
            Err(outcome) => {
                record.handle_outcome(&outcome);
                yield AiLine::Report(record.report(Instant::now()));
                yield AiLine::Outcome(outcome);
                return;
            }
        };
        let mut answer = Answer::new(&plan, settings.max_answer_bytes);
        let prompt = plan.prompt();
        record.handle_prompt(&prompt);
        let mut pieces = model.answer(prompt);
        let ending = 'turn: loop {
            let piece = next(&mut pieces, &clocks).await;
            if let Ok(piece) = &piece {
                record.handle_piece(piece, Instant::now());
            }
            match piece {
                Ok(Piece::Text(said)) => {
                    if answer.has_begun() || !said.trim().is_empty() {
                        clocks.handle_content(Instant::now());
                    }
                    for part in text::split(&said, MAX_PART_BYTES) {
                        for delta in answer.handle_text(part) {
                            record.handle_delta(&delta, Instant::now());
                            yield AiLine::Delta(delta);
                        }
                        if answer.is_full() {
                            break 'turn Ending::Ended(End::Cut);
                        }
                        yield_now().await;
                        if let Some(clock) = clocks.over(Instant::now()) {
                            break 'turn Ending::Failed(ModelError::TimedOut(clock));
                        }
                    }
                }
                Ok(Piece::OfferPerson) => answer.offer_person = true,
                Ok(Piece::Handover { summary }) => break Ending::Handover(summary),
                Ok(Piece::Quota(quota)) => yield AiLine::Quota(quota),
                Ok(Piece::Asking(_) | Piece::Failed(_) | Piece::Heard(_) | Piece::Usage(_)) => {}
                Ok(Piece::End(end)) => break Ending::Ended(end),
                Err(error) => break Ending::Failed(error),
            }
        };
        drop(pieces);
        if let Ending::Failed(error) = &ending {
            record.handle_error(error.clone(), Instant::now());
        }
        for delta in answer.finish() {
            record.handle_delta(&delta, Instant::now());
            yield AiLine::Delta(delta);
        }
        let outcome = outcome(ending, answer, &plan);
        record.handle_outcome(&outcome);
        yield AiLine::Report(record.report(Instant::now()));
        yield AiLine::Outcome(outcome);
    }
}

/// The answer as it grows: what the model says, and what of it is shown.
struct Answer {
    speech: Speech,
    draft: Draft,
    offer_person: bool,
    has_begun: bool,
    /// How much the model has said, and how much it may say, in bytes.
    said: usize,
    max_said: usize,
}

impl Answer {
    fn new(plan: &Plan, max_bytes: usize) -> Self {
        let draft = Draft::new(max_bytes);
        let (speech, offer_person) = (plan.speech(), plan.is_unanswerable());
        Self {
            speech,
            draft,
            offer_person,
            has_begun: false,
            said: 0,
            max_said: max_bytes.saturating_mul(SAID_PER_SHOWN),
        }
    }

    /// It reached its limit, or the model said too much of which nothing can be shown.
    fn is_full(&self) -> bool {
        self.draft.is_full() || self.said > self.max_said
    }

    /// The model has said something, shown or not.
    fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Gives the deltas to send.
    fn handle_text(&mut self, said: &str) -> Vec<String> {
        self.has_begun |= !said.trim().is_empty();
        self.said += said.len();
        let shown = self.speech.handle_text(said);
        self.draft.handle_text(&shown)
    }

    /// Gives the deltas that were held back.
    fn finish(&mut self) -> Vec<String> {
        let shown = self.speech.finish();
        self.draft.handle_text(&shown)
    }
}

/// The model's next piece, or why there is none: an error of its own, its silence, its end without a word, its panic. A
/// model whose next piece is always there is looked at by the clock as well.
async fn next(pieces: &mut Pieces, clocks: &Clocks) -> Result<Piece, ModelError> {
    if let Some(clock) = clocks.over(Instant::now()) {
        return Err(ModelError::TimedOut(clock));
    }
    let (due, clock) = clocks.due();
    let next = AssertUnwindSafe(pieces.next()).catch_unwind();
    match timeout_at(due, next).await {
        Ok(Ok(Some(piece))) => piece,
        Ok(Ok(None)) => Err(ModelError::Invalid("it ended without an end".into())),
        Ok(Err(_panic)) => Err(ModelError::Internal("the model's code panicked")),
        Err(_elapsed) => Err(ModelError::TimedOut(clock)),
    }
}

fn outcome(ending: Ending, answer: Answer, plan: &Plan) -> AiOutcome {
    let interrupted = match ending {
        Ending::Handover(note) => return plan.handover(HandoverReason::Assistant, &note, String::new()),
        Ending::Ended(End::Complete) => false,
        Ending::Ended(End::Cut) | Ending::Failed(_) => true,
    };
    if answer.draft.is_empty() {
        return plan.fallback();
    }
    let text = answer.draft.into_text();
    let sources = cite::sources(&text, answer.speech.named(), plan.shown());
    AiOutcome::Answer(AiAnswer { text, interrupted, offer_person: answer.offer_person, sources, ..AiAnswer::default() })
}

#[cfg(test)]
mod tests;
