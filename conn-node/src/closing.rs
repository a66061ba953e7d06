//! How a connection ends.

use protocol::codes::CloseCode;

use crate::outgoing::SendError;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The peer left, or cannot be reached.
    Gone,
    /// The node ends it with this code.
    With(CloseCode),
}

impl Closing {
    /// The name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Closing::Gone => "gone",
            Closing::With(code) => code.row().name,
        }
    }
}

impl From<SendError> for Closing {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Gone(_) => Closing::Gone,
            SendError::Slow => Closing::With(CloseCode::SlowReader),
            SendError::Encode(error) => {
                tracing::error!(%error, "a frame cannot be written");
                Closing::With(CloseCode::Unavailable)
            }
        }
    }
}
