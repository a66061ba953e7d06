//! What can go wrong with one request, by name.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};

/// What the names of models begin with that ask for a fault: `mock/stall-after:5`.
pub const PREFIX: &str = "mock/";

/// What happens to a request. Written as its name, or as `name:number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// Tokens, milliseconds, bytes or a status, as [`Kind::about`] says.
    pub number: u64,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $number:literal $about:literal,)*) => {
        /// The kinds of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $about] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name, as in the names of models and in rules.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The number it has where none is given.
            pub fn default_number(self) -> u64 {
                match self { $(Self::$kind => $number,)* }
            }

            /// What it does; `N` is the number.
            pub fn about(self) -> &'static str {
                match self { $(Self::$kind => $about,)* }
            }
        }
    };
}

kinds! {
    Ok "ok" 0 "nothing: an ordinary answer",
    // The connection, before a byte of the response.
    CloseAtOnce "close-at-once" 0 "the connection is closed when the request has come",
    ResetAtOnce "reset-at-once" 0 "the connection is reset when the request has come",
    Stale "stale" 0 "a connection that has served a request is closed when the next one comes on it",
    GoAway "go-away" 0 "the answer comes; the connection takes no more requests (GOAWAY, connection: close)",
    // Silence.
    StallBefore "stall-before" 0 "not even headers come",
    SlowHeaders "slow-headers" 10 "a byte of the response's headers each N ms",
    StallAfterHeaders "stall-after-headers" 0 "headers come, and nothing more",
    KeepAliveOnly "keep-alive-only" 50 "comments come, one each N ms, and nothing else",
    EmptyDeltasOnly "empty-deltas-only" 50 "deltas with an empty text come, one each N ms, and nothing else",
    StallAfter "stall-after" 3 "after N tokens nothing more comes",
    KeepAliveAfter "keep-alive-after" 3 "after N tokens only comments come, one each 50 ms",
    // Ends that are none.
    CutAfter "cut-after" 3 "after N tokens the connection is closed",
    ResetAfter "reset-after" 3 "after N tokens the connection is reset",
    EndAfter "end-after" 3 "after N tokens the response ends well, without finish_reason and [DONE]",
    EmptyBody "empty-body" 0 "status 200 and no body",
    NoDone "no-done" 0 "the response ends without [DONE]",
    NoDoneOpen "no-done-open" 0 "no [DONE], and the response never ends",
    NoFinish "no-finish" 0 "[DONE], and no finish_reason before it",
    NoBlankLine "no-blank-line" 0 "the response ends right after [DONE], without the blank line",
    NoUsage "no-usage" 0 "no usage, also where it was asked for",
    EmptyUsage "empty-usage" 0 "`usage: {}`",
    Length "length" 0 "finish_reason is length",
    ContentFilter "content-filter" 0 "finish_reason is content_filter",
    // Events that are wrong, or say nothing.
    Malformed "malformed" 3 "after N tokens an event that is no JSON, then the rest",
    InvalidUtf8 "invalid-utf8" 3 "after N tokens a text with bytes that are no UTF-8, then the rest",
    ErrorInside "error-inside" 0 "after N tokens an error object in an ordinary event, and the end",
    ErrorEvent "error-event" 0 "after N tokens `event: error`, and the end",
    ErrorDocument "error-document" 0 "status 200 and a JSON document with an error",
    EmptyChoices "empty-choices" 0 "events with `choices: []` between the tokens",
    NullContent "null-content" 0 "events with `content: null` between the tokens",
    EmptyDeltas "empty-deltas" 0 "events with an empty text between the tokens",
    Comments "comments" 0 "`: keep-alive` between the tokens",
    RoleOnly "role-only" 0 "the chunk with the role, finish_reason and [DONE]: no word",
    LongLine "long-line" 1_048_576 "after 3 tokens a line of N bytes, then the rest",
    Huge "huge" 2_097_152 "an answer of N bytes, as fast as it can be read",
    OneByte "one-byte" 0 "every byte in a chunk of its own",
    CarriageReturns "carriage-returns" 0 "lines end in CR LF",
    Document "document" 0 "one JSON document: the server does not stream",
    // What an answer should not hold.
    Image "image" 0 "the answer has Markdown images with data in their addresses",
    ForeignLink "foreign-link" 0 "the answer has links to other places",
    // A person is wanted.
    Handover "handover" 0 "a tool is called: the first of the request, else handover",
    HandoverAfter "handover-after" 3 "after N tokens a tool is called",
    // Refusals.
    RateLimited "rate-limited" 1000 "429 with Retry-After, N ms",
    RateLimitedSilent "rate-limited-silent" 0 "429 without Retry-After and other headers",
    QuotaUsedUp "quota-used-up" 0 "429 with the code insufficient_quota",
    Status "status" 500 "status N with an error object; the name may also be the number alone",
    Html "html" 502 "status N with a page of HTML",
}

impl Fault {
    /// No fault.
    pub const OK: Self = Self { kind: Kind::Ok, number: 0 };

    /// The fault that a model's name asks for; nothing for other models.
    pub fn of_model(model: &str) -> Option<Self> {
        // LiteLLM and others pass a name on with the provider's in front.
        let at = model.find(PREFIX)?;
        model[at + PREFIX.len()..].parse().ok()
    }

    /// Whether the request counts as failed by the provider.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self.kind, Kind::RateLimited | Kind::RateLimitedSilent | Kind::QuotaUsedUp | Kind::Status | Kind::Html)
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self { kind, number: kind.default_number() }
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Ok(status) = text.parse() {
            return Ok(Self { kind: Kind::Status, number: status });
        }
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.name() == name) else {
            bail!("there is no fault {name:?}; there are: {}", names().join(", "))
        };
        let number = match number {
            Some(number) => number.parse().with_context(|| format!("{name}: {number:?} is no number"))?,
            None => kind.default_number(),
        };
        Ok(Self { kind, number })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if self.number == self.kind.default_number() { Ok(()) } else { write!(f, ":{}", self.number) }
    }
}

/// The names of all faults.
pub fn names() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_asks_for_a_fault() {
        let fault = |model| Fault::of_model(model).map(|fault| (fault.kind, fault.number));
        assert_eq!(fault("mock/stall-after:5"), Some((Kind::StallAfter, 5)));
        assert_eq!(fault("mock/stall-after"), Some((Kind::StallAfter, 3)));
        assert_eq!(fault("openai/mock/529"), Some((Kind::Status, 529)));
        assert_eq!((fault("gpt-4o"), fault("mock/nonsense"), fault("mock/stall-after:x")), (None, None, None));
    }

    #[test]
    fn names_are_unlike_and_read_back() {
        for kind in Kind::ALL {
            let fault = Fault::from(*kind);
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
            let other = Fault { kind: *kind, number: 7 };
            assert_eq!(other.to_string().parse::<Fault>().unwrap(), other);
        }
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_names_that_there_are() {
        let error = "stall".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("stall-before") && error.contains("\"stall\""), "{error}");
    }
}
