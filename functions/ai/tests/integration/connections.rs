//! Connections to the model's server between turns.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use runtime_api::{Process, RuntimeApi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{AI, answer, turn};

/// Reads one request and answers it in one piece, the end of the body included.
async fn serve_one(connection: &mut TcpStream) -> Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let read = connection.read_buf(&mut request).await?;
        anyhow::ensure!(read > 0, "the connection was closed inside a request");
    }
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let response = format!("{head}{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    connection.write_all(response.as_bytes()).await?;
    Ok(())
}

/// Whether all of a request with a content length is there.
fn is_whole(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

#[tokio::test]
async fn turns_share_a_connection_and_a_stale_one_is_no_failed_turn() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await?;
        serve_one(&mut first).await?;
        serve_one(&mut first).await.context("the second turn did not use the first one's connection")?;
        drop(first);
        let (mut second, _) = listener.accept().await?;
        serve_one(&mut second).await
    });

    let api = RuntimeApi::start().await?;
    let variables = [
        ("FRONTDESK_AI_MODEL", "openai"),
        ("FRONTDESK_AI_MODEL_URL", url.as_str()),
        ("FRONTDESK_AI_MODEL_NAME", "tiny"),
    ];
    let _process = Process::start(AI, &api, &variables)?;
    for _ in 0..3 {
        assert_eq!(answer(&api.invoke(&turn("Hello?"))?.lines().await?).1.text, "Hi");
    }
    server.await?
}
