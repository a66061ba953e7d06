//! What a run shows.

use conversation::Millis;

use super::callers::SITES;
use super::setting::Setting;

/// Over so many seconds it must be right to count as settled.
const SETTLED_S: usize = 5;

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    counted: u64,
    requests: u64,
    admitted: u64,
    refused: u64,
}

/// Keeps count.
#[derive(Debug)]
pub(super) struct Watch {
    setting: Setting,
    seconds: Vec<Second>,
    /// By phase of the quota and site.
    asked: [[u64; SITES.len()]; 3],
    served: [[u64; SITES.len()]; 3],
    waits: Vec<Millis>,
    turned_away: u64,
}

/// What a run shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The part of the quota that was used; beyond 1: what the server's bucket held before.
    pub used: f64,
    /// The part of requests refused with 429.
    pub refused: f64,
    /// How many requests were refused.
    pub refusals: u64,
    /// Seconds from the halving to the first five seconds in which at most 2 % are refused and at least 85 % is used.
    pub halved_s: Option<usize>,
    /// Seconds from the doubling to the first five seconds in which at least 90 % is used.
    pub doubled_s: Option<usize>,
    /// Jain's index over what sites got, each as a part of its max-min fair share.
    pub jain: f64,
    /// What each site got of its fair share.
    pub parts: Vec<f64>,
    /// Half of the granted turns waited at most so long, milliseconds.
    pub wait_p50_ms: Millis,
    /// Turns that were told to fall back, of all.
    pub turned_away: f64,
    /// The part of the quota used in each second.
    pub by_second: Vec<f64>,
    /// Requests refused in each second.
    pub refused_by_second: Vec<u64>,
}

impl Watch {
    pub(super) fn new(setting: &Setting) -> Self {
        let seconds = vec![Second::default(); (setting.end() / 1_000) as usize + 1];
        let setting = setting.clone();
        Self {
            setting,
            seconds,
            asked: [[0; SITES.len()]; 3],
            served: [[0; SITES.len()]; 3],
            waits: Vec::new(),
            turned_away: 0,
        }
    }

    fn second(&mut self, now: Millis) -> &mut Second {
        let last = self.seconds.len() - 1;
        &mut self.seconds[((now / 1_000) as usize).min(last)]
    }

    pub(super) fn asked(&mut self, site: usize, tokens: u64, now: Millis) {
        if now / 1_000 >= self.setting.warm_s {
            self.asked[self.setting.third(now)][site] += tokens;
        }
    }

    pub(super) fn granted(&mut self, wait: Millis) {
        self.waits.push(wait);
    }

    pub(super) fn turned_away(&mut self) {
        self.turned_away += 1;
    }

    pub(super) fn counted(&mut self, tokens: u64, now: Millis) {
        self.second(now).counted += tokens;
    }

    pub(super) fn requested(&mut self, site: usize, tokens: u64, refused: bool, now: Millis) {
        let second = self.second(now);
        second.requests += 1;
        second.refused += u64::from(refused);
        second.admitted += u64::from(!refused);
        if !refused && now / 1_000 >= self.setting.warm_s {
            self.served[self.setting.third(now)][site] += tokens;
        }
    }

    pub(super) fn figures(mut self) -> Figures {
        let setting = &self.setting;
        let warm = setting.warm_s as usize;
        let quota = |second: usize, per_minute: u64| {
            per_minute as f64 / 60.0 * setting.quota_percent(second as Millis * 1_000) as f64 / 100.0
        };
        let used = |from: usize, to: usize| {
            let of = |per_minute, count: fn(&Second) -> u64| {
                let counted: u64 = self.seconds[from..to].iter().map(count).sum();
                counted as f64 / (from..to).map(|second| quota(second, per_minute)).sum::<f64>()
            };
            // Whichever limit is nearer.
            of(setting.tokens_per_minute, |second| second.counted)
                .max(of(setting.requests_per_minute, |second| second.admitted))
        };
        let refused = |from: usize, to: usize| {
            let requests: u64 = self.seconds[from..to].iter().map(|second| second.requests).sum();
            self.seconds[from..to].iter().map(|second| second.refused).sum::<u64>() as f64 / requests.max(1) as f64
        };
        let end = setting.end() as usize / 1_000;
        let settled = |change: Millis, until: Millis, least: f64| {
            let (from, until) = (change as usize / 1_000, until as usize / 1_000 - SETTLED_S);
            let is_settled = |second: &usize| {
                refused(*second, *second + SETTLED_S) <= 0.02 && used(*second, *second + SETTLED_S) >= least
            };
            (from..=until).find(is_settled).map(|second| second - from)
        };
        let parts = parts(&self.asked, &self.served);
        let figures = Figures {
            used: used(warm, end),
            refused: refused(warm, end),
            refusals: self.seconds[warm..end].iter().map(|second| second.refused).sum(),
            halved_s: settled(setting.halved(), setting.doubled(), 0.85),
            doubled_s: settled(setting.doubled(), setting.end(), 0.9),
            jain: jain(&parts),
            parts: parts.to_vec(),
            wait_p50_ms: 0,
            turned_away: self.turned_away as f64 / (self.turned_away as f64 + self.waits.len() as f64).max(1.0),
            by_second: (0..end).map(|second| used(second, second + 1)).collect(),
            refused_by_second: self.seconds.iter().map(|second| second.refused).collect(),
        };
        self.waits.sort_unstable();
        Figures { wait_p50_ms: self.waits.get(self.waits.len() / 2).copied().unwrap_or(0), ..figures }
    }
}

/// What each got of its max-min fair share of all that was served, phase by phase.
fn parts<const N: usize>(asked: &[[u64; N]], served: &[[u64; N]]) -> [f64; N] {
    let mut parts = [(0.0, 0.0); N];
    for (asked, served) in asked.iter().zip(served) {
        let level = level(asked, served.iter().sum());
        for ((got, fair), (asked, served)) in parts.iter_mut().zip(asked.iter().zip(served)) {
            *got += *served as f64;
            *fair += (*asked as f64).min(level);
        }
    }
    parts.map(|(got, fair)| got / fair.max(1.0))
}

/// Jain, Chiu and Hawe (1984).
fn jain(parts: &[f64]) -> f64 {
    let (sum, squares) = (parts.iter().sum::<f64>(), parts.iter().map(|part| part * part).sum::<f64>());
    sum * sum / (parts.len() as f64 * squares.max(1e-12))
}

/// The level up to which `whole` fills what is asked for.
fn level(asked: &[u64], whole: u64) -> f64 {
    let mut order: Vec<u64> = asked.to_vec();
    order.sort_unstable();
    let mut left = whole as f64;
    for (place, asked) in order.iter().enumerate() {
        let even = left / (order.len() - place) as f64;
        if *asked as f64 > even {
            return even;
        }
        left -= *asked as f64;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_division_of_what_is_short_is_fair_and_one_by_demand_is_not() {
        assert!((jain(&parts(&[[300, 300, 100, 100]], &[[150, 150, 100, 100]])) - 1.0).abs() < 1e-9);
        assert!(jain(&parts(&[[900, 900, 300, 300]], &[[300, 300, 100, 100]])) < 0.81);
    }
}
