//! How much each site asks for on this node, and how much each gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Millis;

const STEP_MS: Millis = 500;

/// How much one step counts. Six seconds are remembered.
const NEWEST: f64 = STEP_MS as f64 / 6_000.0;

/// Below this part of the quota a site asks for nothing.
const NOTHING: f64 = 1e-6;

/// What is asked for, whether it is granted or refused, or what is granted: milliseconds of the whole quota in each millisecond.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    sites: BTreeMap<Arc<str>, Asked>,
    stepped_at: Millis,
    /// Since it began from nothing.
    steps: u32,
}

#[derive(Debug, Default)]
struct Asked {
    now: f64,
    mean: f64,
}

impl Demand {
    pub(crate) fn count(&mut self, site: &Arc<str>, cost: f64, now: Millis) {
        self.step(now);
        self.sites.entry(Arc::clone(site)).or_default().now += cost;
    }

    /// Each site's part of the quota.
    pub(crate) fn parts(&mut self, now: Millis) -> Vec<(Arc<str>, f64)> {
        self.step(now);
        self.sites.iter().map(|(site, asked)| (Arc::clone(site), asked.mean)).collect()
    }

    fn step(&mut self, now: Millis) {
        if now.saturating_sub(self.stepped_at) > 200 * STEP_MS {
            // So long ago that nothing of it counts any more.
            self.sites.clear();
            (self.stepped_at, self.steps) = (now, 0);
        }
        while self.stepped_at + STEP_MS <= now {
            self.stepped_at += STEP_MS;
            self.steps += 1;
            // The first steps are all that is known: they count as much as they are.
            let newest = NEWEST.max(1.0 / f64::from(self.steps));
            for asked in self.sites.values_mut() {
                asked.mean += newest * (asked.now / STEP_MS as f64 - asked.mean);
                asked.now = 0.0;
            }
        }
        self.sites.retain(|_, asked| asked.mean > NOTHING || asked.now > 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_second_tells_as_much_as_a_long_time() {
        let (mut demand, site) = (Demand::default(), Arc::from("shop"));
        for now in (1_000_000..1_001_000).step_by(100) {
            demand.count(&site, 50.0, now);
        }
        let part = demand.parts(1_001_000)[0].1;
        assert!((0.4..0.6).contains(&part), "{part}");
    }

    #[test]
    fn demand_is_the_part_of_the_quota_and_fades() {
        let (mut demand, site) = (Demand::default(), Arc::from("shop"));
        for now in (0..30_000).step_by(100) {
            demand.count(&site, 50.0, now);
        }
        let part = demand.parts(30_000)[0].1;
        assert!((0.48..0.52).contains(&part), "{part}");
        assert!(demand.parts(120_000).is_empty());
    }
}
