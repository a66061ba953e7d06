//! The `Invoker` port: what every implementation promises, against real functions behind the emulator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use conn_node::invoke::http::HttpInvoker;
use conn_node::invoke::{Body, InvokeError, Invoker};
use futures_util::StreamExt;
use local_dev::invocation::now_ms;
use local_dev::pool::PoolLimits;
use protocol::function::{LineError, Lines};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Gate, Scene, states};

/// An implementation, as every test makes it: for the functions at an address.
#[derive(Clone, Copy)]
enum Implementation {
    Http,
    #[cfg(feature = "lambda")]
    Lambda,
}

impl Implementation {
    async fn at(self, address: SocketAddr) -> Result<Arc<dyn Invoker>> {
        let url = format!("http://{address}");
        match self {
            Self::Http => Ok(Arc::new(HttpInvoker::new(&url)?)),
            #[cfg(feature = "lambda")]
            Self::Lambda => {
                use conn_node::invoke::lambda::{LambdaInvoker, Place};
                Ok(Arc::new(LambdaInvoker::connect(Place { region: None, endpoint: Some(url) }).await?))
            }
        }
    }
}

/// Runs each test for each implementation.
macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod http {
            $(#[tokio::test] async fn $test() -> anyhow::Result<()> { super::$test(super::Implementation::Http).await })*
        }
        #[cfg(feature = "lambda")]
        mod lambda {
            $(#[tokio::test] async fn $test() -> anyhow::Result<()> { super::$test(super::Implementation::Lambda).await })*
        }
    };
}

suite!(
    every_line_of_the_response_arrives,
    a_response_longer_than_6_mb_arrives,
    the_first_line_arrives_while_the_function_still_runs,
    a_payload_of_6_mb_is_taken_and_a_longer_one_is_refused_by_name,
    one_invocation_too_many_is_throttled_and_the_next_is_not,
    a_function_that_reports_an_error_has_failed,
    a_function_that_dies_before_its_first_byte_has_failed,
    a_function_that_dies_in_mid_stream_has_failed_after_what_came,
    a_function_that_says_nothing_has_timed_out_at_the_deadline,
    a_response_that_stalls_has_timed_out_at_the_deadline,
    a_dropped_body_gives_the_invocation_up,
    an_invocation_dropped_before_its_first_byte_is_given_up,
    an_unknown_function_is_unreachable_and_named,
    where_nobody_listens_functions_are_unreachable,
);

/// Functions, and the invoker under test.
struct Stage {
    scene: Scene,
    invoker: Arc<dyn Invoker>,
}

/// A deadline that no test reaches.
const LATER: Duration = Duration::from_secs(600);

/// A deadline that a test waits for.
const SOON: Duration = Duration::from_millis(150);

impl Stage {
    async fn start(implementation: Implementation) -> Result<Self> {
        let scene = Scene::start(PoolLimits { most: 1, ..PoolLimits::default() }).await?;
        let invoker = implementation.at(scene.address).await?;
        Ok(Self { scene, invoker })
    }

    async fn invoke(&self, steps: Value) -> Result<Body, InvokeError> {
        self.invoke_within(LATER, steps).await
    }

    /// The function itself knows of no deadline: only the invoker's own can end the invocation.
    async fn invoke_within(&self, within: Duration, steps: Value) -> Result<Body, InvokeError> {
        invoke(&*self.invoker, "test", within, json!({ "steps": steps }).to_string()).await
    }

    async fn stop(self) {
        self.scene.stop().await;
    }
}

async fn invoke(invoker: &dyn Invoker, name: &str, within: Duration, payload: String) -> Result<Body, InvokeError> {
    let deadline = now_ms() + u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    invoker.invoke(name, Bytes::from(payload), deadline).await
}

/// Reads the body line by line, as a node does.
struct Reader {
    body: Body,
    lines: Lines,
}

impl Reader {
    fn new(body: Body) -> Self {
        Self { body, lines: Lines::default() }
    }

    /// The next line; nothing at a good end.
    async fn line(&mut self) -> Result<Option<String>, InvokeError> {
        loop {
            let odd =
                |error: LineError| InvokeError::Unreachable { function: "test".into(), reason: error.to_string() };
            if let Some(line) = self.lines.poll_line().map_err(odd)? {
                return Ok(Some(line));
            }
            match self.body.next().await {
                Some(chunk) => self.lines.handle_chunk(&chunk?),
                None => return Ok(None),
            }
        }
    }

    /// The lines that came, and how it ended.
    async fn rest(mut self) -> (Vec<String>, Result<(), InvokeError>) {
        let mut lines = Vec::new();
        loop {
            match self.line().await {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return (lines, Ok(())),
                Err(error) => return (lines, Err(error)),
            }
        }
    }
}

/// How an invocation failed, before its response or in it. Fails if it did not.
async fn failure(invoked: Result<Body, InvokeError>) -> Result<InvokeError> {
    match invoked {
        Err(error) => Ok(error),
        Ok(body) => Reader::new(body).rest().await.1.err().context("the response ended well"),
    }
}

fn say(line: &str) -> Value {
    json!({ "say": format!("{}\n", json!(line)) })
}

async fn every_line_of_the_response_arrives(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let said = ["a".to_owned(), "你好".to_owned(), "x".repeat(100_000), "\u{0} \n".to_owned(), "b".to_owned()];
    let body = stage.invoke(said.iter().map(|line| say(line)).collect()).await?;
    assert_eq!(Reader::new(body).rest().await, (said.to_vec(), Ok(())));
    stage.stop().await;
    Ok(())
}

async fn a_response_longer_than_6_mb_arrives(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let line = "x".repeat(100_000);
    let body = stage.invoke(json!([{ "repeat": [format!("{}\n", json!(line)), 80] }])).await?;
    let (lines, end) = Reader::new(body).rest().await;
    assert_eq!((lines.len(), end), (80, Ok(())));
    assert!(lines.iter().all(|read| *read == line));
    stage.stop().await;
    Ok(())
}

async fn the_first_line_arrives_while_the_function_still_runs(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let gate = Gate::new().await?;
    let mut reader = Reader::new(stage.invoke(json!([say("a"), gate.step()?, say("b")])).await?);
    assert_eq!(reader.line().await?.as_deref(), Some("a"));
    drop(gate.arrival().await?);
    assert_eq!(reader.rest().await, (vec!["b".to_owned()], Ok(())));
    stage.stop().await;
    Ok(())
}

async fn a_payload_of_6_mb_is_taken_and_a_longer_one_is_refused_by_name(implementation: Implementation) -> Result<()> {
    const MOST: usize = 6 * 1024 * 1024;
    let stage = Stage::start(implementation).await?;
    let payload = |length: usize| {
        let without = json!({ "steps": [say("a")], "filling": "" }).to_string().len();
        json!({ "steps": [say("a")], "filling": "x".repeat(length - without) }).to_string()
    };
    let body = invoke(&*stage.invoker, "test", LATER, payload(MOST)).await?;
    assert_eq!(Reader::new(body).rest().await, (vec!["a".to_owned()], Ok(())));
    let refused = failure(invoke(&*stage.invoker, "test", LATER, payload(MOST + 1)).await).await?;
    assert!(matches!(refused, InvokeError::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().contains("RequestTooLargeException"), "{refused}");
    stage.stop().await;
    Ok(())
}

async fn one_invocation_too_many_is_throttled_and_the_next_is_not(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let gate = Gate::new().await?;
    let mut first = Reader::new(stage.invoke(json!([say("a"), gate.step()?])).await?);
    first.line().await?;
    let held = gate.arrival().await?;
    let refused = failure(stage.invoke(json!([say("b")])).await).await?;
    assert_eq!(refused, InvokeError::Throttled("test".into()));
    drop(held);
    assert_eq!(first.rest().await, (vec![], Ok(())));
    let body = stage.invoke(json!([say("b")])).await?;
    assert_eq!(Reader::new(body).rest().await, (vec!["b".to_owned()], Ok(())));
    stage.stop().await;
    Ok(())
}

async fn a_function_that_reports_an_error_has_failed(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let failed = failure(stage.invoke(json!([{ "fail": "no such model" }])).await).await?;
    assert_eq!(failed, InvokeError::Failed("test".into()));
    stage.stop().await;
    Ok(())
}

async fn a_function_that_dies_before_its_first_byte_has_failed(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let failed = failure(stage.invoke(json!([{ "exit": 1 }])).await).await?;
    assert_eq!(failed, InvokeError::Failed("test".into()));
    stage.stop().await;
    Ok(())
}

async fn a_function_that_dies_in_mid_stream_has_failed_after_what_came(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let gate = Gate::new().await?;
    let mut reader = Reader::new(stage.invoke(json!([say("a"), gate.step()?, { "exit": 1 }])).await?);
    assert_eq!(reader.line().await?.as_deref(), Some("a"));
    drop(gate.arrival().await?);
    assert_eq!(reader.rest().await, (vec![], Err(InvokeError::Failed("test".into()))));
    stage.stop().await;
    Ok(())
}

async fn a_function_that_says_nothing_has_timed_out_at_the_deadline(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    for within in [Duration::ZERO, SOON] {
        let late = failure(stage.invoke_within(within, json!(["hang"])).await).await?;
        assert_eq!(late, InvokeError::TimedOut("test".into()));
    }
    stage.stop().await;
    Ok(())
}

async fn a_response_that_stalls_has_timed_out_at_the_deadline(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    // The process runs already: its start is no part of the deadline.
    Reader::new(stage.invoke(json!([say("warm")])).await?).rest().await.1?;
    let body = stage.invoke_within(SOON, json!([say("a"), "hang"])).await?;
    assert_eq!(Reader::new(body).rest().await, (vec!["a".to_owned()], Err(InvokeError::TimedOut("test".into()))));
    stage.stop().await;
    Ok(())
}

async fn a_dropped_body_gives_the_invocation_up(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let gate = Gate::new().await?;
    let mut reader = Reader::new(stage.invoke(json!([say("a"), gate.step()?])).await?);
    reader.line().await?;
    let held = gate.arrival().await?;
    drop(reader);
    stage.scene.until(|status| status["processes"][0]["abandoned"] == true).await?;
    drop(held);
    stage.scene.until(|status| states(status) == ["idle"]).await?;
    stage.stop().await;
    Ok(())
}

async fn an_invocation_dropped_before_its_first_byte_is_given_up(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let gate = Gate::new().await?;
    let steps = json!([gate.step()?, say("a")]);
    let held = tokio::select! {
        _ = stage.invoke(steps) => anyhow::bail!("it responded, and nobody had let it"),
        held = gate.arrival() => held?,
    };
    stage.scene.until(|status| status["processes"][0]["abandoned"] == true).await?;
    drop(held);
    stage.scene.until(|status| states(status) == ["idle"]).await?;
    stage.stop().await;
    Ok(())
}

async fn an_unknown_function_is_unreachable_and_named(implementation: Implementation) -> Result<()> {
    let stage = Stage::start(implementation).await?;
    let refused = failure(invoke(&*stage.invoker, "nobody", LATER, "{}".into()).await).await?;
    assert_eq!(refused.as_str(), "unreachable");
    let text = refused.to_string();
    assert!(text.contains("nobody") && text.contains("ResourceNotFoundException"), "{text}");
    stage.stop().await;
    Ok(())
}

async fn where_nobody_listens_functions_are_unreachable(implementation: Implementation) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let invoker = implementation.at(listener.local_addr()?).await?;
    drop(listener);
    let refused = failure(invoke(&*invoker, "test", LATER, "{}".into()).await).await?;
    assert_eq!(refused.as_str(), "unreachable");
    assert!(refused.to_string().contains("onnect"), "{refused}");
    Ok(())
}
