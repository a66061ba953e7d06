//! The functions of this build under `cargo lambda watch`.
//!
//! Only its endpoints are used (`--only-lambda-apis`): left to itself it compiles each function anew, with other features than
//! the build has, which takes minutes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use conn_node::invoke::Invoker;
use conn_node::invoke::http::HttpInvoker;
use futures_util::TryStreamExt;
use protocol::function::{Lines, RoutingLine, RoutingOutcome};
use serde_json::json;
use tokio::process::Child;

use crate::server::{built, command, free_address, listens};
use crate::turn::{self, now_ms};

/// Starts everything, invokes both functions as a node does, and ends everything.
pub(crate) async fn run(cargo_lambda: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = free_address().await?;
    let mut watch = watch(cargo_lambda, address)?;
    listens(address, &mut watch).await.context("cargo lambda watch")?;
    let functions = ["ai", "routing"].map(|name| function(name, address, folder.path()));
    let _functions: Vec<Child> = functions.into_iter().collect::<Result<_>>()?;
    let invoker = HttpInvoker::new(&format!("http://{address}"))?;
    let mut passed = 0;
    for _ in 0..3 {
        let mut turn = turn::begin(&invoker).await?;
        let begun = turn.first_piece().await?;
        let text = turn.answer(begun).await?;
        println!("ok: ai answered {} bytes, piece by piece", text.len());
        passed += 1;
    }
    route(&invoker).await?;
    println!("ok: routing assigned the conversation\n{} passed, 0 failed", passed + 1);
    Ok(())
}

/// `cargo lambda watch` wants to be in a Cargo workspace.
fn watch(cargo_lambda: &Path, address: SocketAddr) -> Result<Child> {
    let mut watch = command(cargo_lambda, Path::new("."));
    watch
        .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", &address.ip().to_string()])
        .args(["--invoke-port", &address.port().to_string()])
        .stdin(Stdio::null());
    watch.spawn().with_context(|| format!("{} cannot be started", cargo_lambda.display()))
}

/// A function of this build, as Lambda starts it.
fn function(name: &str, watch: SocketAddr, folder: &Path) -> Result<Child> {
    let mut function = command(&built(name)?, folder);
    function
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{watch}/.rt/{name}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("FRONTDESK_AI_SCRIPTED_FIRST_TOKEN_MS", "20")
        .stdin(Stdio::null());
    function.spawn().with_context(|| format!("{name} cannot be started"))
}

async fn route(invoker: &dyn Invoker) -> Result<()> {
    let now = now_ms()?;
    let queue = json!([{ "conversation": "shop/v/1", "since_ms": now }]);
    let payload = json!({ "site": "shop", "queue": queue, "roster": [], "deadline_ms": now + 30_000 });
    let body = invoker.invoke("routing", Bytes::from(payload.to_string()), now + 30_000).await?;
    let body: Vec<Bytes> = body.try_collect().await?;
    let mut lines = Lines::default();
    lines.handle_chunk(&body.concat());
    let RoutingLine::Outcome(outcome) = lines.poll_line()?.context("routing said nothing")?;
    ensure!(matches!(&outcome, RoutingOutcome::Assignments(all) if all.len() == 1), "routing said {outcome:?}");
    Ok(())
}
