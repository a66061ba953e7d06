//! The port to a language model: messages in, a stream of pieces out.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use protocol::function::{AiQuota, FailureReason};
use tokio::time::Instant;

use crate::prompt::Prompt;

/// A language model.
pub trait Model: Send + Sync {
    /// Answers `prompt`, piece by piece. No server is asked before the stream is polled; dropping it ends the work, also
    /// at the model's server.
    ///
    /// The stream ends after [`Piece::End`], [`Piece::Handover`] or an error. One model makes one attempt;
    /// [`Models`](crate::models::Models) repeats them, but only while no content has come, and begins none after
    /// `prompt.try_until`. The clocks for the first token, the gap between tokens and the whole turn belong to the caller.
    fn answer(&self, prompt: Prompt) -> Pieces;

    /// Its name in the configuration: what logs, metrics and budgets call it.
    fn name(&self) -> &str;

    /// Opens connections to its server, or uses those there are so that they are kept. Asks for no answer, and fails in
    /// silence: the next turn will find out.
    fn warm_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// What a model says, as it comes.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Piece, ModelError>> + Send>>;

/// A part of what a model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A request to this model, by its name in the configuration, is about to be sent.
    Asking(String),
    /// What the model's server said of its quota with this attempt.
    Quota(AiQuota),
    /// An attempt failed, and another one follows, of the same model or the next.
    Failed(ModelError),
    /// The bytes that hold the first content came at this moment. Right before that content.
    Heard(Instant),
    /// The next part of the text; never empty.
    Text(String),
    /// A button that asks for a person should be shown beside the answer.
    OfferPerson,
    /// A person should take over. Nothing follows.
    Handover {
        /// What the model wrote for the agent; may be empty. The visitor must never see it.
        summary: String,
    },
    /// What the server says the turn cost.
    Usage(Usage),
    /// The answer is over. Nothing follows.
    End(End),
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The model had said all.
    Complete,
    /// The model was cut off: the limit of tokens, or the server's filter of contents.
    Cut,
}

/// Tokens, as the model's server counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// Why a model gave no answer, or not all of it. Says nothing of what the visitor or the model wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// No connection, or it broke.
    #[error("the model's server cannot be reached: {0}")]
    Unreachable(String),
    /// The server does not accept the request: key, model name, or contents.
    #[error("the model's server refused the request: {0}")]
    Refused(String),
    /// The server has a fault of its own, or too much to do.
    #[error("the model's server is not available: {detail}")]
    Unavailable {
        /// Status and code.
        detail: String,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Too many requests or tokens per minute.
    #[error("the model's rate limit is reached: {detail}")]
    RateLimited {
        /// Status and code.
        detail: String,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The account has no quota left. Waiting does not help.
    #[error("the model's quota is used up: {0}")]
    QuotaUsedUp(String),
    /// The server sent something that is no answer.
    #[error("the model's server sent something that is no answer: {0}")]
    Invalid(String),
    /// A clock of the turn ran out.
    #[error("the model took too long: {0}")]
    TimedOut(&'static str),
    /// A fault of this program.
    #[error("fault in the function: {0}")]
    Internal(&'static str),
}

impl ModelError {
    /// The reason as it is said on the wire.
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Unreachable(_) => FailureReason::ModelUnreachable,
            Self::Refused(_) => FailureReason::ModelRefused,
            Self::Unavailable { .. } | Self::RateLimited { .. } | Self::QuotaUsedUp(_) => {
                FailureReason::ModelOverloaded
            }
            Self::Invalid(_) => FailureReason::ModelInvalid,
            Self::TimedOut(_) => FailureReason::ModelTimeout,
            Self::Internal(_) => FailureReason::Internal,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable { .. } | Self::RateLimited { .. })
    }

    /// When the server wants to be asked again, if it said so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A question of which a test changes what matters to it.
    pub(crate) fn prompt() -> Prompt {
        Prompt {
            site: "shop".into(),
            rules: "rules".into(),
            messages: Vec::new(),
            language: "en".into(),
            models: Vec::new(),
            may_hand_over: true,
            passages: None,
            try_until: Instant::now(),
        }
    }
}
