//! The program as it is started.

#![allow(clippy::unwrap_used, reason = "a test panics to fail, also where it is not in a test function")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What the program says until it serves, started with these variables beside those that let it start anywhere.
fn said_until_it_serves(variables: &[(&str, &str)]) -> Vec<String> {
    let own = [
        ("FRONTDESK_NODE_LISTEN", "127.0.0.1:0"),
        ("FRONTDESK_NODE_METRICS_LISTEN", "127.0.0.1:0"),
        ("FRONTDESK_STORE_DATA", "memory"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_conn-node"))
        .current_dir(folder.path())
        .env_clear()
        .envs(own.iter().chain(variables).copied())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = vec![];
    for line in BufReader::new(program.stderr.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().is_some_and(|line| line.contains(" serving")) {
            break;
        }
    }
    program.kill().unwrap();
    program.wait().unwrap();
    said
}

#[test]
fn certificate_authorities_are_read_once_where_functions_are_reached_by_tls_and_not_at_all_elsewhere() {
    for (url, times) in [("https://127.0.0.1:1", 1), ("http://127.0.0.1:1", 0)] {
        let said =
            said_until_it_serves(&[("FRONTDESK_FUNCTIONS_URL", url), ("SSL_CERT_FILE", "/nowhere/authorities.pem")]);
        let read = said.iter().filter(|line| line.contains("a certificate authority")).count();
        assert_eq!(read, times, "{url}: {}", said.join("\n"));
        assert!(said.last().is_some_and(|line| line.contains(" serving")), "{}", said.join("\n"));
    }
}
