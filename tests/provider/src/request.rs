//! A request for a completion, as far as it matters here.

use serde_json::Value;

/// What a model's answer may have at most where the request does not say, in tokens.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Completion {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// The limit that the request sets, else [`DEFAULT_MAX_TOKENS`].
    pub(crate) max_tokens: u64,
    /// Whether the request sets one: only then it counts in advance.
    pub(crate) has_max_tokens: bool,
    /// By the number of characters, as providers estimate.
    pub(crate) prompt_tokens: u64,
    /// The last message of the role `user`.
    pub(crate) question: String,
    pub(crate) tools: Vec<Tool>,
    /// The field `user`: who is behind the request.
    pub(crate) user: String,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// Arguments that fit its schema: for each text the first allowed one, or its own name.
    pub(crate) arguments: String,
}

impl Completion {
    /// Reads a body. Nothing if it is no request.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let model = body.get("model")?.as_str()?.to_owned();
        let messages = body.get("messages")?.as_array()?;
        let limit = ["max_completion_tokens", "max_tokens"].iter().find_map(|key| body.get(key)?.as_u64());
        let is_visitors = |message: &&Value| message["role"] == "user";
        Some(Self {
            model,
            stream: body["stream"].as_bool().unwrap_or(false),
            include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            max_tokens: limit.unwrap_or(DEFAULT_MAX_TOKENS),
            has_max_tokens: limit.is_some(),
            prompt_tokens: messages.iter().map(|message| tokens(&text(message))).sum(),
            question: messages.iter().rfind(is_visitors).map(text).unwrap_or_default(),
            tools: body["tools"]
                .as_array()
                .map(|tools| tools.iter().filter_map(Tool::parse).collect())
                .unwrap_or_default(),
            user: body["user"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// What the provider takes for it in advance, beside the prompt.
    pub(crate) fn reserved_tokens(&self) -> u64 {
        if self.has_max_tokens { self.max_tokens } else { 16 }
    }
}

impl Tool {
    fn parse(tool: &Value) -> Option<Self> {
        let function = tool.get("function")?;
        let mut arguments = serde_json::Map::new();
        if let Some(properties) = function["parameters"]["properties"].as_object() {
            for (name, schema) in properties.iter().filter(|(_, schema)| schema["type"] == "string") {
                let value = schema["enum"].get(0).cloned().unwrap_or_else(|| name.clone().into());
                arguments.insert(name.clone(), value);
            }
        }
        Some(Self { name: function.get("name")?.as_str()?.to_owned(), arguments: Value::from(arguments).to_string() })
    }
}

fn text(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// A message's tokens, roughly: one for four characters, one for each Chinese one, and three around it.
fn tokens(text: &str) -> u64 {
    let (narrow, wide) =
        text.chars().fold(
            (0_u64, 0_u64),
            |(narrow, wide), character| {
                if character < '\u{2e80}' { (narrow + 1, wide) } else { (narrow, wide + 1) }
            },
        );
    narrow.div_ceil(4) + wide + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_clients_write_it() {
        let body = r#"{"model": "tiny", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 77,
            "messages": [{"role": "system", "content": "rules"}, {"role": "user", "content": "one"},
            {"role": "assistant", "content": null}, {"role": "user", "content": [{"type": "text", "text": "two"}]}]}"#;
        let request = Completion::parse(body.as_bytes()).unwrap();
        let expected = Completion {
            model: "tiny".into(),
            stream: true,
            include_usage: true,
            max_tokens: 77,
            has_max_tokens: true,
            prompt_tokens: 5 + 4 + 3 + 4,
            question: "two".into(),
            ..Completion::default()
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn the_newer_name_of_the_limit_is_understood_and_none_reserves_little() {
        let read = |body: &str| Completion::parse(body.as_bytes()).unwrap();
        let newer = read(r#"{"model": "m", "messages": [], "max_completion_tokens": 9}"#);
        assert_eq!((newer.max_tokens, newer.reserved_tokens()), (9, 9));
        let none = read(r#"{"model": "m", "messages": []}"#);
        assert_eq!((none.max_tokens, none.reserved_tokens()), (DEFAULT_MAX_TOKENS, 16));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in ["", "[]", "{}", r#"{"model": "m"}"#, r#"{"model": 1, "messages": []}"#] {
            assert_eq!(Completion::parse(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_tool_gets_arguments_that_fit_it() {
        let tool = r#"{"type": "function", "function": {"name": "to_person", "parameters": {"type": "object", "properties":
            {"reason": {"type": "string", "enum": ["asked", "angry"]}, "summary": {"type": "string"}, "n": {"type": "integer"}}}}}"#;
        let tool = Tool::parse(&serde_json::from_str(tool).unwrap()).unwrap();
        assert_eq!(
            tool,
            Tool { name: "to_person".into(), arguments: r#"{"reason":"asked","summary":"summary"}"#.into() }
        );
    }

    #[test]
    fn chinese_counts_by_the_character() {
        assert_eq!((tokens(""), tokens("abcde"), tokens("你好")), (3, 5, 5));
    }
}
