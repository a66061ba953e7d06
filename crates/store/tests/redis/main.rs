//! The store on real Redis servers: the promises of the port, and what happens when servers and connections fail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;

use servers::{RedisOptions, RedisServer};

/// A server of one's own. `None`: Redis is not installed.
fn start(options: RedisOptions) -> Option<RedisServer> {
    (!servers::missing("redis-server")).then(|| RedisServer::start(options).unwrap())
}
