//! Real servers for tests: [`RedisServer`], [`RedisCluster`], [`NatsServer`].
//!
//! Each runs on free ports of 127.0.0.1 with a data folder of its own, answers when `start` returns, and is gone with its
//! folder when it is dropped. One can be killed, frozen, and restarted on the same port with the same data. None outlives
//! the test, even one that was killed. The calls block, for a few milliseconds each; the cluster needs about four seconds.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! if servers::missing("redis-server") {
//!     return Ok(());
//! }
//! let redis = servers::RedisServer::start(servers::RedisOptions::default())?;
//! println!("{}", redis.url());
//! redis.kill()?;
//! redis.restart()?;
//! # Ok(())
//! # }
//! ```

mod cluster;
mod nats;
mod patience;
mod port;
mod process;
mod redis;
mod resp;
mod tls;

use std::path::Path;

pub use cluster::{ClusterOptions, RedisCluster};
pub use nats::{NatsOptions, NatsServer};
pub use redis::{RedisOptions, RedisServer};
pub use resp::Reply;
pub use tls::Certificate;

/// Whether `program` is not installed. It says so on standard output: the test is to return then.
///
/// # Panics
/// If `program` is missing and the variable `CI` is `true`: there nothing may be left out.
#[must_use]
#[allow(clippy::print_stdout, reason = "the person who runs the tests reads it")]
pub fn missing(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian installs nats-server where only root looks.
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    if folders.map(|folder| folder.join(program)).any(|file| file.is_file()) {
        return false;
    }
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "{program} is not installed, and CI leaves no test out");
    println!("not run: {program} is not installed (tests/run installs it)");
    true
}
