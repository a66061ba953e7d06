//! What a node is told about itself: `[node]`, `[store]`, `[bus]`, `[turn]` and `[log]`.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::ConfigError;
use crate::schema::{count, join, list, section, text};
use crate::service_url::{BusUrl, StoreUrl};
use crate::values::{Data, words};

section! {
    /// One node: where it listens and how much it takes.
    pub struct Node {
        /// The node's name, in metrics, log lines, traces and leases. Give every node of a deployment its own.
        name: String = text("node-1");
        /// Where visitors connect: WebSocket, widget and site settings. Port 0 picks a free one.
        listen: SocketAddr = text("127.0.0.1:7001");
        /// Where `/metrics` is served. Keep it from the public. Port 0 picks a free one.
        metrics_listen: SocketAddr = text("127.0.0.1:7002");
        /// Connections held at once. One more is answered 503. Stay below the process's limit of open files.
        max_connections: usize = count(18_000, 1..=1_000_000);
        /// New connections taken per second, by all addresses together. One more is answered 503.
        max_accepts_per_second: u32 = count(5_000, 1..=1_000_000);
        /// Proxies in front of the node, as networks. Only from these is `X-Forwarded-For` believed.
        trusted_proxies: Vec<IpNet> = list(&[]);
        /// After SIGTERM, how long running turns and connections may take to end, in seconds. Some seconds are added to
        /// leave in order; the whole ends within 100 s.
        drain_seconds: u64 = count(20, 1..=90);
    }
}

impl Node {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(1..=63).contains(&self.name.len()) || !self.name.bytes().all(good) {
            let reason = "must be 1 to 63 letters, digits, -, _ and .";
            return Err(ConfigError::new(join(path, "name"), reason).with_value(&format!("{:?}", self.name)));
        }
        if self.listen == self.metrics_listen && self.listen.port() != 0 {
            let reason = "must differ from listen, or everybody could read the metrics";
            let error = ConfigError::new(join(path, "metrics_listen"), reason);
            return Err(error.with_value(&self.metrics_listen.to_string()));
        }
        Ok(())
    }
}

section! {
    /// Where the logs of conversations are kept.
    pub struct Store {
        /// A store that several nodes share: `redis://NAME:PASSWORD@HOST:PORT/0`, `rediss://…` (TLS),
        /// `redis-cluster://HOST:PORT,HOST:PORT` and `rediss-cluster://…` (some nodes of a cluster; the others are found; with TLS,
        /// `?ca=FILE&cert=FILE&key=FILE` name PEM files),
        /// `dynamodb://TABLE?region=…&endpoint=…` (both parameters may stay away; only in programs built with
        /// `--features dynamodb`). Empty: the store in the node itself, which no other node can share. Never printed whole.
        /// It needs `tokens.keys`.
        url: StoreUrl = text("");
        /// For the store in the node itself: a folder (made if it is missing), or `memory` to keep nothing after a stop.
        data: Data = text("frontdesk-data");
        /// How many replicas must have a write before it counts as stored. For Redis only, which else forgets the newest
        /// writes when a primary fails. With too few replicas connected, nothing can be stored.
        replicas: u32 = count(0, 0..=5);
        /// How long one operation may take, in milliseconds. After it the store counts as unavailable.
        timeout_ms: u64 = count(5_000, 100..=60_000);
    }
}

impl Store {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        match (&self.url, self.replicas) {
            (StoreUrl::Redis(_), _) | (_, 0) => Ok(()),
            (_, replicas) => {
                let reason = "is for Redis only; set store.url to one, or leave this out";
                Err(ConfigError::new(join(path, "replicas"), reason).with_value(&replicas.to_string()))
            }
        }
    }
}

section! {
    /// How nodes tell each other at once what happens. Without it a node is alone.
    pub struct Bus {
        /// `redis://NAME:PASSWORD@HOST:PORT`, `rediss://…` (TLS), `redis-cluster://HOST:PORT,HOST:PORT`,
        /// `rediss-cluster://…`, `nats://NAME:PASSWORD@HOST:PORT,HOST:PORT` or `tls://…` (NATS with TLS). The store's Redis may
        /// carry it too. Every node of a deployment needs the same. Empty: none, for a node that is alone. Never printed whole.
        url: BusUrl = text("");
    }
}

impl Bus {
    fn check(&self, _path: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}

section! {
    /// One turn: the visitor's messages and the one answer to them.
    pub struct Turn {
        /// From the invocation to the end of the answer, in milliseconds. At the deadline what was written is kept.
        deadline_ms: u64 = count(30_000, 1_000..=900_000);
        /// How much of the conversation is given to the assistant, newest first, in bytes of text.
        recent_bytes: usize = count(16_384, 1_024..=1_048_576);
        /// The longest answer, in UTF-8 bytes. A longer one is cut off there.
        max_answer_bytes: usize = count(32_768, 1_024..=32_768);
    }
}

impl Turn {
    fn check(&self, _path: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}

words! {
    /// How log lines look.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// From which severity on lines are written.
    pub enum LogLevel {
        /// Something is lost or broken.
        Error = "error",
        /// Something works worse than it should.
        Warn = "warn",
        /// Starts, stops and other rare events.
        Info = "info",
        /// Each connection and turn.
        Debug = "debug",
        /// Each frame.
        Trace = "trace",
    }
}

section! {
    /// Log lines, on standard error. They never hold a message's text, a token or a key.
    pub struct Log {
        /// How lines look.
        format: LogFormat = text("text");
        /// The least severity written.
        level: LogLevel = text("info");
    }
}

impl Log {
    fn check(&self, _path: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}
