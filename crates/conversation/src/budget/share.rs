//! What nodes tell each other, and each site's share while there is not enough for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Allowance, Scale};
use crate::Millis;

/// How much of its share a site may take. What some nodes do not use of it, others may.
const SLACK: f64 = 1.1;

/// How strongly a site that got more or less than its share lately is held to it: what it may take is multiplied by this power of
/// what it should have got, divided by what it got.
const CORRECTION: i32 = 3;

/// How far that goes.
const MOST_CORRECTED: f64 = 2.0;

/// What one node learnt and all must know. Kept in one record, changed by compare-and-set.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// Requests, in thousandths.
    pub requests: Allowance,
    /// Tokens.
    pub tokens: Allowance,
    /// When headers last said something new.
    pub learnt_at: Millis,
    /// Requests a minute, in thousandths, that were asked for when a model without any known limit first refused one. 0:
    /// none was refused.
    pub guess: f64,
    /// Nobody asks before.
    pub blocked_until: Millis,
    /// What was found out by trying.
    pub scale: Scale,
}

/// What one node says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its name.
    pub node: String,
    /// When it said so.
    pub at: Millis,
    /// How much each site asks for there, as a part of the whole quota.
    pub sites: Vec<(Arc<str>, f64)>,
    /// How much each site got there, as a part of the whole quota.
    pub served: Vec<(Arc<str>, f64)>,
}

/// What each site may take on `node`, as parts of the whole quota; sites that are not named may take what they ask for.
///
/// Max-min fair: nobody gets more than it asks for, and what is left is divided evenly. A site's share is divided among its
/// nodes by how much it asks for at each. A node that serves a turn a second cannot keep to its part of it, so what all nodes
/// together served is held against what was fair, and the difference is made up for.
pub(crate) fn caps(node: &str, notices: &[Notice], capacity: f64) -> BTreeMap<Arc<str>, f64> {
    let mut whole: BTreeMap<&Arc<str>, (f64, f64)> = BTreeMap::new();
    for notice in notices {
        for (site, part) in &notice.sites {
            let (all, here) = whole.entry(site).or_default();
            *all += part;
            *here += if notice.node == node { *part } else { 0.0 };
        }
    }
    let mut served: BTreeMap<&Arc<str>, f64> = BTreeMap::new();
    for (site, part) in notices.iter().flat_map(|notice| &notice.served) {
        *served.entry(site).or_default() += part;
    }
    let demands: Vec<f64> = whole.values().map(|(all, _)| *all).collect();
    let fair = level(demands.clone(), served.values().sum());
    let level = level(demands, capacity);
    let capped = whole.into_iter().filter(|(_, (all, here))| *all > level && *here > 0.0);
    let cap = |(site, (all, here)): (&Arc<str>, (f64, f64))| {
        let correction = served.get(site).map_or(1.0, |got| correction(all.min(fair), *got));
        (Arc::clone(site), level * SLACK * correction * here / all)
    };
    capped.map(cap).collect()
}

/// What a site may take that got `got` where `fair` was its share.
fn correction(fair: f64, got: f64) -> f64 {
    let correction = (fair / got).powi(CORRECTION).clamp(1.0 / MOST_CORRECTED, MOST_CORRECTED);
    if correction.is_nan() { 1.0 } else { correction }
}

/// The level up to which `capacity` fills all demands; without end if it suffices for all.
fn level(mut demands: Vec<f64>, capacity: f64) -> f64 {
    demands.sort_by(f64::total_cmp);
    let mut left = capacity;
    for (filled, demand) in demands.iter().enumerate() {
        let even = left / (demands.len() - filled) as f64;
        if *demand > even {
            return even;
        }
        left -= demand;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(node: &str, sites: &[(&str, f64)]) -> Notice {
        let sites = sites.iter().map(|(site, part)| (Arc::from(*site), *part)).collect();
        Notice { node: node.to_owned(), at: 0, sites, served: Vec::new() }
    }

    fn cap(node: &str, notices: &[Notice], site: &str) -> Option<f64> {
        caps(node, notices, 1.0).get(site).map(|cap| cap / SLACK)
    }

    #[test]
    fn while_there_is_enough_nobody_is_held_back() {
        assert!(caps("a", &[notice("a", &[("x", 0.7)]), notice("b", &[("y", 0.3)])], 1.0).is_empty());
    }

    #[test]
    fn who_asks_for_less_than_its_share_gets_it_and_the_rest_goes_to_the_others() {
        let notices = [notice("a", &[("busy", 0.6), ("calm", 0.1)]), notice("b", &[("busy", 0.6), ("calm", 0.2)])];
        assert_eq!(cap("a", &notices, "calm"), None);
        assert!((cap("a", &notices, "busy").unwrap() - 0.35).abs() < 1e-9);
    }

    #[test]
    fn who_got_more_than_its_share_lately_may_take_less_and_who_got_less_may_take_more() {
        let served = [("x", 0.6), ("y", 0.4), ("z", 0.0)].map(|(site, part)| (Arc::from(site), part));
        let notice = Notice { served: served.to_vec(), ..notice("a", &[("x", 1.0), ("y", 1.0), ("z", 0.0)]) };
        let caps = ["x", "y"].map(|site| cap("a", std::slice::from_ref(&notice), site).unwrap());
        assert!(caps[0] < 0.5 && caps[1] > 0.5, "{caps:?}");
        let nothing = Notice { served: vec![(Arc::from("x"), 0.0)], ..notice };
        let cap = cap("a", &[nothing], "x").unwrap();
        assert!((cap - 0.5).abs() < 1e-9, "nothing was served to anybody: {cap}");
    }

    #[test]
    fn a_site_gets_no_more_for_being_on_more_nodes() {
        let notices = [notice("a", &[("x", 1.0)]), notice("b", &[("y", 0.5)]), notice("c", &[("y", 0.5)])];
        assert_eq!(cap("a", &notices, "x"), Some(0.5));
        assert_eq!(cap("b", &notices, "y"), Some(0.25));
        assert_eq!(cap("b", &notices, "x"), None, "nobody asks for it there");
    }
}
