//! The documents of a response, with the fields that OpenAI sends.

use serde_json::{Value, json};

use crate::request::{Completion, Tool};

/// Writes the chunks of one answer.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    /// Up to the list of choices.
    start: String,
    /// From the end of that list.
    end: &'static str,
    prompt_tokens: u64,
}

impl Chunks {
    /// `id` and `created` (Unix seconds) name the answer.
    pub(crate) fn new(request: &Completion, id: &str, created: u64) -> Self {
        let model = Value::from(request.model.as_str());
        let start = format!(
            "{{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model},\
             \"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\",\"choices\":["
        );
        let end = if request.include_usage { "],\"usage\":null}" } else { "]}" };
        Self { start, end, prompt_tokens: request.prompt_tokens }
    }

    /// The first chunk: who speaks.
    pub(crate) fn role(&self) -> String {
        self.chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null")
    }

    /// A piece of the text.
    pub(crate) fn text(&self, text: &str) -> String {
        self.chunk(&format!("{{\"content\":{}}}", Value::from(text)), "null")
    }

    /// The chunk that ends the answer.
    pub(crate) fn finish(&self, reason: &str) -> String {
        self.chunk("{}", &Value::from(reason).to_string())
    }

    /// A chunk with this delta.
    pub(crate) fn delta(&self, delta: &str) -> String {
        self.chunk(delta, "null")
    }

    /// A chunk without any choice.
    pub(crate) fn no_choices(&self) -> String {
        format!("{}{}", self.start, self.end)
    }

    /// A call of a tool, in the pieces in which it is streamed.
    pub(crate) fn call(&self, tool: &Tool) -> Vec<String> {
        let first = json!({"role": "assistant", "content": null, "tool_calls": [
            {"index": 0, "id": "call_mock", "type": "function", "function": {"name": tool.name, "arguments": ""}}]});
        let characters: Vec<char> = tool.arguments.chars().collect();
        let piece = |part: &[char]| {
            let arguments: String = part.iter().collect();
            json!({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})
        };
        std::iter::once(first)
            .chain(characters.chunks(7).map(piece))
            .map(|delta| self.delta(&delta.to_string()))
            .collect()
    }

    /// The last chunk: what it all cost.
    pub(crate) fn usage(&self, completion_tokens: u64) -> String {
        format!("{}],\"usage\":{}}}", self.start, usage(self.prompt_tokens, completion_tokens))
    }

    /// The last chunk of a server that knows the field but not what it cost.
    pub(crate) fn empty_usage(&self) -> String {
        format!("{}],\"usage\":{{}}}}", self.start)
    }

    fn chunk(&self, delta: &str, finish: &str) -> String {
        let choice = format!("{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}");
        format!("{}{choice}{}", self.start, self.end)
    }
}

/// An event of the stream.
pub(crate) fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The whole answer in one document.
pub(crate) fn document(request: &Completion, id: &str, created: u64, text: &str, completion_tokens: u64) -> String {
    let message = json!({"role": "assistant", "content": text, "refusal": null});
    json!({
        "id": id, "object": "chat.completion", "created": created, "model": request.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
        "usage": usage(request.prompt_tokens, completion_tokens),
    })
    .to_string()
}

/// A refusal's body.
pub(crate) fn error(message: &str, kind: &str, code: Option<&str>) -> String {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Value {
    json!({
        "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}
