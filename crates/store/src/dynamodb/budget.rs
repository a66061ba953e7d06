//! The model budget's buckets: most reservations are one write and no read.
//!
//! A bucket is three numbers: its rate `r`, the newest time `a`, and `z`, the level it would have had at time 0 had it always
//! flowed at that rate. 60,000 units are one of what is reserved, so a millisecond brings `r` units, and the level at `a` is
//! `z + a * r`. In these terms the passing of time changes nothing, and to reserve is to subtract, which DynamoDB can do.

use conversation::Millis;

use super::Inner;
use super::fault::Fault;
use super::item::{Item, bytes, bytes_at, key, number, number_at, ttl};
use super::table::{Condition, Wrote};
use crate::{Key, MAX_CLOCK_SKEW_MS, Reserve, StoreError};

const MINUTE_MS: i128 = 60_000;

/// How often a reservation is tried while others reserve from the same bucket.
const TRIES: usize = 20;

/// How long a bucket that nobody uses stays. It is full long before.
const KEPT_MS: Millis = 7 * 24 * 60 * 60 * 1000;

/// A bucket as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    z: i128,
    at: Millis,
    rate: i128,
}

/// What to write, and when it holds.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Subtract, if time moves on and the level is not above what a full bucket has now.
    Subtract { limit: i128 },
    /// Subtract, though this caller's clock is behind another's.
    SubtractBehind,
    /// Replace the bucket that was read.
    Replace { before: Option<Bucket>, after: Bucket },
}

impl Bucket {
    fn read(item: &Item) -> Option<Self> {
        Some(Self { z: number_at(item, "z")?, at: number_at(item, "a")?, rate: number_at(item, "r")? })
    }

    /// How long until the level is back at zero.
    fn wait_ms(self) -> u64 {
        let level = self.z + i128::from(self.at) * self.rate;
        u64::try_from(((-level).max(0) + self.rate - 1) / self.rate).unwrap_or(u64::MAX)
    }
}

/// What is asked for, in units.
struct Ask {
    amount: i128,
    full: i128,
    remaining: Option<i128>,
    rate: i128,
    now: Millis,
}

impl Ask {
    fn new(reserve: &Reserve<'_>) -> Self {
        Self {
            amount: i128::from(reserve.amount) * MINUTE_MS,
            full: i128::from(reserve.burst) * MINUTE_MS,
            remaining: reserve.remaining.map(|remaining| i128::from(remaining) * MINUTE_MS),
            rate: i128::from(reserve.per_minute.get()),
            now: reserve.now,
        }
    }

    /// The bucket after this reservation: the same arithmetic as of the embedded store.
    fn take_from(&self, before: Option<Bucket>) -> Bucket {
        let set_back = before.is_some_and(|bucket| bucket.at > self.now.saturating_add(MAX_CLOCK_SKEW_MS));
        let at = before.map_or(self.now, |bucket| if set_back { self.now } else { bucket.at.max(self.now) });
        let elapsed = before.map_or(0, |bucket| at.saturating_sub(bucket.at));
        let level = before.map_or(self.full, |bucket| {
            bucket.z + i128::from(bucket.at) * bucket.rate + i128::from(elapsed) * self.rate
        });
        let known = self.remaining.map_or(level.min(self.full), |remaining| level.min(self.full).min(remaining));
        let level = (known - self.amount).min(self.full);
        Bucket { z: level - i128::from(at) * self.rate, at, rate: self.rate }
    }

    /// The first step, without knowing the bucket: most often it is neither full nor ahead.
    fn first_step(&self) -> Step {
        let flowed = i128::from(self.now) * self.rate;
        let highest = self.remaining.map_or(self.full, |remaining| remaining.min(self.full));
        Step::Subtract { limit: highest.min(self.full + self.amount) - flowed }
    }

    /// The step that fits the bucket that was there.
    fn next_step(&self, there: Option<Bucket>) -> Step {
        match there {
            Some(bucket) if bucket.rate == self.rate && bucket.at <= self.now => match self.first_step() {
                Step::Subtract { limit } if bucket.z <= limit => Step::Subtract { limit },
                _ => Step::Replace { before: there, after: self.take_from(there) },
            },
            Some(bucket) if self.may_subtract_behind(bucket) => Step::SubtractBehind,
            _ => Step::Replace { before: there, after: self.take_from(there) },
        }
    }

    fn may_subtract_behind(&self, bucket: Bucket) -> bool {
        let is_behind = bucket.at > self.now && bucket.at <= self.now.saturating_add(MAX_CLOCK_SKEW_MS);
        bucket.rate == self.rate && is_behind && self.remaining.is_none() && self.amount >= 0
    }

    fn write(&self, step: &Step) -> (String, Condition) {
        match step {
            Step::Subtract { limit } => {
                let condition =
                    Condition::new("r = :r AND a <= :now AND z <= :limit AND w <> :w").with(":limit", number(limit));
                let condition = condition.with(":r", number(self.rate)).with(":amount", number(self.amount));
                ("SET z = z - :amount, a = :now, t = :t, w = :w".to_owned(), condition.with(":now", number(self.now)))
            }
            Step::SubtractBehind => {
                let condition =
                    Condition::new("r = :r AND a > :now AND a <= :ahead AND w <> :w").with(":r", number(self.rate));
                let ahead = self.now.saturating_add(MAX_CLOCK_SKEW_MS);
                let condition = condition.with(":now", number(self.now)).with(":ahead", number(ahead));
                // `a` is set to what it is, so that the answer tells it.
                ("SET z = z - :amount, a = a + :none, t = :t, w = :w".to_owned(), {
                    condition.with(":amount", number(self.amount)).with(":none", number(0))
                })
            }
            Step::Replace { before, after } => {
                let condition = match before {
                    None => Condition::new("attribute_not_exists(z)"),
                    Some(before) => Condition::new("z = :bz AND a = :ba AND r = :br")
                        .with(":bz", number(before.z))
                        .with(":ba", number(before.at))
                        .with(":br", number(before.rate)),
                };
                let condition = condition.with(":z", number(after.z)).with(":a", number(after.at));
                ("SET z = :z, a = :a, r = :r, t = :t, w = :w".to_owned(), condition.with(":r", number(after.rate)))
            }
        }
    }
}

impl Inner {
    /// See [`Store::reserve`](crate::Store::reserve). A reservation whose answer is lost while others reserve may be made
    /// twice: less is used then than could be, never more.
    pub(super) async fn reserve(&self, reserve: &Reserve<'_>) -> Result<u64, StoreError> {
        let wait = self.take(&Ask::new(reserve), reserve.key).await;
        wait.map_err(|fault| fault.during(format_args!("reserve from {}", reserve.key)))
    }

    async fn take(&self, ask: &Ask, of: &Key) -> Result<u64, Fault> {
        let mut step = ask.first_step();
        for _ in 0..TRIES {
            let (change, condition) = ask.write(&step);
            let token = self.tokens.next();
            let condition = condition.with(":t", ttl(ask.now.saturating_add(KEPT_MS))).with(":w", bytes(token));
            match self.table.update(key(format!("b#{of}"), "-"), change, condition).await? {
                Wrote::Done(new) => {
                    let (z, at) = (number_at(&new, "z"), number_at(&new, "a"));
                    let bucket = z.zip(at).map(|(z, at)| Bucket { z, at, rate: ask.rate });
                    return bucket
                        .map(Bucket::wait_ms)
                        .ok_or_else(|| Fault::passing("DynamoDB's answer is without the level"));
                }
                Wrote::Refused(there) => match Bucket::read(&there) {
                    // The answer to the first attempt was lost.
                    Some(bucket) if bytes_at(&there, "w") == Some(&token) => return Ok(bucket.wait_ms()),
                    bucket => step = ask.next_step(bucket),
                },
            }
        }
        Err(Fault::passing("too many others reserve at the same moment"))
    }
}
