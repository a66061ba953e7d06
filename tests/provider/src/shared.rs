//! The provider's state, which all connections share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::chunk::{self, Chunks};
use crate::counts::{ConnectionCounts, Counts, Record, Records};
use crate::headers::{self, Header};
use crate::options::Settings;
use crate::plan::{self, Context, Plan};
use crate::quota::{Limit, Quota, Refused};
use crate::request::Completion;
use crate::rules::{Chosen, Rules};
use crate::stamp::unix_us;
use crate::usage::{Rates, Second, Usage};

/// What connections are told to do, and how often something was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) said: u64,
    pub(crate) how: HowToClose,
}

/// How connections are closed on command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HowToClose {
    /// When they have no request: GOAWAY on HTTP/2, a FIN on HTTP/1.1. Those with requests take no more.
    #[default]
    Gently,
    /// At once, with a FIN.
    AtOnce,
    /// At once, with a RST.
    Reset,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    state: Mutex<State>,
    pub(crate) closing: watch::Sender<Closing>,
}

#[derive(Debug)]
struct State {
    settings: Arc<Settings>,
    quota: Quota,
    rules: Rules,
    counts: Counts,
    usage: Usage,
    records: Records,
    number: u64,
}

/// Who asks, and how.
#[derive(Debug, Default)]
pub(crate) struct Asker {
    /// The bearer's key.
    pub(crate) key: Option<String>,
    /// The header `x-site`.
    pub(crate) site: Option<String>,
    pub(crate) protocol: String,
    /// The connection has had a request before.
    pub(crate) is_used: bool,
}

/// What a request gets.
pub(crate) struct Decided {
    pub(crate) plan: Plan,
    /// The headers that every response has.
    pub(crate) headers: Vec<Header>,
    pub(crate) chunks: Chunks,
    pub(crate) chosen: Chosen,
    pub(crate) stamp: bool,
    pub(crate) ticket: Ticket,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> anyhow::Result<Self> {
        let now = Duration::ZERO;
        let state = State {
            quota: Quota::new(settings.quota.clone(), now),
            rules: Rules::new(settings.rules.clone())?,
            settings: Arc::new(settings),
            counts: Counts::default(),
            usage: Usage::new(now),
            records: Records::default(),
            number: 0,
        };
        Ok(Self { started: Instant::now(), state: Mutex::new(state), closing: watch::Sender::default() })
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.state().settings)
    }

    /// Changes the settings. Rules that stay the same go on where they are.
    pub(crate) fn change(&self, settings: Settings) -> anyhow::Result<()> {
        let now = self.started.elapsed();
        let mut state = self.state();
        if *state.rules.set() != settings.rules {
            state.rules = Rules::new(settings.rules.clone())?;
        }
        state.pass_time(now);
        if *state.quota.options() != settings.quota {
            state.quota.change(settings.quota.clone(), now);
        }
        state.settings = Arc::new(settings);
        Ok(())
    }

    /// Tells all connections that there are.
    pub(crate) fn close_connections(&self, how: HowToClose) {
        self.closing.send_modify(|closing| *closing = Closing { said: closing.said + 1, how });
    }

    pub(crate) fn counts(&self) -> Counts {
        let now = self.started.elapsed();
        let mut state = self.state();
        state.pass_time(now);
        let mut counts = state.counts.clone();
        counts.used = state.usage.total();
        counts.most_in_window = [1, 5, 60].map(|window| (window, state.usage.most_in(window as usize))).into();
        counts
    }

    pub(crate) fn seconds(&self) -> Vec<Second> {
        let now = self.started.elapsed();
        let mut state = self.state();
        state.pass_time(now);
        state.usage.seconds().to_vec()
    }

    pub(crate) fn records_after(&self, number: u64) -> Vec<Record> {
        self.state().records.after(number)
    }

    /// Counts anew. What is under way stays counted as open.
    pub(crate) fn reset_counts(&self) {
        let now = self.started.elapsed();
        let mut state = self.state();
        let (streams_open, open) = (state.counts.streams_open, state.counts.connections.open);
        let connections = ConnectionCounts { open, ..ConnectionCounts::default() };
        state.counts = Counts { streams_open, streams_most: streams_open, connections, ..Counts::default() };
        state.usage = Usage::new(now);
        state.records.clear();
    }

    pub(crate) fn count_connections(&self, change: impl FnOnce(&mut ConnectionCounts)) {
        change(&mut self.state().counts.connections);
    }

    /// Decides about a request that has just come.
    pub(crate) fn decide(self: &Arc<Self>, asker: &Asker, request: Option<Completion>) -> Decided {
        let now = self.started.elapsed();
        let mut state = self.state();
        state.number += 1;
        let number = state.number;
        state.counts.requests.received += 1;
        state.counts.handle_opened();
        let settings = Arc::clone(&state.settings);
        let valid = request.is_some();
        let request = request.unwrap_or_default();
        let (id, created) = (format!("chatcmpl-mock{number}"), unix_us() / 1_000_000);
        let chunks = Chunks::new(&request, &id, created);
        let who = Who::new(asker, &request);
        let mut chosen = Chosen { fault: crate::fault::Fault::OK, answer: None };
        let plan = if settings.api_key.as_ref().is_some_and(|key| asker.key.as_ref() != Some(key)) {
            state.counts.requests.unauthorized += 1;
            let message = "Incorrect API key provided. You can find your API key in your account.";
            plan::json(401, chunk::error(message, "invalid_request_error", Some("invalid_api_key")))
        } else if !valid {
            state.counts.requests.invalid += 1;
            let message = "We could not parse the JSON body of your request.";
            plan::json(400, chunk::error(message, "invalid_request_error", None))
        } else {
            chosen = state.rules.choose(&request);
            let context = Context {
                request: &request,
                answers: &settings.answers,
                chunks: &chunks,
                id: &id,
                created,
                retry_after: settings.retry_after,
                is_used: asker.is_used,
            };
            state.admit(&who, &context, &chosen, number, now)
        };
        let mut headers = headers::limits(settings.headers, &state.quota.levels(now));
        if plan.status == 429 && chosen.fault.kind == crate::fault::Kind::RateLimitedSilent {
            headers.clear();
        }
        headers.push(("x-request-id", format!("req_mock{number}")));
        state.records.push(Record {
            number,
            fault: chosen.fault.to_string(),
            site: who.site.clone(),
            protocol: asker.protocol.clone(),
            status: plan.status,
            arrived_us: unix_us(),
            ..Record::default()
        });
        let ticket = Ticket { shared: Arc::clone(self), number, who, tokens: 0, is_whole: false };
        Decided { plan, headers, chunks, chosen, stamp: settings.answers.stamp, ticket }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the request through, or not, and plans the response.
    fn admit(&mut self, who: &Who, context: &Context<'_>, chosen: &Chosen, number: u64, now: Duration) -> Plan {
        self.pass_time(now);
        let request = context.request;
        let cost = self.quota.cost(request.prompt_tokens, request.reserved_tokens());
        if let Err(refused) = self.quota.admit(cost, now) {
            let over = match refused.limit {
                Limit::Requests => &mut self.counts.requests.over_requests,
                Limit::Tokens => &mut self.counts.requests.over_tokens,
            };
            *over += 1;
            self.usage.handle_refused(now);
            for share in self.counts.shares(&who.key, &who.site) {
                share.refused += 1;
            }
            return self.over_quota(context, &refused, cost, now);
        }
        self.counts.requests.admitted += 1;
        self.usage.handle_admitted(now);
        self.usage.handle_tokens(cost, now);
        for share in self.counts.shares(&who.key, &who.site) {
            share.admitted += 1;
            share.tokens += cost;
        }
        if chosen.fault.is_refusal() {
            self.counts.requests.refused_by_fault += 1;
            self.quota.handle_failed(cost, now);
        }
        let mut random = StdRng::seed_from_u64(self.settings.seed.wrapping_add(number));
        plan::plan(context, chosen, &mut random)
    }

    fn over_quota(&mut self, context: &Context<'_>, refused: &Refused, cost: u64, now: Duration) -> Plan {
        let levels = self.quota.levels(now);
        let (level, kind, unit, asked) = match refused.limit {
            Limit::Requests => (levels.requests, "requests", "requests per min (RPM)", 1),
            Limit::Tokens => (levels.tokens, "tokens", "tokens per min (TPM)", cost),
        };
        let (limit, used) =
            level.map_or((0, 0), |level| (level.per_minute, level.per_minute - level.remaining.min(level.per_minute)));
        let message = format!(
            "Rate limit reached for {} in organization org-mock on {unit}: Limit {limit}, Used {used}, Requested {asked}. \
             Please try again in {}. Visit https://platform.openai.com/account/rate-limits to learn more.",
            context.request.model,
            headers::duration(refused.wait),
        );
        plan::over_quota(&message, kind, context.retry_after, refused.wait)
    }

    fn pass_time(&mut self, now: Duration) {
        let options = self.quota.options();
        let rates = Rates {
            requests: options.requests_per_minute.unwrap_or(0),
            tokens: options.tokens_per_minute.unwrap_or(0),
        };
        self.usage.handle_time(now, rates);
    }
}

/// Whose request it is.
#[derive(Debug, Clone)]
struct Who {
    key: String,
    site: String,
}

impl Who {
    fn new(asker: &Asker, request: &Completion) -> Self {
        let last_four = |key: &String| {
            let start = key.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
            format!("…{}", &key[start..])
        };
        Self {
            key: asker.key.as_ref().map_or_else(|| "none".to_owned(), last_four),
            site: asker.site.clone().unwrap_or_else(|| request.user.clone()),
        }
    }
}

/// A request under way. Dropped when its response is over, one way or the other.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    number: u64,
    who: Who,
    tokens: u64,
    is_whole: bool,
}

impl Ticket {
    /// A token is handed over to the socket.
    pub(crate) fn handle_token(&mut self) {
        let now = self.shared.started.elapsed();
        let mut state = self.shared.state();
        let counted = state.quota.handle_answer(1, now);
        if counted > 0 {
            state.pass_time(now);
            state.usage.handle_tokens(counted, now);
            for share in state.counts.shares(&self.who.key, &self.who.site) {
                share.tokens += counted;
            }
        }
        state.counts.tokens_sent += 1;
        self.tokens += 1;
        if self.tokens == 1
            && let Some(record) = state.records.get(self.number)
        {
            record.first_token_us = unix_us();
        }
    }

    /// All of the response has been handed over.
    pub(crate) fn handle_whole(&mut self) {
        self.is_whole = true;
    }

    /// Nothing is sent as a response.
    pub(crate) fn handle_no_response(&mut self) {
        if let Some(record) = self.shared.state().records.get(self.number) {
            record.status = 0;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.counts.handle_closed(self.is_whole);
        if let Some(record) = state.records.get(self.number) {
            (record.ended_us, record.tokens, record.whole) = (unix_us(), self.tokens, self.is_whole);
        }
    }
}
