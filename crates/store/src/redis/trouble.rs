//! What can go wrong between here and Redis, and what an operator can do about it.

use redis::{RedisError, ServerError};

use crate::StoreError;

/// When to try again after a fault that is usually over soon, in milliseconds.
const SOON_MS: u32 = 250;

/// When to try again after a fault that somebody must remedy, in milliseconds.
const LATER_MS: u32 = 2_000;

/// The longest text of Redis's that is passed on, in characters.
const DETAIL_CHARS: usize = 160;

/// Why there is no answer that could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Redis refused, and did nothing.
    Refused(Refusal),
    /// Nothing was sent: there is no connection.
    NoConnection { reason: String, retry_after_ms: u32 },
    /// It was sent, and what became of it is unknown.
    Unknown { reason: String },
}

/// An error that Redis answered with: its code, such as `MOVED`, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn from_server(error: &ServerError) -> Self {
        Self::new(error.code(), error.details().unwrap_or_default())
    }

    fn new(code: &str, detail: &str) -> Self {
        // Redis 7.0 has no code of its own for what a script may not do.
        let code = if detail.starts_with("The user executing the script can't") { "NOPERM" } else { code };
        Self { code: code.to_owned(), detail: detail.to_owned() }
    }

    /// Whether a new connection may be answered otherwise: the host's name may stand for another server by then.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self.code.as_str(), "READONLY" | "MASTERDOWN" | "NOAUTH")
    }

    fn retry_after_ms(&self) -> u32 {
        match self.code.as_str() {
            "NOAUTH" | "WRONGPASS" | "NOPERM" | "OOM" | "MISCONF" => LATER_MS,
            _ => SOON_MS,
        }
    }

    fn reason(&self) -> String {
        let advice = match self.code.as_str() {
            "LOADING" => "it loads its data after a start; wait",
            "READONLY" => "it is a replica; the URL must name the primary",
            "MASTERDOWN" => "it is a replica without its primary; the URL must name the primary",
            "OOM" => "its memory is used up (maxmemory, with the policy noeviction); give it more",
            "MISCONF" => "it cannot write to its disk, and takes no writes until it can; read its log",
            "NOREPLICAS" => "it has fewer replicas than min-replicas-to-write; start them",
            "CLUSTERDOWN" => "no primary serves this part of the cluster; see CLUSTER INFO",
            "NOAUTH" => "it wants a password; add the user and the password to the URL",
            "WRONGPASS" => "the user or the password in the URL is wrong, or the user is off",
            "NOPERM" => "the user in the URL may not do that; docs/redis.md has the rule it needs",
            "BUSY" => "a script of somebody else blocks it",
            "MOVED" | "ASK" | "CROSSSLOT" => {
                "it is part of a cluster; the URL must begin with redis-cluster or rediss-cluster"
            }
            _ => "",
        };
        let detail = shortened(&self.detail);
        match (self.code.as_str(), advice) {
            (code, "") => format!("Redis answered {code} {detail}"),
            ("NOPERM", advice) => format!("Redis answered NOPERM ({detail}): {advice}"),
            (code, advice) => format!("Redis answered {code}: {advice}"),
        }
    }
}

impl Trouble {
    /// An answer that makes no sense.
    pub(super) fn nonsense() -> Self {
        Self::Unknown {
            reason: "it answered with something else than was asked for; is it Redis 7 or newer?".to_owned(),
        }
    }

    /// A connection that broke while an answer was awaited.
    pub(super) fn broken(server: &str, error: &RedisError) -> Self {
        match error.code() {
            Some(code) => Self::Refused(Refusal::new(code, error.detail().unwrap_or_default())),
            None => Self::Unknown { reason: format!("the connection to {server} broke ({})", error.category()) },
        }
    }

    /// The same, for somebody who may try again once `pause` is over.
    pub(super) fn not_before(self, pause: std::time::Duration) -> Self {
        let pause_ms = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
        match self {
            Self::NoConnection { reason, .. } => Self::NoConnection { reason, retry_after_ms: pause_ms },
            Self::Refused(refusal) => {
                let retry_after_ms = refusal.retry_after_ms().max(pause_ms);
                Self::NoConnection { reason: refusal.reason(), retry_after_ms }
            }
            Self::Unknown { reason } => Self::NoConnection { reason, retry_after_ms: pause_ms },
        }
    }

    /// As the caller of the store sees it.
    pub(super) fn during(self, what: impl ToString) -> StoreError {
        let (reason, retry_after_ms) = match self {
            Self::Refused(refusal) => (refusal.reason(), refusal.retry_after_ms()),
            Self::NoConnection { reason, retry_after_ms } => (reason, retry_after_ms),
            Self::Unknown { reason } => (reason, SOON_MS),
        };
        StoreError::Unavailable { what: what.to_string(), reason, retry_after_ms }
    }
}

/// Redis repeats the arguments of a command that it does not know. They may hold what somebody wrote.
fn shortened(detail: &str) -> String {
    let end = detail.find("with args beginning with").unwrap_or(detail.len());
    detail[..end].trim_end_matches([' ', ',']).chars().take(DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, detail: &str) -> String {
        Trouble::Refused(Refusal::new(code, detail)).during("append").to_string()
    }

    #[test]
    fn an_error_says_what_to_do() {
        for (code, expected) in [
            ("OOM", "maxmemory"),
            ("READONLY", "replica"),
            ("LOADING", "wait"),
            ("CLUSTERDOWN", "CLUSTER INFO"),
            ("NOAUTH", "password"),
            ("WRONGPASS", "password"),
            ("MISCONF", "disk"),
        ] {
            let text = said(code, "detail");
            assert!(text.contains(code) && text.contains(expected), "{text}");
        }
        assert!(said("NOPERM", "no permissions to run the 'llen' command").contains("'llen'"));
        let by_script = said("ERR", "The user executing the script can't run this command or subcommand script: 994f");
        assert!(by_script.contains("NOPERM"), "{by_script}");
    }

    #[test]
    fn what_redis_repeats_of_a_command_is_not_passed_on() {
        let text = said("ERR", "unknown command 'EVAL', with args beginning with: 'a visitor wrote this' ");
        assert!(text.contains("unknown command 'EVAL'") && !text.contains("visitor"), "{text}");
    }
}
