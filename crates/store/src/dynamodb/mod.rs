//! A store on one table of DynamoDB. Behind the cargo feature `dynamodb`.
//!
//! Made for what on-demand capacity costs: one message is one write unit, and what else a turn needs (its due time, the fence
//! of a claim) rides on that write or shares one with many others. `docs/dynamodb.md` says what to set up, what it costs, and
//! what limits there are; the layout of the items is at the module `item`.

mod address;
mod agenda;
mod budget;
mod capacity;
mod create;
mod due;
mod fault;
mod forget;
mod item;
mod known;
mod log;
mod marker;
mod marks;
mod records;
mod table;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conversation::{ConversationId, Event, Millis, Seq};
use tokio::sync::Mutex;

pub use capacity::Consumed;
pub use create::{TABLE_DEFINITION, create_table};

use crate::port::Answer;
use crate::{
    Append, Appended, ClaimDue, Delete, Deleted, Key, List, Listed, Put, PutOutcome, Record, Reserve, SetDue, Store,
    StoreError,
};
use agenda::Agenda;
use known::Known;
use marker::{Marker, Seen};
use table::Table;
use token::Tokens;

/// How a [`DynamoStore`] uses memory, time and money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a due time waits for others to share a write with. Longer: cheaper; shorter: an append with a due time is
    /// faster. Default: 10 ms, which lets 100 of them in a second and more share.
    pub linger: Duration,
    /// How long one request may take with all its attempts. The same for all clients of a table. Default: 4 s.
    pub timeout: Duration,
    /// Of how many logs it is remembered how far they reach, so that an append needs no read. Each takes some 200 bytes.
    /// Default: 50,000.
    pub known_logs: usize,
    /// Whether DynamoDB is asked what each request consumed, see [`DynamoStore::consumed`]. Default: no.
    pub count_capacity: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(10),
            timeout: Duration::from_secs(4),
            known_logs: 50_000,
            count_capacity: false,
        }
    }
}

/// A store on one table of DynamoDB. Dropping it abandons what was not answered.
pub struct DynamoStore {
    inner: Inner,
}

/// How much longer than its request a mark may take.
const SLACK: Duration = Duration::from_secs(1);

/// What the modules of the operations share.
struct Inner {
    table: Table,
    tokens: Arc<Tokens>,
    known: Known,
    seen: Seen,
    marker: Marker,
    agenda: Mutex<Agenda>,
    /// How long after a mark was asked for the write that it announces may begin.
    mark_holds: Duration,
}

impl DynamoStore {
    /// A store on the table of `dynamodb://TABLE?region=eu-central-1`, and `&endpoint=http://127.0.0.1:8000` for a server that
    /// is not AWS's. Nothing is asked of it yet: whether it can be used, [`Store::ready`] says.
    ///
    /// Without a region the environment, the profile or the machine's metadata say which. Credentials are looked for where
    /// AWS's tools look: environment, profile, web identity, container, instance role. They are made up for an endpoint
    /// without TLS. They may also be in the URL, `dynamodb://ID:SECRET@TABLE`.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a bad URL; [`StoreError::Unavailable`] without random numbers.
    pub async fn connect(url: &str, options: Options) -> Result<Self, StoreError> {
        let table = address::connect(url, &options).await?;
        let tokens = Arc::new(Tokens::starting_at(rand::random()));
        let seen = Seen::default();
        let marker = Marker::start(table.clone(), tokens.clone(), seen.clone(), options.linger);
        let known = Known::new(options.known_logs);
        let mark_holds = options.timeout + options.linger + SLACK;
        // The write that a mark announces may begin at the end of that, and take as long as any request.
        let agenda = Mutex::new(Agenda::new((mark_holds + options.timeout) * 3));
        Ok(Self { inner: Inner { table, tokens, known, seen, marker, agenda, mark_holds } })
    }

    /// What it has consumed so far, if [`Options::count_capacity`] is set; otherwise nothing. A conditional write that was
    /// refused counts by the size of the value that was there.
    pub fn consumed(&self) -> Consumed {
        self.inner.table.consumed()
    }
}

impl Inner {
    async fn head(&self, conversation: &ConversationId) -> Result<Seq, StoreError> {
        let tail = self.tail(conversation).await;
        tail.map(|tail| tail.head).map_err(|fault| fault.during(format_args!("read {conversation}")))
    }

    /// Whether the table can be read. A write would cost, and what stops only writes (throttling, a policy) shows in them.
    async fn ready(&self) -> Result<(), StoreError> {
        let answer = self.table.get(item::key("ready", "-")).await;
        answer.map(drop).map_err(|fault| fault.during(format_args!("read the table {}", self.table)))
    }
}

impl Store for DynamoStore {
    fn append_at<'a>(&'a self, append: Append<'a>) -> Answer<'a, Appended> {
        self.inner.seen.tell(append.event.at);
        Box::pin(async move { self.inner.append(&append).await })
    }

    fn set_due<'a>(&'a self, due: SetDue<'a>) -> Answer<'a, Appended> {
        Box::pin(async move { self.inner.move_due(&due).await })
    }

    fn head<'a>(&'a self, conversation: &'a ConversationId) -> Answer<'a, Seq> {
        Box::pin(self.inner.head(conversation))
    }

    fn read<'a>(&'a self, conversation: &'a ConversationId, after: Seq, limit: usize) -> Answer<'a, Vec<Event>> {
        Box::pin(self.inner.read_log(conversation, after, limit))
    }

    fn claim_due(&self, claim: ClaimDue) -> Answer<'_, Vec<ConversationId>> {
        Box::pin(self.inner.claim(claim))
    }

    fn forget<'a>(&'a self, conversation: &'a ConversationId, now: Millis) -> Answer<'a, ()> {
        Box::pin(self.inner.forget(conversation, now))
    }

    fn get<'a>(&'a self, key: &'a Key, now: Millis) -> Answer<'a, Option<Record>> {
        Box::pin(self.inner.get(key, now))
    }

    fn put<'a>(&'a self, put: Put<'a>) -> Answer<'a, PutOutcome> {
        Box::pin(self.inner.put(put))
    }

    fn delete<'a>(&'a self, delete: Delete<'a>) -> Answer<'a, Deleted> {
        Box::pin(self.inner.delete(delete))
    }

    fn list<'a>(&'a self, list: List<'a>) -> Answer<'a, Vec<Listed>> {
        Box::pin(self.inner.list(list))
    }

    fn reserve<'a>(&'a self, reserve: Reserve<'a>) -> Answer<'a, u64> {
        Box::pin(async move { self.inner.reserve(&reserve).await })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(self.inner.ready())
    }
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.inner.table.name()).finish_non_exhaustive()
    }
}
