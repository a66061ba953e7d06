//! One JSON document of a model's answer, read leniently.
//!
//! Servers that call themselves compatible leave out `choices`, send `null` contents, chunks with a role alone, empty
//! strings where OpenAI sends `null`, contents as a list of parts, whole messages in place of deltas, and errors with
//! status 200. What says nothing is passed over; what is no JSON is an error, for a piece of the answer may be lost.

use serde_json::Value;

use super::refusal;
use crate::model::{End, ModelError, Usage};

/// What one document says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Chunk {
    /// The next part of the text; may be empty.
    pub(crate) text: String,
    /// The answer is over.
    pub(crate) end: Option<End>,
    /// The cost of the whole turn.
    pub(crate) usage: Option<Usage>,
}

/// Reads a document; `is_error` says that the server called it one.
pub(crate) fn read(data: &str, is_error: bool) -> Result<Chunk, ModelError> {
    let document: Value = match serde_json::from_str(data) {
        Ok(document) => document,
        Err(_) if is_error => return Err(refusal::of_stream(&Value::Null)),
        Err(error) => return Err(ModelError::Invalid(format!("an event is no JSON (column {})", error.column()))),
    };
    let error = document.get("error").filter(|error| !error.is_null());
    if error.is_some() || is_error {
        return Err(refusal::of_stream(error.unwrap_or(&document)));
    }
    let choice = document.get("choices").and_then(|choices| choices.get(0));
    Ok(Chunk {
        text: choice.map(text).unwrap_or_default(),
        end: choice.and_then(end),
        usage: document.get("usage").and_then(usage),
    })
}

fn text(choice: &Value) -> String {
    let content = ["delta", "message"].iter().find_map(|key| choice.get(key)?.get("content"));
    match content.or_else(|| choice.get("text")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

fn end(choice: &Value) -> Option<End> {
    match choice.get("finish_reason")?.as_str()? {
        "" => None,
        "length" | "content_filter" => Some(End::Cut),
        _ => Some(End::Complete),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let (prompt, completion) = (count("prompt_tokens"), count("completion_tokens"));
    (prompt.is_some() || completion.is_some())
        .then(|| Usage { prompt_tokens: prompt.unwrap_or(0), completion_tokens: completion.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data: &str, expected: (&str, Option<End>)) {
        let chunk = read(data, false).unwrap();
        assert_eq!((chunk.text.as_str(), chunk.end), expected, "{data}");
    }

    #[test]
    fn text_is_found_where_servers_put_it() {
        check(r#"{"choices":[{"delta":{"content":"Hi"}}]}"#, ("Hi", None));
        check(r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#, ("Hi", Some(End::Complete)));
        check(r#"{"choices":[{"delta":{"content":[{"type":"text","text":"H"},{"text":"i"}]}}]}"#, ("Hi", None));
        check(r#"{"choices":[{"text":"Hi"}]}"#, ("Hi", None));
    }

    #[test]
    fn documents_that_say_nothing_are_passed_over() {
        for data in [
            r#"{}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":null}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#,
            r#"{"choices":[{"delta":{"content":""},"finish_reason":""}]}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}],"error":null}"#,
            r#"{"choices":[],"usage":{}}"#,
            r#"{"choices":[],"usage":null}"#,
            r#"[]"#,
        ] {
            assert_eq!(read(data, false).unwrap(), Chunk::default(), "{data}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_is_told_from_a_whole_one() {
        check(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, ("", Some(End::Complete)));
        check(r#"{"choices":[{"delta":{"content":"."},"finish_reason":"length"}]}"#, (".", Some(End::Cut)));
        check(r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#, ("", Some(End::Cut)));
    }

    #[test]
    fn usage_is_read_also_where_half_of_it_is_missing() {
        let usage = |data| read(data, false).unwrap().usage;
        let both = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#;
        assert_eq!(usage(both), Some(Usage { prompt_tokens: 7, completion_tokens: 2 }));
        let half = r#"{"choices":[],"usage":{"completion_tokens":2}}"#;
        assert_eq!(usage(half), Some(Usage { prompt_tokens: 0, completion_tokens: 2 }));
    }

    #[test]
    fn errors_inside_a_good_status_are_errors() {
        assert!(matches!(
            read(r#"{"error":{"message":"no","type":"server_error"}}"#, false),
            Err(ModelError::Unavailable { .. })
        ));
        assert!(matches!(read(r#"{"error":"no"}"#, false), Err(ModelError::Unavailable { .. })));
        assert!(matches!(read(r#"{"message":"no"}"#, true), Err(ModelError::Unavailable { .. })));
        assert!(matches!(read("went wrong", true), Err(ModelError::Unavailable { .. })));
        let quota = r#"{"error":{"code":"insufficient_quota"}}"#;
        assert!(matches!(read(quota, false), Err(ModelError::QuotaUsedUp(_))));
    }

    #[test]
    fn what_is_no_json_is_an_error_that_does_not_repeat_it() {
        let error = read(r#"{"choices":[{"delta":{"content":"secret"#, false).unwrap_err();
        assert!(matches!(error, ModelError::Invalid(_)));
        assert!(!error.to_string().contains("secret"));
    }
}
