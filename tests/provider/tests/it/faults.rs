//! The bytes of each fault.

use std::io::ErrorKind;

use provider::{Kind, Rule};
use serde_json::{Value, json};

use crate::ask::{Got, Socket, ask, ask_with, provider, question, soon, with};

#[tokio::test]
async fn an_ordinary_answer_has_what_openai_sends() {
    let provider = provider().await;
    let mut body = question("mock/ok");
    body["stream_options"] = json!({"include_usage": true});
    let got = ask_with(&provider, &body, "").await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("text/event-stream; charset=utf-8")));
    assert!(got.text().ends_with("data: [DONE]\n\n"));
    let events = got.events();
    assert_eq!(events.len(), 1 + 5 + 1 + 1);
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
    assert_eq!(events[1]["choices"][0]["delta"], json!({"content": "a "}));
    assert_eq!((got.answer().as_str(), got.finish().as_deref()), ("a b c d e", Some("stop")));
    assert_eq!(events[7]["choices"], json!([]));
    assert_eq!(events[7]["usage"]["completion_tokens"], 5);
    assert!(events[..7].iter().all(|event| event["usage"].is_null() && event["model"] == "mock/ok"));
}

#[tokio::test]
async fn a_request_that_does_not_stream_gets_a_document() {
    let provider = provider().await;
    let body = json!({"model": "any", "messages": [{"role": "user", "content": "Hello?"}], "max_tokens": 3});
    let got = ask_with(&provider, &body, "").await;
    let document: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(document["choices"][0]["message"]["content"], "a b c ");
    let streamed = ask(&provider, "mock/document").await;
    assert_eq!(
        serde_json::from_slice::<Value>(&streamed.body).unwrap()["choices"][0]["message"]["content"],
        "a b c d e"
    );
}

#[tokio::test]
async fn the_requests_own_limit_cuts_the_answer() {
    let provider = provider().await;
    let mut body = question("any");
    body["max_completion_tokens"] = json!(2);
    let got = ask_with(&provider, &body, "").await;
    assert_eq!((got.answer().as_str(), got.finish().as_deref()), ("a b ", Some("length")));
}

/// Reads a response that never ends until this is there so often, and checks that it has not ended.
async fn check_stalls(model: &str, enough: &str, times: usize) -> Got {
    let provider = provider().await;
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question(model), "").await;
    let (bytes, error) =
        soon(socket.read(|bytes| String::from_utf8_lossy(bytes).matches(enough).count() >= times)).await;
    assert_eq!(error, None, "{model}");
    assert_eq!(provider.counts().streams_open, 1, "{model}");
    let got = Got::parse(&bytes);
    assert!(!got.is_whole, "{model}");
    got
}

#[tokio::test]
async fn stalls_come_where_they_are_asked_for() {
    assert_eq!(check_stalls("mock/stall-after-headers", "\r\n\r\n", 1).await.body, b"");
    assert_eq!(check_stalls("mock/stall-after:2", "b ", 1).await.answer(), "a b ");
    assert_eq!(check_stalls("mock/no-done-open", "stop", 1).await.answer(), "a b c d e");
}

#[tokio::test]
async fn what_repeats_goes_on_for_good() {
    let comments = check_stalls("mock/keep-alive-only:1", ": keep-alive\n\n", 3).await;
    assert!(comments.chunks >= 3 && comments.answer().is_empty());
    assert_eq!(check_stalls("mock/keep-alive-after:2", ": keep-alive\n\n", 2).await.answer(), "a b ");
    assert_eq!(check_stalls("mock/empty-deltas-only:1", "\"content\":\"\"", 3).await.answer(), "");
}

#[tokio::test]
async fn a_stall_before_the_headers_sends_not_a_byte() {
    let provider = provider().await;
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question("mock/stall-before"), "").await;
    soon(async {
        while provider.counts().streams_open == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(socket.0.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn connections_are_cut_and_reset_before_and_after_tokens() {
    let provider = provider().await;
    for (model, end, answer) in [
        ("mock/close-at-once", None, None),
        ("mock/reset-at-once", Some(ErrorKind::ConnectionReset), None),
        ("mock/cut-after:2", None, Some("a b ")),
        ("mock/reset-after:2", Some(ErrorKind::ConnectionReset), Some("a b ")),
    ] {
        let mut socket = Socket::open(provider.address()).await;
        socket.ask(&question(model), "").await;
        let (bytes, error) = socket.read(|_| false).await;
        assert_eq!(error, end, "{model}");
        match answer {
            None => assert_eq!(bytes, b"", "{model}"),
            Some(answer) => {
                let got = Got::parse(&bytes);
                assert_eq!((got.answer().as_str(), got.is_whole), (answer, false), "{model}");
            }
        }
    }
    assert_eq!(provider.counts().answers.broken, 4);
}

#[tokio::test]
async fn answers_end_too_early_or_without_what_belongs_to_the_end() {
    let provider = provider().await;
    let ends = |text: &str| text.ends_with("[DONE]\n\n");
    let cases = [
        ("mock/end-after:2", "a b ", None, false),
        ("mock/empty-body", "", None, false),
        ("mock/no-done", "a b c d e", Some("stop"), false),
        ("mock/no-finish", "a b c d e", None, true),
        ("mock/no-blank-line", "a b c d e", Some("stop"), false),
        ("mock/role-only", "", Some("stop"), true),
        ("mock/length", "a b c d e", Some("length"), true),
        ("mock/content-filter", "a b c d e", Some("content_filter"), true),
    ];
    for (model, answer, finish, done) in cases {
        let got = ask(&provider, model).await;
        assert_eq!(
            (got.answer().as_str(), got.finish().as_deref(), ends(&got.text())),
            (answer, finish, done),
            "{model}"
        );
        assert!(got.is_whole);
    }
    assert!(ask(&provider, "mock/no-blank-line").await.text().ends_with("data: [DONE]"));
}

#[tokio::test]
async fn usage_is_left_out_or_empty() {
    let provider = provider().await;
    for (model, usages) in [("mock/ok", 1), ("mock/no-usage", 0), ("mock/empty-usage", 1)] {
        let mut body = question(model);
        body["stream_options"] = json!({"include_usage": true});
        let got = ask_with(&provider, &body, "").await;
        let usage: Vec<_> =
            got.events().into_iter().map(|event| event["usage"].clone()).filter(|u| !u.is_null()).collect();
        assert_eq!(usage.len(), usages, "{model}");
        assert_eq!(usage.first() == Some(&json!({})), model == "mock/empty-usage");
    }
}

#[tokio::test]
async fn broken_events_stand_between_the_tokens() {
    let provider = provider().await;
    let malformed = ask(&provider, "mock/malformed:2").await;
    assert_eq!(malformed.events().iter().position(Value::is_null), Some(3));
    assert_eq!(malformed.answer(), "a b c d e");
    let invalid = ask(&provider, "mock/invalid-utf8:1").await;
    assert!(invalid.body.windows(2).any(|two| two == [0xff, 0xfe]) && std::str::from_utf8(&invalid.body).is_err());
    assert_eq!(invalid.answer(), "a \u{fffd}\u{fffd}b c d e");
    let long = ask(&provider, "mock/long-line:100000").await;
    assert!(long.text().lines().any(|line| line.len() > 100_000) && long.answer() == "a b c d e");
}

#[tokio::test]
async fn errors_come_inside_a_good_status() {
    let provider = provider().await;
    let inside = ask(&provider, "mock/error-inside:2").await;
    assert_eq!((inside.status, inside.answer().as_str()), (200, "a b "));
    assert_eq!(inside.events().last().unwrap()["error"]["type"], "server_error");
    let event = ask(&provider, "mock/error-event").await;
    assert!(event.text().contains("event: error\ndata: {\"error\"") && event.answer().is_empty());
    let document = ask(&provider, "mock/error-document").await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    assert!(serde_json::from_slice::<Value>(&document.body).unwrap()["error"].is_object());
}

#[tokio::test]
async fn noise_between_the_tokens_takes_nothing_from_the_answer() {
    let provider = provider().await;
    for (model, noise) in [
        ("mock/empty-choices", "\"choices\":[]"),
        ("mock/null-content", "\"content\":null"),
        ("mock/empty-deltas", "\"delta\":{\"content\":\"\"}"),
        ("mock/comments", ": keep-alive\n\n"),
    ] {
        let got = ask(&provider, model).await;
        assert_eq!(got.text().matches(noise).count(), 5, "{model}");
        assert_eq!(got.answer(), "a b c d e", "{model}");
    }
}

#[tokio::test]
async fn bytes_may_come_one_by_one_and_lines_may_end_otherwise() {
    let provider = provider().await;
    let single = ask(&provider, "mock/one-byte").await;
    assert_eq!((single.chunks, single.answer().as_str()), (single.body.len(), "a b c d e"));
    let returns = ask(&provider, "mock/carriage-returns").await;
    assert!(returns.text().ends_with("data: [DONE]\r\n\r\n") && !returns.text().replace("\r\n", "").contains('\n'));
}

#[tokio::test]
async fn slow_headers_come_byte_by_byte() {
    let provider = provider().await;
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(&question("mock/slow-headers:1"), "").await;
    let (first, _) = socket.read(|bytes| !bytes.is_empty()).await;
    assert!(first.len() < 20, "{} bytes at once", first.len());
    let (rest, _) = socket.read(|bytes| bytes.ends_with(b"0\r\n\r\n")).await;
    assert_eq!(Got::parse(&[first, rest].concat()).answer(), "a b c d e");
}

#[tokio::test]
async fn a_huge_answer_is_as_long_as_it_says() {
    let got = ask(&provider().await, "mock/huge:100000").await;
    assert!((99_900..=100_000).contains(&got.answer().len()), "{}", got.answer().len());
}

#[tokio::test]
async fn answers_may_hold_what_they_should_not() {
    let provider = provider().await;
    let image = ask(&provider, "mock/image").await.answer();
    assert!(image.contains("![see](http://") && image.contains("<img "), "{image}");
    assert!(ask(&provider, "mock/foreign-link").await.answer().contains("https://elsewhere.example/"));
}

#[tokio::test]
async fn a_tool_of_the_request_is_called_in_pieces() {
    let provider = provider().await;
    let mut body = question("mock/handover-after:2");
    body["tools"] = json!([{"type": "function", "function": {"name": "to_person", "parameters":
        {"type": "object", "properties": {"reason": {"type": "string", "enum": ["visitor_asked", "other"]}}}}}]);
    let got = ask_with(&provider, &body, "").await;
    let calls: Vec<Value> =
        got.events().iter().map(|event| event["choices"][0]["delta"]["tool_calls"][0].clone()).collect();
    let name = calls.iter().find_map(|call| call["function"]["name"].as_str());
    let arguments: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!((name, arguments.as_str()), (Some("to_person"), r#"{"reason":"visitor_asked"}"#));
    assert_eq!((got.answer().as_str(), got.finish().as_deref()), ("a b ", Some("tool_calls")));
    assert!(calls.iter().filter(|call| !call.is_null()).count() > 3);
}

#[tokio::test]
async fn refusals_have_their_status_headers_and_codes() {
    let provider = provider().await;
    let rate = ask(&provider, "mock/rate-limited:1500").await;
    assert_eq!(
        (rate.status, rate.header("retry-after"), rate.header("retry-after-ms")),
        (429, Some("2"), Some("1500"))
    );
    let silent = ask(&provider, "mock/rate-limited-silent").await;
    assert_eq!((silent.status, silent.header("retry-after"), silent.header("retry-after-ms")), (429, None, None));
    let quota = ask(&provider, "mock/quota-used-up").await;
    assert_eq!(serde_json::from_slice::<Value>(&quota.body).unwrap()["error"]["code"], "insufficient_quota");
    for status in [400, 500, 502, 503, 529] {
        let got = ask(&provider, &format!("mock/{status}")).await;
        assert_eq!(got.status, status);
        assert!(serde_json::from_slice::<Value>(&got.body).unwrap()["error"]["type"].is_string());
    }
    let html = ask(&provider, "mock/html").await;
    assert_eq!((html.status, html.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(html.text().starts_with("<!DOCTYPE html>"));
    assert_eq!(ask(&provider, "mock/html:200").await.status, 200);
}

#[tokio::test]
async fn rules_give_faults_and_texts_to_ordinary_models() {
    let provider = with(|settings| {
        let rule = Rule { contains: Some("Hello".into()), answer: Some("Scripted.".into()), ..Rule::default() };
        settings.rules.rules = vec![Rule { times: Some(1), ..Rule::always(Kind::EmptyBody.into()) }, rule];
    })
    .await;
    assert_eq!(ask(&provider, "gpt").await.body, b"");
    assert_eq!(ask(&provider, "gpt").await.answer(), "Scripted.");
    provider.change(|settings| settings.rules.rules.clear()).unwrap();
    assert_eq!(ask(&provider, "gpt").await.answer(), "a b c d e");
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_reason() {
    let provider = with(|settings| settings.api_key = Some("sk-right".into())).await;
    let right = "authorization: Bearer sk-right\r\n";
    assert_eq!(ask(&provider, "any").await.status, 401);
    assert_eq!(ask_with(&provider, &question("any"), "authorization: Bearer sk-wrong\r\n").await.status, 401);
    assert_eq!(ask_with(&provider, &question("any"), right).await.status, 200);
    assert_eq!(ask_with(&provider, &json!({"model": "any"}), right).await.status, 400);
    let requests = provider.counts().requests;
    assert_eq!((requests.received, requests.unauthorized, requests.invalid, requests.admitted), (4, 2, 1, 1));
}
