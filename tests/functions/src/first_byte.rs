//! How long a streamed byte takes from a function's write to its caller's read, through the emulator.
//!
//! The function writes what time it is; function and caller read the same clock.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bytes::Bytes;
use conn_node::invoke::http::HttpInvoker;
use conn_node::invoke::{Body, Invoker};
use futures_util::StreamExt;
use lambda_runtime::streaming::{Response, channel};
use lambda_runtime::{LambdaEvent, service_fn};
use local_dev::function::RunningFunction;
use local_dev::invoke_api::{self, Reachable};
use local_dev::listener::PromptListener;
use local_dev::nodes::Nodes;
use local_dev::pool::PoolLimits;
use local_dev::process::FunctionProgram;
use protocol::function::Lines;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::samples::Samples;
use crate::turn::now_ms;

/// Later pieces of a response, and how far apart: a model's tokens.
const LATER_PIECES: usize = 5;
const APART: Duration = Duration::from_millis(10);

/// Measures over HTTP, and by AWS's SDK where this program was built with it.
pub(crate) async fn run(times: usize) -> Result<()> {
    let program = FunctionProgram {
        name: "stamp".to_owned(),
        executable: std::env::current_exe()?,
        args: vec!["stamp".into()],
        env: Vec::new(),
    };
    let running = RunningFunction::start(program, PoolLimits::default());
    let functions = BTreeMap::from([("stamp".to_owned(), running.function.clone())]);
    let router = invoke_api::router(Reachable { functions, nodes: Nodes::default() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async { axum::serve(PromptListener::new(listener), router).await });
    println!("from the function's write to the caller's read:");
    measure("http", &HttpInvoker::new(&address)?, times).await?;
    #[cfg(feature = "lambda")]
    {
        use conn_node::invoke::lambda::{LambdaInvoker, Place};
        let place = Place { region: None, endpoint: Some(address) };
        measure("lambda", &LambdaInvoker::connect(place).await?, times).await?;
    }
    serving.abort();
    running.stop().await;
    Ok(())
}

async fn measure(name: &str, invoker: &dyn Invoker, times: usize) -> Result<()> {
    let (mut first, mut later) = (Samples::default(), Samples::default());
    for round in 0..times + 20 {
        let deadline = now_ms()? + 30_000;
        let body = invoker.invoke("stamp", Bytes::from_static(b"{}"), deadline).await?;
        let took = stamps(body).await?;
        // The first rounds open connections.
        if let (20.., Some((one, rest))) = (round, took.split_first()) {
            first.push(*one);
            rest.iter().for_each(|took| later.push(*took));
        }
    }
    println!("{name}, first byte:   {first}\n{name}, later pieces: {later}");
    Ok(())
}

/// How long each piece was under way.
async fn stamps(mut body: Body) -> Result<Vec<Duration>> {
    let (mut lines, mut took) = (Lines::default(), Vec::new());
    while let Some(chunk) = body.next().await {
        lines.handle_chunk(&chunk?);
        while let Some(written) = lines.poll_line::<u64>()? {
            took.push(Duration::from_nanos(now_ns()?.saturating_sub(written)));
        }
    }
    Ok(took)
}

/// The function: writes the time, then a little later again.
pub(crate) async fn serve() -> Result<()> {
    local_dev::role::end_with_parent();
    let stamp = |_: LambdaEvent<Value>| async {
        let (mut sender, body) = channel();
        tokio::spawn(async move {
            for piece in 0..=LATER_PIECES {
                if piece > 0 {
                    tokio::time::sleep(APART).await;
                }
                let Ok(now) = now_ns() else { return };
                if sender.send_data(format!("{now}\n").into()).await.is_err() {
                    return;
                }
            }
        });
        Ok::<_, lambda_runtime::Error>(Response::from(body))
    };
    lambda_runtime::run(service_fn(stamp)).await.map_err(|error| anyhow::anyhow!(error))
}

fn now_ns() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    u64::try_from(since.as_nanos()).context("a clock beyond 2554")
}
