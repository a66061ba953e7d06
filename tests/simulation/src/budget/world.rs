//! The run: events in the order of their times.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use conversation::Millis;
use conversation::budget::{Ask, Notice, Output, Quota, Shared, Spent, Take, Ticket};

use super::callers::{self, Caller, Turn};
use super::figures::{Figures, Watch};
use super::provider::Provider;
use super::setting::Setting;
use super::store::Bucket;
use crate::rng::Rng;

/// After how long a caller takes it that the store does not answer.
const STORE_TIMEOUT_MS: Millis = 500;

enum What {
    Comes(usize, Turn),
    Wake(usize, Millis),
    ToStore(usize, Output, Millis),
    Reserved(usize, u64, Option<u64>),
    Shared(usize, Option<Shared>, u64),
    Proposed(usize, bool),
    Notices(usize, Vec<Notice>),
    Request(usize, Ticket),
    Headers(usize, Ticket, Quota),
    Ended(usize, Ticket, bool),
    QuotaChanges,
}

pub(super) struct World {
    setting: Setting,
    rng: Rng,
    now: Millis,
    next_at: f64,
    agenda: BinaryHeap<Reverse<(Millis, u64)>>,
    events: BTreeMap<u64, What>,
    drawn: u64,
    callers: Vec<Caller>,
    sites: Vec<Arc<str>>,
    provider: Provider,
    requests: Bucket,
    tokens: Bucket,
    shared: (Option<Shared>, u64),
    notices: BTreeMap<String, Notice>,
    watch: Watch,
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let mut rng = Rng::new(setting.seed);
        Self {
            callers: callers::callers(&setting, &mut rng),
            rng,
            now: 0,
            next_at: 0.0,
            agenda: BinaryHeap::new(),
            events: BTreeMap::new(),
            drawn: 0,
            sites: callers::names(),
            provider: Provider::new(&setting),
            requests: Bucket::default(),
            tokens: Bucket::default(),
            shared: (None, 0),
            notices: BTreeMap::new(),
            watch: Watch::new(&setting),
            setting,
        }
    }

    pub(super) fn live(mut self) -> Figures {
        self.draw_turn();
        self.plan(self.setting.halved(), What::QuotaChanges);
        self.plan(self.setting.doubled(), What::QuotaChanges);
        while let Some(Reverse((at, number))) = self.agenda.pop().filter(|Reverse((at, _))| *at < self.setting.end()) {
            self.now = at;
            if let Some(event) = self.events.remove(&number) {
                self.handle(event);
            }
        }
        self.watch.figures()
    }

    fn plan(&mut self, after: Millis, what: What) {
        self.drawn += 1;
        self.agenda.push(Reverse((self.now + after, self.drawn)));
        self.events.insert(self.drawn, what);
    }

    fn draw_turn(&mut self) {
        let (at, caller, turn) = callers::next_turn(&self.setting, &mut self.rng, self.next_at);
        self.next_at = at;
        self.plan((at as Millis).max(self.now) - self.now, What::Comes(caller, turn));
    }

    /// What a caller's clock shows.
    fn clock(&self, caller: usize) -> Millis {
        self.now + self.callers[caller].ahead
    }

    /// When a caller has started.
    fn begins_at(&self, caller: usize) -> Millis {
        self.setting.starting_ms * (caller as Millis + 1) / self.setting.callers as Millis
    }

    /// How much later than it should something happens.
    fn lag(&mut self) -> Millis {
        match self.setting.lag_ms {
            0 => 0,
            lag if self.rng.chance(self.setting.late_per_mille) => self.rng.between(1, lag),
            _ => 1,
        }
    }

    fn handle(&mut self, what: What) {
        let caller = match what {
            What::Comes(caller, turn) => {
                self.draw_turn();
                if self.now < self.begins_at(caller) {
                    return;
                }
                self.come(caller, turn);
                caller
            }
            // Another time was set since.
            What::Wake(caller, at) if self.callers[caller].wakes_at != Some(at) => return,
            What::Wake(caller, _) => {
                self.callers[caller].wakes_at = None;
                caller
            }
            What::ToStore(caller, output, sent_at) => return self.ask_store(caller, output, sent_at),
            What::Reserved(caller, call, wait) => {
                let now = self.clock(caller);
                let budget = &mut self.callers[caller].budget;
                match wait {
                    Some(wait) => budget.handle_reserved(call, wait, now),
                    None => budget.handle_store_failed(call, now),
                }
                caller
            }
            What::Shared(caller, shared, version) => {
                let now = self.clock(caller);
                self.callers[caller].version = version;
                self.callers[caller].budget.handle_shared(shared, now);
                caller
            }
            What::Proposed(caller, is_shared) => {
                let now = self.clock(caller);
                self.callers[caller].budget.handle_proposed(is_shared, now);
                caller
            }
            What::Notices(caller, notices) => {
                let now = self.clock(caller);
                self.callers[caller].budget.handle_notices(notices, now);
                caller
            }
            What::Request(caller, ticket) => return self.request(caller, ticket),
            What::Headers(caller, ticket, quota) => {
                let now = self.clock(caller);
                self.callers[caller].budget.handle_quota(ticket, &quota, now);
                caller
            }
            What::Ended(caller, ticket, refused) => {
                self.end(caller, ticket, refused);
                caller
            }
            What::QuotaChanges => return self.provider.change(self.now),
        };
        self.drive(caller);
    }

    fn come(&mut self, caller: usize, turn: Turn) {
        let ticket = self.drawn;
        self.watch.asked(turn.site, turn.prompt + turn.completion, self.now);
        self.callers[caller].turns.insert(ticket, turn);
        let now = self.clock(caller);
        let until = turn.until + self.callers[caller].ahead;
        let ask = Ask { ticket, site: &self.sites[turn.site], size: turn.size, until };
        self.callers[caller].budget.handle_ask(ask, now);
    }

    /// Does what a caller's budget wants done.
    fn drive(&mut self, number: usize) {
        let now = self.clock(number);
        while let Some(output) = self.callers[number].budget.poll(now) {
            match output {
                Output::Grant(ticket) => self.grant(number, ticket),
                Output::Refuse(ticket, _) => {
                    self.callers[number].turns.remove(&ticket);
                    self.watch.turned_away();
                }
                output => {
                    let latency = self.rng.delay(2, 8) + self.lag();
                    self.plan(latency, What::ToStore(number, output, now));
                }
            }
        }
        let lag = self.lag();
        let caller = &mut self.callers[number];
        if let Some(at) = caller.budget.wakes_at(now).filter(|at| caller.wakes_at.is_none_or(|set| *at < set)) {
            caller.wakes_at = Some(at);
            self.plan(at - now + lag, What::Wake(number, at));
        }
    }

    fn grant(&mut self, caller: usize, ticket: Ticket) {
        let Some(turn) = self.callers[caller].turns.get(&ticket) else { return };
        self.watch.granted((self.now + 2_000).saturating_sub(turn.until));
        // Node, function and the network to the model.
        let latency = self.rng.between(5, 25) + if self.rng.chance(20) { self.rng.between(0, 100) } else { 0 };
        let latency = latency + self.lag();
        self.plan(latency, What::Request(caller, ticket));
    }

    /// `sent_at`: by the caller's clock, which is the one that counts in the store.
    fn ask_store(&mut self, caller: usize, output: Output, sent_at: Millis) {
        let latency = self.rng.delay(2, 8) + self.lag();
        if self.setting.outage.is_some_and(|(from, to)| (from..to).contains(&self.now)) {
            match output {
                Output::Reserve { call, .. } => self.plan(STORE_TIMEOUT_MS, What::Reserved(caller, call, None)),
                Output::Propose(_) => self.plan(STORE_TIMEOUT_MS, What::Proposed(caller, false)),
                _ => {}
            }
            return;
        }
        match output {
            Output::Reserve { call, requests, tokens } => {
                let wait = self.reserve(requests, tokens, sent_at);
                self.plan(latency, What::Reserved(caller, call, Some(wait)));
            }
            Output::Settle { requests, tokens } => {
                self.reserve(requests, tokens, sent_at);
            }
            Output::Look => {
                let (shared, version) = self.shared.clone();
                self.plan(latency, What::Shared(caller, shared, version));
            }
            Output::Propose(shared) => {
                let is_shared = self.callers[caller].version == self.shared.1;
                if is_shared {
                    self.shared = (Some(shared), self.shared.1 + 1);
                    self.callers[caller].version += 1;
                }
                self.plan(latency, What::Proposed(caller, is_shared));
            }
            Output::Gather(notice) => {
                self.notices.insert(notice.node.clone(), notice);
                self.plan(latency, What::Notices(caller, self.notices.values().cloned().collect()));
            }
            Output::Grant(_) | Output::Refuse(..) => {}
        }
    }

    fn reserve(&mut self, requests: Option<Take>, tokens: Option<Take>, sent_at: Millis) -> u64 {
        let requests = requests.map_or(0, |take| self.requests.reserve(take, sent_at));
        let tokens = tokens.map_or(0, |take| self.tokens.reserve(take, sent_at));
        requests.max(tokens)
    }

    fn request(&mut self, caller: usize, ticket: Ticket) {
        let Some(turn) = self.callers[caller].turns.get(&ticket).copied() else { return };
        let answer = self.provider.handle_request(turn.prompt, turn.completion, self.setting.longest(), self.now);
        self.watch.counted(answer.counted, self.now);
        self.watch.requested(turn.site, turn.prompt + turn.completion, answer.quota.refused, self.now);
        // Headers come with the first token, or at once with a refusal.
        let latency = if answer.quota.refused { self.rng.between(5, 25) } else { self.rng.between(60, 300) };
        let latency = latency + self.lag();
        self.plan(latency, What::Headers(caller, ticket, answer.quota));
        let writing = if answer.quota.refused { 0 } else { turn.completion * self.rng.between(5, 15) };
        self.plan(latency + writing, What::Ended(caller, ticket, answer.quota.refused));
    }

    fn end(&mut self, caller: usize, ticket: Ticket, refused: bool) {
        let Some(turn) = self.callers[caller].turns.remove(&ticket) else { return };
        let spent = if refused {
            Spent::Unknown
        } else {
            let counted = self.provider.handle_sent(turn.completion, self.now);
            self.watch.counted(counted, self.now);
            Spent::Tokens { prompt: turn.prompt, completion: turn.completion }
        };
        self.callers[caller].budget.handle_spent(ticket, spent);
    }
}
