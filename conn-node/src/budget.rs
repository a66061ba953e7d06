//! The model budget of this node: turns ask, the core decides, the store is shared with the other nodes.
//!
//! What is decided is in [`conversation::budget`]; here are the waiting turns, the calls to the store and the clock.

mod desk;
mod grant;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;

use conversation::Millis;
use conversation::budget::{Limits, Refusal, Size};
use futures_util::future::join_all;
use store::Store;
use telemetry::BudgetMetrics;

use crate::clock;
use desk::Desk;
pub use grant::Grant;

/// As long as the first model of a site's list keeps a turn waiting no longer, no other is looked at.
const PATIENCE_MS: Millis = 250;

/// Tells the time, Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// What a model is known to allow. 0: not known; then its headers tell, or its refusals.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelLimits {
    /// Requests.
    pub requests_per_minute: u64,
    /// Tokens of questions and answers.
    pub tokens_per_minute: u64,
    /// The longest answer, tokens.
    pub max_tokens: u64,
}

/// The budgets of all models that are configured.
pub struct Budgets {
    desks: BTreeMap<String, Arc<Desk>>,
    clock: Clock,
}

/// A turn that wants to ask a model.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The site's key.
    pub site: &'a str,
    /// The site's models in the order in which they are tried. Those that are not configured are skipped.
    pub models: &'a [String],
    /// What the turn sends.
    pub size: Size,
    /// Until when it can wait, Unix milliseconds: the first-token clock, less what a model takes to its first token.
    pub until: Millis,
}

/// Why a turn gets no budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It would wait longer than it can.
    #[error("the models' budget is used up for longer than a visitor waits; raise the quota, or add a model")]
    TooLong,
    /// Too many turns wait already.
    #[error("too many turns wait for the models' budget; raise the quota, or add a model")]
    QueueFull,
    /// The model asked for a pause that is longer.
    #[error("the model asked not to be asked for longer than a visitor waits")]
    Blocked,
    /// None of its models is configured.
    #[error("none of the site's models is configured")]
    NoModel,
}

impl Refused {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::QueueFull => "queue_full",
            Self::Blocked => "blocked",
            Self::NoModel => "no_model",
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLong => Self::TooLong,
            Refusal::QueueFull => Self::QueueFull,
            Refusal::Blocked => Self::Blocked,
        }
    }
}

impl Budgets {
    /// Of these models, in the node called `node`; two nodes that share a store need different names.
    pub fn new(
        models: impl IntoIterator<Item = (String, ModelLimits)>,
        store: &Arc<dyn Store>,
        node: &str,
        metrics: &BudgetMetrics,
    ) -> Arc<Self> {
        Self::with_clock(models, store, node, metrics, Arc::new(clock::now))
    }

    /// The same with another clock.
    pub fn with_clock(
        models: impl IntoIterator<Item = (String, ModelLimits)>,
        store: &Arc<dyn Store>,
        node: &str,
        metrics: &BudgetMetrics,
        clock: Clock,
    ) -> Arc<Self> {
        let desk = |(model, limits): (String, ModelLimits)| {
            let known = Limits::configured(limits.requests_per_minute, limits.tokens_per_minute);
            let budget = conversation::budget::ModelBudget::new(node, known, limits.max_tokens, clock());
            match Desk::new(&model, budget, Arc::clone(store), node, metrics.clone(), Arc::clone(&clock)) {
                Ok(desk) => Some((model, desk)),
                Err(error) => {
                    // The configuration allows no such name.
                    tracing::error!(model, %error, "no budget is kept for this model, and no site can use it");
                    None
                }
            }
        };
        Arc::new(Self { desks: models.into_iter().filter_map(desk).collect(), clock: Arc::clone(&clock) })
    }

    /// Keeps time, for ever. Without it nobody is granted what is not there at once.
    pub async fn run(self: Arc<Self>) {
        join_all(self.desks.values().map(|desk| Arc::clone(desk).run())).await;
    }

    /// Waits for budget of the first model that has some soon, or of the one that has some soonest.
    ///
    /// Dropping the future gives the place in the line up.
    ///
    /// # Errors
    /// There will be none in time.
    pub async fn acquire(&self, ask: Ask<'_>) -> Result<Grant, Refused> {
        let desks: Vec<_> = ask.models.iter().filter_map(|model| self.desks.get(model)).collect();
        let now = (self.clock)();
        let waits: Vec<_> = desks.iter().map(|desk| desk.expected_wait(ask.site, now)).collect();
        let soon = waits.iter().position(|wait| *wait <= PATIENCE_MS);
        let place = soon.or_else(|| (0..waits.len()).min_by_key(|place| waits[*place])).ok_or(Refused::NoModel)?;
        let desk = desks[place];
        let ticket = desk.acquire(ask.site, ask.size, ask.until).await?;
        let now = (self.clock)();
        let others = desks.iter().filter(|other| other.model() != desk.model() && !other.is_blocked(now));
        Ok(Grant::new(ticket, others.map(|other| Arc::clone(other)).collect()))
    }

    /// Looks at the clock at once. For tests that move it.
    #[cfg(test)]
    fn wake(&self) {
        self.desks.values().for_each(Desk::drive);
    }
}

#[cfg(test)]
mod tests;
