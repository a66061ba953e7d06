//! One request to a model as a span, named as OpenTelemetry's conventions for generative AI name it. Without a word of what
//! was said.

use telemetry::traces::{self, TARGET};
use tracing::Span;
use tracing::field::Empty;
use url::Url;

use super::answer::Answer;
use crate::model::{ModelError, Piece};

/// The span of a chat with this model at this server. It ends when its last clone is dropped.
pub(crate) fn chat(model: &str, server: &Url, max_tokens: u32) -> Span {
    tracing::info_span!(
        target: TARGET,
        "chat",
        otel.name = format!("chat {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = model,
        gen_ai.request.max_tokens = max_tokens,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        server.address = server.host_str().unwrap_or_default(),
        server.port = server.port_or_known_default().unwrap_or_default(),
    )
}

/// What the server said beside the text.
pub(crate) fn handle_answer(span: &Span, answer: &Answer) {
    if let Some(model) = answer.body().model() {
        span.record("gen_ai.response.model", model);
    }
    if let Some(reason) = answer.body().finish_reason() {
        traces::set_list(span, "gen_ai.response.finish_reasons", reason);
    }
}

pub(crate) fn handle_piece(span: &Span, piece: &Result<Piece, ModelError>) {
    match piece {
        Ok(Piece::Usage(usage)) => {
            span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
            span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
        }
        Err(error) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error.reason().as_str());
        }
        Ok(_) => {}
    }
}
