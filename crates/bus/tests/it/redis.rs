//! The bus on one Redis.

use std::sync::Arc;

use bus::conformance::Fixture;
use bus::redis::RedisBus;
use bus::{Bus, BusError, Received};
use servers::{RedisOptions, RedisServer, missing};

use crate::remote::{Server, message, pair, publish, soon, topic, until_not_ready_because, until_ready};

impl Server for RedisServer {
    async fn connect(&self) -> Arc<dyn Bus> {
        Arc::new(RedisBus::connect(&self.url()).await.unwrap())
    }

    fn kill(&self) -> anyhow::Result<()> {
        self.kill()
    }

    fn restart(&self) -> anyhow::Result<()> {
        self.restart()
    }

    fn pause(&self) -> anyhow::Result<()> {
        self.pause()
    }

    fn resume(&self) -> anyhow::Result<()> {
        self.resume()
    }

    fn subscriptions(&self) -> usize {
        self.command(&["PUBSUB", "SHARDCHANNELS"]).unwrap().array().len()
    }

    fn connections(&self) -> usize {
        // All but the one that asks.
        self.info("connected_clients").unwrap().parse::<usize>().unwrap() - 1
    }
}

fn start() -> Option<RedisServer> {
    (!missing("redis-server")).then(|| RedisServer::start(RedisOptions::default()).unwrap())
}

mod conformance {
    use super::*;

    async fn two_on_redis() -> Option<Fixture> {
        Some(pair(start()?).await)
    }

    bus::bus_conformance!(two_on_redis);
}

crate::remote::cases!(start);

#[tokio::test]
async fn a_message_whose_connection_was_cut_comes_later() {
    let Some(server) = start() else { return };
    let (here, there) = (server.connect().await, server.connect().await);
    until_ready(&here).await;
    until_ready(&there).await;
    let mut subscription = there.subscribe(&topic(1)).await.unwrap();
    for _ in 0..20 {
        until_ready(&here).await;
        // Who has no subscription is "normal".
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        // Here may know or not.
        let _ = publish(&here, 1, "through");
        assert_eq!(
            soon(subscription.recv()).await,
            message("through"),
            "there has no gap, so nobody would look into the log"
        );
    }
}

#[tokio::test]
async fn who_may_not_hear_a_channel_is_told_why_and_the_others_hear() {
    if missing("redis-server") {
        return;
    }
    let acl = vec!["user shop on >secret resetchannels &fd:{shop/visitor/1}:* +@all".to_owned()];
    let server = RedisServer::start(RedisOptions { acl, ..RedisOptions::default() }).unwrap();
    let bus: Arc<dyn Bus> = Arc::new(RedisBus::connect(&server.url_as("shop", "secret")).await.unwrap());
    until_ready(&bus).await;
    let mut heard = bus.subscribe(&topic(1)).await.unwrap();
    match bus.subscribe(&topic(2)).await {
        Err(BusError::Unavailable { reason, .. }) => assert!(reason.contains("NOPERM"), "{reason}"),
        other => panic!("{other:?}"),
    }
    publish(&bus, 1, "allowed").unwrap();
    assert_eq!(soon(heard.recv()).await, message("allowed"));

    // Redis disconnects who hears what it may not any more. What it refuses then is asked again until it is allowed.
    server.command(&["ACL", "SETUSER", "shop", "resetchannels", "&fd:{shop/visitor/3}:*"]).unwrap();
    until_ready(&bus).await;
    server.command(&["ACL", "SETUSER", "shop", "resetchannels", "&fd:*"]).unwrap();
    assert_eq!(soon(heard.recv()).await, Received::Lagged);
    publish(&bus, 1, "again").unwrap();
    assert_eq!(soon(heard.recv()).await, message("again"));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    if missing("redis-server") {
        return;
    }
    let acl = vec!["user default off".to_owned(), "user shop on >right ~* &* +@all".to_owned()];
    let server = RedisServer::start(RedisOptions { acl, ..RedisOptions::default() }).unwrap();
    let bus = RedisBus::connect(&server.url_as("shop", "wrongsecret")).await.unwrap();
    assert!(!format!("{bus:?}").contains("wrongsecret"));
    let bus: Arc<dyn Bus> = Arc::new(bus);
    let error = until_not_ready_because(&bus, "WRONGPASS").await;
    assert!(!error.contains("wrongsecret"), "{error}");
}

#[tokio::test]
async fn an_address_that_no_redis_can_have_is_refused() {
    for wrong in ["nats://localhost", "redis://", "redis://one,two", "redis://shop:secret@host:0"] {
        let error = RedisBus::connect(wrong).await.unwrap_err();
        assert!(matches!(error, BusError::BadUrl { .. }), "{wrong}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn it_speaks_tls_as_a_user_of_an_acl() {
    if crate::remote::is_second_process().await || missing("redis-server") {
        return;
    }
    // The rights that docs/bus.md names.
    let rights =
        "resetchannels &fd:* resetkeys -@all +hello +auth +ping +ssubscribe +sunsubscribe +spublish +cluster|slots";
    let acl = vec!["user default off".to_owned(), format!("user shop on >s%@ {rights}")];
    let server = RedisServer::start(RedisOptions { acl, tls: true, ..RedisOptions::default() }).unwrap();
    let authority = &server.certificate().unwrap().authority;
    let url = server.url_as("shop", "s%25%40").replace("127.0.0.1", "localhost");
    crate::remote::trusts_only_whom_it_should(&url, authority, "redis::it_speaks_tls_as_a_user_of_an_acl").await;
}
