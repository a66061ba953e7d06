use config::{AllowedOrigin, Config, Data, IdentityAlgorithm, Language, LogFormat, ModelKind};

use crate::{SHOP, parse};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn an_empty_file_gives_every_default() {
    let config = parse("", &[]).unwrap();

    assert_eq!(config.node.listen.to_string(), "127.0.0.1:7001");
    assert_eq!(config.node.metrics_listen.to_string(), "127.0.0.1:7002");
    assert_eq!(config.node.max_connections, 18_000);
    assert_eq!(config.node.drain_seconds, 20);
    assert_eq!(config.functions.url.to_string(), "http://127.0.0.1:7003");
    assert_eq!(config.store.data, Data::Folder("frontdesk-data".into()));
    assert_eq!(config.turn.deadline_ms, 30_000);
    assert_eq!(config.limits.max_text_bytes, 4_000);
    assert_eq!(config.ai.model, ModelKind::Scripted);
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(config.tokens.keys.is_empty());
    assert!(config.sites.is_empty());
}

#[test]
fn a_site_is_read_with_all_its_parts() {
    let text = format!(
        r##"
        [sites.shop]
        name = "Shop"
        origins = ["https://shop.example:443", "http://localhost:7000", "https://MÜNCHEN.example"]
        languages = ["en", "zh-cn"]
        greeting = {{ en = "Hello", zh-CN = "你好" }}
        suggestions.en = ["Where is my parcel?"]
        theme.color = "#FFAA00"
        identity = {{ required = true, keys = [{{ id = "a", algorithm = "HS256", secret = "{SECRET}" }}] }}
        "##
    );
    let config = parse(&text, &[]).unwrap();
    let site = &config.sites["shop"];

    let origins: Vec<_> = site
        .origins
        .iter()
        .map(|origin| match origin {
            AllowedOrigin::Any => "*",
            AllowedOrigin::Exact(origin) => origin.as_str(),
        })
        .collect();
    assert_eq!(origins, ["https://shop.example", "http://localhost:7000", "https://xn--mnchen-3ya.example"]);
    assert_eq!(site.theme.color.as_str(), "#ffaa00");
    assert_eq!(site.greeting.get(&Language::parse("zh").unwrap()).unwrap(), "你好");
    assert!(site.identity.required);
    assert_eq!(site.identity.keys[0].algorithm, IdentityAlgorithm::Hs256);
    assert_eq!(site.identity.keys[0].secret.as_ref().unwrap().reveal(), SECRET);
}

#[test]
fn only_listed_origins_are_allowed() {
    let site = &parse(SHOP, &[]).unwrap().sites["shop"];

    assert!(site.allows_origin(Some("https://shop.example")));
    assert!(!site.allows_origin(Some("http://shop.example")));
    assert!(!site.allows_origin(Some("https://shop.example.evil.example")));
    assert!(!site.allows_origin(Some("https://shop.example:8443")));
    assert!(!site.allows_origin(Some("null")));
    assert!(!site.allows_origin(Some("*")));
}

#[test]
fn a_client_without_an_origin_is_taken_unless_the_site_says_no() {
    let open = parse(SHOP, &[]).unwrap();
    let closed = parse(&format!("{SHOP}allow_no_origin = false"), &[]).unwrap();

    assert!(open.sites["shop"].allows_origin(None));
    assert!(!closed.sites["shop"].allows_origin(None));
}

#[test]
fn every_origin_is_allowed_only_where_a_star_says_so() {
    let config = parse("[sites.demo]\nname = \"Demo\"\norigins = [\"*\"]", &[]).unwrap();

    assert!(config.sites["demo"].allows_origin(Some("https://anywhere.example")));
}

#[test]
fn the_best_language_is_the_same_tag_then_the_same_language_then_the_first() {
    let site = &parse(&format!("{SHOP}languages = [\"de\", \"zh-TW\", \"zh-CN\"]"), &[]).unwrap().sites["shop"];
    let best = |wanted| site.best_language(&Language::parse(wanted).unwrap()).unwrap().as_str();

    assert_eq!(best("zh-CN"), "zh-CN");
    assert_eq!(best("zh-HK"), "zh-TW");
    assert_eq!(best("fr"), "de");
}

#[test]
fn the_fallback_text_is_the_sites_own_then_one_that_is_built_in() {
    let text = format!("{SHOP}languages = [\"de\", \"zh-CN\"]\nfallback.de = \"Moment\"");
    let site = &parse(&text, &[]).unwrap().sites["shop"];
    let fallback = |wanted| site.fallback_text(&Language::parse(wanted).unwrap());

    assert_eq!(fallback("de-AT"), "Moment");
    assert!(fallback("zh-CN").contains("人工客服"));
    assert_eq!(fallback("fr"), "Moment");
}

#[test]
fn the_fallback_texts_are_the_sites_own_and_the_built_in_ones_of_other_languages() {
    let text = format!("{SHOP}languages = [\"zh-TW\", \"de\"]\nfallback.de = \"Moment\"\nfallback.zh-TW = \"請稍候\"");
    let site = &parse(&text, &[]).unwrap().sites["shop"];

    assert_eq!(site.fallback_texts(), [("zh-TW", "請稍候"), ("de", "Moment"), config::FALLBACKS[0]]);
}

#[test]
fn a_file_is_read_from_where_the_caller_or_a_variable_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("desk.toml");
    std::fs::write(&path, "node.name = \"node-7\"").unwrap();
    let variable = ("FRONTDESK_CONFIG".to_owned(), path.display().to_string());

    assert_eq!(Config::load(Some(&path), []).unwrap().node.name, "node-7");
    assert_eq!(Config::load(None, [variable]).unwrap().node.name, "node-7");
}

#[test]
fn a_file_that_is_missing_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("desk.toml");

    let error = Config::load(Some(&path), []).unwrap_err();

    assert_eq!(error.key(), path.display().to_string());
    assert!(error.to_string().contains("cannot be read"));
}

#[test]
fn secrets_are_not_in_debug_output() {
    let keys = format!("[[tokens.keys]]\nid = \"a\"\nsecret = \"{SECRET}\"\n[ai]\napi_key = \"sk-{SECRET}\"");
    let config = parse(&keys, &[]).unwrap();

    assert_eq!(config.tokens.keys[0].secret.reveal(), SECRET);
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn functions_on_lambda_are_named_with_or_without_their_region_and_in_every_way_that_lambda_names_them() {
    for (url, region) in [("lambda://", None), ("lambda://eu-central-1", Some("eu-central-1".to_owned()))] {
        for name in ["ai", "ai:live", "ai:$LATEST", "arn:aws:lambda:eu-central-1:123456789012:function:ai:live"] {
            let toml = format!("[functions]\nurl = \"{url}\"\nai_name = \"{name}\"");
            let functions = parse(&toml, &[]).unwrap().functions;
            assert_eq!(functions.url, config::FunctionsUrl::Lambda { region: region.clone() });
            assert_eq!((functions.url.to_string().as_str(), functions.ai_name.as_str()), (url, name));
        }
    }
}

#[test]
fn variables_of_the_proxy_are_not_taken_for_those_of_the_model() {
    let config = parse("", &[("FRONTDESK_AI_PROXY_LISTEN", "0.0.0.0:80"), ("FRONTDESK_AI_GAP_MS", "5000")]).unwrap();
    assert_eq!((config.ai_proxy.listen.port(), config.ai.gap_ms), (80, 5_000));
}
