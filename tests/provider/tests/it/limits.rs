//! Limits, headers and counts.

use provider::{Counting, HeaderStyle, RetryAfter, stamps, unix_us};
use serde_json::{Value, json};

use crate::ask::{ask, ask_with, provider, question, with};

#[tokio::test]
async fn limits_are_told_and_kept() {
    let provider = with(|settings| {
        settings.quota.requests_per_minute = Some(2);
        settings.quota.tokens_per_minute = Some(60_000);
    })
    .await;
    let mut body = question("any");
    body["max_tokens"] = json!(1000);
    let first = ask_with(&provider, &body, "").await;
    assert_eq!(first.status, 200);
    let told = |name: &str| first.header(&format!("x-ratelimit-{name}"));
    assert_eq!((told("limit-requests"), told("remaining-requests")), (Some("2"), Some("1")));
    assert_eq!((told("limit-tokens"), told("remaining-tokens")), (Some("60000"), Some("59000")));
    assert!(told("reset-requests").unwrap().ends_with('s') && told("reset-tokens").is_some());

    assert_eq!(ask_with(&provider, &body, "").await.status, 200);
    let refused = ask_with(&provider, &body, "").await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining-requests")), (429, Some("0")));
    let wait: u64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&wait) && refused.header("retry-after").is_some(), "{wait}");
    let error = &serde_json::from_slice::<Value>(&refused.body).unwrap()["error"];
    assert_eq!((&error["code"], &error["type"]), (&json!("rate_limit_exceeded"), &json!("requests")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("requests per min (RPM): Limit 2, Used 2, Requested 1"), "{message}");

    let counts = provider.counts();
    assert_eq!((counts.requests.admitted, counts.requests.over_requests, counts.used.tokens), (2, 1, 2000));
    assert_eq!(counts.most_in_window[&60], (2, 2000));
}

#[tokio::test]
async fn headers_may_be_of_another_style_or_missing() {
    let provider = with(|settings| {
        settings.quota.requests_per_minute = Some(1);
        settings.headers = HeaderStyle::Azure;
        settings.retry_after = RetryAfter::None;
    })
    .await;
    assert_eq!(ask(&provider, "any").await.header("x-ratelimit-remaining-requests"), Some("-1"));
    let refused = ask(&provider, "any").await;
    assert_eq!((refused.status, refused.header("retry-after"), refused.header("retry-after-ms")), (429, None, None));
    provider.change(|settings| settings.headers = HeaderStyle::None).unwrap();
    assert!(!ask(&provider, "any").await.headers.iter().any(|(name, _)| name.starts_with("x-ratelimit")));
}

#[tokio::test]
async fn the_quota_changes_while_it_runs() {
    let provider = with(|settings| settings.quota.requests_per_minute = Some(10)).await;
    provider.scale_quota(0.5).unwrap();
    let got = ask(&provider, "any").await;
    assert_eq!(got.header("x-ratelimit-limit-requests"), Some("5"));
    assert_eq!(got.header("x-ratelimit-remaining-requests"), Some("4"));
    provider.scale_quota(4.0).unwrap();
    assert_eq!(ask(&provider, "any").await.header("x-ratelimit-limit-requests"), Some("20"));
}

#[tokio::test]
async fn tokens_can_be_counted_as_they_are_used() {
    let provider = with(|settings| {
        settings.quota.tokens_per_minute = Some(1000);
        settings.quota.counting = Counting::Actual;
    })
    .await;
    let mut body = question("any");
    body["max_tokens"] = json!(900);
    assert_eq!(ask_with(&provider, &body, "").await.answer(), "a b c d e");
    // Five of the prompt ("Hello?" and what is around it), five of the answer.
    assert_eq!(provider.counts().used.tokens, 10);
    assert_eq!(ask_with(&provider, &body, "").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_key_and_site() {
    let provider = provider().await;
    ask_with(&provider, &question("any"), "authorization: Bearer sk-secret\r\nx-site: shop\r\n").await;
    let mut body = question("any");
    body["user"] = json!("bank");
    ask_with(&provider, &body, "").await;
    let counts = provider.counts();
    let names =
        |shares: &std::collections::BTreeMap<String, provider::Share>| shares.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&counts.sites), ["bank", "shop"]);
    assert_eq!(names(&counts.keys), ["none", "…cret"]);
    provider.reset_counts();
    assert_eq!(provider.counts().sites.len(), 0);
}

#[tokio::test]
async fn every_request_is_recorded_with_its_moments() {
    let provider = with(|settings| settings.answers.stamp = true).await;
    let before = unix_us();
    let got = ask(&provider, "mock/ok").await;
    let record = provider.records_after(0).remove(0);
    let stamps: Vec<_> = stamps(&got.answer()).collect();
    assert_eq!((stamps.len(), record.tokens, record.whole), (5, 5, true));
    let moments =
        [&[before, record.arrived_us, stamps[0]], &stamps[1..4], &[stamps[4], record.ended_us, unix_us()]].concat();
    assert!(moments.is_sorted(), "{moments:?}");
    assert!(record.first_token_us >= stamps[0] && record.first_token_us <= stamps[1], "{record:?}");
    assert_eq!(provider.records_after(1), []);
}
