//! A client, gates that hold a function where a test wants it, and functions to try.

#[cfg(feature = "otlp")]
pub(crate) mod collector;
pub(crate) mod program;
pub(crate) mod visitor;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use local_dev::function::{Function, RunningFunction};
use local_dev::invoke_api::{self, Reachable};
use local_dev::listener::PromptListener;
use local_dev::nodes::Nodes;
use local_dev::pool::PoolLimits;
use local_dev::process::FunctionProgram;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// The executable of the function for tests.
pub(crate) const TEST_FUNCTION: &str = env!("CARGO_BIN_EXE_test-function");

/// Sends a request on a connection of its own, which lives as long as the response.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Response<Incoming>> {
    let request = Request::get(path).header("host", address.to_string()).body(Full::default())?;
    send(address, request).await
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Response<Incoming>> {
    let request = Request::post(path).header("host", address.to_string());
    send(address, request.body(Full::from(body.to_string()))?).await
}

pub(crate) async fn invoke(address: SocketAddr, payload: &Value) -> Result<Response<Incoming>> {
    post(address, "/2015-03-31/functions/test/invocations", payload).await
}

/// The rest of a body as text; an error if it was cut off.
pub(crate) async fn text(response: Response<Incoming>) -> Result<String> {
    let body = response.into_body().collect().await.context("the body was cut off")?;
    Ok(String::from_utf8(body.to_bytes().to_vec())?)
}

/// The next piece of a body.
pub(crate) async fn piece(response: &mut Response<Incoming>) -> Result<String> {
    let frame = response.body_mut().frame().await.context("the body has ended")??;
    let data = frame.into_data().map_err(|_| anyhow::anyhow!("not data"))?;
    Ok(String::from_utf8(data.to_vec())?)
}

/// A place where functions wait until the test lets them go.
pub(crate) struct Gate(TcpListener);

impl Gate {
    pub(crate) async fn new() -> Result<Self> {
        Ok(Self(TcpListener::bind("127.0.0.1:0").await?))
    }

    /// The step that leads here.
    pub(crate) fn step(&self) -> Result<Value> {
        Ok(json!({ "gate": self.0.local_addr()? }))
    }

    /// Waits until a function has arrived; it goes on when the returned connection is dropped.
    pub(crate) async fn arrival(&self) -> Result<TcpStream> {
        Ok(self.0.accept().await?.0)
    }
}

/// The function `test`, run by this executable without arguments.
pub(crate) fn program(executable: &str) -> FunctionProgram {
    FunctionProgram { name: "test".into(), executable: PathBuf::from(executable), args: Vec::new(), env: Vec::new() }
}

/// The function `test`, with an invoke API of its own.
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    running: RunningFunction,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Scene {
    pub(crate) async fn start(limits: PoolLimits) -> Result<Self> {
        Self::start_with(limits, Vec::new()).await
    }

    pub(crate) async fn start_with(limits: PoolLimits, env: Vec<(&str, &str)>) -> Result<Self> {
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self::start_program(limits, FunctionProgram { env, ..program(TEST_FUNCTION) }).await
    }

    pub(crate) async fn start_program(limits: PoolLimits, program: FunctionProgram) -> Result<Self> {
        let running = RunningFunction::start(program, limits);
        let functions = BTreeMap::from([("test".to_owned(), running.function.clone())]);
        let router = invoke_api::router(Reachable { functions, nodes: Nodes::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async { axum::serve(PromptListener::new(listener), router).await });
        Ok(Self { address, running, serving })
    }

    pub(crate) fn function(&self) -> Function {
        self.running.function.clone()
    }

    pub(crate) async fn invoke(&self, steps: Value) -> Result<Response<Incoming>> {
        invoke(self.address, &json!({ "steps": steps })).await
    }

    /// The process id of the process that ran an invocation.
    pub(crate) async fn who(&self) -> Result<String> {
        let who = text(self.invoke(json!(["say_who"])).await?).await?;
        Ok(who.split(' ').next().unwrap_or_default().to_owned())
    }

    pub(crate) async fn fault(&self, fault: &Value) -> Result<()> {
        let response = post(self.address, "/dev/functions/test/fault", fault).await?;
        ensure!(response.status() == StatusCode::NO_CONTENT, "{}", text(response).await?);
        Ok(())
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        let status: Value = serde_json::from_str(&text(get(self.address, "/dev/status").await?).await?)?;
        Ok(status["functions"]["test"].clone())
    }

    /// Asks for the status until it is as wanted. The test's own time limit ends it otherwise.
    pub(crate) async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let status = self.status().await?;
            if wanted(&status) {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.serving.abort();
        self.running.stop().await;
    }
}

/// The states of the processes in a status.
pub(crate) fn states(status: &Value) -> Vec<&str> {
    let processes = status["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
    processes.iter().filter_map(|process| process["state"].as_str()).collect()
}

/// Kills a process as `kill -9` does.
pub(crate) fn kill_9(pid: &str) -> Result<()> {
    signal(pid, rustix::process::Signal::KILL)
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: &str, signal: rustix::process::Signal) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(pid.parse()?).context("a process id is not 0")?;
    Ok(rustix::process::kill_process(pid, signal)?)
}
