//! What a model's server means by an error.
//!
//! Only the status and the short codes are kept. An error's message may repeat what the visitor wrote, or part of the
//! key.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::model::ModelError;

/// The longest code kept for logs, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// Codes of an account that has nothing left: asking again does not help.
const QUOTA_CODES: [&str; 4] =
    ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"];

const RATE_CODES: [&str; 4] = ["rate_limit_exceeded", "rate_limit_error", "requests", "tokens"];

const REQUEST_CODES: [&str; 7] = [
    "invalid_request_error",
    "invalid_api_key",
    "authentication_error",
    "permission_error",
    "model_not_found",
    "context_length_exceeded",
    "content_filter",
];

/// The meaning of a response whose status is not 2xx. `retry_after`: when the server wants to be asked again.
pub(crate) fn of_status(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> ModelError {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let codes = codes(body.get("error").unwrap_or(&body));
    let detail = detail(&format!("status {}", status.as_u16()), &codes);
    if any(&codes, &QUOTA_CODES) || status == StatusCode::PAYMENT_REQUIRED {
        return ModelError::QuotaUsedUp(detail);
    }
    match status.as_u16() {
        429 => ModelError::RateLimited { detail, retry_after },
        408 | 409 | 425 | 500..=599 => ModelError::Unavailable { detail, retry_after },
        _ => ModelError::Refused(detail),
    }
}

/// The meaning of an error object that came inside a stream, or in a body with a good status.
pub(crate) fn of_stream(error: &Value) -> ModelError {
    let codes = codes(error);
    let detail = detail("an error in the stream", &codes);
    if any(&codes, &QUOTA_CODES) {
        ModelError::QuotaUsedUp(detail)
    } else if any(&codes, &RATE_CODES) || codes.iter().any(|code| code == "429") {
        ModelError::RateLimited { detail, retry_after: None }
    } else if any(&codes, &REQUEST_CODES)
        || codes.iter().any(|code| matches!(code.as_str(), "400" | "401" | "403" | "404"))
    {
        ModelError::Refused(detail)
    } else {
        ModelError::Unavailable { detail, retry_after: None }
    }
}

/// Whether a request that carried a tool may have been refused for it: the server says so, or says nothing that means
/// something else. Some cannot take tools at all, and some models cannot.
pub(crate) fn may_be_about_tools(status: StatusCode, body: &[u8]) -> bool {
    const OTHER: [&str; 4] = ["context_length_exceeded", "content_filter", "invalid_api_key", "model_not_found"];
    if matches!(status.as_u16(), 401 | 402 | 403 | 429) {
        return false;
    }
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("tool") || status == StatusCode::BAD_REQUEST && !OTHER.iter().any(|code| text.contains(code))
}

/// `code` and `type`, wherever they are text or a number.
fn codes(error: &Value) -> Vec<String> {
    let code = |key: &str| match error.get(key)? {
        Value::String(code) => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    };
    ["code", "type"].iter().filter_map(|key| code(key)).filter(|code| is_code(code)).collect()
}

/// A short word, and not a sentence that might say more than it should.
fn is_code(code: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !code.is_empty() && code.len() <= MAX_CODE_BYTES && code.bytes().all(is_plain)
}

fn any(codes: &[String], known: &[&str]) -> bool {
    codes.iter().any(|code| known.contains(&code.as_str()))
}

fn detail(what: &str, codes: &[String]) -> String {
    if codes.is_empty() { what.to_owned() } else { format!("{what} ({})", codes.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(status: u16, body: &str) -> ModelError {
        of_status(StatusCode::from_u16(status).unwrap(), None, body.as_bytes())
    }

    #[test]
    fn a_rate_limit_may_be_tried_again_and_a_used_up_quota_may_not() {
        let rate = status(429, r#"{"error":{"type":"requests","code":"rate_limit_exceeded"}}"#);
        assert!(rate.is_transient(), "{rate}");
        let quota = status(429, r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#);
        assert!(matches!(quota, ModelError::QuotaUsedUp(_)), "{quota}");
        assert!(!quota.is_transient());
    }

    #[test]
    fn faults_of_the_server_are_transient_and_faults_of_the_request_are_not() {
        for code in [408, 500, 502, 503, 529] {
            assert!(status(code, "").is_transient(), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 413, 422] {
            assert!(matches!(status(code, "<html>"), ModelError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn a_refusal_may_be_about_the_tool_unless_it_says_something_else() {
        let about_tools =
            |status: u16, body: &str| may_be_about_tools(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        for (status, body) in [
            (400, ""),
            (400, r#"{"error":{"message":"registry/model does not support tools"}}"#),
            (404, r#"{"error":{"message":"No endpoints found that support tool use."}}"#),
            (422, r#"{"detail":[{"loc":["body","tools"],"msg":"Extra inputs are not permitted"}]}"#),
            (500, r#"{"error":{"message":"tools param requires --jinja flag"}}"#),
        ] {
            assert!(about_tools(status, body), "{status} {body}");
        }
        for (status, body) in [
            (400, r#"{"error":{"code":"context_length_exceeded"}}"#),
            (401, "tool"),
            (404, ""),
            (429, "tool"),
            (500, ""),
        ] {
            assert!(!about_tools(status, body), "{status} {body}");
        }
    }

    #[test]
    fn messages_are_never_kept() {
        let error = status(401, r#"{"error":{"message":"Incorrect API key sk-secret","code":"Bad key sk-secret"}}"#);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn codes_inside_a_stream_are_understood_as_words_and_numbers() {
        assert!(matches!(of_stream(&json!({"code": 429})), ModelError::RateLimited { .. }));
        assert!(matches!(of_stream(&json!({"code": 400})), ModelError::Refused(_)));
        assert!(matches!(of_stream(&json!({"type": "invalid_request_error"})), ModelError::Refused(_)));
        assert!(matches!(of_stream(&json!("overloaded")), ModelError::Unavailable { .. }));
    }
}
