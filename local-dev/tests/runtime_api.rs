//! The Runtime API byte by byte: here the test itself is the function.

use anyhow::{Context, Result};
use http::StatusCode;
use local_dev::listener::PromptListener;
use local_dev::pool::PoolLimits;
use local_dev::process::ProcessId;
use local_dev::runtime_api;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Scene, invoke, piece, program, text};

/// A function whose process does nothing, and a connection that speaks for it.
struct Spoken {
    scene: Scene,
    stream: TcpStream,
}

impl Spoken {
    async fn start() -> Result<Self> {
        let scene = Scene::start_program(PoolLimits::default(), program("/bin/cat")).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = runtime_api::router(scene.function(), ProcessId(1), "arn:aws:lambda:x:0:function:test");
        tokio::spawn(async { axum::serve(PromptListener::new(listener), router).await });
        Ok(Self { scene, stream: TcpStream::connect(address).await? })
    }

    async fn say(&mut self, bytes: &str) -> Result<()> {
        Ok(self.stream.write_all(bytes.as_bytes()).await?)
    }

    /// Reads until the text holds `end`.
    async fn hear(&mut self, end: &str) -> Result<String> {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(end) {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).await?;
            anyhow::ensure!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&bytes[..read]);
        }
        Ok(String::from_utf8(heard)?)
    }

    /// Asks for an invocation; its headers and payload, and its id.
    async fn next(&mut self, payload_end: &str) -> Result<(String, String)> {
        self.say("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let heard = self.hear(payload_end).await?;
        let id = heard.split("lambda-runtime-aws-request-id: ").nth(1).context("no request id")?;
        let id = id.split("\r\n").next().unwrap_or_default().to_owned();
        Ok((heard, id))
    }

    async fn begin_stream(&mut self, id: &str) -> Result<()> {
        self.say(&format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\n\
             lambda-runtime-function-response-mode: streaming\r\ntransfer-encoding: chunked\r\n\
             trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
        ))
        .await
    }
}

#[tokio::test]
async fn an_invocation_carries_lambdas_headers() -> Result<()> {
    let mut spoken = Spoken::start().await?;
    let function = spoken.scene.function();
    let payload = bytes::Bytes::from_static(br#"{"a":1,"deadline_ms":4102444800000}"#);
    let invocation = local_dev::invocation::Invocation::new(payload, None)?;
    let (id, deadline_ms) = (invocation.id, invocation.deadline_ms);
    let invoking = tokio::spawn(async move { function.invoke(invocation).await });
    let (heard, heard_id) = spoken.next("4102444800000}").await?;
    assert_eq!(heard_id, id.to_string());
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
    assert!(heard.contains(&format!("lambda-runtime-deadline-ms: {deadline_ms}\r\n")), "{heard}");
    assert!(heard.contains("lambda-runtime-invoked-function-arn: arn:aws:lambda:x:0:function:test\r\n"), "{heard}");
    assert!(heard.contains("lambda-runtime-trace-id: Root=1-"), "{heard}");
    invoking.abort();
    spoken.scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_error_trailer_cuts_the_callers_body_off() -> Result<()> {
    let mut spoken = Spoken::start().await?;
    let address = spoken.scene.address;
    let invoking = tokio::spawn(async move { invoke(address, &json!({ "steps": [] })).await });
    let (_, id) = spoken.next("}").await?;
    spoken.begin_stream(&id).await?;
    spoken.say("2\r\na\n\r\n").await?;
    let mut response = invoking.await??;
    assert_eq!(piece(&mut response).await?, "a\n");
    spoken
        .say("0\r\nLambda-Runtime-Function-Error-Type: Runtime.Odd\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n")
        .await?;
    assert!(text(response).await.is_err());
    assert!(spoken.hear("OK\"}").await?.starts_with("HTTP/1.1 202 Accepted"));
    spoken.scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_stream_without_trailers_ends_well() -> Result<()> {
    let mut spoken = Spoken::start().await?;
    let address = spoken.scene.address;
    let invoking = tokio::spawn(async move { invoke(address, &json!({ "steps": [] })).await });
    let (_, id) = spoken.next("}").await?;
    spoken.begin_stream(&id).await?;
    spoken.say("2\r\na\n\r\n0\r\n\r\n").await?;
    assert_eq!(text(invoking.await??).await?, "a\n");
    spoken.scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_response_to_what_this_process_does_not_run_is_refused() -> Result<()> {
    let mut spoken = Spoken::start().await?;
    let id = "00000000-0000-0000-0000-000000000001";
    let length = "content-length: 2\r\n";
    spoken
        .say(&format!("POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\n{length}\r\n{{}}"))
        .await?;
    let heard = spoken.hear("}").await?;
    assert!(heard.starts_with("HTTP/1.1 400") && heard.contains("InvalidRequestID"), "{heard}");
    spoken.scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_response_too_large_for_lambda_is_an_error_to_both_sides() -> Result<()> {
    let mut spoken = Spoken::start().await?;
    let address = spoken.scene.address;
    let invoking = tokio::spawn(async move { invoke(address, &json!({ "steps": [] })).await });
    let (_, id) = spoken.next("}").await?;
    let length = "content-length: 6291457\r\n";
    spoken
        .say(&format!("POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\n{length}\r\n"))
        .await?;
    let response = invoking.await??;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert!(text(response).await?.contains("Function.ResponseSizeTooLarge"));
    assert!(spoken.hear("}").await?.starts_with("HTTP/1.1 413"));
    spoken.scene.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_process_that_reports_that_it_cannot_start_is_replaced() -> Result<()> {
    let mut spoken = Spoken::start().await?;
    let length = "content-length: 2\r\n";
    spoken.say(&format!("POST /2018-06-01/runtime/init/error HTTP/1.1\r\nhost: x\r\n{length}\r\n{{}}")).await?;
    assert!(spoken.hear("}").await?.starts_with("HTTP/1.1 202"));
    spoken.scene.until(|status| status["starts"] == 2).await?;
    spoken.scene.stop().await;
    Ok(())
}
