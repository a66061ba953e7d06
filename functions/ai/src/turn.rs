//! One turn: a request in, delta lines and one outcome line out. Never silent, whatever the model does.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt};
use protocol::function::{
    AiAnswer, AiFailure, AiHandover, AiLine, AiOutcome, AiRequest, FailureReason, HandoverReason,
};
use tokio::time::{Instant, timeout_at};

use crate::clocks::Clocks;
use crate::draft::Draft;
use crate::handover;
use crate::model::{End, Model, ModelError, Piece, Pieces};
use crate::prompt::{self, Prompt};
use crate::record::Record;
use crate::settings::{Settings, Site};

/// How a model's part in a turn ended.
#[derive(Debug)]
enum Ending {
    Ended(End),
    Handover,
    Failed(ModelError),
}

/// The lines of the turn that `request` asks for: deltas as they come, then exactly one outcome, by `deadline` at the
/// latest. Dropping the stream drops the model's.
pub fn lines(
    request: AiRequest,
    model: Arc<dyn Model>,
    settings: Arc<Settings>,
    deadline: Instant,
) -> impl Stream<Item = AiLine> + Send {
    async_stream::stream! {
        let started = Instant::now();
        let mut record = Record::new(&request, model.name(), started);
        let mut clocks = Clocks::start(settings.clocks, started, deadline);
        let site = settings.site(&request.site);
        let prompt = match prompt(&request, &site, settings.max_prompt_bytes, &clocks) {
            Ok(prompt) => prompt,
            Err(outcome) => {
                record.handle_outcome(&outcome);
                yield AiLine::Outcome(outcome);
                return;
            }
        };
        let mut draft = Draft::new(settings.max_answer_bytes);
        let mut offer_person = false;
        let question = prompt.question().to_owned();
        let mut pieces = model.answer(prompt);
        let ending = loop {
            match next(&mut pieces, &clocks).await {
                Ok(Piece::Text(said)) => {
                    for delta in draft.handle_text(&said) {
                        let now = Instant::now();
                        clocks.handle_content(now);
                        record.handle_delta(delta.len(), now);
                        yield AiLine::Delta(delta);
                    }
                    if draft.is_full() {
                        break Ending::Ended(End::Cut);
                    }
                }
                Ok(Piece::OfferPerson) => offer_person = true,
                Ok(Piece::Usage(usage)) => record.handle_usage(usage),
                Ok(Piece::Handover) => break Ending::Handover,
                Ok(Piece::End(end)) => break Ending::Ended(end),
                Err(error) => break Ending::Failed(error),
            }
        };
        drop(pieces);
        if let Ending::Failed(error) = &ending {
            record.handle_error(error.clone());
        }
        let fallback = || site.fallback_text(&question, &request.language).to_owned();
        let outcome = outcome(ending, draft, offer_person, fallback);
        record.handle_outcome(&outcome);
        yield AiLine::Outcome(outcome);
    }
}

/// What to ask the model, or the outcome of a turn that needs no model.
fn prompt(request: &AiRequest, site: &Site, max_bytes: usize, clocks: &Clocks) -> Result<Prompt, AiOutcome> {
    let failure = |reason| AiOutcome::Failure(AiFailure { reason });
    if clocks.try_until() <= Instant::now() {
        return Err(failure(FailureReason::Deadline));
    }
    let messages = prompt::recent(&request.messages, max_bytes).ok_or(failure(FailureReason::InvalidRequest))?;
    let prompt = Prompt {
        site: request.site.clone(),
        rules: prompt::rules(site),
        messages,
        language: request.language.clone(),
        try_until: clocks.try_until(),
    };
    if handover::is_asked_for(prompt.question()) {
        return Err(handover(HandoverReason::VisitorAsked));
    }
    Ok(prompt)
}

/// The model's next piece, or why there is none: an error of its own, its silence, its end without a word, its panic.
async fn next(pieces: &mut Pieces, clocks: &Clocks) -> Result<Piece, ModelError> {
    let (due, clock) = clocks.due();
    let next = AssertUnwindSafe(pieces.next()).catch_unwind();
    match timeout_at(due, next).await {
        Ok(Ok(Some(piece))) => piece,
        Ok(Ok(None)) => Err(ModelError::Invalid("it ended without an end".into())),
        Ok(Err(_panic)) => Err(ModelError::Internal("the model's code panicked")),
        Err(_elapsed) => Err(ModelError::TimedOut(clock)),
    }
}

fn outcome(ending: Ending, draft: Draft, offer_person: bool, fallback: impl FnOnce() -> String) -> AiOutcome {
    let interrupted = match ending {
        Ending::Handover => return handover(HandoverReason::Assistant),
        Ending::Ended(End::Complete) => false,
        Ending::Ended(End::Cut) | Ending::Failed(_) => true,
    };
    if draft.is_empty() {
        return AiOutcome::Answer(AiAnswer {
            text: fallback(),
            fallback: true,
            offer_person: true,
            ..AiAnswer::default()
        });
    }
    AiOutcome::Answer(AiAnswer { text: draft.into_text(), interrupted, offer_person, ..AiAnswer::default() })
}

fn handover(reason: HandoverReason) -> AiOutcome {
    AiOutcome::Handover(AiHandover { reason, summary: String::new() })
}

#[cfg(test)]
mod tests;
