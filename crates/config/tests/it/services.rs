//! The addresses of stores and buses.

use config::{BusUrl, StoreUrl};
use expect_test::{Expect, expect};

use crate::{parse, refusal};

const KEYS: &str = "[[tokens.keys]]\nid = \"a\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

fn check(texts: &[&str], expected: &Expect) {
    let printed: Vec<_> = texts.iter().map(|text| refusal(text, &[])).collect();
    expected.assert_eq(&printed.join("\n"));
}

#[test]
fn without_addresses_a_node_keeps_its_own_state_and_is_alone() {
    for text in ["", "[store]\nurl = \"\"\n[bus]\nurl = \"\""] {
        let config = parse(text, &[]).unwrap();
        assert_eq!(config.store.url, StoreUrl::Embedded);
        assert_eq!(config.store.replicas, 0);
        assert_eq!(config.bus.url, BusUrl::None);
        config.check_node().unwrap();
    }
}

#[test]
fn the_known_stores_and_buses_are_taken_and_shown_without_what_is_secret() {
    let stores = [
        "redis://127.0.0.1",
        "redis://desk:hunter2@redis.example:6379/0",
        "rediss://:hunter2@[::1]:6380",
        "redis-cluster://desk:hunter2@a.example:1,b.example:2,[::1]:3",
        "rediss-cluster://a.example:1?ca=/etc/desk/ca.pem",
        "dynamodb://frontdesk",
        "dynamodb://frontdesk?region=eu-central-1&endpoint=http://127.0.0.1:8000",
    ];
    let shown = stores.map(|url| match parse(&format!("[store]\nurl = \"{url}\""), &[]).unwrap().store.url {
        StoreUrl::Redis(url) | StoreUrl::DynamoDb(url) => url.to_string(),
        StoreUrl::Embedded => "embedded".to_owned(),
    });
    let buses =
        ["nats://desk:hunter2@127.0.0.1:4222", "tls://nats.example:4222,b.example", "redis://:hunter2@127.0.0.1:6379"];
    let shown_buses = buses.map(|url| {
        let text = format!("[store]\nurl = \"redis://127.0.0.1\"\n[bus]\nurl = \"{url}\"");
        match parse(&text, &[]).unwrap().bus.url {
            BusUrl::Redis(url) | BusUrl::Nats(url) => url.to_string(),
            BusUrl::None => "none".to_owned(),
        }
    });

    expect![[r#"
        redis://127.0.0.1
        redis://redis.example:6379
        rediss://[::1]:6380
        redis-cluster://a.example:1,b.example:2,[::1]:3
        rediss-cluster://a.example:1
        dynamodb://frontdesk
        dynamodb://frontdesk
        nats://127.0.0.1:4222
        tls://nats.example:4222,b.example
        redis://127.0.0.1:6379"#]]
    .assert_eq(&shown.iter().chain(&shown_buses).cloned().collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_whole_address_is_there_for_who_connects_and_not_in_debug_output() {
    let config = parse("[store]\nurl = \"redis://desk:hunter2@127.0.0.1:6379/3\"", &[]).unwrap();

    let StoreUrl::Redis(url) = &config.store.url else { panic!("{:?}", config.store.url) };
    assert_eq!(url.reveal(), "redis://desk:hunter2@127.0.0.1:6379/3");
    assert_eq!(url.scheme(), "redis");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn an_impossible_store_is_refused() {
    check(
        &[
            "[store]\nurl = 5",
            "[store]\nurl = \"postgres://127.0.0.1\"",
            "[store]\nurl = \"127.0.0.1:6379\"",
            "[store]\nurl = \"redis://\"",
            "[store]\nurl = \"redis://127.0.0.1:0\"",
            "[store]\nurl = \"redis://127.0.0.1:1,127.0.0.1:2\"",
            "[store]\nurl = \"redis://127.0.0.1/shop\"",
            "[store]\nurl = \"redis-cluster://127.0.0.1:1,\"",
            "[store]\nurl = \"redis-cluster://127.0.0.1:1/2\"",
            "[store]\nurl = \"redis://127.0.0.1?ca=file\"",
            "[store]\nurl = \"rediss://127.0.0.1/0?cafile=file\"",
            "[store]\nurl = \"dynamodb://\"",
            "[store]\nurl = \"dynamodb://key:hunter2@table\"",
            "[store]\nurl = \"dynamodb://table?profile=x\"",
            "[store]\nreplicas = 6",
            "[store]\nreplicas = 1",
            "[store]\nurl = \"dynamodb://table\"\nreplicas = 1",
        ],
        &expect![[r#"
            store.url: must be a string
            store.url: is not an address that is known here; there are redis://HOST:PORT, rediss://HOST:PORT (TLS), redis-cluster://HOST:PORT,HOST:PORT, rediss-cluster://HOST:PORT,HOST:PORT and dynamodb://TABLE, and "" for none
            store.url: is not an address that is known here; there are redis://HOST:PORT, rediss://HOST:PORT (TLS), redis-cluster://HOST:PORT,HOST:PORT, rediss-cluster://HOST:PORT,HOST:PORT and dynamodb://TABLE, and "" for none
            store.url: must name a host, and a port from 1 to 65535 after a colon, like redis://127.0.0.1:6379; write / ? # @ and % of a name or a password as %2F %3F %23 %40 and %25
            store.url: must name a host, and a port from 1 to 65535 after a colon, like redis://127.0.0.1:6379; write / ? # @ and % of a name or a password as %2F %3F %23 %40 and %25
            store.url: names several endpoints; only redis-cluster:// takes them
            store.url: must end after the port, or with the number of a database, like redis://127.0.0.1:6379/0; write / ? # @ and % of a name or a password as %2F %3F %23 %40 and %25
            store.url: must name a host, and a port from 1 to 65535 after a colon, like redis-cluster://127.0.0.1:6379; write / ? # @ and % of a name or a password as %2F %3F %23 %40 and %25
            store.url: must end after the last port; Redis Cluster has no numbered databases
            store.url: has parameters, which only rediss:// and rediss-cluster:// take
            store.url: has a parameter that is not one of ca, cert and key, with a file after =
            store.url: must name a table after ://, 3 to 255 letters, digits, -, _ and ., like dynamodb://frontdesk
            store.url: must not carry a name or a password; AWS credentials come from the environment, a profile or the machine's role
            store.url: must end after the table, or with the parameters region and endpoint, like dynamodb://frontdesk?region=eu-central-1
            store.replicas = 6: must be from 0 to 5
            store.replicas = 1: is for Redis only; set store.url to one, or leave this out
            store.replicas = 1: is for Redis only; set store.url to one, or leave this out"#]],
    );
}

#[test]
fn an_impossible_bus_is_refused() {
    let with = |url: &str| format!("[store]\nurl = \"redis://127.0.0.1\"\n[bus]\nurl = \"{url}\"");
    check(
        &[
            &with("kafka://127.0.0.1"),
            &with("dynamodb://table"),
            &with("nats://a:1,b:0"),
            &with("nats://a/subject"),
            "[bus]\nurl = \"nats://127.0.0.1\"",
        ],
        &expect![[r#"
            bus.url: is not an address that is known here; there are redis://HOST:PORT, rediss://HOST:PORT (TLS), redis-cluster://HOST:PORT,HOST:PORT, rediss-cluster://HOST:PORT,HOST:PORT, nats://HOST:PORT,HOST:PORT and tls://HOST:PORT,HOST:PORT (NATS with TLS), and "" for none
            bus.url: is not an address that is known here; there are redis://HOST:PORT, rediss://HOST:PORT (TLS), redis-cluster://HOST:PORT,HOST:PORT, rediss-cluster://HOST:PORT,HOST:PORT, nats://HOST:PORT,HOST:PORT and tls://HOST:PORT,HOST:PORT (NATS with TLS), and "" for none
            bus.url: must name a host, and a port from 1 to 65535 after a colon, like nats://127.0.0.1:4222; write / ? # @ and % of a name or a password as %2F %3F %23 %40 and %25
            bus.url: must end after the port; NATS has no path and no parameters
            bus.url: is set, but no other node can share the embedded store; set store.url, or leave this out"#]],
    );
}

#[test]
fn a_password_in_an_address_that_is_refused_is_not_printed() {
    for url in ["redsi://:hunter2@host", "redis://desk:hunter2/@host", "redis://:hunter2", "hunter2"] {
        for (key, variable) in [("store", "FRONTDESK_STORE_URL"), ("bus", "FRONTDESK_BUS_URL")] {
            for printed in [refusal(&format!("[{key}]\nurl = \"{url}\""), &[]), refusal("", &[(variable, url)])] {
                assert!(printed.starts_with(&format!("{key}.url")), "{printed}");
                assert!(!printed.contains("hunter2"), "{printed}");
            }
        }
    }
}

#[test]
fn a_node_with_a_shared_store_needs_the_keys_of_the_others() {
    let store = "[store]\nurl = \"redis://127.0.0.1\"\n";

    let error = parse(store, &[]).unwrap().check_node().unwrap_err().to_string();
    assert!(error.starts_with("tokens.keys: must be set") && error.contains("openssl rand -base64 32"), "{error}");
    parse(&format!("{store}{KEYS}"), &[]).unwrap().check_node().unwrap();
}
