//! The program itself: what it prints, what it leaves behind, and how it ends.

use std::process::Stdio;

use anyhow::{Context, Result};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::support::program::{Program, command_with, failed};
use crate::support::{Gate, get, kill_9, post, signal, text};

fn node_pid(status: &Value) -> String {
    status["nodes"][0]["pid"].to_string()
}

#[tokio::test]
async fn it_prints_its_addresses_and_serves_the_demo_shop() -> Result<()> {
    let program = Program::start(&[]).await?;
    let page = get(program.demo, "/").await?;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(page).await?.contains("/widget/loader.js"));
    let status = program.status().await?;
    assert_eq!(status["nodes"][0]["state"], "ready");
    assert_eq!(status["functions"]["ai"]["limit"], 32);
    Ok(())
}

#[tokio::test]
async fn nothing_outlives_it_when_it_is_killed() -> Result<()> {
    let program = Program::start(&[]).await?;
    let gate = Gate::new().await?;
    let (functions, payload) = (program.functions, json!({ "steps": [gate.step()?, "hang"] }));
    // It hangs with no request open, so that a broken connection cannot end it.
    tokio::spawn(async move { post(functions, "/2015-03-31/functions/ai/invocations", &payload).await });
    drop(gate.arrival().await?);
    kill_9(&program.pid()?)?;
    assert_eq!(program.all_gone().await?.code(), None);
    Ok(())
}

#[tokio::test]
async fn it_stops_in_order_when_asked() -> Result<()> {
    for asked in [rustix::process::Signal::TERM, rustix::process::Signal::INT, rustix::process::Signal::HUP] {
        let program = Program::start(&[]).await?;
        signal(&program.pid()?, asked)?;
        assert_eq!(program.all_gone().await?.code(), Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_node_comes_back_on_the_same_port() -> Result<()> {
    let program = Program::start(&[]).await?;
    let before = node_pid(&program.status().await?);
    kill_9(&before)?;
    let after =
        program.until(|status| status["nodes"][0]["restarts"] == 1 && status["nodes"][0]["state"] == "ready").await?;
    assert_ne!(node_pid(&after), before);
    Ok(())
}

#[tokio::test]
async fn a_data_folder_in_use_stops_it_with_the_nodes_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().to_str().context("a path in UTF-8")?;
    let first = Program::start_with(command_with(&["--data", data])).await?;
    let (code, said) = failed(command_with(&["--data", data])).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(data) && said.contains("the node stopped before it was ready"), "{said}");
    assert_eq!(first.status().await?["nodes"][0]["state"], "ready");
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_named() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let port = taken.local_addr()?.port().to_string();
    for option in ["--demo-port", "--node-port", "--metrics-port", "--functions-port"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local-dev"));
        let others = ["--demo-port", "--node-port", "--metrics-port", "--functions-port"];
        for other in others {
            command.args([other, if other == option { &port } else { "0" }]);
        }
        let (code, said) = failed(command).await?;
        assert_eq!(code, Some(69), "{said}");
        assert!(said.contains(&format!("port {port} on 127.0.0.1 is in use")) && said.contains(option), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn bad_options_and_configuration_are_named() -> Result<()> {
    let bad = [
        (["--config", "/nowhere/frontdesk.toml"], "/nowhere/frontdesk.toml"),
        (["--host", "localhost"], "--host"),
        (["--max-functions", "0"], "--max-functions"),
        (["--function", "ai"], "ai=./bootstrap"),
        (["--nodes", "10"], "--nodes"),
        (["--nodes", "3"], "--store redis://127.0.0.1:6379 --bus redis://127.0.0.1:6379"),
        (["--bus", "nats://127.0.0.1:1"], "bus.url: is set"),
        (["--store", "postgres://127.0.0.1:1"], "store.url: is not an address that is known here"),
        (["--store", "memory"], "--store memory keeps nothing"),
    ];
    for (args, named) in bad {
        let (code, said) = failed(command_with(&[&["--data", "frontdesk-unused"], &args[..]].concat())).await?;
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(named), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_node_is_killed_paused_drained_and_started_on_request() -> Result<()> {
    let mut command = command_with(&["--data", "memory"]);
    // A node that does not hear that it is to drain takes longer than this test waits.
    command.env("FRONTDESK_NODE_DRAIN_SECONDS", "90");
    let program = Program::start_with(command).await?;
    let first = program.status().await?;

    let (code, node) = program.ask("/dev/nodes/1/kill").await?;
    assert_eq!((code, node["state"].as_str()), (StatusCode::OK, Some("down")));
    let second = program.until(|status| status["nodes"][0]["state"] == "ready").await?;
    assert_ne!(node_pid(&first), node_pid(&second));

    for (path, state) in [
        ("/dev/nodes/1/pause", "paused"),
        ("/dev/nodes/1/resume", "ready"),
        ("/dev/nodes/1/kill?stay_down", "stopped"),
        ("/dev/nodes/1/start", "ready"),
        ("/dev/nodes/1/pause", "paused"),
        ("/dev/nodes/1/restart", "ready"),
    ] {
        let (code, node) = program.ask(path).await?;
        assert_eq!((code, node["state"].as_str()), (StatusCode::OK, Some(state)), "{path}: {node}");
    }
    assert_eq!(program.ask("/dev/nodes/1/drain").await?.0, StatusCode::OK);
    let drained = program.until(|status| status["nodes"][0]["state"] == "stopped").await?;
    assert_eq!(drained["nodes"][0]["pid"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn what_a_node_cannot_do_is_refused_with_the_reason() -> Result<()> {
    let program = Program::start(&[]).await?;
    for (path, code, reason) in [
        ("/dev/nodes/2/kill", StatusCode::NOT_FOUND, "there is no node 2; there is one, 1"),
        ("/dev/nodes/0/kill", StatusCode::NOT_FOUND, "there is no node 0"),
        ("/dev/nodes/one/kill", StatusCode::NOT_FOUND, "one is not the number of a node"),
        ("/dev/nodes/1/explode", StatusCode::NOT_FOUND, "a node cannot explode"),
        ("/dev/nodes/1/drain?stay_down", StatusCode::BAD_REQUEST, "kill takes ?stay_down"),
        ("/dev/nodes/1/start", StatusCode::CONFLICT, "runs already"),
        ("/dev/nodes/1/resume", StatusCode::CONFLICT, "is not paused"),
    ] {
        let (answered, said) = program.ask(path).await?;
        let message = said["message"].as_str().unwrap_or_default();
        assert!(answered == code && message.contains(reason), "{path}: {answered} {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_function_that_cannot_start_is_named_at_the_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("frontdesk.toml");
    let shop = "[sites.shop]\nname = \"Shop\"\norigins = [\"https://shop.example\"]\nknowledge = \"/nowhere/texts\"\n";
    std::fs::write(&config, shop)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-dev"));
    command.args(["--demo-port", "0", "--node-port", "0", "--metrics-port", "0", "--functions-port", "0"]);
    command.args(["--data", "memory", "--config"]).arg(&config);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let program = Program::start_with(command).await?;

    assert!(program.printed.contains("The function ai does not start"), "{}", program.printed);
    assert!(!program.printed.contains("The function routing"), "{}", program.printed);
    assert!(program.printed.contains("to origins of [sites.shop]"), "{}", program.printed);
    Ok(())
}

#[tokio::test]
async fn an_index_that_cannot_be_used_stops_it_at_the_start_with_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let index = folder.path().join("knowledge.index");
    std::fs::write(&index, "damaged")?;
    let config = folder.path().join("frontdesk.toml");
    let site = "[sites.shop]\nname = \"Shop\"\norigins = [\"https://shop.example\"]\n";
    std::fs::write(&config, format!("{site}knowledge_index = {:?}\n", folder.path().display().to_string()))?;
    let mut command = command_with(&["--data", "memory", "--config"]);
    command.arg(&config);
    let (code, said) = failed(command).await?;
    assert_eq!(code, Some(64), "{said}");
    for part in ["sites.shop.knowledge_index", &index.display().to_string(), "`ai knowledge index`"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    Ok(())
}
