//! The program.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::ask::{Socket, question, soon};

#[tokio::test]
async fn it_says_where_it_listens_and_ends_on_sigterm() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_provider"))
        .args(["--requests-per-minute", "60", "--window-ms", "1000", "--tokens", "2", "--stamp"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let ready: Value = serde_json::from_str(&soon(lines.next_line()).await.unwrap().unwrap()).unwrap();
    let mut socket = Socket::open(ready["listen"].as_str().unwrap().parse().unwrap()).await;
    socket.ask(&question("any"), "").await;
    let got = socket.response().await;
    assert_eq!(got.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(provider::stamps(&got.answer()).count(), 2);
    let id = program.id().unwrap();
    Command::new("kill").arg(id.to_string()).status().await.unwrap();
    assert!(soon(program.wait()).await.unwrap().success());
}
