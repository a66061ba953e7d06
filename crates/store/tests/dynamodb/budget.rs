//! Buckets are kept in other terms than the embedded store's, and answer the same.

use std::num::NonZeroU64;

use store::embedded::{EmbeddedStore, Options};
use store::{Key, Reserve, Store};

use super::T0;
use super::server::Server;

/// Numbers that look random and are the same for the same seed: splitmix64, by Sebastiano Vigna.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

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
