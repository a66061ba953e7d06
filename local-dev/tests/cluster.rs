//! Several nodes over a Redis and a NATS server, with visitors who talk to them.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use serde_json::Value;
use servers::{NatsOptions, NatsServer, RedisOptions, RedisServer};

use crate::support::program::{Program, address, answering};
use crate::support::visitor::Visitor;

/// A store, a bus, and three nodes.
struct Cluster {
    program: Program,
    front: SocketAddr,
    _redis: RedisServer,
    _nats: NatsServer,
}

impl Cluster {
    /// `None`: a server is not installed.
    async fn start() -> Result<Option<Self>> {
        if servers::missing("redis-server") || servers::missing("nats-server") {
            return Ok(None);
        }
        let redis = RedisServer::start(RedisOptions::default())?;
        let nats = NatsServer::start(NatsOptions::default())?;
        let (store, bus) = (redis.url(), nats.url());
        let program =
            Program::start_with(answering(&["--nodes", "3", "--data", "memory", "--store", &store, "--bus", &bus]))
                .await?;
        let front = address(&program.printed, "balancer      ws://")?;
        Ok(Some(Self { program, front, _redis: redis, _nats: nats }))
    }
}

fn pids(status: &Value) -> Vec<u64> {
    status["nodes"].as_array().into_iter().flatten().filter_map(|node| node["pid"].as_u64()).collect()
}

/// The number of the node that holds the only connection; the first is 1.
fn holder(status: &Value) -> Option<usize> {
    status["nodes"].as_array()?.iter().position(|node| node["connections"] == 1).map(|at| at + 1)
}

#[tokio::test]
async fn a_visitor_on_one_node_hears_an_answer_that_another_node_produces() -> Result<()> {
    let Some(cluster) = Cluster::start().await? else { return Ok(()) };
    let nodes = cluster.program.nodes().await?;
    ensure!(nodes.len() == 3, "{nodes:?}");
    let mut asking = Visitor::connect(nodes[0], String::new(), 1);
    let token = asking.welcomed().await?;
    let mut listening = Visitor::connect(nodes[1], token, 2);
    listening.welcomed().await?;

    asking.say(1, "How long does shipping take?").await?;

    listening.answered().await?;
    asking.answered().await
}

#[tokio::test]
async fn the_visitor_of_a_killed_node_is_back_at_another_through_the_balancer() -> Result<()> {
    let Some(cluster) = Cluster::start().await? else { return Ok(()) };
    let mut visitor = Visitor::connect(cluster.front, String::new(), 3);
    visitor.welcomed().await?;
    let holder_before = holder(&cluster.program.status().await?).context("no node has the connection")?;

    let (code, said) = cluster.program.ask(&format!("/dev/nodes/{holder_before}/kill?stay_down")).await?;
    assert_eq!(code, StatusCode::OK, "{said}");
    visitor.welcomed().await?;

    let holder_after = holder(&cluster.program.status().await?).context("no node has the connection")?;
    assert_ne!(holder_after, holder_before);
    visitor.say(1, "Can I return opened tea?").await?;
    visitor.answered().await
}

#[tokio::test]
async fn a_rolling_restart_replaces_every_node_and_its_visitor_goes_on() -> Result<()> {
    let Some(cluster) = Cluster::start().await? else { return Ok(()) };
    let mut visitor = Visitor::connect(cluster.front, String::new(), 4);
    visitor.welcomed().await?;
    let before = pids(&cluster.program.status().await?);

    let (code, replaced) = cluster.program.ask("/dev/rolling-restart").await?;

    assert_eq!(code, StatusCode::OK, "{replaced}");
    let status = cluster.program.status().await?;
    let after = pids(&status);
    assert_eq!(after.len(), 3, "{status}");
    assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} {after:?}");
    assert!(status["nodes"].as_array().into_iter().flatten().all(|node| node["state"] == "ready"), "{status}");
    assert_eq!(replaced[2]["old_pid"], before[2], "{replaced}");
    visitor.say(1, "Where is my parcel?").await?;
    visitor.answered().await
}
