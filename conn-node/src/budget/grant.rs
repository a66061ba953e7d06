//! Budget that a turn has.

use std::sync::Arc;

use conversation::budget::{Limit, Quota, Spent};
use protocol::function::{AiLimit, AiQuota, AiReport};

use super::desk::{Desk, Held};

/// Budget that was taken for one turn. It is settled when dropped: by the report, if one came, else as it was estimated.
pub struct Grant {
    held: Held,
    /// The models behind it in the site's list.
    others: Vec<Arc<Desk>>,
    /// The granted model was asked, as far as quota lines told.
    is_asked: bool,
}

impl Grant {
    pub(super) fn new(held: Held, others: Vec<Arc<Desk>>) -> Self {
        Self { held, others, is_asked: false }
    }

    /// The models that the function may ask: the granted one, and then the others that may be asked now.
    pub fn models(&self) -> Vec<String> {
        let names = [self.held.model()].into_iter().chain(self.others.iter().map(|desk| desk.model()));
        names.map(str::to_owned).collect()
    }

    /// A `quota` line of the function.
    pub fn handle_quota(&mut self, quota: &AiQuota) {
        let read = read(quota);
        if quota.model == self.held.model() {
            self.is_asked = true;
            self.held.handle_quota(&read);
        } else if let Some(desk) = self.other(&quota.model) {
            desk.handle_stand_in(&read);
        }
    }

    /// The `report` line.
    pub fn handle_report(&mut self, report: &AiReport) {
        let (prompt, completion) = (report.prompt_tokens, report.completion_tokens);
        if report.model == self.held.model() {
            self.held.set_spent(Spent::Tokens { prompt, completion });
        } else {
            if !self.is_asked {
                // The model that answered stood in before the granted one had said anything.
                let spent = if report.attempts > 1 { Spent::Unknown } else { Spent::Nothing };
                self.held.set_spent(spent);
            }
            if let Some(desk) = self.other(&report.model) {
                desk.handle_unreserved(prompt, completion);
            }
        }
    }

    /// No model was asked: everything is given back.
    pub fn give_back(mut self) {
        self.held.set_spent(Spent::Nothing);
    }

    fn other(&self, model: &str) -> Option<&Arc<Desk>> {
        self.others.iter().find(|desk| desk.model() == model)
    }
}

fn read(quota: &AiQuota) -> Quota {
    let limit = |limit: AiLimit| Limit { limit: limit.limit, remaining: limit.remaining, reset_ms: limit.reset_ms };
    Quota {
        requests: quota.requests.map(limit),
        tokens: quota.tokens.map(limit),
        refused: quota.refused,
        retry_after_ms: quota.retry_after_ms,
    }
}
