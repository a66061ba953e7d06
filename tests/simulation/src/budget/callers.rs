//! Turns that come, each to one caller.

use std::collections::HashMap;
use std::sync::Arc;

use conversation::Millis;
use conversation::budget::{Limits, ModelBudget, Size, Ticket};

use super::setting::{Demand, Knowledge, Setting};
use crate::rng::Rng;

/// How long a turn can wait.
const CLOCK_MS: Millis = 2_000;

/// Sites and how much each asks for.
pub(super) const SITES: [(&str, u64); 4] = [("busy-a", 3), ("busy-b", 3), ("calm-a", 1), ("calm-b", 1)];

/// One caller and its turns.
pub(super) struct Caller {
    pub(super) budget: ModelBudget,
    pub(super) turns: HashMap<Ticket, Turn>,
    pub(super) wakes_at: Option<Millis>,
    /// How many changes of the shared record it knows.
    pub(super) version: u64,
    /// How far its clock is ahead of the slowest, milliseconds.
    pub(super) ahead: Millis,
}

/// One turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) site: usize,
    pub(super) size: Size,
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) until: Millis,
}

impl Turn {
    /// Of a thousand tokens: 100 of instructions, 200 to 1,200 of question, 100 to 300 of answer.
    fn draw(turn_tokens: u64, rng: &mut Rng, now: Millis) -> (usize, Self) {
        let site = rng.weighted(&SITES.map(|(_, weight)| weight as u32));
        let of = |tokens: u64| tokens * turn_tokens / 1_000;
        let bytes = rng.between(of(800), of(4_800));
        // No two texts of one length have equally many tokens.
        let prompt = of(100) + bytes * rng.between(220, 280) / 1_000;
        let size = Size { narrow_bytes: bytes, wide_chars: 0 };
        let until = now + CLOCK_MS;
        (site, Self { site, size, prompt, completion: rng.between(of(100), of(300)), until })
    }
}

/// All callers.
pub(super) fn callers(setting: &Setting, rng: &mut Rng) -> Vec<Caller> {
    let limits = match setting.knowledge {
        Knowledge::Configured => Limits::configured(setting.requests_per_minute, setting.tokens_per_minute),
        Knowledge::Headers | Knowledge::Nothing => Limits::configured(0, 0),
    };
    let caller = |number: usize| Caller {
        budget: ModelBudget::new(&format!("node-{number}"), limits.clone(), setting.longest(), 0),
        turns: HashMap::new(),
        wakes_at: None,
        version: 0,
        ahead: rng.below(setting.skew_ms + 1),
    };
    (0..setting.callers).map(caller).collect()
}

/// The next turn after `now`: when, at which caller, and what.
pub(super) fn next_turn(setting: &Setting, rng: &mut Rng, now: f64) -> (f64, usize, Turn) {
    let per_ms = setting.tokens_per_minute as f64 / 60_000.0 / setting.turn_tokens as f64
        * setting.demand_percent as f64
        / 100.0;
    let chance = (rng.below(1 << 52) + 1) as f64 / (1_u64 << 52) as f64;
    let at = now - chance.ln() / per_ms;
    let (site, turn) = Turn::draw(setting.turn_tokens, rng, at as Millis);
    let caller = match setting.demand {
        Demand::Uneven if SITES[site].1 == 1 => site % setting.callers,
        _ => rng.below(setting.callers as u64) as usize,
    };
    (at, caller, turn)
}

/// The names of all sites.
pub(super) fn names() -> Vec<Arc<str>> {
    SITES.iter().map(|(name, _)| Arc::from(*name)).collect()
}
