//! `--store dynamodb`: DynamoDB's API in the program itself, and nodes that keep everything there.

use anyhow::{Context, Result};
use http::StatusCode;

use crate::support::program::{Program, address, answering};
use crate::support::visitor::Visitor;

#[tokio::test]
async fn conversations_are_kept_in_dynamodb_beyond_a_node_and_beyond_the_program() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().to_str().context("a path in UTF-8")?;
    let args = ["--store", "dynamodb", "--data", data];
    let program = Program::start_with(answering(&args)).await?;
    assert!(program.printed.contains("DynamoDB's API at http://127.0.0.1:"), "{}", program.printed);
    let mut visitor = Visitor::connect(address(&program.printed, "node          ws://")?, String::new(), 1);
    let token = visitor.welcomed().await?;
    visitor.say(1, "How long does shipping take?").await?;
    visitor.answered().await?;

    assert_eq!(program.ask("/dev/nodes/1/kill?stay_down").await?.0, StatusCode::OK);
    assert_eq!(program.ask("/dev/nodes/1/start").await?.0, StatusCode::OK);
    let mut again = Visitor::connect(address(&program.printed, "node          ws://")?, token.clone(), 2);
    again.answered().await.context("after the node was killed")?;
    program.stop().await?;

    let program = Program::start_with(answering(&args)).await?;
    let mut later = Visitor::connect(address(&program.printed, "node          ws://")?, token, 3);
    later.answered().await.context("after the program was started again")
}

#[tokio::test]
async fn three_nodes_share_dynamodb_in_memory() -> Result<()> {
    if servers::missing("nats-server") {
        return Ok(());
    }
    let nats = servers::NatsServer::start(servers::NatsOptions::default())?;
    let bus = nats.url();
    let args = ["--store", "dynamodb", "--data", "memory", "--nodes", "3", "--bus", &bus];
    let program = Program::start_with(answering(&args)).await?;
    let nodes = program.nodes().await?;
    let mut asking = Visitor::connect(nodes[0], String::new(), 1);
    let token = asking.welcomed().await?;
    let mut listening = Visitor::connect(nodes[2], token, 2);
    listening.welcomed().await?;

    asking.say(1, "Can I return opened tea?").await?;

    listening.answered().await
}
