//! What a node and its functions say to each other: one JSON document in, newline-delimited JSON lines out.
//!
//! A function streams zero or more delta lines ([`AiLine::Delta`]) and then exactly one outcome line, always last. Between
//! them stand quota lines ([`AiLine::Quota`]), as soon as a model's server says what is left of its quota, and right before
//! the outcome one report ([`AiLine::Report`]), from which the node keeps its metrics and the model's budget. A body that
//! ends without an outcome line means that the function died. Where a chunk of the body ends means nothing; read it with
//! [`Lines`].
//!
//! A function that streams under Lambda's runtime starts its body with a metadata prelude: a JSON object and eight NUL
//! bytes. Function URLs take it off; InvokeWithResponseStream does not. [`Lines`] skips it where it is there.
//!
//! Readers ignore fields and lines they do not know, so that nodes and functions can be replaced one after the other.

mod lines;

use serde::{Deserialize, Serialize};

pub use lines::{LineError, Lines, encode_line};

/// The longest text of an answer, in UTF-8 bytes, whatever the configuration allows (`turn.max_answer_bytes`).
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The longest text of one delta line, in UTF-8 bytes. A longer piece is sent as several.
pub const MAX_DELTA_BYTES: usize = 4 * 1024;

/// The longest line a function writes, in bytes without its newline: a whole answer of which JSON writes every byte as
/// `\u00XX` (6 bytes), its sources, and the fields around it.
pub const MAX_LINE_BYTES: usize = 6 * (MAX_ANSWER_BYTES + 2 * MAX_SOURCES * MAX_SOURCE_BYTES) + 1024;

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
    /// The names of the models that may be asked, in order: those of the site that have budget. Empty: the site's own list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// How many answers right before this turn were fallbacks, in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
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
    /// What a model's server said of its quota: `{"quota":{…}}`. One for each attempt that learnt of it.
    Quota(AiQuota),
    /// What the turn took: `{"report":{…}}`. At most one, right before the outcome.
    Report(AiReport),
    /// How the turn ended: `{"outcome":{…}}`. Exactly one, always last.
    Outcome(AiOutcome),
    /// A line that this reader does not know yet, to be passed over.
    #[serde(untagged)]
    Unknown(serde_json::Map<String, serde_json::Value>),
}

/// What a model's server said of its quota, in the headers of one response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiQuota {
    /// The model's name in the configuration.
    pub model: String,
    /// `x-ratelimit-*-requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<AiLimit>,
    /// `x-ratelimit-*-tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<AiLimit>,
    /// The request was refused with 429.
    #[serde(default)]
    pub refused: bool,
    /// When the server wants to be asked again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// One quota of a model's server. A header that is absent, zero where that means nothing, negative or unreadable is absent
/// here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiLimit {
    /// How much there is in a window, usually a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How much of it is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// When all of it is there again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_ms: Option<u64>,
}

/// What one turn took. Times are in microseconds since the function began with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiReport {
    /// The model that answered, or that failed last, by its name in the configuration. Empty: none was asked.
    pub model: String,
    /// Requests to models' servers.
    #[serde(default)]
    pub attempts: u32,
    /// Until the first piece of the answer was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_us: Option<u64>,
    /// The whole turn.
    #[serde(default)]
    pub total_us: u64,
    /// The part of `first_token_us`, or of the whole where no token came, in which the function waited for a model's server.
    #[serde(default)]
    pub model_us: u64,
    /// Tokens of the question, as the server counted them, else estimated.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the answer, as the server counted them, else estimated.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Whether the server itself counted the tokens.
    #[serde(default)]
    pub counted: bool,
    /// Why no model answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureReason>,
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
    /// The text is the site's own reply to what the message was recognised to ask; no model wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub intent: bool,
    /// The texts of the site that the answer rests on, the best first. At most [`MAX_SOURCES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Where the text asks back: what the visitor may say next, to tap. At most [`MAX_CHOICES`], none empty or longer than
    /// [`MAX_CHOICE_BYTES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// The most choices of one answer.
pub const MAX_CHOICES: usize = 3;

/// The longest choice, in UTF-8 bytes: room for the longest title of an intent, 80 characters of up to four bytes.
pub const MAX_CHOICE_BYTES: usize = 320;

/// The most sources of one answer.
pub const MAX_SOURCES: usize = 3;

/// The longest title and the longest address of a source, in UTF-8 bytes each.
pub const MAX_SOURCE_BYTES: usize = 500;

/// A text of the site that an answer rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What to call it. Never empty.
    pub title: String,
    /// Where the visitor can read it, if [`is_source_address`]. Empty: nowhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// Whether a visitor's browser may be led there: `https://…`, `http://…`, or a path of the site whose page the visitor is on.
/// `//` and `/\` would lead to another host, and so would `/`, a tab and `/`: browsers drop tabs and line breaks.
pub fn is_source_address(url: &str) -> bool {
    let is_clean = !url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\');
    let is_path = is_clean && url.starts_with('/') && !url.starts_with("//");
    url.len() <= MAX_SOURCE_BYTES && (is_path || url.starts_with("https://") || url.starts_with("http://"))
}

/// The longest summary of a handover, in UTF-8 bytes.
pub const MAX_SUMMARY_BYTES: usize = 2_000;

/// A person should take over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AiHandover {
    /// Why.
    #[serde(default)]
    pub reason: HandoverReason,
    /// What the agent should know, in the visitor's language. Visitors never see it. At most [`MAX_SUMMARY_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What the visitor reads before people take over, Markdown: the site's own reply. Empty: what was sent in deltas, if
    /// anything. At most [`MAX_ANSWER_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Why a person should take over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverReason {
    /// The visitor asked for one.
    VisitorAsked,
    /// A rule of the site.
    Rule,
    /// Two turns in a row had no answer.
    Failures,
    /// The model gave the conversation away. Also what a reader takes a newer reason for.
    #[default]
    #[serde(other)]
    Assistant,
}

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
    /// The model's budget would have let the turn wait longer than a visitor waits for the first word.
    Budget,
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
            Self::Budget => "budget",
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
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
        check_json(
            &AiLine::Outcome(AiOutcome::Handover(AiHandover {
                reason: HandoverReason::Failures,
                summary: "Asked twice.".into(),
                text: String::new(),
            })),
            json!({"outcome": {"handover": {"reason": "failures", "summary": "Asked twice."}}}),
        );
        check_json(
            &AiLine::Outcome(AiOutcome::Handover(AiHandover {
                reason: HandoverReason::Rule,
                text: "We are sorry.".into(),
                ..AiHandover::default()
            })),
            json!({"outcome": {"handover": {"reason": "rule", "text": "We are sorry."}}}),
        );
        let early = json!({"outcome": {"handover": {}}});
        assert_eq!(
            serde_json::from_value::<AiLine>(early).unwrap(),
            AiLine::Outcome(AiOutcome::Handover(AiHandover::default())),
            "of a function that is older than its node"
        );
        check_json(
            &AiLine::Outcome(AiOutcome::Answer(AiAnswer {
                text: "Hi".into(),
                intent: true,
                sources: vec![Source { title: "Shipping".into(), url: String::new() }],
                ..Default::default()
            })),
            json!({"outcome": {"answer": {"text": "Hi", "interrupted": false, "fallback": false, "offer_person": false,
                "intent": true, "sources": [{"title": "Shipping"}]}}}),
        );
        check_json(
            &AiLine::Quota(AiQuota {
                model: "own".into(),
                requests: Some(AiLimit { limit: Some(60), remaining: Some(0), reset_ms: Some(1_000) }),
                refused: true,
                ..Default::default()
            }),
            json!({"quota": {"model": "own", "requests": {"limit": 60, "remaining": 0, "reset_ms": 1000}, "refused": true}}),
        );
        let report = json!({"report": {"model": "own", "attempts": 2, "failure": "model_timeout", "later": 1}});
        let AiLine::Report(report) = serde_json::from_value(report).unwrap() else { panic!("no report") };
        assert_eq!((report.attempts, report.failure), (2, Some(FailureReason::ModelTimeout)));
        let unknown: AiLine = serde_json::from_value(json!({"later": 1})).unwrap();
        assert!(matches!(unknown, AiLine::Unknown(_)), "{unknown:?}");
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
                models: vec!["own".into()],
                failures: 1,
            },
            json!({"site": "shop", "conversation": "shop/v1/1", "turn": 12, "language": "en", "models": ["own"], "failures": 1,
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
            FailureReason::Budget,
            FailureReason::Deadline,
            FailureReason::Internal,
            FailureReason::Unknown,
        ] {
            check_json(&reason, json!(reason.as_str()));
        }
        assert_eq!(serde_json::from_value::<FailureReason>(json!("added_later")).unwrap(), FailureReason::Unknown);
    }

    #[test]
    fn the_longest_answer_fits_a_line() {
        let text = "\u{1}".repeat(MAX_ANSWER_BYTES);
        let long = || "\u{1}".repeat(MAX_SOURCE_BYTES);
        let sources = (0..MAX_SOURCES).map(|_| Source { title: long(), url: long() }).collect();
        let answer = AiAnswer { text, sources, ..Default::default() };
        let line = encode_line(&AiLine::Outcome(AiOutcome::Answer(answer))).unwrap();
        assert!(line.len() - 1 <= MAX_LINE_BYTES);
    }
}
