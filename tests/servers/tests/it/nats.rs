use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use servers::{NatsOptions, NatsServer, missing};

#[test]
fn nats_dies_and_comes_back_on_the_same_port() {
    if missing("nats-server") {
        return;
    }
    let nats = NatsServer::start(NatsOptions::default()).unwrap();
    assert!(nats.monitor("/varz").unwrap().contains("server_name"));
    nats.kill().unwrap();
    nats.monitor("/varz").unwrap_err();
    nats.restart().unwrap();
    assert!(nats.monitor("/varz").unwrap().contains("server_name"));
}

#[test]
fn a_frozen_nats_says_nothing() {
    if missing("nats-server") {
        return;
    }
    let nats = NatsServer::start(NatsOptions::default()).unwrap();
    nats.pause().unwrap();
    nats.monitor("/varz").unwrap_err();
    nats.resume().unwrap();
    nats.monitor("/varz").unwrap();
}

#[test]
fn nats_asks_for_tls_and_a_name_if_told_so() {
    if missing("nats-server") {
        return;
    }
    let settings = "authorization { user: shop, password: secret }".to_owned();
    let nats = NatsServer::start(NatsOptions { tls: true, settings }).unwrap();
    assert_eq!(nats.url_as("shop", "secret"), format!("tls://shop:secret@127.0.0.1:{}", nats.port()));
    let mut greeting = String::new();
    BufReader::new(TcpStream::connect(("127.0.0.1", nats.port())).unwrap()).read_line(&mut greeting).unwrap();
    assert!(greeting.contains("\"tls_required\":true") && greeting.contains("\"auth_required\":true"), "{greeting}");
    assert!(nats.certificate().unwrap().authority.exists());
}

#[test]
fn a_wrong_setting_is_told_by_the_servers_own_words() {
    if missing("nats-server") {
        return;
    }
    let wrong = NatsOptions { settings: "no_such_setting: 1".to_owned(), ..NatsOptions::default() };
    let error = NatsServer::start(wrong).unwrap_err();
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}
