//! Leases over records.

use tokio::task::JoinSet;

use super::{Fixture, T0, key};
use crate::{Lease, Store};

async fn take(store: &dyn Store, holder: &str, now: u64) -> Option<Lease> {
    Lease::take(store, &key("lease"), holder, now, now + 100).await.unwrap()
}

pub async fn a_lease_has_one_holder_until_its_end(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let first = take(&*store, "first", T0).await.unwrap();
    assert_eq!(first.until(), T0 + 100);
    assert_eq!(take(&*store, "second", T0 + 99).await, None);
    let second = take(&*store, "second", T0 + 100).await.unwrap();
    assert!(second.token() > first.token());
}

pub async fn a_holder_that_slept_through_its_end_cannot_renew(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let first = take(&*store, "first", T0).await.unwrap();
    let second = take(&*store, "second", T0 + 100).await.unwrap();
    assert_eq!(first.renew(&*store, T0 + 101, T0 + 201).await, Ok(None));
    assert_eq!(first.give_back(&*store, T0 + 101).await, Ok(()));
    assert_eq!(take(&*store, "third", T0 + 150).await, None, "what was given back had been lost");
    let renewed = second.renew(&*store, T0 + 150, T0 + 250).await.unwrap().unwrap();
    assert!(renewed.token() > second.token());
    assert_eq!(take(&*store, "third", T0 + 249).await, None);
}

pub async fn a_lease_that_was_given_back_is_free_at_once(fixture: &mut impl Fixture) {
    let store = fixture.store();
    let first = take(&*store, "first", T0).await.unwrap();
    let token = first.token();
    assert_eq!(first.give_back(&*store, T0 + 1).await, Ok(()));
    assert!(take(&*store, "second", T0 + 1).await.unwrap().token() > token);
}

pub async fn of_32_who_want_a_lease_one_gets_it(fixture: &mut impl Fixture) {
    let mut takers = JoinSet::new();
    for holder in 0..32 {
        let store = fixture.store();
        takers.spawn(async move { take(&*store, &holder.to_string(), T0).await.is_some() });
    }
    assert_eq!(takers.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
}
