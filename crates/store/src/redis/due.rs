//! Claims: the due indexes of all buckets, as if they were one.

use std::collections::BTreeMap;

use conversation::{ConversationId, Millis};
use futures_util::future::join_all;
use redis::Value;

use super::servers::{Kind, Placed};
use super::trouble::Trouble;
use super::{Fault, RedisStore, array, keys, script, text};
use crate::{ClaimDue, MAX_LIMIT, StoreError};

/// How many conversations of one bucket are looked at in one round.
const PAGE: usize = 64;

/// How often it is looked again if others claimed all that was seen.
const ROUNDS: usize = 8;

/// Among how many times more than its limit somebody chooses at random whom others were faster than, so that those who claim
/// at the same time do not want the same again.
const SPREAD: usize = 8;

/// A conversation that was due when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    due: Millis,
    conversation: String,
    bucket: u8,
}

/// What was seen of all buckets.
struct Seen {
    /// The most overdue first.
    candidates: Vec<Candidate>,
    /// Why a part of the buckets was not seen.
    trouble: Option<Trouble>,
}

impl RedisStore {
    pub(super) async fn claim(&self, claim: ClaimDue) -> Result<Vec<ConversationId>, Fault> {
        let ClaimDue { now, until, limit, .. } = claim;
        if until <= now {
            let reason = format!("the time it is claimed until, {until}, is not after now, {now}");
            return Err(StoreError::Invalid { what: "claim what is due".to_owned(), reason }.into());
        }
        let limit = limit.min(MAX_LIMIT);
        for round in 0..ROUNDS {
            let view = if round == 0 { limit } else { limit.saturating_mul(SPREAD) };
            let Seen { candidates, mut trouble } = self.look(now, view).await;
            let seen = candidates.len();
            let start = rand::random_range(0..=seen.saturating_sub(limit));
            let chosen = candidates.into_iter().skip(start).take(limit).collect();
            let mut claimed = self.claim_seen(&claim, chosen, &mut trouble).await;
            claimed.sort();
            match trouble {
                // A part of the cluster that is away must not stop what can be claimed elsewhere.
                // Nor may a member that no node has written stop the others; it is due again at the end of the claim.
                _ if !claimed.is_empty() => return Ok(claimed.iter().filter_map(conversation_id).collect()),
                Some(trouble) => return Err(trouble.into()),
                None if seen == 0 => break,
                None => {}
            }
        }
        Ok(Vec::new())
    }

    /// The most overdue of all buckets, without claiming them.
    async fn look(&self, now: Millis, limit: usize) -> Seen {
        if limit == 0 {
            return Seen { candidates: Vec::new(), trouble: None };
        }
        let page = limit.min(PAGE);
        let looks: Vec<Placed> = keys::buckets()
            .map(|bucket| {
                let keys = self.names.bucket(bucket);
                let mut command = redis::cmd("ZRANGEBYSCORE");
                command.arg(keys.due).arg("-inf").arg(now).arg("WITHSCORES").arg("LIMIT").arg(0).arg(page);
                Placed { slot: keys.slot, command }
            })
            .collect();
        let answers = self.servers.send_each(&looks).await;
        let (mut pages, mut trouble) = (Vec::new(), None);
        for (bucket, answer) in keys::buckets().zip(answers) {
            match answer.and_then(|answer| candidates(bucket, answer)) {
                Ok(found) => pages.push(found),
                Err(fault) => trouble = Some(fault),
            }
        }
        Seen { candidates: most_overdue(pages, page, limit), trouble }
    }

    /// Claims those that are still due, together for each bucket.
    async fn claim_seen(
        &self,
        claim: &ClaimDue,
        candidates: Vec<Candidate>,
        trouble: &mut Option<Trouble>,
    ) -> Vec<Candidate> {
        let mut buckets: BTreeMap<u8, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            buckets.entry(candidate.bucket).or_default().push(candidate);
        }
        let claims = buckets.into_iter().map(|(bucket, candidates)| self.claim_in(claim, bucket, candidates));
        let mut claimed = Vec::new();
        for answer in join_all(claims).await {
            match answer {
                Ok(some) => claimed.extend(some),
                Err(fault) => *trouble = Some(fault),
            }
        }
        claimed
    }

    async fn claim_in(
        &self,
        claim: &ClaimDue,
        bucket: u8,
        mut candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, Trouble> {
        let keys = self.names.bucket(bucket);
        let call = script::CLAIM.call([keys.due, keys.claims]).arg(claim.now).arg(claim.until).arg(claim.claim.get());
        let call = candidates.iter().fold(call, |call, candidate| call.arg(&candidate.conversation));
        let claimed = array(self.servers.call(keys.slot, &call, Kind::Plain).await?)?;
        let claimed = claimed.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        candidates.retain(|candidate| claimed.contains(&candidate.conversation));
        Ok(candidates)
    }
}

/// The first `limit` of all pages in order, as far as that is certain: after the end of a full page there may be more in its
/// bucket that come before what others have.
fn most_overdue(pages: Vec<Vec<Candidate>>, page: usize, limit: usize) -> Vec<Candidate> {
    let certain = pages.iter().filter(|found| found.len() >= page).filter_map(|found| found.last()).min().cloned();
    let mut all: Vec<Candidate> = pages.into_iter().flatten().collect();
    all.sort();
    if let Some(certain) = certain {
        all.retain(|candidate| *candidate <= certain);
    }
    all.truncate(limit);
    all
}

/// The members and scores of a bucket, in their order.
fn candidates(bucket: u8, answer: Value) -> Result<Vec<Candidate>, Trouble> {
    let mut found = Vec::new();
    let mut values = array(answer)?.into_iter();
    while let (Some(member), Some(score)) = (values.next(), values.next()) {
        // Moments are whole milliseconds; those beyond the exact range of a score are in the far future.
        let due: f64 = text(score)?.parse().map_err(|_| Trouble::nonsense())?;
        found.push(Candidate { due: due as Millis, conversation: text(member)?, bucket });
    }
    Ok(found)
}

fn conversation_id(candidate: &Candidate) -> Option<ConversationId> {
    let parsed = ConversationId::parse(&candidate.conversation);
    parsed.inspect_err(|error| tracing::error!(%error, "the due index holds what is no conversation; passed over")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bucket: u8, dues: &[Millis]) -> Vec<Candidate> {
        dues.iter().map(|due| Candidate { due: *due, conversation: format!("s/v/{due}"), bucket }).collect()
    }

    fn merged(pages: Vec<Vec<Candidate>>, size: usize, limit: usize) -> Vec<Millis> {
        most_overdue(pages, size, limit).into_iter().map(|candidate| candidate.due).collect()
    }

    #[test]
    fn the_most_overdue_of_all_buckets_come_first() {
        let pages = vec![page(0, &[5, 9]), page(1, &[]), page(2, &[1, 7])];
        assert_eq!(merged(pages.clone(), 10, 3), [1, 5, 7]);
        assert_eq!(merged(pages, 10, 10), [1, 5, 7, 9]);
    }

    #[test]
    fn what_may_follow_a_full_page_is_not_overtaken() {
        let pages = vec![page(0, &[1, 2, 3]), page(1, &[2, 8])];
        assert_eq!(merged(pages, 3, 10), [1, 2, 2, 3], "bucket 0 may hold a 4");
    }
}
