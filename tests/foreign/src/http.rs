//! Short requests of HTTP.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The body of what is there.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    request(address, "GET", path, "").await
}

/// Sends a document.
pub(crate) async fn post(address: SocketAddr, path: &str, document: &Value) -> anyhow::Result<Vec<u8>> {
    request(address, "POST", path, &document.to_string()).await
}

async fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    let content = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all((head + &content).as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("no HTTP answer")?;
    let status = String::from_utf8_lossy(&answer[..end]).into_owned();
    ensure!(status.starts_with("HTTP/1.1 20"), "{method} {path}: {}", status.lines().next().unwrap_or_default());
    Ok(answer.split_off(end + 4))
}
