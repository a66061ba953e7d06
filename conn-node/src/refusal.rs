//! What a client is told when something is refused.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use protocol::v1::{self, ErrorCode};

/// Why a client does not get what it asked for, by the names of `docs/protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the client's code goes by.
    pub code: ErrorCode,
    /// For developers: what happened, to what, and what to do. Holds nothing secret.
    pub message: Cow<'static, str>,
    /// When to try again, in milliseconds. 0: not by itself.
    pub retry_after_ms: u32,
}

impl Refusal {
    /// A refusal for good.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_ms: 0 }
    }

    /// A refusal for a while. The wait is rounded up to milliseconds, so that whoever waits so long is let in.
    #[must_use]
    pub fn for_a_while(self, wait: Duration) -> Self {
        let wait_ms = wait.as_nanos().div_ceil(1_000_000);
        Self { retry_after_ms: u32::try_from(wait_ms).unwrap_or(u32::MAX), ..self }
    }

    /// The code's name: the same in frames, in JSON, in logs and as a metric's label.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.code.as_str_name()
    }

    /// As a frame's body, about the command with this id. An empty id means the connection.
    #[must_use]
    pub fn into_error(self, id: impl Into<Vec<u8>>) -> v1::Error {
        v1::Error {
            code: self.code.into(),
            message: self.message.into_owned(),
            id: id.into(),
            retry_after_ms: self.retry_after_ms,
        }
    }

    /// The status that a plain HTTP request is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::SiteUnknown => StatusCode::NOT_FOUND,
            ErrorCode::OriginForbidden => StatusCode::FORBIDDEN,
            ErrorCode::TokenInvalid
            | ErrorCode::TokenExpired
            | ErrorCode::TokenWrongSite
            | ErrorCode::IdentityRequired
            | ErrorCode::IdentityInvalid => StatusCode::UNAUTHORIZED,
            ErrorCode::RateLimited | ErrorCode::TooManyConnections => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Unavailable | ErrorCode::Draining => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.message)
    }
}

impl std::error::Error for Refusal {}

/// The same error as in a frame, in JSON, and `Retry-After` in whole seconds.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, seconds) = (self.status(), self.retry_after_ms.div_ceil(1_000));
        let mut response = (status, Json(self.into_error(Vec::new()))).into_response();
        if seconds > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_so_that_it_is_never_zero_or_too_short() {
        let wait = |micros| Refusal::new(ErrorCode::RateLimited, "").for_a_while(Duration::from_micros(micros));

        assert_eq!(wait(3).retry_after_ms, 1);
        assert_eq!(wait(1_500).retry_after_ms, 2);
        assert_eq!(wait(2_000).retry_after_ms, 2);
        assert_eq!(wait(0).retry_after_ms, 0);
    }

    #[test]
    fn an_http_client_is_told_to_wait_in_whole_seconds_rounded_up() {
        let refusal = Refusal::new(ErrorCode::RateLimited, "slow down").for_a_while(Duration::from_millis(1_001));
        let response = refusal.into_response();

        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
