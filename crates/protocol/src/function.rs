//! What a node and its functions say to each other: one JSON document in, newline-delimited JSON lines out.
//!
//! A function streams zero or more delta lines ([`AiLine::Delta`]) and then exactly one outcome line, always last. A body
//! that ends without an outcome line means that the function died. Where a chunk of the body ends means nothing; read it
//! with [`Lines`].
//!
//! A function that streams under Lambda's runtime starts its body with a metadata prelude: a JSON object and eight NUL
//! bytes. Function URLs take it off; InvokeWithResponseStream does not. [`Lines`] skips it where it is there.
//!
//! Readers ignore fields they do not know, so that nodes and functions can be replaced one after the other.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest text of an answer, in UTF-8 bytes, whatever the configuration allows (`turn.max_answer_bytes`).
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The longest text of one delta line, in UTF-8 bytes. A longer piece is sent as several.
pub const MAX_DELTA_BYTES: usize = 4 * 1024;

/// The longest line a function writes, in bytes without its newline: a whole answer of which JSON writes every byte as
/// `\u00XX` (6 bytes), and the fields around it.
pub const MAX_LINE_BYTES: usize = 6 * MAX_ANSWER_BYTES + 1024;

/// One turn for the function `ai`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiRequest {
    /// The site's key.
    pub site: String,
    /// The conversation, as `site/visitor/ordinal`. For logs; the function keeps nothing under it.
    pub conversation: String,
    /// The seq of the newest visitor message that is to be answered.
    pub turn: u32,
    /// The conversation's recent messages, oldest first. The last one is the visitor's.
    pub messages: Vec<Message>,
    /// BCP 47 tag of the language the visitor's client shows. Empty: unknown.
    #[serde(default)]
    pub language: String,
    /// When the node stops listening, Unix milliseconds.
    pub deadline_ms: i64,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// What it says.
    pub text: String,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person on the site.
    Visitor,
    /// The AI's side of the conversation.
    Assistant,
    /// A person who answers for the site.
    Agent,
}

/// One line of what `ai` sends back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AiLine {
    /// The next piece of the answer: `{"delta":"text"}`. Never empty, at most [`MAX_DELTA_BYTES`].
    Delta(String),
    /// How the turn ended: `{"outcome":{…}}`. Exactly one, always last.
    Outcome(AiOutcome),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AiOutcome {
    /// `{"answer":{"text":…}}`
    Answer(AiAnswer),
    /// `{"handover":{}}`: a person should take over.
    Handover(AiHandover),
    /// `{"failure":{"reason":…}}`: there is nothing to show; the node answers with the site's fallback text.
    Failure(AiFailure),
}

/// The text to append as the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiAnswer {
    /// All deltas put together. A fallback answer had no deltas: its whole text is here. At most [`MAX_ANSWER_BYTES`].
    pub text: String,
    /// The model broke off; the text is what had come until then.
    #[serde(default)]
    pub interrupted: bool,
    /// The model said nothing in time; the text is the site's own.
    #[serde(default)]
    pub fallback: bool,
    /// Show a button that asks for a person.
    #[serde(default)]
    pub offer_person: bool,
}

/// A handover. It has no fields yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiHandover {}

/// A turn without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiFailure {
    /// What went wrong.
    pub reason: FailureReason,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The request could not be read, or nothing in it can be answered.
    InvalidRequest,
    /// No connection to the model, or it broke before the first token.
    ModelUnreachable,
    /// The model's server refused the request: a wrong key, an unknown model, content it does not accept.
    ModelRefused,
    /// The model's server has too much to do, or the quota is used up.
    ModelOverloaded,
    /// The model did not say its first word in time, or paused too long.
    ModelTimeout,
    /// The model's server sent something that is no answer.
    ModelInvalid,
    /// The deadline had passed before the function could begin.
    Deadline,
    /// A fault in the function itself.
    Internal,
    /// A reason that this reader does not know yet.
    #[serde(other)]
    Unknown,
}

impl FailureReason {
    /// The name on the wire, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::ModelUnreachable => "model_unreachable",
            Self::ModelRefused => "model_refused",
            Self::ModelOverloaded => "model_overloaded",
            Self::ModelTimeout => "model_timeout",
            Self::ModelInvalid => "model_invalid",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

/// A queue and a roster for the function `routing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRequest {
    /// The site's key.
    pub site: String,
    /// The conversations that wait for a person.
    pub queue: Vec<Queued>,
    /// The site's agents.
    #[serde(default)]
    pub roster: Vec<RosterAgent>,
    /// When the node stops listening, Unix milliseconds.
    pub deadline_ms: i64,
}

/// A conversation that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The conversation, as `site/visitor/ordinal`.
    pub conversation: String,
    /// Since when it waits, Unix milliseconds.
    pub since_ms: i64,
}

/// An agent of a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterAgent {
    /// The agent's key.
    pub agent: String,
    /// How many conversations the agent takes at once.
    pub capacity: u32,
    /// How many the agent has now.
    pub load: u32,
}

/// One line of what `routing` sends back. There is only ever one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingLine {
    /// `{"outcome":{…}}`
    Outcome(RoutingOutcome),
}

/// What routing decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingOutcome {
    /// `{"assignments":[…]}`: one for each queued conversation, in the queue's order.
    Assignments(Vec<Assignment>),
    /// `{"failure":{"reason":…}}`: nothing was decided; the conversations stay in the queue.
    Failure(AiFailure),
}

/// Who takes a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The conversation, as `site/visitor/ordinal`.
    pub conversation: String,
    /// Who takes it.
    pub to: Assignee,
}

/// Who takes a conversation: `"queue"`, or `{"agent":"key"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignee {
    /// It waits in the site's queue until somebody takes it.
    Queue,
    /// The agent with this key.
    Agent(String),
}

/// Writes `line` as one line of newline-delimited JSON, newline included.
///
/// # Errors
/// None for the types of this module.
pub fn encode_line<T: Serialize>(line: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Puts newline-delimited JSON together again from chunks that end anywhere, also in the middle of a character.
///
/// Holds at most one unfinished line of the length it was given, and the chunk last pushed.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the first line that was not taken yet begins.
    start: usize,
    /// How far the buffer has been searched for a newline.
    searched: usize,
    max_line_bytes: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(MAX_LINE_BYTES)
    }
}

impl Lines {
    /// A reader that refuses lines longer than `max_line_bytes`, newline not counted.
    pub fn new(max_line_bytes: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, max_line_bytes }
    }

    /// Takes the next bytes of the body. Call [`Lines::poll_line`] until it gives nothing before pushing again.
    pub fn handle_chunk(&mut self, chunk: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line, decoded, or nothing until more bytes come. Empty lines are skipped.
    ///
    /// # Errors
    /// [`LineError::TooLong`] and [`LineError::Malformed`]; the body is of no use after either.
    pub fn poll_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        while let Some(newline) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + newline;
            let line = &self.buffer[self.start..end];
            self.start = end + 1;
            self.searched = end + 1;
            if line.len() > self.max_line_bytes {
                return Err(LineError::TooLong { max_line_bytes: self.max_line_bytes });
            }
            // JSON never holds a bare NUL: all before the last one is the prelude.
            let line = line.rsplit(|byte| *byte == 0).next().unwrap_or(line);
            if !line.trim_ascii().is_empty() {
                return Ok(Some(serde_json::from_slice(line)?));
            }
        }
        self.searched = self.buffer.len();
        if self.searched - self.start > self.max_line_bytes {
            return Err(LineError::TooLong { max_line_bytes: self.max_line_bytes });
        }
        Ok(None)
    }

    /// Whether bytes of an unfinished line are held. At the end of a body it means that the last line was cut off.
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }
}

/// A line of a function's body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No newline within the limit.
    #[error("the function wrote a line longer than {max_line_bytes} bytes")]
    TooLong {
        /// The limit, in bytes.
        max_line_bytes: usize,
    },
    /// No JSON, or JSON of another shape.
    #[error("the function wrote a line that is not of the agreed shape")]
    Malformed(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_json<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, json: serde_json::Value) {
        assert_eq!(serde_json::to_value(value).unwrap(), json);
        assert_eq!(&serde_json::from_value::<T>(json).unwrap(), value);
    }

    #[test]
    fn lines_of_ai_have_the_agreed_shape() {
        check_json(&AiLine::Delta("Hi".into()), json!({"delta": "Hi"}));
        check_json(
            &AiLine::Outcome(AiOutcome::Answer(AiAnswer {
                text: "Hi".into(),
                offer_person: true,
                ..Default::default()
            })),
            json!({"outcome": {"answer": {"text": "Hi", "interrupted": false, "fallback": false, "offer_person": true}}}),
        );
        check_json(&AiLine::Outcome(AiOutcome::Handover(AiHandover {})), json!({"outcome": {"handover": {}}}));
        check_json(
            &AiLine::Outcome(AiOutcome::Failure(AiFailure { reason: FailureReason::ModelTimeout })),
            json!({"outcome": {"failure": {"reason": "model_timeout"}}}),
        );
    }

    #[test]
    fn requests_have_the_agreed_shape_and_unknown_fields_are_ignored() {
        check_json(
            &AiRequest {
                site: "shop".into(),
                conversation: "shop/v1/1".into(),
                turn: 12,
                messages: vec![Message { role: Role::Visitor, text: "Hi".into() }],
                language: "en".into(),
                deadline_ms: 1_790_000_000_000,
            },
            json!({"site": "shop", "conversation": "shop/v1/1", "turn": 12, "language": "en",
                "messages": [{"role": "visitor", "text": "Hi"}], "deadline_ms": 1_790_000_000_000_i64}),
        );
        let later = json!({"site": "shop", "queue": [{"conversation": "shop/v1/1", "since_ms": 5}],
            "deadline_ms": 9, "added_later": true});
        let request: RoutingRequest = serde_json::from_value(later).unwrap();
        assert_eq!(request.queue, [Queued { conversation: "shop/v1/1".into(), since_ms: 5 }]);
    }

    #[test]
    fn assignments_name_the_queue_or_an_agent() {
        let to = |to| Assignment { conversation: "shop/v1/1".into(), to };
        check_json(
            &RoutingLine::Outcome(RoutingOutcome::Assignments(vec![
                to(Assignee::Queue),
                to(Assignee::Agent("mei".into())),
            ])),
            json!({"outcome": {"assignments": [{"conversation": "shop/v1/1", "to": "queue"},
                {"conversation": "shop/v1/1", "to": {"agent": "mei"}}]}}),
        );
    }

    #[test]
    fn every_failure_reason_is_named_alike_in_json_and_in_logs() {
        for reason in [
            FailureReason::InvalidRequest,
            FailureReason::ModelUnreachable,
            FailureReason::ModelRefused,
            FailureReason::ModelOverloaded,
            FailureReason::ModelTimeout,
            FailureReason::ModelInvalid,
            FailureReason::Deadline,
            FailureReason::Internal,
            FailureReason::Unknown,
        ] {
            check_json(&reason, json!(reason.as_str()));
        }
        assert_eq!(serde_json::from_value::<FailureReason>(json!("added_later")).unwrap(), FailureReason::Unknown);
    }

    #[test]
    fn lines_are_put_together_wherever_the_chunks_end() {
        let lines = [AiLine::Delta("你好 \n \"x\"".into()), AiLine::Outcome(AiOutcome::Handover(AiHandover {}))];
        let body: Vec<u8> = lines.iter().flat_map(|line| encode_line(line).unwrap()).collect();
        for size in 1..=body.len() {
            let (mut reader, mut read) = (Lines::default(), Vec::new());
            for chunk in body.chunks(size) {
                reader.handle_chunk(chunk);
                while let Some(line) = reader.poll_line::<AiLine>().unwrap() {
                    read.push(line);
                }
            }
            assert_eq!(read, lines, "chunks of {size}");
            assert!(!reader.is_partial());
        }
    }

    #[test]
    fn the_prelude_of_a_streamed_lambda_response_is_skipped() {
        let mut reader = Lines::default();
        reader.handle_chunk(b"{\"statusCode\":200,\"headers\":{},\"cookies\":[]}\0\0\0\0");
        assert_eq!(reader.poll_line::<AiLine>().unwrap(), None);
        reader.handle_chunk(b"\0\0\0\0{\"delta\":\"a\"}\n");
        assert_eq!(reader.poll_line().unwrap(), Some(AiLine::Delta("a".into())));
    }

    #[test]
    fn a_body_cut_in_a_line_is_seen_as_partial() {
        let mut reader = Lines::default();
        reader.handle_chunk(b"{\"delta\":\"a\"}\n\n{\"out");
        assert_eq!(reader.poll_line().unwrap(), Some(AiLine::Delta("a".into())));
        assert_eq!(reader.poll_line::<AiLine>().unwrap(), None);
        assert!(reader.is_partial());
    }

    #[test]
    fn lines_over_the_limit_and_lines_of_another_shape_are_refused() {
        let mut reader = Lines::new(8);
        reader.handle_chunk(b"123456789");
        assert!(matches!(reader.poll_line::<u64>(), Err(LineError::TooLong { max_line_bytes: 8 })));
        let mut reader = Lines::new(8);
        reader.handle_chunk(b"123456789\n");
        assert!(matches!(reader.poll_line::<u64>(), Err(LineError::TooLong { .. })));
        let mut reader = Lines::default();
        reader.handle_chunk(b"{\"other\":1}\n");
        assert!(matches!(reader.poll_line::<AiLine>(), Err(LineError::Malformed(_))));
    }

    #[test]
    fn the_longest_answer_fits_a_line() {
        let text = "\u{1}".repeat(MAX_ANSWER_BYTES);
        let answer = AiAnswer { text, interrupted: false, fallback: false, offer_person: false };
        let line = encode_line(&AiLine::Outcome(AiOutcome::Answer(answer))).unwrap();
        assert!(line.len() - 1 <= MAX_LINE_BYTES);
    }
}
