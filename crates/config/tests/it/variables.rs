use config::{AllowedOrigin, Language};
use expect_test::expect;

use crate::{SHOP, parse, refusal};

#[test]
fn a_variable_overrides_the_file() {
    let variables = [
        ("FRONTDESK_NODE_LISTEN", "0.0.0.0:80"),
        ("FRONTDESK_NODE_MAX_CONNECTIONS", "5_000"),
        ("FRONTDESK_NODE_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1"),
        ("FRONTDESK_AI_TEST_DIRECTIVES", "true"),
    ];
    let config = parse("[node]\nlisten = \"127.0.0.1:1\"", &variables).unwrap();

    assert_eq!(config.node.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.node.max_connections, 5_000);
    let proxies: Vec<_> = config.node.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.168.1.1/32"]);
    assert!(config.ai.test_directives);
}

#[test]
fn a_variable_reaches_into_a_site() {
    let variables = [
        ("FRONTDESK_SITES_SHOP_ORIGINS", "https://a.example,https://b.example"),
        ("FRONTDESK_SITES_SHOP_THEME_COLOR", "#000000"),
        ("FRONTDESK_SITES_SHOP_LANGUAGES", "en,zh-CN"),
        ("FRONTDESK_SITES_SHOP_GREETING_ZH_CN", "你好"),
        ("FRONTDESK_SITES_SHOP_SUGGESTIONS_EN", "[\"One, two\", \"Three\"]"),
        ("FRONTDESK_SITES_SHOP_IDENTITY_MAX_LIFETIME_SECONDS", "60"),
    ];
    let config = parse(SHOP, &variables).unwrap();
    let site = &config.sites["shop"];

    assert_eq!(site.origins.len(), 2);
    assert_eq!(site.theme.color.as_str(), "#000000");
    assert_eq!(site.greeting.get(&Language::parse("zh-CN").unwrap()).unwrap(), "你好");
    assert_eq!(site.suggestions.get(&Language::parse("en").unwrap()).unwrap(), &["One, two", "Three"]);
    assert_eq!(site.identity.max_lifetime_seconds, 60);
}

#[test]
fn a_site_whose_key_has_a_dash_is_found_before_a_shorter_one() {
    let two = format!("{SHOP}\n[sites.shop-eu]\nname = \"EU\"\norigins = []");
    let config = parse(&two, &[("FRONTDESK_SITES_SHOP_EU_NAME", "Europe")]).unwrap();

    assert_eq!(config.sites["shop-eu"].name, "Europe");
    assert_eq!(config.sites["shop"].name, "Shop");
}

#[test]
fn variables_alone_can_make_a_site() {
    let variables = [("FRONTDESK_SITES_DEMO_NAME", "Demo"), ("FRONTDESK_SITES_DEMO_ORIGINS", "*")];
    let config = parse("", &variables).unwrap();

    assert_eq!(config.sites["demo"].origins, [AllowedOrigin::Any]);
}

#[test]
fn a_list_of_tables_is_written_as_in_the_file() {
    let keys = "[{ id = \"new\", secret = \"0123456789abcdef0123456789abcdef\" }]";
    let config = parse("", &[("FRONTDESK_TOKENS_KEYS", keys)]).unwrap();

    assert_eq!(config.tokens.keys[0].id, "new");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let config = parse("", &[("FRONTDESK_NODE_NAME", ""), ("OPENAI_API_KEY", "")]).unwrap();

    assert_eq!(config.node.name, "node-1");
    assert!(config.ai.api_key.is_none());
}

#[test]
fn openai_api_key_is_taken_where_no_key_is_set() {
    let key = |text, variables: &[(&str, &str)]| parse(text, variables).unwrap().ai.api_key.unwrap();
    let openai = ("OPENAI_API_KEY", "sk-general");

    assert_eq!(key("", &[openai]).reveal(), "sk-general");
    assert_eq!(key("ai.api_key = \"sk-file\"", &[openai]).reveal(), "sk-file");
    assert_eq!(key("", &[openai, ("FRONTDESK_AI_API_KEY", "sk-own")]).reveal(), "sk-own");
}

#[test]
fn opentelemetrys_variables_are_taken_where_nothing_else_says_where_traces_go() {
    let url = |text, variables: &[(&str, &str)]| {
        parse(text, variables).unwrap().traces.url.map(|url| url.as_str().to_owned())
    };
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/otlp");
    let file = "traces.url = \"http://127.0.0.1:1/v1/traces\"";

    assert_eq!(url("", &[]), None);
    assert_eq!(url("", &[all]).as_deref(), Some("http://collector:4318/v1/traces"));
    assert_eq!(url("", &[all, traces]).as_deref(), Some("https://traces.example/otlp"));
    assert_eq!(url(file, &[all]).as_deref(), Some("http://127.0.0.1:1/v1/traces"));
    assert_eq!(url("", &[all, ("OTEL_SDK_DISABLED", "true")]), None);
    assert_eq!(url("", &[all, ("OTEL_TRACES_EXPORTER", "none")]), None);
    assert_eq!(
        refusal("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]),
        "traces.url = \"collector:4318/v1/traces\": must start with http:// or https:// (set by \
         OTEL_EXPORTER_OTLP_ENDPOINT)"
    );
}

#[test]
fn a_collectors_headers_are_read_as_opentelemetry_writes_them_and_never_printed() {
    let headers = |written| parse("", &[("OTEL_EXPORTER_OTLP_HEADERS", written)]).map(|config| config.traces.headers());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());

    let read = headers("authorization=Basic%20aHVudGVyMg==, x-scope-orgid = desk").unwrap();
    assert_eq!(read, [pair("authorization", "Basic aHVudGVyMg=="), pair("x-scope-orgid", "desk")]);
    for bad in ["hunter2", "key=hunter2%0Ax", "a b=hunter2", "=hunter2"] {
        let said = headers(bad).unwrap_err().to_string();
        assert!(said.starts_with("traces.headers: must be") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn variables_of_a_kubernetes_service_and_of_other_programs_are_passed_over() {
    let variables = [
        ("FRONTDESK_SERVICE_HOST", "10.0.0.1"),
        ("FRONTDESK_SERVICE_PORT_HTTP", "80"),
        ("FRONTDESK_PORT", "tcp://10.0.0.1:80"),
        ("FRONTDESK_NODE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/usr/bin"),
    ];

    assert!(parse("", &variables).is_ok());
}

#[test]
fn a_bad_variable_is_named() {
    let cases: [&[(&str, &str)]; 8] = [
        &[("FRONTDESK_NODE_LISTEN", "everywhere")],
        &[("FRONTDESK_NODE_MAX_CONNECTIONS", "many")],
        &[("FRONTDESK_NODE_MAX_CONNECTIONS", "0")],
        &[("FRONTDESK_AI_TEST_DIRECTIVES", "yes")],
        &[("FRONTDESK_NODE_LISTNE", "127.0.0.1:1")],
        &[("FRONTDESK_SITES_DEMO_NAME", "Demo")],
        &[("FRONTDESK_SITES_DEMO_GREETING_X", "Hi"), ("FRONTDESK_SITES_DEMO_NAME", "Demo")],
        &[("FRONTDESK_TURN_DEADLINE_MS", "5000"), ("FRONTDESK_NODE_NAME", "a")],
    ];
    let printed: Vec<_> = cases.iter().map(|variables| refusal("", variables)).collect();

    expect![[r#"
        node.listen = "everywhere": is not an IP address and a port, like 127.0.0.1:7001 or [::1]:7001 (set by FRONTDESK_NODE_LISTEN)
        node.max_connections = "many": must be a whole number (set by FRONTDESK_NODE_MAX_CONNECTIONS)
        node.max_connections = 0: must be from 1 to 1000000 (set by FRONTDESK_NODE_MAX_CONNECTIONS)
        ai.test_directives = "yes": must be true or false (set by FRONTDESK_AI_TEST_DIRECTIVES)
        FRONTDESK_NODE_LISTNE: sets no key; docs/configuration.md lists the keys and their variables
        sites.demo.origins: must be set
        sites.demo.origins: must be set
        ai.total_ms = 28000: must be less than turn.deadline_ms (5000)"#]]
    .assert_eq(&printed.join("\n"));
}

#[test]
fn a_secret_in_a_bad_variable_is_not_printed() {
    let cases = [
        ("FRONTDESK_AI_APIKEY", "hunter2"),
        ("FRONTDESK_TOKENS_KEYS", "[{ id = \"a\", secret = \"hunter2\" }]"),
        ("FRONTDESK_TOKENS_KEYS", "hunter2"),
        ("FRONTDESK_TOKENS_KEYS", "[\"hunter2\"]"),
        ("FRONTDESK_SITES", "hunter2"),
        ("FRONTDESK_AI_MODEL_URL", "https://me:hunter2@model.example/v1"),
    ];
    for (name, value) in cases {
        let printed = refusal("", &[(name, value)]);
        assert!(printed.contains(name), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
