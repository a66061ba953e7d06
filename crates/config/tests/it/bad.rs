use expect_test::{Expect, expect};

use crate::{SHOP, refusal};

/// Each text is refused with the line that stands beside it.
fn check(texts: &[&str], expected: &Expect) {
    let printed: Vec<_> = texts.iter().map(|text| refusal(text, &[])).collect();
    expected.assert_eq(&printed.join("\n"));
}

#[test]
fn what_is_not_toml_is_refused_by_line_and_without_its_text() {
    check(
        &["[node", "[ai]\napi_key = \"hunter2", "[node]\nname = \"a\"\nname = \"b\"", "[sites.shop]\n[sites.shop]"],
        &expect![[r#"
            frontdesk.toml, line 1: is not TOML: unclosed table, expected `]`
            frontdesk.toml, line 2: is not TOML: invalid basic string, expected `"`
            frontdesk.toml, line 3: is not TOML: duplicate key
            frontdesk.toml, line 2: is not TOML: duplicate key"#]],
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_keys_there_are() {
    check(
        &[
            "listen = \"127.0.0.1:1\"",
            "[nod]",
            "[store]\nfolder = \"x\"",
            "[log]\nlevl = \"info\"",
            "[[tokens.keys]]\nid = \"a\"\nkey = \"hunter2\"",
            &format!("{SHOP}theme.colour = \"#000000\""),
        ],
        &expect![[r#"
            listen: is not a key; the keys here are node, store, bus, functions, turn, limits, tokens, ai, models, ai_proxy, log, traces, sites
            nod: is not a key; the keys here are node, store, bus, functions, turn, limits, tokens, ai, models, ai_proxy, log, traces, sites
            store.folder: is not a key; the keys here are url, data, replicas, timeout_ms
            log.levl: is not a key; the keys here are format, level
            tokens.keys[0].key: is not a key; the keys here are id, secret
            sites.shop.theme.colour: is not a key; the keys here are color"#]],
    );
}

#[test]
fn a_wrong_type_is_refused() {
    check(
        &[
            "node = 5",
            "[node]\nlisten = 7001",
            "[node]\nmax_connections = \"many\"",
            "[node]\nmax_connections = 1.5",
            "[node]\ntrusted_proxies = \"10.0.0.0/8\"",
            "[node]\ntrusted_proxies = [10]",
            "[ai]\ntest_directives = 1",
            "[ai]\napi_key = 12345",
            "[tokens]\nkeys = \"hunter2\"",
            "[tokens]\nkeys = [\"hunter2\"]",
            "sites = []",
            "sites.shop = \"https://shop.example\"",
        ],
        &expect![[r#"
            node: must be a table
            node.listen = 7001: must be a string
            node.max_connections = "many": must be a whole number
            node.max_connections = 1.5: must be a whole number
            node.trusted_proxies = "10.0.0.0/8": must be a list
            node.trusted_proxies[0] = 10: must be a string
            ai.test_directives = 1: must be true or false
            ai.api_key: must be a string
            tokens.keys: must be a list
            tokens.keys[0]: must be a table
            sites: must be a table
            sites.shop: must be a table"#]],
    );
}

#[test]
fn an_impossible_value_of_the_node_is_refused() {
    check(
        &[
            "[node]\nname = \"\"",
            "[node]\nname = \"a b\"",
            "[node]\nlisten = \"localhost:7001\"",
            "[node]\nlisten = \"127.0.0.1:70000\"",
            "[node]\nlisten = \"127.0.0.1:7002\"",
            "[node]\nmax_connections = 0",
            "[node]\nmax_connections = -1",
            "[node]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "[node]\ndrain_seconds = 0",
            "[store]\ndata = \"\"",
            "[functions]\nurl = \"127.0.0.1:7003\"",
            "[functions]\nurl = \"ftp://127.0.0.1\"",
            "[functions]\nurl = \"http://127.0.0.1/?x=1\"",
            "[functions]\nai_name = \"../ai\"",
            "[functions]\nai_name = \"ai:live\"",
            "[functions]\nurl = \"lambda://eu central\"",
            "[functions]\nurl = \"lambda://\"\nrouting_name = \"arn:aws:s3:::bucket\"",
            "[ai_proxy]\nconcurrency = 0",
            "[log]\nformat = \"xml\"",
            "[log]\nlevel = \"loud\"",
        ],
        &expect![[r#"
            node.name = "": must be 1 to 63 letters, digits, -, _ and .
            node.name = "a b": must be 1 to 63 letters, digits, -, _ and .
            node.listen = "localhost:7001": is not an IP address and a port, like 127.0.0.1:7001 or [::1]:7001
            node.listen = "127.0.0.1:70000": is not an IP address and a port, like 127.0.0.1:7001 or [::1]:7001
            node.metrics_listen = 127.0.0.1:7002: must differ from listen, or everybody could read the metrics
            node.max_connections = 0: must be from 1 to 1000000
            node.max_connections = -1: must be from 1 to 1000000
            node.trusted_proxies[0] = "10.0.0.0/33": is not a network like 10.0.0.0/8, nor an address
            node.drain_seconds = 0: must be from 1 to 90
            store.data = "": is empty; name a path
            functions.url = "127.0.0.1:7003": is not an address like http://127.0.0.1:7003
            functions.url = "ftp://127.0.0.1": must start with http://, https:// or lambda://
            functions.url = "http://127.0.0.1/?x=1": must not have a query or a fragment
            functions.ai_name = "../ai": must be 1 to 64 letters, digits, - and _, as Lambda's function names are
            functions.ai_name = "ai:live": must be 1 to 64 letters, digits, - and _, as Lambda's function names are
            functions.url = "lambda://eu central": must name a region after lambda://, like lambda://eu-central-1, or nothing
            functions.routing_name = "arn:aws:s3:::bucket": must be 1 to 64 letters, digits, - and _, or NAME:ALIAS, or the ARN of a function
            ai_proxy.concurrency = 0: must be from 1 to 100000
            log.format = "xml": must be one of text, json
            log.level = "loud": must be one of error, warn, info, debug, trace"#]],
    );
}

#[test]
fn an_impossible_limit_is_refused() {
    check(
        &[
            "[limits]\nmax_text_bytes = 0",
            "[limits]\nmessages_per_visitor_burst = 0",
            "[limits]\nconnections_per_visitor = 0",
            "[limits]\nmax_frame_bytes = 4000",
            "[limits]\nkeepalive_ms = 30001",
            "[limits]\nwrite_buffer_bytes = 32768",
            "[turn]\ndeadline_ms = 0",
            "[turn]\nrecent_bytes = 2000",
        ],
        &expect![[r#"
            limits.max_text_bytes = 0: must be from 1 to 65536
            limits.messages_per_visitor_burst = 0: must be from 1 to 60000
            limits.connections_per_visitor = 0: must be from 1 to 10000
            limits.max_frame_bytes = 4000: must be at least max_text_bytes (4000) and 256 more, or the longest message could not be sent
            limits.keepalive_ms = 30001: must be at most half of silent_ms (60000), or a healthy connection whose answer to a ping is late would be closed
            limits.write_buffer_bytes = 32768: must be at least 65536: twice the longest answer (turn.max_answer_bytes) or message, or its readers would count as slow
            turn.deadline_ms = 0: must be from 1000 to 900000
            turn.recent_bytes = 2000: must be at least limits.max_text_bytes (4000), or the assistant could not read the longest message"#]],
    );
}

#[test]
fn impossible_tokens_are_refused() {
    let long = "0123456789abcdef0123456789abcdef";
    check(
        &[
            "[tokens]\nlifetime_seconds = 1",
            "[[tokens.keys]]\nid = \"a\"",
            "[[tokens.keys]]\nid = \"a b\"\nsecret = \"hunter2\"",
            "[[tokens.keys]]\nid = \"a\"\nsecret = \"hunter2\"",
            "[[tokens.keys]]\nid = \"a\"\nsecret = \"\"",
            &format!("[tokens]\nkeys = [{{ id = \"a\", secret = \"{long}\" }}, {{ id = \"a\", secret = \"{long}\" }}]"),
        ],
        &expect![[r#"
            tokens.lifetime_seconds = 1: must be from 60 to 31536000
            tokens.keys[0].secret: must be set
            tokens.keys[0].id = "a b": must be 1 to 32 letters, digits, - and _
            tokens.keys[0].secret: has 7 bytes; it needs 32 or more, random ones
            tokens.keys[0].secret: is empty
            tokens.keys[1].id = "a": is the id of an earlier key"#]],
    );
}

#[test]
fn an_impossible_model_is_refused() {
    check(
        &[
            "[ai]\nmodel = \"gpt\"",
            "[ai]\nmodel = \"openai\"",
            "[ai]\nmodel = \"openai\"\nmodel_url = \"http://127.0.0.1/v1\"",
            "[ai]\nmodel = \"openai\"\nmodel_url = \"http://127.0.0.1/v1\"\nmodel_name = \"\"",
            "[ai]\nmodel_url = \"model.example\"",
            "[ai]\nfirst_token_ms = 28001",
            "[ai]\ngap_ms = 28001",
            "[ai]\nconnect_ms = 9000",
            "[ai]\ntotal_ms = 30000",
            "[ai]\nmax_tokens = 0",
        ],
        &expect![[r#"
            ai.model = "gpt": must be one of scripted, openai
            ai.model_url: must be set when model = "openai"
            ai.model_name: must be set when model = "openai"
            ai.model_name = "": is empty
            ai.model_url = "model.example": is not an address like http://127.0.0.1:7003
            ai.first_token_ms = 28001: must be at most total_ms (28000), of which it is a part
            ai.gap_ms = 28001: must be at most total_ms (28000), of which it is a part
            ai.connect_ms = 9000: must be at most first_token_ms (8000), of which it is a part
            ai.total_ms = 30000: must be less than turn.deadline_ms (30000)
            ai.max_tokens = 0: must be from 1 to 131072"#]],
    );
}

#[test]
fn an_impossible_site_is_refused() {
    let with = |more: &str| format!("{SHOP}{more}");
    check(
        &[
            "[sites.Shop]\nname = \"Shop\"\norigins = []",
            "[sites.\"a/b\"]\nname = \"Shop\"\norigins = []",
            "[sites.shop]\norigins = []",
            "[sites.shop]\nname = \"\"\norigins = []",
            "[sites.shop]\nname = \"Shop\"",
            "[sites.shop]\nname = \"Shop\"\norigins = []\nallow_no_origin = false",
            "[sites.shop]\nname = \"Shop\"\norigins = [\"shop.example\"]",
            "[sites.shop]\nname = \"Shop\"\norigins = [\"https://shop.example/\"]",
            "[sites.shop]\nname = \"Shop\"\norigins = [\"https://*.shop.example\"]",
            "[sites.shop]\nname = \"Shop\"\norigins = [\"ftp://shop.example\"]",
            "[sites.shop]\nname = \"Shop\"\norigins = [\"null\"]",
            &with("languages = []"),
            &with("languages = [\"english\"]"),
            &with("languages = [\"en\", \"EN\"]"),
            &with("greeting = \"Hello\""),
            &with("greeting.de = \"Hallo\""),
            &with("greeting.en = \"\""),
            &with("greeting = { en = \"a\", EN = \"b\" }"),
            &with("suggestions.en = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\"]"),
            &with("suggestions.en = [\"\"]"),
            &with("theme.color = \"red\""),
            &with("theme.color = \"#12345g\""),
            &with("knowledge = \"\""),
            &with("life.close_after_hours = 0"),
            &with("life.keep_days = -1"),
        ],
        &expect![[r##"
            sites.Shop: a key here is 1 to 32 of a-z, 0-9 and -, and starts with a letter or digit
            sites.a/b: a key here is 1 to 32 of a-z, 0-9 and -, and starts with a letter or digit
            sites.shop.name: must be set
            sites.shop.name: has 0 bytes; 1 to 200 are allowed
            sites.shop.origins: must be set
            sites.shop.origins = []: is empty and allow_no_origin is false, so that nobody could reach the site
            sites.shop.origins[0] = "shop.example": is not an origin; write scheme://host or scheme://host:port, like https://shop.example
            sites.shop.origins[0] = "https://shop.example/": is not an origin; write scheme://host or scheme://host:port, like https://shop.example
            sites.shop.origins[0] = "https://*.shop.example": an origin has no wildcard; name every origin, or allow all with "*"
            sites.shop.origins[0] = "ftp://shop.example": an origin's scheme is http or https
            sites.shop.origins[0] = "null": is not an origin; write scheme://host or scheme://host:port, like https://shop.example
            sites.shop.languages = []: needs at least one language
            sites.shop.languages[0] = "english": is not a language tag like en or zh-CN
            sites.shop.languages[1] = "en": is there twice
            sites.shop.greeting: must be a table of languages
            sites.shop.greeting.de: is not one of the site's languages; add it there or take it away here
            sites.shop.greeting.en: has 0 bytes; 1 to 2000 are allowed
            sites.shop.greeting.en: names a language that is there already, in other letter case
            sites.shop.suggestions.en: has 7 suggestions; 6 are the most
            sites.shop.suggestions.en: has 0 bytes; 1 to 200 are allowed
            sites.shop.theme.color = "red": is not a colour like #1d4ed8
            sites.shop.theme.color = "#12345g": is not a colour like #1d4ed8
            sites.shop.knowledge = "": is empty; name a path
            sites.shop.life.close_after_hours = 0: must be from 1 to 8760
            sites.shop.life.keep_days = -1: must be from 0 to 36500"##]],
    );
}

#[test]
fn an_impossible_identity_is_refused() {
    let with = |more: &str| format!("{SHOP}[sites.shop.identity]\n{more}");
    check(
        &[
            &with("required = true"),
            &with("keys = [{ algorithm = \"none\" }]"),
            &with("keys = [{ secret = \"hunter2\" }]"),
            &with("keys = [{ algorithm = \"HS256\" }]"),
            &with("keys = [{ algorithm = \"HS256\", secret = \"hunter2\" }]"),
            &with("keys = [{ algorithm = \"HS256\", public_key = \"x\" }]"),
            &with("keys = [{ algorithm = \"ES256\", secret = \"hunter2\" }]"),
            &with("keys = [{ algorithm = \"ES256\", public_key = \"hunter2\" }]"),
            &with("keys = [{ algorithm = \"EdDSA\", public_key = \"-----BEGIN PRIVATE KEY-----\" }]"),
            &with("max_lifetime_seconds = 0"),
        ],
        &expect![[r#"
            sites.shop.identity.keys: must be set when required = true, or nobody could pass
            sites.shop.identity.keys[0].algorithm = "none": must be one of HS256, RS256, ES256, EdDSA
            sites.shop.identity.keys[0].algorithm: must be set
            sites.shop.identity.keys[0].secret: must be set for HS256
            sites.shop.identity.keys[0].secret: has 7 bytes; it needs 32 or more, random ones
            sites.shop.identity.keys[0].public_key: is not for HS256
            sites.shop.identity.keys[0].secret: is not for ES256
            sites.shop.identity.keys[0].public_key: is not a public key in PEM, which starts with -----BEGIN PUBLIC KEY-----
            sites.shop.identity.keys[0].public_key: holds a private key; give the public one, and keep the private one in the back end
            sites.shop.identity.max_lifetime_seconds = 0: must be from 60 to 31536000"#]],
    );
}

#[test]
fn a_site_names_only_models_that_are_there() {
    let refused = |toml: &str| config::Config::parse(toml, []).unwrap_err().to_string();
    let site = "[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\n";
    let unknown = refused(&format!("{site}models = [\"own\", \"default\"]\n"));
    assert!(unknown.contains("sites.shop.models") && unknown.contains("[models.own]"), "{unknown}");
    let taken = refused("[models.default]\nmodel = \"scripted\"\n");
    assert!(taken.contains("models.default"), "{taken}");
    let nowhere = refused("[models.own]\nmodel_name = \"tiny\"\n");
    assert!(nowhere.contains("models.own.model_url"), "{nowhere}");
    let own = "[models.own]\nmodel_url = \"http://127.0.0.1:1/v1\"\nmodel_name = \"tiny\"\n";
    let config = config::Config::parse(&format!("{own}{site}models = [\"own\", \"default\"]\n"), []).unwrap();
    assert_eq!(config.model("own").and_then(|model| model.model_name).as_deref(), Some("tiny"));
    assert!(config.model("default").is_some() && config.model("other").is_none());
}

#[test]
fn what_a_site_lets_its_assistant_do_is_checked() {
    let refused = |line: &str| {
        let toml = format!("[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\n{line}\n");
        config::Config::parse(&toml, []).unwrap_err().to_string()
    };
    assert!(refused("instant = true").contains("sites.shop.instant"));
    assert!(refused("models = []").contains("sites.shop.models"));
    assert!(refused("allowed_links = [\"https://shop.example/\"]").contains("sites.shop.allowed_links"));
    assert!(refused("handover_words = [\" \"]").contains("sites.shop.handover_words"));
}
