//! Buckets are kept in other terms than the embedded store's, and answer the same.

use std::num::NonZeroU64;

use store::embedded::{EmbeddedStore, Options};
use store::{Key, Reserve, Store};

use super::T0;
use super::random::Random;
use super::server::Server;

#[tokio::test]
async fn a_bucket_answers_as_the_embedded_one_whatever_is_asked() {
    let server = Server::start().await;
    let (store, embedded) = (server.client().await, EmbeddedStore::memory(Options::default()).unwrap());
    let key = Key::new("*", "budget", &["model"]).unwrap();
    let (mut random, mut clock) = (Random(3), T0);
    for step in 0..300 {
        clock += random.below(3_000);
        let rate = if random.below(40) == 0 { 30 } else { 60 };
        let now = match random.below(20) {
            2..6 => clock - random.below(3_000),
            1 => {
                clock -= 60_001 + random.below(10_000);
                clock
            }
            _ => clock,
        };
        let reserve = Reserve {
            key: &key,
            amount: random.below(7) as i64 - 2,
            per_minute: NonZeroU64::new(rate).unwrap(),
            burst: 3,
            remaining: (random.below(6) == 0).then(|| random.below(5)),
            now,
        };
        let expected = embedded.reserve(reserve.clone()).await;
        assert_eq!(store.reserve(reserve.clone()).await, expected, "step {step}: {reserve:?}");
    }
}
