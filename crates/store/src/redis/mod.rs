//! A store on one Redis or on a Redis Cluster. What it needs and what it keeps is told in `docs/redis.md`.
//!
//! **Layout.** What one atomic step changes must be in one slot of a cluster, that is, share a hash tag. An append changes a
//! log and the due index. Were a conversation its own hash tag, there would be as many due indexes as conversations, and
//! nobody could look through them. So conversations are in 256 buckets, by a hash of their name, and each bucket has its own
//! due index: enough to spread them over a cluster, few enough to look at all of them in one round trip per server.
//! Records have their owner as hash tag: a record, the indexes that list it and the owner's newest version change together.
//!
//! | key | type | what |
//! |---|---|---|
//! | `fd:{b7f}:log:CONVERSATION` | list | its events; 8 bytes of `at`, then the event. Its length is the head |
//! | `fd:{b7f}:due` | sorted set | the bucket's conversations by due time |
//! | `fd:{b7f}:claims` | hash | the claims on the bucket's conversations; only those that are claimed |
//! | `fd:{o:OWNER}:record:KEY` | hash | `version`, `value`, `expires_at`, `listing` |
//! | `fd:{o:OWNER}:listings` | sorted set | all the owner's indexes: `INDEX/POSITION/KEY`, all with score 0, in text order |
//! | `fd:{o:OWNER}:expiring` | sorted set | those listings that expire, by when |
//! | `fd:{o:OWNER}:version` | string | the newest version given to one of the owner's records |
//! | `fd:{o:OWNER}:budget:KEY` | hash | `units`, `at` |
//!
//! **At most once.** No command is sent again unless a server answered that it did not carry it out. After a connection
//! broke, or an answer did not come in time, the outcome is unknown, and the caller is told so.

mod channel;
mod dial;
mod due;
mod keys;
mod log;
mod map;
mod records;
mod script;
mod servers;
mod trouble;
mod url;
mod writer;

use std::fmt;
use std::time::Duration;

use conversation::{ConversationId, Event, Millis, Seq};
use redis::Value;

use crate::port::Answer;
use crate::{
    Append, Appended, ClaimDue, Delete, Deleted, Key, List, Listed, Put, PutOutcome, Record, Reserve, SetDue, Store,
    StoreError,
};
use dial::Dial;
use keys::Names;
use servers::{Kind, Placed, Servers};
use trouble::Trouble;
use url::Target;

/// After which time every operation has ended, one way or the other.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(1_900);

/// How a [`RedisStore`] uses its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many replicas must have a write before it counts as stored. Default: 0. What that costs, and what it does not
    /// promise, is told in `docs/redis.md`.
    pub replicas: u32,
    /// What the names of all keys begin with; without braces. Default: `fd`. Two installations may share one Redis if
    /// theirs differ.
    pub prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { replicas: 0, prefix: "fd".to_owned() }
    }
}

/// A store on Redis. Connections are made when they are needed and made again, for ever, when they break; meanwhile every
/// operation ends in [`StoreError::Unavailable`] within two seconds.
pub struct RedisStore {
    servers: Servers,
    names: Names,
}

impl RedisStore {
    /// A store at `url`, which is one of `redis://`, `rediss://` (TLS), `redis-cluster://` and `rediss-cluster://`; the form
    /// is told in `docs/redis.md`. The servers need not be there yet.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the URL or the prefix cannot be used, or a file that TLS needs cannot be read. It never
    /// holds the password.
    #[allow(clippy::unused_async, reason = "tasks are started later, so it must be called where there is a runtime")]
    pub async fn connect(url: &str, options: Options) -> Result<Self, StoreError> {
        let invalid = |what: &str, reason: String| StoreError::Invalid { what: what.to_owned(), reason };
        let target = Target::parse(url).map_err(|reason| invalid("use the Redis URL", reason))?;
        let dial = Dial::new(&target).map_err(|reason| invalid("use the TLS files of the Redis URL", reason))?;
        if options.prefix.is_empty() || options.prefix.contains(['{', '}']) {
            return Err(invalid("use the prefix", format!("{:?} is empty or has braces", options.prefix)));
        }
        Ok(Self { servers: Servers::new(&target, dial, options.replicas), names: Names::new(&options.prefix) })
    }

    /// Whether every primary would take a write now, replicas included if they are waited for.
    async fn probe(&self) -> Result<(), Trouble> {
        let slots = self.servers.one_of_each(keys::buckets().map(|bucket| self.names.bucket(bucket).slot)).await?;
        let probes = keys::buckets().filter_map(|bucket| {
            let slot = self.names.bucket(bucket).slot;
            // Redis checks everything that it checks before a write, and then writes nothing.
            let mut command = redis::cmd("SETRANGE");
            command.arg(self.names.nothing(bucket)).arg(0).arg("");
            slots.contains(&slot).then_some(Placed { slot, command })
        });
        let probes: Vec<Placed> = probes.collect();
        let probes = probes.iter().map(|probe| self.servers.send(probe.slot, &probe.command, Kind::Replicated));
        futures_util::future::try_join_all(probes).await.map(drop)
    }
}

/// Ends an operation in time, and says what was tried if it failed.
async fn bounded<T>(
    what: impl fmt::Display,
    operation: impl Future<Output = Result<T, Fault>>,
) -> Result<T, StoreError> {
    let fault = match tokio::time::timeout(OPERATION_TIMEOUT, operation).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(fault)) => fault,
        Err(_) => Trouble::Unknown { reason: format!("Redis gave no answer within {OPERATION_TIMEOUT:?}") }.into(),
    };
    Err(match fault {
        Fault::Trouble(trouble) => trouble.during(what),
        Fault::Store(error) => error,
    })
}

/// Why an operation failed: between here and Redis, or in what was asked or stored.
enum Fault {
    Trouble(Trouble),
    Store(StoreError),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store for RedisStore {
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended> {
        let what = format!("append to {}", append.conversation);
        Box::pin(bounded(what, self.append(append)))
    }

    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended> {
        let what = format!("set the due time of {}", due.conversation);
        Box::pin(bounded(what, self.move_due(due)))
    }

    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq> {
        Box::pin(bounded(format!("read {conversation}"), self.log_length(conversation)))
    }

    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(bounded(format!("read {conversation}"), self.events(conversation, after, limit)))
    }

    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>> {
        Box::pin(bounded("claim what is due", self.claim(claim)))
    }

    fn forget<'a>(&'a self, conversation: &'a ConversationId, _now: Millis) -> Answer<'a, ()> {
        Box::pin(bounded(format!("forget {conversation}"), self.remove_log(conversation)))
    }

    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>> {
        Box::pin(bounded(format!("get {key}"), self.record(key, now)))
    }

    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome> {
        let what = format!("put {}", put.key);
        Box::pin(bounded(what, self.put_record(put)))
    }

    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted> {
        let what = format!("delete {}", delete.key);
        Box::pin(bounded(what, self.delete_record(delete)))
    }

    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>> {
        let what = format!("list {}", list.index);
        Box::pin(bounded(what, self.listing(list)))
    }

    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64> {
        let what = format!("reserve from {}", reserve.key);
        Box::pin(bounded(what, self.take(reserve)))
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(bounded("take writes", async { Ok(self.probe().await?) }))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("servers", &self.servers).finish_non_exhaustive()
    }
}

fn integer(value: &Value) -> Result<i64, Trouble> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(Trouble::nonsense()),
    }
}

/// The parts of an answer that is a list; none if there is nothing.
fn array(value: Value) -> Result<Vec<Value>, Trouble> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        _ => Err(Trouble::nonsense()),
    }
}

fn bytes(value: Value) -> Result<Vec<u8>, Trouble> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(Trouble::nonsense()),
    }
}

fn text(value: Value) -> Result<String, Trouble> {
    String::from_utf8(bytes(value)?).map_err(|_| Trouble::nonsense())
}
