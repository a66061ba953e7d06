//! What all connections of a node share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use config::{Config, ConfigError, Life};
use conversation::{Body, ConversationId, Event, Live, Policy};
use futures_util::FutureExt;
use intent::PersonRequests;
use store::Store;
use telemetry::NodeMetrics;

use crate::admission::Admission;
use crate::budget::Budgets;
use crate::clock;
use crate::conversations::Conversations;
use crate::drain::Drain;
use crate::health::Health;
use crate::hear;
use crate::held::Held;
use crate::http::Readiness;
use crate::intents::{IntentFiles, Intents};
use crate::invoke::Invoker;
use crate::limits::Limits;
use crate::socket::SocketLimits;
use crate::tokens::TokenKeys;

/// One node.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    /// `None`: this node is alone.
    pub(crate) bus: Option<Arc<dyn Bus>>,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) metrics: NodeMetrics,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) conversations: Conversations,
    pub(crate) tokens: TokenKeys,
    pub(crate) sites: HashMap<String, Site>,
    pub(crate) person_requests: PersonRequests,
    pub(crate) limits: Limits,
    pub(crate) drain: Drain,
    pub(crate) health: Health,
    /// What this process signs with on the bus: its name, and a number of its own, so that two nodes to which somebody gave
    /// one name still hear each other.
    pub(crate) speaker: String,
}

/// One site on this node.
pub(crate) struct Site {
    /// Who is let in.
    pub(crate) admission: Admission,
    /// The bounds and texts of its conversations.
    policy: Arc<Policy>,
    intents: Option<Intents>,
    /// Those that are tried for an answer, in order.
    models: Vec<String>,
}

/// All sites of the configuration.
///
/// # Errors
/// One of their public keys, or of their intents, cannot be read.
pub(crate) fn sites(config: &Config, has_others: bool) -> Result<HashMap<String, Site>, ConfigError> {
    let salt = rand::random();
    let mut files = IntentFiles::default();
    let of = |(key, site): (&String, &config::Site)| {
        let intents = site.intents.as_deref().map(|path| files.open(key, path)).transpose()?;
        let policy = Arc::new(policy(config, site, salt, has_others));
        Ok((key.clone(), Site { admission: Admission::new(key, site)?, policy, intents, models: site.models.clone() }))
    };
    config.sites.iter().map(of).collect()
}

fn policy(config: &Config, site: &config::Site, salt: u32, has_others: bool) -> Policy {
    let defaults = Policy::default();
    Policy {
        heartbeat: defaults.heartbeat.filter(|_| has_others),
        max_text_bytes: config.limits.max_text_bytes,
        max_answer_bytes: config.turn.max_answer_bytes,
        max_events: config.limits.events_per_conversation,
        recent_bytes: config.turn.recent_bytes,
        turn_deadline: config.turn.deadline_ms,
        give_up_after: config.turn.deadline_ms * 4,
        // The same for all conversations of one start, and hardly ever that of another node or of this one's last start.
        run_salt: salt,
        fallback: shared(site.fallback_texts()),
        ..defaults
    }
}

fn shared(texts: Vec<(&str, &str)>) -> Vec<(Arc<str>, Arc<str>)> {
    texts.into_iter().map(|(language, text)| (language.into(), text.into())).collect()
}

impl Node {
    /// The policy of a site; that of a site which is no longer configured is the default one.
    pub(crate) fn policy(&self, site: &str) -> Arc<Policy> {
        let unknown = || Arc::new(Policy { fallback: shared(config::FALLBACKS.into()), ..Policy::default() });
        self.sites.get(site).map_or_else(unknown, |site| Arc::clone(&site.policy))
    }

    /// The intents of a site, if it has any and they are trained.
    pub(crate) fn intents(&self, site: &str) -> Option<&intent::Model> {
        self.sites.get(site)?.intents.as_ref()?.get()
    }

    /// The models of a site, in the order in which they are tried.
    pub(crate) fn models(&self, site: &str) -> &[String] {
        self.sites.get(site).map_or(&[], |site| &site.models)
    }

    /// The conversation, read from the store if it is not in memory. `None`: the store does not answer.
    pub(crate) async fn load(self: &Arc<Self>, id: &ConversationId) -> Option<Arc<Held>> {
        let (held, is_new) = self.conversations.hold(self, id, clock::now());
        if is_new {
            // A task of its own: whoever asked first may leave before the log is read, others wait for it too.
            let listener = tokio::spawn(hear::listen(Arc::downgrade(self), Arc::downgrade(&held)));
            if self.bus.is_some() {
                // Alone it ends at once, and a handle would keep its memory.
                held.keep_listener(listener.abort_handle());
            }
        }
        if !is_new {
            held.wake_up(self);
        }
        held.wait_until(|live| live.is_loaded() || is_stuck(live)).await;
        held.look(Live::is_loaded).then_some(held)
    }

    /// Reads what the log has got since; if the store does not answer, what is known stays.
    pub(crate) async fn refresh(self: &Arc<Self>, held: &Arc<Held>) {
        held.handle(self, Live::handle_refresh);
        held.wait_until(|live| live.is_current() || is_stuck(live)).await;
    }

    /// Has the log read if it is another one than known. One at rest is compared without being woken.
    pub(crate) async fn look_again(self: &Arc<Self>, held: &Arc<Held>) {
        match held.rested() {
            Some(rested) => match self.store.head(held.id()).await {
                Ok(head) if head != rested.head => held.handle(self, Live::handle_refresh),
                Ok(_) => {}
                Err(error) => tracing::debug!(conversation = %held.id(), %error, "cannot be compared with its log"),
            },
            None => held.handle(self, Live::handle_refresh),
        }
    }

    /// How long conversations of a site live; `None`: the site is no longer configured.
    pub(crate) fn life(&self, site: &str) -> Option<&Life> {
        self.config.sites.get(site).map(|site| &site.life)
    }

    /// Counts what was stored.
    pub(crate) fn count(&self, event: &Event) {
        match &event.body {
            Body::VisitorMessage { .. } => self.metrics.messages.inc(),
            Body::Answer { end, .. } => self.metrics.turns.with(end_name(*end)).inc(),
            Body::Handover { .. } => self.metrics.turns.with("handover").inc(),
            _ => {}
        }
    }

    /// Whether to send visitors here.
    pub(crate) fn readiness(&self) -> Readiness {
        if self.drain.is_draining() {
            return Readiness::Draining;
        }
        if !self.health.store_answers() {
            return Readiness::StoreFailing;
        }
        // A store in this process knows without waiting; of one elsewhere `health` knows.
        match self.store.ready().now_or_never() {
            Some(Err(_)) => Readiness::StoreFailing,
            _ if !self.health.bus_answers() => Readiness::BusFailing,
            Some(Ok(())) | None => Readiness::Ready,
        }
    }

    /// What bounds each socket.
    pub(crate) fn socket_limits(&self) -> SocketLimits {
        let limits = &self.config.limits;
        SocketLimits {
            max_frame_bytes: limits.max_frame_bytes,
            write_buffer_bytes: limits.write_buffer_bytes,
            slow_reader: Duration::from_millis(limits.slow_reader_ms),
        }
    }

    /// How many sockets are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.limits.connections()
    }
}

/// Whether more of the log cannot be had now: the store does not answer, or what it holds breaks a rule.
pub(crate) fn is_stuck(live: &Live) -> bool {
    live.is_store_failing() || live.violation().is_some()
}

fn end_name(end: conversation::AnswerEnd) -> &'static str {
    match end {
        conversation::AnswerEnd::Complete => "complete",
        conversation::AnswerEnd::Stopped => "stopped",
        conversation::AnswerEnd::Interrupted => "interrupted",
        conversation::AnswerEnd::Fallback => "fallback",
        conversation::AnswerEnd::Intent => "intent",
    }
}
