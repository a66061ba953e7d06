//! A function for the tests: does what its payload says, step by step.
//!
//! `{"steps":[{"say":"a\n"},{"gate":"127.0.0.1:4000"},{"say":"b\n"}]}`

use std::net::SocketAddr;

use lambda_runtime::streaming::{Body, Response, Sender, channel};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[derive(Deserialize)]
struct Payload {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Writes a piece of the response.
    Say(String),
    /// Writes the same piece so many times.
    Repeat(String, usize),
    /// Writes this process's id and its environment's name of the function.
    SayWho,
    /// Writes the deadline and the request id that came with the invocation.
    SayContext,
    /// Connects here and goes on when the other side closes.
    Gate(SocketAddr),
    /// Ends the process.
    Exit(i32),
    /// Never goes on.
    Hang,
    /// As the first step: fails instead of responding.
    Fail(String),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var_os("TEST_FUNCTION_CANNOT_START").is_some() {
        std::process::exit(3);
    }
    local_dev::role::end_with_parent();
    lambda_runtime::run_concurrent(service_fn(run)).await
}

async fn run(event: LambdaEvent<Payload>) -> Result<Response<Body>, Error> {
    let (payload, context) = event.into_parts();
    let mut steps = payload.steps.into_iter().peekable();
    while let Some(step) =
        steps.next_if(|step| !matches!(step, Step::Say(_) | Step::Repeat(..) | Step::SayWho | Step::SayContext))
    {
        before_response(step).await?;
    }
    let (sender, body) = channel();
    let seen = format!("{} {}\n", context.request_id, context.deadline);
    tokio::spawn(async move {
        if respond(steps, sender, &seen).await.is_err() {
            std::process::exit(70);
        }
    });
    Ok(Response::from(body))
}

async fn before_response(step: Step) -> Result<(), Error> {
    match step {
        Step::Fail(message) => Err(message.into()),
        other => pause(other).await,
    }
}

async fn respond(steps: impl Iterator<Item = Step>, mut sender: Sender, seen: &str) -> Result<(), Error> {
    for step in steps {
        match step {
            Step::Say(text) => sender.send_data(text.into()).await?,
            Step::Repeat(text, times) => {
                for _ in 0..times {
                    sender.send_data(text.clone().into()).await?;
                }
            }
            Step::SayContext => sender.send_data(seen.to_owned().into()).await?,
            Step::SayWho => {
                let who = format!("{} {}\n", std::process::id(), std::env::var("AWS_LAMBDA_FUNCTION_NAME")?);
                sender.send_data(who.into()).await?;
            }
            other => pause(other).await?,
        }
    }
    Ok(())
}

async fn pause(step: Step) -> Result<(), Error> {
    match step {
        Step::Gate(address) => {
            let mut gate = TcpStream::connect(address).await?;
            gate.read_to_end(&mut Vec::new()).await?;
            Ok(())
        }
        Step::Exit(code) => std::process::exit(code),
        _ => std::future::pending().await,
    }
}
