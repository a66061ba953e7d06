use super::*;

/// Why a node with this configuration does not start.
async fn refusal(text: &str) -> (u8, String) {
    match parts(&Config::parse(text, []).unwrap()).await {
        Ok(_) => (0, "(taken)".to_owned()),
        Err(error) => (error.exit_code(), error.to_string()),
    }
}

const KEYS: &str = "[[tokens.keys]]\nid = \"a\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

#[tokio::test]
async fn a_store_that_nodes_share_needs_keys_that_they_share() {
    let (code, reason) = refusal("store.url = \"redis://127.0.0.1:1\"").await;

    assert_eq!(code, EXIT_CODE_BAD_CONFIG);
    assert!(reason.starts_with("tokens.keys: must be set when store.url is"), "{reason}");
}

#[tokio::test]
async fn servers_that_cannot_be_reached_are_no_reason_not_to_start() {
    for (store, bus) in [("redis", "redis"), ("redis-cluster", "nats")] {
        let urls = format!("store.url = \"{store}://127.0.0.1:1\"\nbus.url = \"{bus}://127.0.0.1:1\"\n");
        let parts = parts(&Config::parse(&format!("{urls}{KEYS}"), []).unwrap()).await.unwrap();
        assert!(parts.bus.is_some());
        assert!(parts.store.ready().await.is_err());
    }
}

#[cfg(not(feature = "dynamodb"))]
#[tokio::test]
async fn dynamodb_in_a_program_without_it_is_refused_with_the_command_that_builds_one() {
    let (code, reason) = refusal(&format!("store.url = \"dynamodb://frontdesk\"\n{KEYS}")).await;

    assert_eq!(code, EXIT_CODE_BAD_CONFIG);
    assert!(reason.ends_with("cargo build --release -p conn-node --features dynamodb"), "{reason}");
}

#[tokio::test]
async fn an_address_that_only_the_store_can_refuse_is_a_bad_configuration_and_stays_hidden() {
    let url = "store.url = \"rediss://desk:hunter2%FF@127.0.0.1:1\"\n";
    let (code, reason) = refusal(&format!("{url}{KEYS}")).await;

    assert_eq!(code, EXIT_CODE_BAD_CONFIG, "{reason}");
    assert!(reason.starts_with("store.url") && !reason.contains("hunter2"), "{reason}");
}
