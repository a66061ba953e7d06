//! A panic must not carry a visitor's words into the log.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

/// Set in the process that panics.
const PANICS: &str = "PANICS";

const WORDS: &str = "我的卡号是四二四二";

#[test]
fn a_panic_says_where_it_was_and_not_what_it_quotes() {
    if std::env::var_os(PANICS).is_some() {
        let config = config::Config::parse("", []).unwrap();
        telemetry::log::init(&config.log).unwrap();
        let _ = std::hint::black_box(WORDS).split_at(std::hint::black_box(1));
        return;
    }
    // Another process, whose standard error can be read.
    let this = std::env::current_exe().unwrap();
    let itself = ["--exact", "a_panic_says_where_it_was_and_not_what_it_quotes", "--nocapture"];
    let ended = Command::new(this).args(itself).env(PANICS, "1").output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success());
    assert!(said.contains("a panic, which is a fault") && said.contains("tests/panics.rs"), "{said}");
    assert!(!said.contains("卡号"), "{said}");
}
