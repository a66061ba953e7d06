//! Which failures are tried again, and what a request carries.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use protocol::function::AiAnswer;
use runtime_api::{Process, RuntimeApi};
use serde_json::json;

use crate::openai_server::{OpenAiServer, Reply, Step};
use crate::program::{AI, answer, lines, turn, turn_of};

const HI: &str =
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn variables(url: &str) -> [(&str, &str); 3] {
    [("FRONTDESK_AI_MODEL", "openai"), ("FRONTDESK_AI_MODEL_URL", url), ("FRONTDESK_AI_MODEL_NAME", "tiny")]
}

/// The answer of a server that gives these replies, and how often it was asked.
async fn asked(replies: Vec<Reply>) -> Result<(AiAnswer, usize)> {
    let mut server = OpenAiServer::start(replies).await?;
    let lines = lines(&turn("Where is my parcel?"), &variables(&server.url())).await?;
    Ok((answer(&lines).1, server.count()))
}

fn good() -> Reply {
    Reply::Stream(vec![Step::Bytes(HI.into())])
}

fn status(status: u16, body: &'static str) -> Reply {
    Reply::Status(status, vec![], body)
}

async fn check_tried_again(first: Reply) -> Result<()> {
    let (answer, requests) = asked(vec![first, good()]).await?;
    assert_eq!((answer.text.as_str(), answer.fallback, requests), ("Hi", false, 2));
    Ok(())
}

async fn check_final(first: Reply) -> Result<()> {
    let (answer, requests) = asked(vec![first, good()]).await?;
    assert_eq!((answer.fallback, requests), (true, 1));
    Ok(())
}

#[tokio::test]
async fn faults_of_the_server_are_tried_again() -> Result<()> {
    check_tried_again(status(500, "")).await?;
    check_tried_again(status(503, "<html>busy</html>")).await
}

#[tokio::test]
async fn a_rate_limit_is_tried_again_with_and_without_a_time() -> Result<()> {
    check_tried_again(status(429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}")).await?;
    check_tried_again(Reply::Status(429, vec![("retry-after-ms", "20")], "")).await?;
    check_tried_again(Reply::Status(429, vec![("retry-after", "-1")], "")).await
}

#[tokio::test]
async fn a_wait_beyond_the_first_token_clock_is_a_fallback_at_once() -> Result<()> {
    check_final(Reply::Status(429, vec![("retry-after", "3600")], "")).await
}

#[tokio::test]
async fn a_used_up_quota_and_a_refused_request_are_final() -> Result<()> {
    check_final(status(429, "{\"error\":{\"code\":\"insufficient_quota\"}}")).await?;
    check_final(status(401, "{\"error\":{\"code\":\"invalid_api_key\"}}")).await?;
    check_final(status(302, "")).await
}

#[tokio::test]
async fn a_connection_cut_before_the_first_content_is_tried_again_and_after_it_is_not() -> Result<()> {
    check_tried_again(Reply::Stream(vec![Step::Cut])).await?;
    check_tried_again(Reply::Stream(vec![])).await?;
    check_tried_again(Reply::Stream(vec![Step::Bytes(b": hello\n\n".to_vec()), Step::Cut])).await?;
    let half = "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n";
    let (answer, requests) = asked(vec![Reply::Stream(vec![Step::Bytes(half.into()), Step::Cut]), good()]).await?;
    assert_eq!((answer.text.as_str(), answer.interrupted, requests), ("Half", true, 1));
    Ok(())
}

#[tokio::test]
async fn a_server_that_stays_broken_is_asked_four_times() -> Result<()> {
    let (answer, requests) = asked(vec![status(500, "")]).await?;
    assert_eq!((answer.fallback, requests), (true, 4));
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_fallback() -> Result<()> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let url = format!("http://{free}/v1/chat/completions");
    assert!(answer(&lines(&turn("Where is my parcel?"), &variables(&url)).await?).1.fallback);
    Ok(())
}

#[tokio::test]
async fn a_server_without_the_tls_that_was_asked_for_is_a_fallback() -> Result<()> {
    let server = OpenAiServer::streaming(HI).await?;
    let url = server.url().replace("http://", "https://");
    assert!(answer(&lines(&turn("Where is my parcel?"), &variables(&url)).await?).1.fallback);
    Ok(())
}

#[tokio::test]
async fn a_request_carries_the_rules_the_conversation_the_limits_and_the_key() -> Result<()> {
    let mut server = OpenAiServer::streaming(HI).await?;
    let url = server.url();
    let mut variables = variables(&url).to_vec();
    variables.extend([("OPENAI_API_KEY", "sk-secret"), ("FRONTDESK_AI_MAX_TOKENS", "77")]);
    let messages = [("visitor", "One?"), ("assistant", "One."), ("agent", "Two."), ("visitor", "Three?")];
    lines(&turn_of(&messages), &variables).await?;

    let request = server.requests.recv().await.context("no request")?;
    assert_eq!(request.headers["authorization"], "Bearer sk-secret");
    let body = request.body;
    let rules = body["messages"][0]["content"].as_str().context("no rules")?;
    assert!(rules.contains("AI assistant of shop"), "{rules}");
    assert_eq!(body["tools"][0]["function"]["name"], "hand_over");
    assert_eq!(
        body,
        json!({
            "model": "tiny", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 77,
            "tools": body["tools"],
            "messages": [
                {"role": "system", "content": rules},
                {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "One.\n\nTwo."},
                {"role": "user", "content": "Three?"},
            ],
        })
    );
    Ok(())
}

#[tokio::test]
async fn neither_texts_nor_keys_are_logged() -> Result<()> {
    let repeats = "{\"error\":{\"message\":\"bad text: purple elephant, key sk-secret\",\"code\":\"purple elephant\"}}";
    let server = OpenAiServer::start(vec![
        status(500, repeats),
        Reply::Stream(vec![Step::Bytes(b"data: {\"purple elephant\n\n".to_vec())]),
        good(),
    ])
    .await?;
    let api = RuntimeApi::start().await?;
    let url = server.url();
    let mut variables = variables(&url).to_vec();
    variables.extend([("OPENAI_API_KEY", "sk-secret"), ("FRONTDESK_LOG_LEVEL", "trace")]);
    let process = Process::start(AI, &api, &variables)?;
    for _ in 0..2 {
        api.invoke(&turn("purple elephant"))?.lines::<protocol::function::AiLine>().await?;
    }
    let log = process.kill().await?.log;
    assert!(log.contains("turn ended"), "{log}");
    for secret in ["purple", "elephant", "sk-secret"] {
        assert!(!log.contains(secret), "{log}");
    }
    Ok(())
}
