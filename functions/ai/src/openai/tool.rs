//! The one tool that a model gets: handing the conversation to a person.
//!
//! Calls come streamed, in pieces, and servers differ: the name at once, in parts or again with each piece; arguments as
//! text in parts, as an object, or as text inside text; an index or none; `function_call` as it was once. All are read. A
//! call whose arguments are no JSON is still a call, without a summary.

use serde_json::{Value, json};

/// The tool's name.
const NAME: &str = "hand_over";

/// The longest arguments that are kept, in bytes.
const MAX_ARGUMENT_BYTES: usize = 16 * 1024;

/// The most calls of one answer that are looked at.
const MAX_CALLS: usize = 8;

/// The tool, as a request describes it.
pub(crate) fn definition() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": NAME,
            "description": "Hands the conversation over to a person. Call it when the visitor asks for one, is upset, or needs \
                            something that only a person can do. Do not announce it.",
            "parameters": {
                "type": "object",
                "properties": {
                    "reason": {"type": "string", "enum": ["visitor_asked", "cannot_help", "upset", "other"]},
                    "summary": {
                        "type": "string",
                        "description": "For the person who takes over: what the visitor wants and what was said, in two or \
                                        three sentences, in the visitor's language.",
                    },
                },
                "required": ["reason", "summary"],
            },
        },
    })
}

/// The calls of one answer, put together from their pieces.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    index: u64,
    name: String,
    arguments: String,
}

impl Calls {
    /// Takes what a choice's delta or message says of calls.
    pub(crate) fn handle_delta(&mut self, delta: &Value) {
        if let Some(calls) = delta.get("tool_calls").and_then(Value::as_array) {
            for (position, call) in calls.iter().enumerate() {
                let index = call.get("index").and_then(Value::as_u64).unwrap_or(position as u64);
                self.handle_call(index, call.get("function").unwrap_or(call));
            }
        }
        if let Some(function) = delta.get("function_call") {
            self.handle_call(0, function);
        }
    }

    /// The model hands over, as far as its name says by now.
    pub(crate) fn is_handover(&self) -> bool {
        self.handover().is_some()
    }

    /// What it wrote for the person, if it hands over.
    pub(crate) fn summary(&self) -> Option<String> {
        let call = self.handover()?;
        let mut arguments: Value = serde_json::from_str(&call.arguments).unwrap_or(Value::Null);
        if let Value::String(inner) = &arguments {
            arguments = serde_json::from_str(inner).unwrap_or(Value::Null);
        }
        Some(arguments["summary"].as_str().unwrap_or_default().trim().to_owned())
    }

    fn handover(&self) -> Option<&Call> {
        self.0.iter().find(|call| call.name == NAME)
    }

    fn handle_call(&mut self, index: u64, function: &Value) {
        let known = self.0.iter().position(|call| call.index == index);
        let known = match known {
            Some(known) => known,
            None if self.0.len() < MAX_CALLS => {
                self.0.push(Call { index, name: String::new(), arguments: String::new() });
                self.0.len() - 1
            }
            None => return,
        };
        let call = &mut self.0[known];
        if let Some(name) = function.get("name").and_then(Value::as_str)
            && call.name != name
            && call.name.len() + name.len() <= MAX_ARGUMENT_BYTES
        {
            call.name.push_str(name);
        }
        let arguments = match function.get("arguments") {
            Some(Value::String(part)) => part.clone(),
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => return,
        };
        if call.arguments.len() + arguments.len() <= MAX_ARGUMENT_BYTES {
            call.arguments.push_str(&arguments);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(deltas: &[Value]) -> Option<String> {
        let mut calls = Calls::default();
        deltas.iter().for_each(|delta| calls.handle_delta(delta));
        calls.summary()
    }

    fn part(index: u64, function: Value) -> Value {
        json!({"tool_calls": [{"index": index, "id": "c1", "type": "function", "function": function}]})
    }

    #[test]
    fn a_call_is_put_together_from_its_pieces() {
        let deltas = [
            part(0, json!({"name": "hand_over", "arguments": ""})),
            part(0, json!({"arguments": "{\"reason\":\"visitor_asked\",\"summ"})),
            part(0, json!({"arguments": "ary\":\"Asks for 退款.\"}"})),
        ];
        assert_eq!(summary(&deltas).as_deref(), Some("Asks for 退款."));
    }

    #[test]
    fn the_ways_in_which_servers_differ_are_all_understood() {
        let object = json!({"name": "hand_over", "arguments": {"summary": "S"}});
        let nested = json!({"name": "hand_over", "arguments": "\"{\\\"summary\\\":\\\"S\\\"}\""});
        for deltas in [
            vec![part(0, object.clone())],
            vec![part(0, nested)],
            vec![json!({"tool_calls": [{"function": object.clone()}]})],
            vec![json!({"function_call": object})],
            vec![
                part(3, json!({"name": "hand_"})),
                part(3, json!({"name": "over", "arguments": "{\"summary\":\"S\"}"})),
            ],
            vec![
                part(0, json!({"name": "hand_over", "arguments": "{\"summary\":"})),
                part(0, json!({"name": "hand_over", "arguments": "\"S\"}"})),
            ],
        ] {
            assert_eq!(summary(&deltas).as_deref(), Some("S"), "{deltas:?}");
        }
    }

    #[test]
    fn a_call_without_readable_arguments_is_still_a_handover() {
        for arguments in ["", "{\"summary\":\"cut", "[]", "{}", "{\"summary\":7}"] {
            assert_eq!(summary(&[part(0, json!({"name": "hand_over", "arguments": arguments}))]).as_deref(), Some(""));
        }
    }

    #[test]
    fn other_calls_and_none_are_no_handover() {
        for delta in [
            json!({}),
            json!({"tool_calls": null}),
            json!({"tool_calls": []}),
            json!({"tool_calls": [{}]}),
            json!({"function_call": null}),
            part(0, json!({"name": "search", "arguments": "{\"summary\":\"S\"}"})),
        ] {
            assert_eq!(summary(std::slice::from_ref(&delta)), None, "{delta}");
        }
    }

    #[test]
    fn endless_arguments_and_calls_are_bounded() {
        let mut calls = Calls::default();
        for index in 0..100 {
            calls.handle_delta(&part(index, json!({"name": "x".repeat(9_000), "arguments": "y".repeat(9_000)})));
            calls.handle_delta(&part(index, json!({"name": "z".repeat(9_000), "arguments": "y".repeat(9_000)})));
        }
        let kept: usize = calls.0.iter().map(|call| call.name.len() + call.arguments.len()).sum();
        assert!(kept <= MAX_CALLS * 2 * MAX_ARGUMENT_BYTES, "{kept}");
    }
}
