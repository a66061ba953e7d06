//! What a cell of the table shows.

use provider::Second;
use serde::{Deserialize, Serialize};

/// Sites, and how much each asks for.
pub(super) const SITES: [(&str, u64); 4] = [("busy-a", 3), ("busy-b", 3), ("calm-a", 1), ("calm-b", 1)];

/// Seconds at the start that are not counted: nobody knows anything yet.
const WARM: usize = 4;

/// Over so many seconds it must be right to count as settled.
const SETTLED: usize = 3;

/// What one caller saw.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Summary {
    /// By the thirds of the time, between which the quota changes, and by site.
    pub(super) asked: [[u64; SITES.len()]; 3],
    pub(super) served: [[u64; SITES.len()]; 3],
    pub(super) waits_ms: Vec<u64>,
    pub(super) turned_away: u64,
}

/// What a cell shows.
#[derive(Debug)]
pub(super) struct Figures {
    used: f64,
    refused: f64,
    halved_s: Option<usize>,
    doubled_s: Option<usize>,
    jain: f64,
    wait_p50_ms: u64,
    turned_away: f64,
    pub(super) by_second: String,
}

impl Figures {
    pub(super) fn new(seconds: &[Second], callers: &[Summary]) -> Self {
        let third = seconds.len() / 3;
        let settled = |from: usize, to: usize, least: f64| {
            let is_settled = |second: &usize| {
                let part = &seconds[*second..*second + SETTLED];
                refused(part) <= 0.02 && used(part) >= least
            };
            (from..to.saturating_sub(SETTLED)).find(is_settled).map(|second| second - from)
        };
        let mut waits: Vec<u64> = callers.iter().flat_map(|caller| caller.waits_ms.iter().copied()).collect();
        waits.sort_unstable();
        let turned_away: u64 = callers.iter().map(|caller| caller.turned_away).sum();
        let counted = seconds.get(WARM..).unwrap_or_default();
        let show = |second: &Second| format!("{:.2}/{}", used(std::slice::from_ref(second)), second.refused);
        Self {
            used: used(counted),
            refused: refused(counted),
            halved_s: settled(third, 2 * third, 0.85),
            doubled_s: settled(2 * third, seconds.len(), 0.9),
            jain: jain(callers),
            wait_p50_ms: waits.get(waits.len() / 2).copied().unwrap_or(0),
            turned_away: turned_away as f64 / (turned_away as f64 + waits.len() as f64).max(1.0),
            by_second: seconds.iter().map(show).collect::<Vec<_>>().join(" "),
        }
    }

    pub(super) fn row(&self, known: &str, callers: usize, window_ms: u64) -> [String; 10] {
        let seconds = |seconds: Option<usize>| seconds.map_or("never".to_owned(), |seconds| format!("{seconds} s"));
        [
            known.to_owned(),
            callers.to_string(),
            format!("{} s", window_ms as f64 / 1_000.0),
            format!("{:.1} %", self.used * 100.0),
            format!("{:.2} %", self.refused * 100.0),
            seconds(self.halved_s),
            seconds(self.doubled_s),
            format!("{:.3}", self.jain),
            format!("{} ms", self.wait_p50_ms),
            format!("{:.0} %", self.turned_away * 100.0),
        ]
    }
}

fn used(seconds: &[Second]) -> f64 {
    let of = |used: fn(&Second) -> f64, quota: fn(&Second) -> f64| {
        seconds.iter().map(used).sum::<f64>() / seconds.iter().map(quota).sum::<f64>().max(1e-9)
    };
    of(|second| second.tokens as f64, |second| second.quota_tokens)
        .max(of(|second| second.requests as f64, |second| second.quota_requests))
}

fn refused(seconds: &[Second]) -> f64 {
    let refused: u64 = seconds.iter().map(|second| second.refused).sum();
    let all: u64 = seconds.iter().map(|second| second.requests + second.refused).sum();
    refused as f64 / all.max(1) as f64
}

/// Of one third of the time.
fn sum(callers: &[Summary], of: impl Fn(&Summary) -> [u64; SITES.len()]) -> [u64; SITES.len()] {
    let mut sum = [0; SITES.len()];
    for caller in callers {
        for (all, one) in sum.iter_mut().zip(of(caller)) {
            *all += one;
        }
    }
    sum
}

/// Jain's index over what each site got of its max-min fair share of all that was served, third by third.
fn jain(callers: &[Summary]) -> f64 {
    let mut parts = [(0.0, 0.0); SITES.len()];
    for third in 0..3 {
        let (asked, served) = (sum(callers, |caller| caller.asked[third]), sum(callers, |caller| caller.served[third]));
        let level = level(asked, served.iter().sum());
        for ((got, fair), (asked, served)) in parts.iter_mut().zip(asked.iter().zip(served)) {
            *got += served as f64;
            *fair += (*asked as f64).min(level);
        }
    }
    let parts = parts.map(|(got, fair)| got / f64::max(fair, 1.0));
    let (sum, squares) = (parts.iter().sum::<f64>(), parts.iter().map(|part| part * part).sum::<f64>());
    sum * sum / (parts.len() as f64 * squares.max(1e-12))
}

/// The level up to which `whole` fills what is asked for.
fn level(mut asked: [u64; SITES.len()], whole: u64) -> f64 {
    asked.sort_unstable();
    let mut left = whole as f64;
    for (place, one) in asked.iter().enumerate() {
        let even = left / (asked.len() - place) as f64;
        if *one as f64 > even {
            return even;
        }
        left -= *one as f64;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_division_is_fair_and_one_by_demand_is_not() {
        let summary = |served| Summary { asked: [[300, 300, 100, 100]; 3], served: [served; 3], ..Summary::default() };
        assert!((jain(&[summary([150, 150, 100, 100])]) - 1.0).abs() < 1e-9);
        assert!(jain(&[summary([187, 187, 63, 63])]) < 0.95);
    }
}
