//! What nodes share about a model, as JSON in records of the store.

use std::sync::Arc;

use bytes::Bytes;
use conversation::Millis;
use conversation::budget::{Allowance, Notice, Scale, Shared};
use serde::{Deserialize, Serialize};
use store::{Index, InvalidKey, Key};

/// Where a model's buckets and records are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) requests: Key,
    pub(super) tokens: Key,
    pub(super) shared: Key,
    pub(super) notice: Key,
    pub(super) notices: Index,
}

impl Places {
    pub(super) fn new(model: &str, node: &str) -> Result<Self, InvalidKey> {
        let key = |name: &[&str]| Key::new(Key::EVERYBODY, "budget", name);
        // A node may be called anything; a key may not.
        let node: String = node.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(100).collect();
        Ok(Self {
            requests: key(&[model, "requests"])?,
            tokens: key(&[model, "tokens"])?,
            shared: key(&[model, "shared"])?,
            notice: key(&[model, "node", &node])?,
            notices: Index::new(Key::EVERYBODY, &format!("budget-{model}"))?,
        })
    }
}

/// [`Shared`] as stored. Fields may be added; readers skip those they do not know.
#[derive(Serialize, Deserialize)]
struct SharedRecord {
    requests_per_minute: f64,
    requests_capacity: f64,
    tokens_per_minute: f64,
    tokens_capacity: f64,
    learnt_at: Millis,
    guess: f64,
    blocked_until: Millis,
    scale: f64,
    ceiling: Option<f64>,
    cut_at: Millis,
    changed_at: Millis,
    asked: f64,
    beyond: u32,
}

/// [`Notice`] as stored.
#[derive(Serialize, Deserialize)]
struct NoticeRecord {
    node: String,
    at: Millis,
    sites: Vec<(String, f64)>,
    #[serde(default)]
    served: Vec<(String, f64)>,
}

pub(super) fn write_shared(shared: &Shared) -> Result<Bytes, serde_json::Error> {
    let record = SharedRecord {
        requests_per_minute: shared.requests.per_minute,
        requests_capacity: shared.requests.capacity,
        tokens_per_minute: shared.tokens.per_minute,
        tokens_capacity: shared.tokens.capacity,
        learnt_at: shared.learnt_at,
        guess: shared.guess,
        blocked_until: shared.blocked_until,
        scale: shared.scale.value,
        ceiling: shared.scale.ceiling,
        cut_at: shared.scale.cut_at,
        changed_at: shared.scale.changed_at,
        asked: shared.scale.asked,
        beyond: shared.scale.beyond,
    };
    Ok(serde_json::to_vec(&record)?.into())
}

/// `None`: another program's, or damaged. It is replaced with the next proposal.
pub(super) fn read_shared(value: &[u8]) -> Option<Shared> {
    let record: SharedRecord = serde_json::from_slice(value).ok()?;
    let is_sound = record.scale.is_finite() && record.scale > 0.0 && record.guess.is_finite();
    is_sound.then_some(Shared {
        requests: Allowance { per_minute: record.requests_per_minute, capacity: record.requests_capacity },
        tokens: Allowance { per_minute: record.tokens_per_minute, capacity: record.tokens_capacity },
        learnt_at: record.learnt_at,
        guess: record.guess,
        blocked_until: record.blocked_until,
        scale: Scale {
            value: record.scale,
            ceiling: record.ceiling,
            cut_at: record.cut_at,
            changed_at: record.changed_at,
            asked: record.asked,
            beyond: record.beyond,
        },
    })
}

pub(super) fn write_notice(notice: &Notice) -> Result<Bytes, serde_json::Error> {
    let parts = |sites: &[(Arc<str>, f64)]| sites.iter().map(|(site, part)| (site.to_string(), *part)).collect();
    let (sites, served) = (parts(&notice.sites), parts(&notice.served));
    Ok(serde_json::to_vec(&NoticeRecord { node: notice.node.clone(), at: notice.at, sites, served })?.into())
}

pub(super) fn read_notice(value: &[u8]) -> Option<Notice> {
    let record: NoticeRecord = serde_json::from_slice(value).ok()?;
    let parts = |sites: Vec<(String, f64)>| sites.into_iter().map(|(site, part)| (Arc::from(site), part)).collect();
    Some(Notice { node: record.node, at: record.at, sites: parts(record.sites), served: parts(record.served) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_read_as_it_was_written() {
        let shared = Shared { guess: 6_000.5, blocked_until: 7, ..Shared::new(1_790_000_000_000) };
        assert_eq!(read_shared(&write_shared(&shared).unwrap()), Some(shared));
        let [sites, served] = [0.25, 0.125].map(|part| vec![(Arc::from("shop"), part)]);
        let notice = Notice { node: "a".to_owned(), at: 3, sites, served };
        assert_eq!(read_notice(&write_notice(&notice).unwrap()), Some(notice));
        assert_eq!(read_shared(b"{}"), None);
        let older = br#"{"node":"a","at":3,"sites":[["shop",0.25]]}"#;
        assert_eq!(read_notice(older).map(|notice| notice.served), Some(Vec::new()), "what a node of before says");
    }

    #[test]
    fn a_node_may_be_called_anything() {
        let places = Places::new("own", "node 1/8f").unwrap();
        assert_eq!(places.notice.as_str(), "*/budget/own/node/node-1-8f");
    }
}
