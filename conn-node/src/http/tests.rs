use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use telemetry::NodeMetrics;
use tower::ServiceExt as _;

use super::*;

const CONFIG: &str = r##"
    [sites.shop]
    name = "Tea"
    origins = ["https://shop.example"]
    languages = ["en", "zh-CN"]
    greeting = { en = "Hello", zh-CN = "你好" }
    suggestions = { en = ["Where is my parcel?"] }
    fallback = { en = "later" }
    instructions = "Be kind."
    theme.color = "#336699"

    [sites.shop.identity]
    required = true
    keys = [{ algorithm = "HS256", secret = "a secret of the shop's own back end, 44 bytes" }]
"##;

/// The answer of a node in this state.
async fn answer(
    readiness: Readiness,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let metrics = NodeMetrics::new("test", &[], &[]).unwrap();
    let config = Config::parse(CONFIG, []).unwrap();
    let router = router(&config, move || readiness, metrics.http_responses.clone(), Router::new()).unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    answer(Readiness::Ready, Method::GET, path, headers).await
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_page_of_the_site_reads_its_public_settings_and_nothing_else() {
    let (status, headers, body) = get("/v1/sites/shop", &[("origin", "https://shop.example")]).await;

    let expected = json!({
        "name": "Tea",
        "languages": ["en", "zh-CN"],
        "greeting": {"en": "Hello", "zh-CN": "你好"},
        "suggestions": {"en": ["Where is my parcel?"]},
        "theme": {"color": "#336699"},
        "identity_required": true,
        "max_text_bytes": 4000,
    });
    assert_eq!((status, json(&body)), (StatusCode::OK, expected));
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://shop.example");
    assert_eq!(headers[header::VARY], "origin");
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_by_name() {
    for origin in ["https://evil.example", "null", "http://shop.example"] {
        let (status, headers, body) = get("/v1/sites/shop", &[("origin", origin)]).await;

        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(json(&body)["code"], "ERROR_CODE_ORIGIN_FORBIDDEN");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[tokio::test]
async fn settings_that_are_known_are_not_sent_again() {
    let (_, headers, _) = get("/v1/sites/shop", &[]).await;
    let tag = headers[header::ETAG].to_str().unwrap();

    let (status, headers, body) = get("/v1/sites/shop", &[("if-none-match", tag)]).await;

    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=60");
}

#[tokio::test]
async fn a_site_that_does_not_exist_is_named_so_for_every_page_to_read() {
    let (status, headers, body) = get("/v1/sites/shpo", &[("origin", "https://shop.example")]).await;

    assert_eq!((status, json(&body)["code"].as_str()), (StatusCode::NOT_FOUND, Some("ERROR_CODE_SITE_UNKNOWN")));
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_node_is_healthy_as_long_as_it_answers_and_ready_while_it_can_serve() {
    let states = [
        (Readiness::Ready, StatusCode::OK, "ready"),
        (Readiness::Draining, StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (Readiness::StoreFailing, StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
        (Readiness::BusFailing, StatusCode::SERVICE_UNAVAILABLE, "the bus does not answer"),
    ];
    for (readiness, expected, text) in states {
        assert_eq!(answer(readiness, Method::GET, "/healthz", &[]).await.0, StatusCode::OK);

        let (status, _, body) = answer(readiness, Method::GET, "/readyz", &[]).await;
        assert_eq!((status, json(&body)["status"].as_str()), (expected, Some(text)));
    }
}

#[tokio::test]
async fn what_is_not_there_is_an_error_in_json() {
    for path in
        ["/", "/v1", "/v1/sites", "/v1/sites/shop/secrets", "/widget/", "/widget/none.js", "/widget/../Cargo.toml"]
    {
        let (status, headers, body) = get(path, &[]).await;

        assert_eq!((status, json(&body)["code"].as_str()), (StatusCode::NOT_FOUND, Some("NOT_FOUND")), "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json", "{path}");
    }
}

#[tokio::test]
async fn another_method_is_refused_and_head_is_get_without_a_body() {
    let (status, headers, body) = answer(Readiness::Ready, Method::POST, "/v1/sites/shop", &[]).await;
    assert_eq!((status, json(&body)["code"].as_str()), (StatusCode::METHOD_NOT_ALLOWED, Some("METHOD_NOT_ALLOWED")));
    assert_eq!(headers[header::ALLOW], "GET,HEAD");

    let (status, headers, body) = answer(Readiness::Ready, Method::HEAD, "/v1/sites/shop", &[]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    assert!(headers.contains_key(header::ETAG));
}

#[tokio::test]
async fn answers_are_counted_by_class() {
    let metrics = NodeMetrics::new("test", &[], &[]).unwrap();
    let config = Config::parse(CONFIG, []).unwrap();
    let router = router(&config, || Readiness::Ready, metrics.http_responses.clone(), Router::new()).unwrap();
    for path in ["/healthz", "/healthz", "/nothing"] {
        router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    }

    let page = metrics.render().unwrap();
    assert!(page.contains("frontdesk_http_responses_total{status=\"2xx\",node=\"test\"} 2"), "{page}");
    assert!(page.contains("frontdesk_http_responses_total{status=\"4xx\",node=\"test\"} 1"), "{page}");
}
