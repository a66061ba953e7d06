//! What several nodes share: a store and a bus. Each is a server of this program's own.

use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;
use servers::{NatsOptions, NatsServer, RedisOptions, RedisServer};

use crate::node::Variables;

/// Which bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BusKind {
    /// A Redis of its own, not the one of the store.
    Redis,
    Nats,
}

/// The bus's server. Killed when dropped.
#[derive(Debug)]
pub(crate) enum BusServer {
    Redis(RedisServer),
    Nats(NatsServer),
}

/// A Redis to keep state in, and a bus.
#[derive(Debug)]
pub(crate) struct Backing {
    store: RedisServer,
    bus: BusServer,
}

/// The nodes' key: they share visitors. It is for nothing else, so it may be known.
const TOKEN_KEYS: &str = r#"[{ id = "load", secret = "not a secret, for loads on one machine" }]"#;

impl BusServer {
    /// Starts one.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub(crate) fn start(kind: BusKind) -> anyhow::Result<Self> {
        Ok(match kind {
            BusKind::Redis => {
                installed("redis-server")?;
                Self::Redis(RedisServer::start(RedisOptions::default())?)
            }
            BusKind::Nats => {
                installed("nats-server")?;
                Self::Nats(NatsServer::start(NatsOptions::default())?)
            }
        })
    }

    /// What a node must be told of it.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        let url = match self {
            Self::Redis(server) => server.url(),
            Self::Nats(server) => server.url(),
        };
        ("BUS_URL", url)
    }
}

impl Backing {
    /// Starts both. Redis keeps its data in a file that is synced every second, as most people run it.
    ///
    /// # Errors
    /// A server is not installed, or does not start.
    pub(crate) fn start(bus: BusKind) -> anyhow::Result<Self> {
        installed("redis-server")?;
        let store = RedisServer::start(RedisOptions { keeps_data: true, ..RedisOptions::default() })?;
        Ok(Self { store, bus: BusServer::start(bus)? })
    }

    /// What a node must be told of both.
    pub(crate) fn variables(&self) -> Variables {
        vec![("STORE_URL", self.store.url()), self.bus.variable(), token_keys()]
    }
}

/// The keys that nodes need which share visitors.
pub(crate) fn token_keys() -> (&'static str, String) {
    ("TOKENS_KEYS", TOKEN_KEYS.to_owned())
}

/// # Errors
/// `program` is not installed.
pub(crate) fn installed(program: &str) -> anyhow::Result<()> {
    if servers::missing(program) {
        bail!("install {program} to measure with it");
    }
    Ok(())
}

/// The type of the file system that `path` is on, from /proc/mounts.
pub(crate) fn filesystem(path: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    let longest = mounts.lines().filter_map(fields).filter(|(on, _)| path.starts_with(on));
    longest.max_by_key(|(on, _)| on.len()).map_or("an unknown file system".to_owned(), |(_, kind)| kind)
}

/// The folder of this program: beside it there is a disk; the folder for temporary files may be memory.
pub(crate) fn own_folder() -> anyhow::Result<std::path::PathBuf> {
    Ok(std::env::current_exe()?.parent().context("this program has no folder")?.to_owned())
}
