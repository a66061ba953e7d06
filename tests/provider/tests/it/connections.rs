//! Connections: protocols, TLS, and how they end.

use std::io::ErrorKind;
use std::sync::Arc;

use provider::{HowToClose, Latency, Options, Provider};
use reqwest::{Client, ClientBuilder, Version};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::ask::{Socket, provider, question, soon, with};

async fn asked(client: &Client, url: &str, model: &str) -> (Version, String) {
    let response =
        client.post(format!("{url}/chat/completions")).body(question(model).to_string()).send().await.unwrap();
    (response.version(), response.text().await.unwrap())
}

#[tokio::test]
async fn both_protocols_are_spoken_with_and_without_tls() {
    let provider = Provider::start(Options::default().and_tls()).await.unwrap();
    let client = || client(provider.authority_pem().unwrap());
    let tls_url = provider.tls_url().unwrap();
    let prior = client().http2_prior_knowledge().build().unwrap();
    let asked = [
        asked(&client().build().unwrap(), &provider.url(), "any").await,
        asked(&prior, &provider.url(), "any").await,
        asked(&client().http1_only().build().unwrap(), &tls_url, "any").await,
        asked(&prior, &tls_url, "any").await,
    ];
    assert_eq!(
        asked.each_ref().map(|(version, _)| *version),
        [Version::HTTP_11, Version::HTTP_2, Version::HTTP_11, Version::HTTP_2]
    );
    assert!(asked.iter().all(|(_, body)| body.ends_with("data: [DONE]\n\n")));
    let counts = provider.counts().connections;
    assert_eq!((counts.http1, counts.http2, counts.tls), (2, 2, 2));
}

/// A client that trusts this authority; none: nobody.
fn client(authority_pem: &str) -> ClientBuilder {
    let mut roots = RootCertStore::empty();
    if !authority_pem.is_empty() {
        roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).unwrap()).unwrap();
    }
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Client::builder().no_proxy().tls_backend_preconfigured(config)
}

#[tokio::test]
async fn new_connections_can_be_refused() {
    let provider = with(|settings| settings.connections.refuse = true).await;
    let mut socket = Socket::open(provider.address()).await;
    let (_, error) = socket.read(|_| false).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    provider.change(|settings| settings.connections.refuse = false).unwrap();
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question("any"), "").await;
    assert_eq!(socket.response().await.answer(), "a b c d e");
    assert_eq!(provider.counts().connections.refused, 1);
}

#[tokio::test]
async fn tls_can_be_slow() {
    let mut options = Options::default().and_tls();
    options.settings.connections.tls_delay_ms = 3_600_000;
    let provider = Provider::start(options).await.unwrap();
    let client = client(provider.authority_pem().unwrap()).build().unwrap();
    let request = client.post(provider.tls_url().unwrap()).send();
    tokio::select! {
        _ = request => panic!("there was an answer"),
        () = until(&provider, |counts| counts.open == 1) => {}
    }
    assert_eq!(provider.counts().connections.tls, 0);
}

async fn until(provider: &Provider, is_so: impl Fn(provider::ConnectionCounts) -> bool) {
    soon(async {
        while !is_so(provider.counts().connections) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stale_connection_is_closed_at_its_second_request_only() {
    let provider = provider().await;
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question("mock/stale"), "").await;
    assert_eq!(socket.response().await.answer(), "a b c d e");
    socket.ask(&question("mock/stale"), "").await;
    assert_eq!(socket.read(|_| false).await, (vec![], None));
}

#[tokio::test]
async fn a_connection_ends_after_its_answer_where_it_is_told_to() {
    let provider = with(|settings| settings.connections.requests = Some(2)).await;
    let mut socket = Socket::open(provider.address()).await;
    for connection in [None, Some("close")] {
        socket.ask(&question("any"), "").await;
        let got = socket.response().await;
        assert_eq!((got.answer().as_str(), got.header("connection")), ("a b c d e", connection));
    }
    assert_eq!(socket.read(|_| false).await, (vec![], None));
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question("mock/go-away"), "").await;
    assert_eq!(socket.response().await.header("connection"), Some("close"));
}

#[tokio::test]
async fn idle_connections_are_closed_and_those_with_a_request_are_not() {
    let provider = with(|settings| settings.connections.idle_ms = Some(20)).await;
    let mut busy = Socket::open(provider.address()).await;
    busy.ask(&question("mock/keep-alive-only:5"), "").await;
    let mut idle = Socket::open(provider.address()).await;
    idle.ask(&question("any"), "").await;
    idle.response().await;
    assert_eq!(idle.read(|_| false).await, (vec![], None));
    let thirty = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches(": keep-alive").count() > 30;
    assert!(thirty(&busy.read(thirty).await.0));
}

#[tokio::test]
async fn all_connections_are_closed_on_command() {
    let provider = provider().await;
    for (how, error) in
        [(HowToClose::Gently, None), (HowToClose::AtOnce, None), (HowToClose::Reset, Some(ErrorKind::ConnectionReset))]
    {
        let mut socket = Socket::open(provider.address()).await;
        socket.ask(&question("any"), "").await;
        socket.response().await;
        provider.close_connections(how);
        assert_eq!(socket.read(|_| false).await, (vec![], error), "{how:?}");
    }
    until(&provider, |counts| counts.open == 0).await;
}

#[tokio::test]
async fn nothing_listens_any_more_when_it_is_dropped() {
    let provider = provider().await;
    let address = provider.address();
    let mut socket = Socket::open(address).await;
    socket.ask(&question("mock/stall-after-headers"), "").await;
    socket.read(|bytes| bytes.ends_with(b"\r\n\r\n")).await;
    drop(provider);
    assert_eq!(socket.read(|_| false).await, (vec![], None));
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn on_http2_answers_are_cut_end_with_their_connection_and_outlive_a_goaway() {
    let provider = with(|settings| settings.answers.per_token_ms = Latency::Fixed(20.0)).await;
    let client = client("").http2_prior_knowledge().build().unwrap();
    let ask = async |model: &str| {
        let request = client.post(format!("{}/chat/completions", provider.url())).body(question(model).to_string());
        request.send().await.unwrap()
    };
    let mut other = ask("mock/stall-after-headers").await;
    let mut cut = ask("mock/cut-after:1").await;
    assert!(cut.chunk().await.unwrap().is_some());
    while let Ok(Some(_)) = cut.chunk().await {}
    let ended = soon(other.chunk()).await;
    assert!(ended.is_err(), "{ended:?}");

    let mut answer = ask("any").await;
    answer.chunk().await.unwrap().unwrap();
    provider.close_connections(HowToClose::Gently);
    assert!(answer.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    assert!(ask("any").await.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    assert_eq!(provider.counts().connections.http2, 3);
}

#[tokio::test]
async fn it_is_watched_and_changed_over_http() {
    let provider = provider().await;
    let admin = format!("http://{}", provider.admin_address());
    let client = client("").build().unwrap();
    let settings = client.patch(format!("{admin}/settings")).header("content-type", "application/json");
    let settings = settings.body(r#"{"quota": {"requests_per_minute": 10}}"#).send().await.unwrap();
    assert_eq!(settings.json::<Value>().await.unwrap()["quota"]["requests_per_minute"], 10);
    client.post(format!("{admin}/quota/scale?by=0.5")).send().await.unwrap();
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question("any"), "").await;
    assert_eq!(socket.response().await.header("x-ratelimit-limit-requests"), Some("5"));
    let get =
        async |path: &str| client.get(format!("{admin}{path}")).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(get("/counts").await["requests"]["admitted"], 1);
    assert_eq!(get("/requests?after=0").await[0]["protocol"], "HTTP/1.1");
    assert_eq!(get("/seconds").await[0]["requests"], 1);
    let bad = client.patch(format!("{admin}/settings")).header("content-type", "application/json");
    assert_eq!(bad.body(r#"{"rules": {"rules": [{"fault": "none"}]}}"#).send().await.unwrap().status(), 400);
    client.delete(format!("{admin}/counts")).send().await.unwrap();
    assert_eq!(get("/counts").await["requests"]["admitted"], 0);
    client.post(format!("{admin}/connections/close?how=reset")).send().await.unwrap();
    assert_eq!(socket.read(|_| false).await.1, Some(ErrorKind::ConnectionReset));
}
