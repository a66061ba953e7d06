//! AWS's own SDK, unmodified, against the emulator.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::operation::invoke_with_response_stream::InvokeWithResponseStreamOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use conn_node::invoke::lambda::{LambdaInvoker, Place};
use conn_node::invoke::{InvokeError as NodeError, Invoker};
use futures_util::StreamExt;
use local_dev::event_stream::{CONTENT_TYPE, EventStream};
use local_dev::invocation::{FunctionError, now_ms};
use local_dev::pool::PoolLimits;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Gate, Scene, states};

fn limits() -> PoolLimits {
    PoolLimits { most: 1, ..PoolLimits::default() }
}

/// The SDK with nothing changed but where it sends.
fn client(scene: &Scene) -> Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .endpoint_url(format!("http://{}", scene.address))
        .retry_config(aws_sdk_lambda::config::retry::RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

fn steps(steps: Value) -> Blob {
    Blob::new(json!({ "steps": steps }).to_string())
}

/// All pieces put together, and the error with which it ended.
async fn read(mut response: InvokeWithResponseStreamOutput) -> Result<(Vec<u8>, Option<(String, String)>)> {
    let mut read = Vec::new();
    while let Some(event) = response.event_stream.recv().await? {
        match event {
            Event::PayloadChunk(chunk) => read.extend(chunk.payload.context("a chunk without a payload")?.into_inner()),
            Event::InvokeComplete(end) => {
                return Ok((read, end.error_code.map(|code| (code, end.error_details.unwrap_or_default()))));
            }
            other => anyhow::bail!("an unknown event: {other:?}"),
        }
    }
    anyhow::bail!("the stream ended without InvokeComplete")
}

#[tokio::test]
async fn invoke_brings_the_response_its_version_and_its_status() -> Result<()> {
    let scene = Scene::start(limits()).await?;
    for name in ["test", "test:live", "arn:aws:lambda:eu-central-1:123456789012:function:test:live"] {
        let response =
            client(&scene).invoke().function_name(name).payload(steps(json!([{ "say": "a\n" }]))).send().await?;
        assert_eq!((response.status_code(), response.executed_version()), (200, Some("$LATEST")));
        assert_eq!(response.function_error(), None);
        assert_eq!(response.payload.context("no payload")?.into_inner(), b"a\n");
    }
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn invoke_says_that_the_function_failed() -> Result<()> {
    let scene = Scene::start(limits()).await?;
    let response =
        client(&scene).invoke().function_name("test").payload(steps(json!([{ "fail": "x" }]))).send().await?;
    assert_eq!((response.status_code(), response.function_error()), (200, Some("Unhandled")));
    let error: Value = serde_json::from_slice(response.payload.context("no payload")?.as_ref())?;
    assert_eq!(error["errorMessage"], "x");
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_run_and_a_dry_run_is_not() -> Result<()> {
    let scene = Scene::start(limits()).await?;
    let gate = Gate::new().await?;
    let invoke = |kind| client(&scene).invoke().function_name("test").invocation_type(kind);
    let payload = steps(json!([gate.step()?]));
    assert_eq!(invoke(InvocationType::DryRun).payload(payload.clone()).send().await?.status_code(), 204);
    assert_eq!(scene.status().await?["processes"][0]["invocations"], 0);
    assert_eq!(invoke(InvocationType::Event).payload(payload).send().await?.status_code(), 202);
    drop(gate.arrival().await?);
    scene.until(|status| states(status) == ["idle"]).await?;
    assert_eq!(scene.status().await?["processes"][0]["invocations"], 1);
    let long = Blob::new(json!({ "steps": [], "filling": "x".repeat(1024 * 1024) }).to_string());
    let refused = invoke(InvocationType::Event).payload(long).send().await.map_err(|error| error.into_service_error());
    assert!(matches!(refused, Err(InvokeError::RequestTooLargeException(_))), "{refused:?}");
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_streamed_response_has_the_prelude_every_byte_and_a_good_end() -> Result<()> {
    let scene = Scene::start(limits()).await?;
    let said = json!([{ "say": "a\n" }, { "repeat": ["x", 10_000] }, { "say": "\nb\n" }]);
    let request = client(&scene).invoke_with_response_stream().function_name("test:live").payload(steps(said));
    let response = request.send().await?;
    assert_eq!((response.status_code(), response.executed_version()), (200, Some("$LATEST")));
    assert_eq!(response.response_stream_content_type(), Some(CONTENT_TYPE));
    let (read, error) = read(response).await?;
    assert_eq!(error, None);
    let nuls = read.windows(8).position(|bytes| bytes == [0; 8]).context("no prelude")?;
    assert!(serde_json::from_slice::<Value>(&read[..nuls])?["headers"].is_object());
    assert_eq!(read[nuls + 8..], *format!("a\n{}\nb\n", "x".repeat(10_000)).as_bytes());
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_streamed_response_that_fails_ends_with_its_error() -> Result<()> {
    let scene = Scene::start(limits()).await?;
    let stream = |said| client(&scene).invoke_with_response_stream().function_name("test").payload(steps(said)).send();
    let (nothing, error) = read(stream(json!([{ "fail": "no such model" }])).await?).await?;
    assert!(nothing.is_empty());
    assert!(error.context("no error")?.1.contains("no such model"));
    let (_, error) = read(stream(json!([{ "say": "a\n" }, { "exit": 1 }])).await?).await?;
    assert_eq!(error.context("no error")?.0, "Runtime.ExitError");
    scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn refusals_are_the_exceptions_that_the_sdk_knows() -> Result<()> {
    let scene = Scene::start(limits()).await?;
    let (client, gate) = (client(&scene), Gate::new().await?);
    let held = client.invoke_with_response_stream().function_name("test").payload(steps(json!([gate.step()?]))).send();
    let held = tokio::spawn(held);
    let holding = gate.arrival().await?;
    let large = Blob::new(json!({ "steps": [], "filling": "x".repeat(6 * 1024 * 1024) }).to_string());
    for (name, payload, expected) in [
        ("nobody", Blob::new("{}"), "ResourceNotFoundException"),
        ("test", Blob::new("{"), "InvalidRequestContentException"),
        ("test", large, "RequestTooLargeException"),
        ("test", steps(json!([])), "TooManyRequestsException"),
    ] {
        let invoked = client.invoke().function_name(name).payload(payload.clone()).send().await;
        let refused = invoked.err().with_context(|| format!("no {expected}"))?.into_service_error();
        assert!(format!("{refused:?}").starts_with(expected), "{refused:?} is not {expected}");
        let streamed = client.invoke_with_response_stream().function_name(name).payload(payload).send().await;
        let refused = streamed.err().with_context(|| format!("no {expected}"))?.into_service_error();
        assert!(format!("{refused:?}").starts_with(expected), "{refused:?} is not {expected}");
    }
    drop(holding);
    held.await??;
    scene.stop().await;
    Ok(())
}

/// Answers 500 until it has been asked `faults` times, and then with the response of a function that failed.
async fn faulty(faults: usize) -> Result<(Arc<dyn Invoker>, Arc<AtomicUsize>)> {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = move || async move {
        match counted.fetch_add(1, Ordering::SeqCst) < faults {
            true => {
                let error = [("x-amzn-errortype", "ServiceException"), ("content-type", "application/json")];
                (http::StatusCode::INTERNAL_SERVER_ERROR, error, "{}").into_response()
            }
            false => {
                let body = Body::new(EventStream::failed(FunctionError::new("Odd", "odd")));
                ([("content-type", CONTENT_TYPE)], body).into_response()
            }
        }
    };
    let path = "/2021-11-15/functions/{name}/response-streaming-invocations";
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, Router::new().route(path, post(answer))).await });
    Ok((Arc::new(LambdaInvoker::connect(Place { region: None, endpoint: Some(endpoint) }).await?), asked))
}

#[tokio::test]
async fn a_fault_of_lambda_is_tried_again_and_not_for_ever() -> Result<()> {
    let (invoker, asked) = faulty(2).await?;
    let mut body = invoker.invoke("test", Bytes::from_static(b"{}"), now_ms() + 600_000).await?;
    assert_eq!(body.next().await, Some(Err(NodeError::Failed("test".into()))));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let (invoker, asked) = faulty(usize::MAX).await?;
    let refused = invoker.invoke("test", Bytes::from_static(b"{}"), now_ms() + 600_000).await.err().context("taken")?;
    assert!(refused.to_string().contains("500 (ServiceException)"), "{refused}");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    Ok(())
}
