//! What every bus with servers needs: connections that come back, and subscriptions that outlive them.
//!
//! A [`Link`](link::Link) is one server. It keeps the connection, writes what is [`Outgoing`](outgoing::Outgoing), and
//! hands what it hears to the hub. Its [`Interest`](interest::Interest) knows what is to be heard from this server and
//! what the server has confirmed; after every gap the local subscriptions are told that they lagged. A protocol is a
//! [`Wire`](wire::Wire): bytes in and out, nothing else.
//!
//! There is no client library under it. Those for NATS and Redis queue by messages, not by bytes, do not say when the
//! server has confirmed a subscription, or which ones had a gap; and async-nats 0.51 takes 5,079 bytes for each
//! subscription (measured, 20,000 of them), more than all the rest of an idle visitor's connection.

pub(crate) mod address;
pub(crate) mod interest;
pub(crate) mod link;
pub(crate) mod outgoing;
pub(crate) mod socket;
pub(crate) mod wire;

use std::time::Duration;

/// How long a subscription or a question may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait before the `attempt`-th try (from 0) to reach a server: exponential, 50 ms to 2 s, with full jitter.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let most = Duration::from_millis(50 << attempt.min(6)).min(Duration::from_secs(2));
    most.mul_f64(rand::random::<f64>())
}
