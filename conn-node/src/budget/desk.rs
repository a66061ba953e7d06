//! One model's budget on this node: who waits, and what is done about it.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conversation::Millis;
use conversation::budget::{Ask, ModelBudget, Notice, Output, Quota, Refusal, Shared, Size, Spent, Take, Ticket};
use futures_util::future::join;
use store::{InvalidKey, Key, List, Listing, Put, PutOutcome, Reserve, Store, StoreError, Version};
use telemetry::BudgetMetrics;
use tokio::sync::{Notify, oneshot};

use super::record::{self, Places};
use super::{Clock, Refused};

/// A reservation that takes longer is made without the store: its turn waits.
const RESERVE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a node's notice and the shared record are kept.
const NOTICE_KEPT_MS: Millis = 30_000;
const SHARED_KEPT_MS: Millis = 24 * 60 * 60 * 1_000;

/// The most nodes that are listened to.
const MOST_NODES: usize = 1_000;

/// How long to sleep where there is nothing to wake up for.
const LONG: Duration = Duration::from_secs(3_600);

pub(super) struct Desk {
    model: String,
    places: Places,
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: BudgetMetrics,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    budget: ModelBudget,
    tickets: Ticket,
    waiting: HashMap<Ticket, oneshot::Sender<Result<(), Refusal>>>,
    sites: HashMap<String, Arc<str>>,
    /// Of the shared record, as it was read last.
    version: Option<Version>,
}

/// A granted turn. Settled when dropped.
pub(super) struct Held {
    desk: Arc<Desk>,
    ticket: Ticket,
    spent: Spent,
}

/// A place in the line; given up when dropped.
struct Place<'d> {
    desk: &'d Arc<Desk>,
    ticket: Ticket,
    is_answered: bool,
}

impl Desk {
    pub(super) fn new(
        model: &str,
        budget: ModelBudget,
        store: Arc<dyn Store>,
        node: &str,
        metrics: BudgetMetrics,
        clock: Clock,
    ) -> Result<Arc<Self>, InvalidKey> {
        let (waiting, sites) = (HashMap::new(), HashMap::new());
        Ok(Arc::new(Self {
            model: model.to_owned(),
            places: Places::new(model, node)?,
            store,
            clock,
            metrics,
            state: Mutex::new(State { budget, tickets: 0, waiting, sites, version: None }),
            changed: Notify::new(),
        }))
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn expected_wait(&self, site: &str, now: Millis) -> Millis {
        self.state().budget.expected_wait(site, now)
    }

    pub(super) fn is_blocked(&self, now: Millis) -> bool {
        self.state().budget.is_blocked(now)
    }

    /// Wakes up whenever it is time for something, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let now = (self.clock)();
            let wakes_at = self.state().budget.wakes_at(now);
            let sleep = wakes_at.map_or(LONG, |at| Duration::from_millis(at.saturating_sub(now)));
            let woken = tokio::time::timeout(sleep, self.changed.notified()).await;
            if woken.is_err() {
                self.drive();
            }
        }
    }

    pub(super) async fn acquire(self: &Arc<Self>, site: &str, size: Size, until: Millis) -> Result<Held, Refused> {
        let since = (self.clock)();
        let (ticket, answer) = self.ask(site, size, until, since);
        let mut place = Place { desk: self, ticket, is_answered: false };
        self.drive();
        let answer = answer.await;
        place.is_answered = true;
        match answer {
            Ok(Ok(())) => {
                let wait = (self.clock)().saturating_sub(since);
                self.metrics.granted(&self.model, Duration::from_millis(wait));
                Ok(Held { desk: Arc::clone(self), ticket, spent: Spent::Unknown })
            }
            refused => {
                let refused = Refused::from(refused.ok().and_then(Result::err).unwrap_or(Refusal::QueueFull));
                self.metrics.refused(&self.model, refused.as_str());
                Err(refused)
            }
        }
    }

    fn ask(
        &self,
        site: &str,
        size: Size,
        until: Millis,
        now: Millis,
    ) -> (Ticket, oneshot::Receiver<Result<(), Refusal>>) {
        let mut state = self.state();
        state.tickets += 1;
        let ticket = state.tickets;
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(ticket, sender);
        let site = Arc::clone(state.sites.entry(site.to_owned()).or_insert_with(|| Arc::from(site)));
        state.budget.handle_ask(Ask { ticket, site: &site, size, until }, now);
        (ticket, receiver)
    }

    /// Does all that the budget wants done.
    pub(super) fn drive(self: &Arc<Self>) {
        let now = (self.clock)();
        let mut state = self.state();
        while let Some(output) = state.budget.poll(now) {
            match output {
                Output::Grant(ticket) => state.answer(ticket, Ok(())),
                Output::Refuse(ticket, refusal) => state.answer(ticket, Err(refusal)),
                output => drop(tokio::spawn(Arc::clone(self).do_with_store(output, state.version))),
            }
        }
        let (requests, tokens) = state.budget.rates(now);
        self.metrics.rate(&self.model, requests, tokens);
        self.metrics.store_away(&self.model, state.budget.is_store_away());
        drop(state);
        self.changed.notify_one();
    }

    async fn do_with_store(self: Arc<Self>, output: Output, version: Option<Version>) {
        match output {
            Output::Reserve { call, requests, tokens } => {
                let reserved = tokio::time::timeout(RESERVE_TIMEOUT, self.reserve(requests, tokens)).await;
                let now = (self.clock)();
                match reserved {
                    Ok(Ok(wait_ms)) => self.state().budget.handle_reserved(call, wait_ms, now),
                    _ => self.state().budget.handle_store_failed(call, now),
                }
            }
            Output::Settle { requests, tokens } => {
                if let Err(error) = self.reserve(requests, tokens).await {
                    tracing::debug!(model = self.model, %error, "a correction of the budget is lost");
                }
            }
            Output::Look => self.look().await,
            Output::Propose(shared) => self.propose(&shared, version).await,
            Output::Gather(notice) => self.gather(&notice).await,
            Output::Grant(_) | Output::Refuse(..) => {}
        }
        self.drive();
    }

    /// The longer wait of both buckets.
    async fn reserve(&self, requests: Option<Take>, tokens: Option<Take>) -> Result<u64, StoreError> {
        let now = (self.clock)();
        let take = async |key: &Key, take: Option<Take>| {
            let Some(take) = take else { return Ok(0) };
            let per_minute = NonZeroU64::new(take.per_minute).unwrap_or(NonZeroU64::MIN);
            let (amount, burst, remaining) = (take.amount, take.burst, take.remaining);
            self.store.reserve(Reserve { key, amount, per_minute, burst, remaining, now }).await
        };
        let both = join(take(&self.places.requests, requests), take(&self.places.tokens, tokens)).await;
        Ok(both.0?.max(both.1?))
    }

    async fn look(&self) {
        let Ok(found) = self.store.get(&self.places.shared, (self.clock)()).await else { return };
        let now = (self.clock)();
        let mut state = self.state();
        state.version = found.as_ref().map(|record| record.version);
        state.budget.handle_shared(found.and_then(|record| record::read_shared(&record.value)), now);
    }

    async fn propose(&self, shared: &Shared, expected: Option<Version>) {
        let now = (self.clock)();
        let stored = match record::write_shared(shared) {
            Ok(value) => {
                let expires_at = Some(now + SHARED_KEPT_MS);
                let put = Put { key: &self.places.shared, expected, value, expires_at, listing: None, now };
                self.store.put(put).await.ok()
            }
            Err(_) => None,
        };
        let now = (self.clock)();
        let mut state = self.state();
        if let Some(PutOutcome::Stored(version)) = stored {
            state.version = Some(version);
        }
        state.budget.handle_proposed(matches!(stored, Some(PutOutcome::Stored(_))), now);
    }

    async fn gather(&self, notice: &Notice) {
        let now = (self.clock)();
        let Ok(value) = record::write_notice(notice) else { return };
        let listing = Some(Listing { index: &self.places.notices, position: now });
        // Only this node writes it; whichever of its writes is last is right.
        let before = self.store.get(&self.places.notice, now).await;
        let expected = before.ok().flatten().map(|record| record.version);
        let expires_at = Some(now + NOTICE_KEPT_MS);
        let put = Put { key: &self.places.notice, expected, value, expires_at, listing, now };
        let put = self.store.put(put).await;
        let (from, to) = (now.saturating_sub(NOTICE_KEPT_MS), Millis::MAX);
        let list = List { index: &self.places.notices, from, to, after: None, limit: MOST_NODES, now };
        if let (Ok(_), Ok(listed)) = (put, self.store.list(list).await) {
            let notices = listed.iter().filter_map(|entry| record::read_notice(&entry.record.value)).collect();
            self.state().budget.handle_notices(notices, (self.clock)());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic elsewhere left behind is numbers that correct themselves.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, ticket: Ticket, answer: Result<(), Refusal>) {
        let sender = self.waiting.remove(&ticket);
        let is_heard = sender.is_some_and(|sender| sender.send(answer).is_ok());
        if answer.is_ok() && !is_heard {
            self.budget.handle_spent(ticket, Spent::Nothing);
        }
    }
}

impl Held {
    pub(super) fn model(&self) -> &str {
        &self.desk.model
    }

    /// The model's server said so in answer to this turn.
    pub(super) fn handle_quota(&self, quota: &Quota) {
        self.desk.state().budget.handle_quota(self.ticket, quota, (self.desk.clock)());
        self.desk.drive();
    }

    /// What it came to; told when this is dropped.
    pub(super) fn set_spent(&mut self, spent: Spent) {
        self.spent = spent;
    }
}

impl Desk {
    /// Another model's turn asked this one.
    pub(super) fn handle_stand_in(self: &Arc<Self>, quota: &Quota) {
        self.state().budget.handle_quota(0, quota, (self.clock)());
        self.drive();
    }

    /// Another model's turn was answered by this one.
    pub(super) fn handle_unreserved(self: &Arc<Self>, prompt: u64, completion: u64) {
        self.state().budget.handle_unreserved(prompt, completion);
        self.drive();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.desk.state().budget.handle_spent(self.ticket, self.spent);
        self.desk.changed.notify_one();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let mut state = self.desk.state();
        if state.waiting.remove(&self.ticket).is_some() {
            state.budget.handle_give_up(self.ticket);
        } else {
            // It was granted while nobody listened any more.
            state.budget.handle_spent(self.ticket, Spent::Nothing);
        }
    }
}
