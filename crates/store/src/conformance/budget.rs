use conversation::Millis;
use tokio::task::JoinSet;

use super::{Fixture, T0, key, per_minute};
use crate::{Key, Reserve, Store};

/// Of a bucket of 10 that gets 60 a minute, one a second, at `after_ms` from [`T0`].
fn ask(key: &Key, amount: i64, after_ms: Millis) -> Reserve<'_> {
    Reserve { key, amount, per_minute: per_minute(60), burst: 10, remaining: None, now: T0 + after_ms }
}

async fn wait(store: &dyn Store, ask: Reserve<'_>) -> u64 {
    store.reserve(ask).await.unwrap()
}

pub async fn a_full_bucket_gives_its_burst_at_once(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    assert_eq!(wait(&*store, ask(&key, 4, 0)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 6, 0)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 1, 0)).await, 1_000);
}

pub async fn who_comes_later_waits_longer(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    assert_eq!(wait(&*store, ask(&key, 30, 0)).await, 20_000, "more than the burst is served too");
    assert_eq!(wait(&*store, ask(&key, 1, 0)).await, 21_000);
    assert_eq!(wait(&*store, ask(&key, 2, 500)).await, 22_500);
    assert_eq!(wait(&*store, ask(&key, 0, 500)).await, 22_500);
}

pub async fn a_bucket_refills_steadily_and_never_above_its_burst(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    assert_eq!(wait(&*store, ask(&key, 10, 0)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 1, 999)).await, 1, "the time is exact to the millisecond");
    assert_eq!(wait(&*store, ask(&key, 1, 2_000)).await, 0);
    let much_later = 10_000_000;
    assert_eq!(wait(&*store, ask(&key, 10, much_later)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 1, much_later)).await, 1_000);
}

pub async fn of_64_who_reserve_at_once_none_shares_a_place(fixture: &mut impl Fixture) {
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let store = fixture.store();
        callers.spawn(async move { wait(&*store, ask(&key("model"), 1, 0)).await });
    }
    let mut waits = callers.join_all().await;
    waits.sort_unstable();
    let expected: Vec<u64> = (1..=64_u64).map(|place| place.saturating_sub(10) * 1_000).collect();
    assert_eq!(waits, expected);
}

pub async fn what_is_given_back_shortens_the_wait(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    assert_eq!(wait(&*store, ask(&key, 15, 0)).await, 5_000);
    assert_eq!(wait(&*store, ask(&key, -3, 0)).await, 2_000);
    assert_eq!(wait(&*store, ask(&key, -100, 0)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 11, 0)).await, 1_000, "a bucket holds no more than its burst");
}

pub async fn what_the_owner_says_is_left_pulls_the_level_down_never_up(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    assert_eq!(wait(&*store, Reserve { remaining: Some(2), ..ask(&key, 3, 0) }).await, 1_000);
    assert_eq!(wait(&*store, Reserve { remaining: Some(9), ..ask(&key, 1, 0) }).await, 2_000);
}

pub async fn a_clock_that_is_behind_gains_nothing(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    assert_eq!(wait(&*store, ask(&key, 10, 5_000)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 1, 2_000)).await, 1_000);
    assert_eq!(wait(&*store, ask(&key, 1, 5_000)).await, 2_000, "three seconds that did not pass bring nothing");
}

pub async fn a_clock_that_was_set_back_stops_no_bucket(fixture: &mut impl Fixture) {
    let (store, key) = (fixture.store(), key("model"));
    let hour = 3_600_000;
    assert_eq!(wait(&*store, ask(&key, 10, hour)).await, 0);
    assert_eq!(wait(&*store, ask(&key, 1, 0)).await, 1_000);
    assert_eq!(wait(&*store, ask(&key, 1, 1_500)).await, 500, "time brings tokens again");
}

pub async fn buckets_do_not_mix(fixture: &mut impl Fixture) {
    let (store, requests, tokens) = (fixture.store(), key("requests"), key("tokens"));
    assert_eq!(wait(&*store, ask(&requests, 10, 0)).await, 0);
    assert_eq!(wait(&*store, ask(&tokens, 10, 0)).await, 0);
    let slower = Reserve { per_minute: per_minute(30), ..ask(&requests, 1, 0) };
    assert_eq!(store.reserve(slower).await, Ok(2_000), "the rate of the call counts");
}
