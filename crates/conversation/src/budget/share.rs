//! What nodes tell each other, and each site's share while there is not enough for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Allowance, Scale};
use crate::Millis;

/// How much of its share a site may take.
const SLACK: f64 = 1.02;

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
}

/// What each site may take on `node`, as parts of the whole quota; sites that are not named may take what they ask for.
///
/// Max-min fair: nobody gets more than it asks for, and what is left is divided evenly. A site's share is divided among its
/// nodes by how much it asks for at each.
pub(crate) fn caps(node: &str, notices: &[Notice], capacity: f64) -> BTreeMap<Arc<str>, f64> {
    let mut whole: BTreeMap<&Arc<str>, (f64, f64)> = BTreeMap::new();
    for notice in notices {
        for (site, part) in &notice.sites {
            let (all, here) = whole.entry(site).or_default();
            *all += part;
            *here += if notice.node == node { *part } else { 0.0 };
        }
    }
    let level = level(whole.values().map(|(all, _)| *all).collect(), capacity);
    let capped = whole.into_iter().filter(|(_, (all, here))| *all > level && *here > 0.0);
    capped.map(|(site, (all, here))| (Arc::clone(site), level * SLACK * here / all)).collect()
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
        Notice { node: node.to_owned(), at: 0, sites }
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
    fn a_site_gets_no_more_for_being_on_more_nodes() {
        let notices = [notice("a", &[("x", 1.0)]), notice("b", &[("y", 0.5)]), notice("c", &[("y", 0.5)])];
        assert_eq!(cap("a", &notices, "x"), Some(0.5));
        assert_eq!(cap("b", &notices, "y"), Some(0.25));
        assert_eq!(cap("b", &notices, "x"), None, "nobody asks for it there");
    }
}
