//! What happened so far, to be read by tests and benchmarks.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::usage::Second;

/// The most keys and sites that are counted apart; the rest is `others`.
const MAX_NAMES: usize = 256;

/// The most requests that are remembered one by one.
const MAX_RECORDS: usize = 20_000;

/// Everything counted, as `GET /counts` shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Requests for completions.
    pub requests: Requests,
    /// How the answers to them ended.
    pub answers: Answered,
    /// Tokens of answers that were sent.
    pub tokens_sent: u64,
    /// Answers under way.
    pub streams_open: u64,
    /// The most answers at once.
    pub streams_most: u64,
    /// Connections.
    pub connections: ConnectionCounts,
    /// Requests let through and refused, by the last four characters of the key.
    pub keys: BTreeMap<String, Share>,
    /// Requests let through and refused, by the header `x-site`, else the field `user`.
    pub sites: BTreeMap<String, Share>,
    /// What was let through, and what the quota let flow in.
    pub used: Second,
    /// The most requests and tokens in any window of 1, 5 and 60 whole seconds.
    pub most_in_window: BTreeMap<u64, (u64, u64)>,
}

/// Requests for completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Requests {
    /// All.
    pub received: u64,
    /// Let through by the quota.
    pub admitted: u64,
    /// Refused with 429 for the requests per minute.
    pub over_requests: u64,
    /// Refused with 429 for the tokens per minute.
    pub over_tokens: u64,
    /// Refused because a fault said so, with whatever status.
    pub refused_by_fault: u64,
    /// Without the right key.
    pub unauthorized: u64,
    /// Not to be understood.
    pub invalid: u64,
}

/// How answers ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Answered {
    /// All of it was sent.
    pub whole: u64,
    /// The client left, or the connection ended.
    pub broken: u64,
}

/// Connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ConnectionCounts {
    /// There now.
    pub open: u64,
    /// Ever accepted.
    pub accepted: u64,
    /// Reset before a byte was read.
    pub refused: u64,
    /// TLS was agreed on.
    pub tls: u64,
    /// That had a request of HTTP/1.1.
    pub http1: u64,
    /// That had a request of HTTP/2.
    pub http2: u64,
}

/// One key's or site's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Share {
    /// Let through.
    pub admitted: u64,
    /// Refused by the quota.
    pub refused: u64,
    /// Tokens counted.
    pub tokens: u64,
}

/// One request. Times are Unix microseconds; 0: it has not happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Record {
    /// Its number, from 1.
    pub number: u64,
    /// The fault it got.
    pub fault: String,
    /// The site that asked, as in [`Counts::sites`].
    pub site: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// The response's status; 0: none.
    pub status: u16,
    /// All of it was read.
    pub arrived_us: u64,
    /// The first token was handed over to the socket.
    pub first_token_us: u64,
    /// The answer was over, or broke.
    pub ended_us: u64,
    /// Tokens that were sent.
    pub tokens: u64,
    /// All of the answer was sent.
    pub whole: bool,
}

impl Counts {
    pub(crate) fn handle_opened(&mut self) {
        self.streams_open += 1;
        self.streams_most = self.streams_most.max(self.streams_open);
    }

    pub(crate) fn handle_closed(&mut self, whole: bool) {
        self.streams_open -= 1;
        let ended = if whole { &mut self.answers.whole } else { &mut self.answers.broken };
        *ended += 1;
    }

    /// The shares of a key and a site.
    pub(crate) fn shares(&mut self, key: &str, site: &str) -> [&mut Share; 2] {
        [share(&mut self.keys, key), share(&mut self.sites, site)]
    }
}

fn share<'a>(shares: &'a mut BTreeMap<String, Share>, name: &str) -> &'a mut Share {
    let is_known = shares.contains_key(name) || shares.len() < MAX_NAMES;
    shares.entry(if is_known { name.to_owned() } else { "others".to_owned() }).or_default()
}

/// The last requests, one by one.
#[derive(Debug, Default)]
pub(crate) struct Records {
    records: VecDeque<Record>,
}

impl Records {
    pub(crate) fn push(&mut self, record: Record) {
        if self.records.len() == MAX_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// The request with this number, if it is still remembered.
    pub(crate) fn get(&mut self, number: u64) -> Option<&mut Record> {
        let first = self.records.front()?.number;
        self.records.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Those after this number.
    pub(crate) fn after(&self, number: u64) -> Vec<Record> {
        self.records.iter().filter(|record| record.number > number).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_requests_are_forgotten() {
        let mut records = Records::default();
        (1..=MAX_RECORDS as u64 + 5).for_each(|number| records.push(Record { number, ..Record::default() }));
        assert_eq!(records.get(5), None);
        assert_eq!(records.get(6).map(|record| record.number), Some(6));
        assert_eq!(records.after(MAX_RECORDS as u64 + 3).len(), 2);
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let mut counts = Counts::default();
        for site in 0..300 {
            counts.shares("key", &site.to_string())[1].admitted += 1;
        }
        assert_eq!((counts.sites.len(), counts.sites["others"].admitted), (MAX_NAMES + 1, 300 - MAX_NAMES as u64));
    }
}
