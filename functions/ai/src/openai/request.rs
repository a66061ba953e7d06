//! The request for a chat completion.

use protocol::function::{Message, Role};
use serde_json::{Value, json};

use crate::openai::tool;
use crate::prompt::Prompt;

/// The address to ask, from a base with or without the path of chat completions.
pub(crate) fn url(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/chat/completions") { base.to_owned() } else { format!("{base}/chat/completions") }
}

/// Where the server lists its models: asked only to have a connection open.
pub(crate) fn models_url(url: &str) -> String {
    format!("{}/models", url.trim_end_matches("/chat/completions"))
}

/// The request as JSON. `with_tool`: the model may hand over by a call.
pub(crate) fn body(prompt: &Prompt, model: &str, max_tokens: u32, url: &str, with_tool: bool) -> Vec<u8> {
    let mut messages = vec![json!({"role": "system", "content": prompt.rules})];
    messages
        .extend(merged(&prompt.messages).into_iter().map(|(role, content)| json!({"role": role, "content": content})));
    let mut body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    // OpenAI's newer models refuse the old name; other servers do not know the new one.
    let limit = if url.contains("//api.openai.com/") { "max_completion_tokens" } else { "max_tokens" };
    body[limit] = Value::from(max_tokens);
    if with_tool {
        body["tools"] = json!([tool::definition()]);
    }
    body.to_string().into_bytes()
}

/// Messages of one side that follow each other become one: many chat templates refuse two in a row.
fn merged(messages: &[Message]) -> Vec<(&'static str, String)> {
    let mut merged: Vec<(&'static str, String)> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::Visitor => "user",
            Role::Assistant | Role::Agent => "assistant",
        };
        match merged.last_mut() {
            Some((last, content)) if *last == role => {
                content.push_str("\n\n");
                content.push_str(&message.text);
            }
            _ => merged.push((role, message.text.clone())),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(messages: &[(Role, &str)]) -> Prompt {
        let messages = messages.iter().map(|(role, text)| Message { role: *role, text: (*text).into() }).collect();
        Prompt { messages, ..crate::model::tests::prompt() }
    }

    #[test]
    fn the_path_is_added_to_a_base_that_lacks_it() {
        for base in ["http://host/v1", "http://host/v1/", "http://host/v1/chat/completions"] {
            assert_eq!(url(base), "http://host/v1/chat/completions");
        }
    }

    #[test]
    fn roles_are_mapped_and_neighbours_of_one_side_are_merged() {
        let prompt = prompt(&[
            (Role::Visitor, "one"),
            (Role::Assistant, "two"),
            (Role::Agent, "three"),
            (Role::Visitor, "four"),
            (Role::Visitor, "five"),
        ]);
        let body: Value =
            serde_json::from_slice(&body(&prompt, "tiny", 9, "http://host/v1/chat/completions", false)).unwrap();
        let expected = json!({
            "model": "tiny", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 9,
            "messages": [
                {"role": "system", "content": "rules"},
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": "two\n\nthree"},
                {"role": "user", "content": "four\n\nfive"},
            ],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn openai_itself_gets_the_limit_under_its_new_name() {
        let body =
            body(&prompt(&[(Role::Visitor, "Hi")]), "gpt", 9, "https://api.openai.com/v1/chat/completions", true);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(9), &Value::Null));
    }

    #[test]
    fn a_model_that_may_hand_over_gets_the_tool() {
        let body = body(&prompt(&[(Role::Visitor, "Hi")]), "tiny", 9, "http://host/v1/chat/completions", true);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["tools"][0]["function"]["name"], "hand_over");
    }

    #[test]
    fn models_are_listed_beside_the_completions() {
        assert_eq!(models_url("http://host/v1/chat/completions"), "http://host/v1/models");
    }
}
