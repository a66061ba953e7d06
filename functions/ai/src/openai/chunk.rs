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
    /// What the choice says beside its text: `tool_calls`, for instance.
    pub(crate) said: Value,
    /// The answer is over.
    pub(crate) end: Option<End>,
    /// How the server calls that end. A short word.
    pub(crate) finish_reason: Option<String>,
    /// The cost of the whole turn.
    pub(crate) usage: Option<Usage>,
    /// The name of the model that answers, which may be more exact than the one that was asked for.
    pub(crate) model: Option<String>,
}

/// The longest name of a model, and the longest reason, that is kept, in bytes.
const MAX_WORD_BYTES: usize = 128;

/// Reads a document; `is_error` says that the server called it one.
pub(crate) fn read(data: &str, is_error: bool) -> Result<Chunk, ModelError> {
    let mut document: Value = match serde_json::from_str(data) {
        Ok(document) => document,
        Err(_) if is_error => return Err(refusal::of_stream(&Value::Null)),
        Err(error) => return Err(ModelError::Invalid(format!("an event is no JSON (column {})", error.column()))),
    };
    let error = document.get("error").filter(|error| !error.is_null());
    if error.is_some() || is_error {
        return Err(refusal::of_stream(error.unwrap_or(&document)));
    }
    let usage = document.get("usage").and_then(usage);
    let model = word(&document, "model");
    let mut choice =
        document.get_mut("choices").and_then(|choices| choices.get_mut(0)).map_or(Value::Null, Value::take);
    let (end, finish_reason) = (end(&choice), word(&choice, "finish_reason"));
    let key = if choice["delta"].is_object() { "delta" } else { "message" };
    let mut said = choice.get_mut(key).map_or(Value::Null, Value::take);
    let content = said.get_mut("content").map(Value::take).or_else(|| choice.get_mut("text").map(Value::take));
    Ok(Chunk { text: content.map(text).unwrap_or_default(), said, end, finish_reason, usage, model })
}

fn text(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

fn word(of: &Value, key: &str) -> Option<String> {
    let word = of.get(key)?.as_str()?;
    (!word.is_empty() && word.len() <= MAX_WORD_BYTES).then(|| word.to_owned())
}

fn end(choice: &Value) -> Option<End> {
    match choice.get("finish_reason")?.as_str()? {
        "" => None,
        "length" | "content_filter" => Some(End::Cut),
        _ => Some(End::Complete),
    }
}

/// More tokens than any model takes or writes at once. A server that says more is mistaken, and has said nothing.
const MOST_TOKENS: u64 = 100_000_000;

fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64).filter(|count| *count <= MOST_TOKENS);
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
            let chunk = read(data, false).unwrap();
            assert_eq!((chunk.text.as_str(), chunk.end, chunk.usage), ("", None, None), "{data}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_is_told_from_a_whole_one() {
        check(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, ("", Some(End::Complete)));
        check(r#"{"choices":[{"delta":{"content":"."},"finish_reason":"length"}]}"#, (".", Some(End::Cut)));
        check(r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#, ("", Some(End::Cut)));
    }

    #[test]
    fn calls_and_the_names_of_ends_and_models_are_kept() {
        let data = r#"{"model":"tiny-2","choices":[{"message":{"content":"Hi","tool_calls":[1]},"finish_reason":"tool_calls"}]}"#;
        let chunk = read(data, false).unwrap();
        assert_eq!((chunk.text.as_str(), &chunk.said["tool_calls"]), ("Hi", &serde_json::json!([1])));
        assert_eq!((chunk.model.as_deref(), chunk.finish_reason.as_deref()), (Some("tiny-2"), Some("tool_calls")));
        assert_eq!(chunk.end, Some(End::Complete));
    }

    #[test]
    fn usage_is_read_also_where_half_of_it_is_missing() {
        let usage = |data| read(data, false).unwrap().usage;
        let both = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#;
        assert_eq!(usage(both), Some(Usage { prompt_tokens: 7, completion_tokens: 2 }));
        let half = r#"{"choices":[],"usage":{"completion_tokens":2}}"#;
        assert_eq!(usage(half), Some(Usage { prompt_tokens: 0, completion_tokens: 2 }));
        let absurd = r#"{"choices":[],"usage":{"prompt_tokens":1000000000000,"completion_tokens":2}}"#;
        assert_eq!(usage(absurd), Some(Usage { prompt_tokens: 0, completion_tokens: 2 }), "as if it had not been said");
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
