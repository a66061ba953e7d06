//! The function `ai` as a server.

use std::process::Stdio;

use anyhow::{Result, ensure};
use conn_node::invoke::http::HttpInvoker;
use tokio::net::TcpStream;

use crate::server::{built, command, free_address, listens, terminate};
use crate::turn;

/// Runs a turn, and another in whose middle the server is told to stop.
pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = free_address().await?;
    let mut server = command(&built("ai-proxy")?, folder.path());
    let mut server = server
        .env("FRONTDESK_AI_PROXY_LISTEN", address.to_string())
        .env("FRONTDESK_AI_SCRIPTED_FIRST_TOKEN_MS", "20")
        .env("FRONTDESK_AI_SCRIPTED_TOKENS_PER_SECOND", "20")
        .stdin(Stdio::null())
        .spawn()?;
    listens(address, &mut server).await?;
    let invoker = HttpInvoker::new(&format!("http://{address}"))?;
    let mut whole = turn::begin(&invoker).await?;
    let begun = whole.first_piece().await?;
    let text = whole.answer(begun).await?;
    println!("ok: a turn of {} bytes, piece by piece", text.len());

    let mut late = turn::begin(&invoker).await?;
    let begun = late.first_piece().await?;
    let stopping = tokio::spawn(terminate(server));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    ensure!(late.answer(begun).await? == text, "the turn that ran at the stop has another answer");
    println!("ok: a turn that ran was finished after SIGTERM");
    let status = stopping.await??;
    ensure!(status.success(), "it ended with {status}");
    println!("ok: the server ended by itself\n3 passed, 0 failed");
    Ok(())
}
