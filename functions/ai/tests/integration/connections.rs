//! Connections to the model's server between turns.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use protocol::function::AiLine;
use runtime_api::{Process, RuntimeApi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{AI, answer, turn};

/// The next connection that brings a turn, and its request is read. One that was only opened to be warm is answered and
/// closed, so that no turn depends on which came first.
async fn accept_turn(listener: &TcpListener) -> Result<TcpStream> {
    loop {
        let (mut connection, _) = listener.accept().await?;
        if !read(&mut connection).await?.starts_with(b"HEAD /v1/models ") {
            return Ok(connection);
        }
        let response = b"HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        connection.write_all(response).await?;
    }
}

/// Answers a request in one piece, the end of the body included.
async fn respond(connection: &mut TcpStream) -> Result<()> {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let response = format!("{head}{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    connection.write_all(response.as_bytes()).await?;
    Ok(())
}

/// One whole request.
async fn read(connection: &mut TcpStream) -> Result<Vec<u8>> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let read = connection.read_buf(&mut request).await?;
        anyhow::ensure!(read > 0, "the connection was closed inside a request");
    }
    Ok(request)
}

/// Whether all of a request with a content length, or without a body, is there.
fn is_whole(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    if head.starts_with("HEAD ") {
        return true;
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// The variables for one connection to a server at `url`.
fn variables(url: &str) -> [(&str, &str); 4] {
    [
        ("FRONTDESK_AI_MODEL", "openai"),
        ("FRONTDESK_AI_MODEL_URL", url),
        ("FRONTDESK_AI_MODEL_NAME", "tiny"),
        ("FRONTDESK_AI_CONNECTIONS", "1"),
    ]
}

#[tokio::test]
async fn turns_share_a_connection_and_a_stale_one_is_no_failed_turn() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let server = tokio::spawn(async move {
        let mut first = accept_turn(&listener).await?;
        respond(&mut first).await?;
        read(&mut first).await.context("the second turn did not use the first one's connection")?;
        respond(&mut first).await?;
        drop(first);
        respond(&mut accept_turn(&listener).await?).await
    });

    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &variables(&url))?;
    for _ in 0..3 {
        assert_eq!(answer(&api.invoke(&turn("Where is my parcel?"))?.lines().await?).1.text, "Hi");
    }
    server.await?
}

#[tokio::test]
async fn a_connection_is_open_before_the_first_turn() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &variables(&url))?;
    let (mut connection, _) = listener.accept().await?;
    assert!(read(&mut connection).await?.starts_with(b"HEAD /v1/models "));
    Ok(())
}

/// The server takes the whole request on a connection that it had kept open, and closes it without a byte: what a load
/// balancer does with a connection that was idle for too long.
#[tokio::test]
async fn a_connection_that_breaks_under_a_request_is_replaced_at_once_and_counts_as_no_attempt() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let server = tokio::spawn(async move {
        let mut first = accept_turn(&listener).await?;
        respond(&mut first).await?;
        read(&mut first).await?;
        drop(first);
        respond(&mut accept_turn(&listener).await?).await
    });

    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &variables(&url))?;
    for _ in 0..2 {
        let lines: Vec<AiLine> = api.invoke(&turn("Where is my parcel?"))?.lines().await?;
        assert_eq!(answer(&lines).1.text, "Hi");
        assert!(lines.iter().any(|line| matches!(line, AiLine::Report(report) if report.attempts == 1)), "{lines:?}");
    }
    server.await?
}
