//! The bus on NATS.

use std::sync::Arc;

use bus::conformance::Fixture;
use bus::nats::NatsBus;
use bus::{Bus, BusError};
use servers::{NatsOptions, NatsServer, missing};

use crate::remote::{Server, message, pair, publish, soon, topic, until_not_ready_because, until_ready};

impl Server for NatsServer {
    async fn connect(&self) -> Arc<dyn Bus> {
        Arc::new(NatsBus::connect(&self.url()).await.unwrap())
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
        // The server's own are not counted here.
        let connections = self.monitor("/connz?subs=1").unwrap();
        connections.matches("fd.conversation.").count()
    }

    fn connections(&self) -> usize {
        let connections = self.monitor("/connz").unwrap();
        connections.matches("\"cid\":").count()
    }
}

fn start_with(settings: &str) -> Option<NatsServer> {
    let options = NatsOptions { settings: settings.to_owned(), ..NatsOptions::default() };
    (!missing("nats-server")).then(|| NatsServer::start(options).unwrap())
}

fn start() -> Option<NatsServer> {
    start_with("")
}

mod conformance {
    use super::*;

    async fn two_on_nats() -> Option<Fixture> {
        Some(pair(start()?).await)
    }

    bus::bus_conformance!(two_on_nats);
}

crate::remote::cases!(start);

#[tokio::test]
async fn who_may_not_hear_a_subject_is_told_why_and_the_others_hear() {
    let Some(server) = start_with(
        "authorization { users: [ { user: shop, password: secret, permissions: \
         { publish: \"fd.>\", subscribe: \"fd.conversation.shop.visitor.1\" } } ] }",
    ) else {
        return;
    };
    let bus: Arc<dyn Bus> = Arc::new(NatsBus::connect(&server.url_as("shop", "secret")).await.unwrap());
    until_ready(&bus).await;
    let mut heard = bus.subscribe(&topic(1)).await.unwrap();
    match bus.subscribe(&topic(2)).await {
        Err(BusError::Unavailable { reason, .. }) => assert!(reason.contains("Permissions Violation"), "{reason}"),
        other => panic!("{other:?}"),
    }
    publish(&bus, 1, "allowed").unwrap();
    assert_eq!(soon(heard.recv()).await, message("allowed"));
}

#[tokio::test]
async fn a_token_lets_in_and_a_wrong_one_is_told_and_not_shown() {
    let Some(server) = start_with("authorization { token: righttoken }") else { return };
    let url = |token: &str| server.url().replacen("://", &format!("://{token}@"), 1);
    let bus: Arc<dyn Bus> = Arc::new(NatsBus::connect(&url("righttoken")).await.unwrap());
    until_ready(&bus).await;
    let bus = NatsBus::connect(&url("wrongsecret")).await.unwrap();
    assert!(!format!("{bus:?}").contains("wrongsecret"));
    let bus: Arc<dyn Bus> = Arc::new(bus);
    let error = until_not_ready_because(&bus, "Authorization Violation").await;
    assert!(!error.contains("wrongsecret"), "{error}");
}

#[tokio::test]
async fn a_message_that_the_server_would_not_take_costs_no_connection() {
    let Some(server) = start_with("max_payload: 1000") else { return };
    let bus = server.connect().await;
    until_ready(&bus).await;
    let mut heard = bus.subscribe(&topic(1)).await.unwrap();
    bus.publish(&topic(1), bytes::Bytes::from(vec![0; 1_001])).unwrap();
    publish(&bus, 1, "short").unwrap();
    assert_eq!(soon(heard.recv()).await, message("short"), "neither a gap nor the long one");
}

#[tokio::test]
async fn an_address_that_no_nats_can_have_is_refused() {
    for wrong in ["redis://localhost", "nats://", "tls://shop:secret@host:0"] {
        let error = NatsBus::connect(wrong).await.unwrap_err();
        assert!(matches!(error, BusError::BadUrl { .. }), "{wrong}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn it_speaks_tls() {
    if crate::remote::is_second_process().await || missing("nats-server") {
        return;
    }
    let settings = "authorization { user: shop, password: \"s%@\" }".to_owned();
    let server = NatsServer::start(NatsOptions { tls: true, settings }).unwrap();
    let authority = &server.certificate().unwrap().authority;
    crate::remote::trusts_only_whom_it_should(&server.url_as("shop", "s%25%40"), authority, "nats::it_speaks_tls")
        .await;
}
