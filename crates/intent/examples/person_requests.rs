//! Makes `crates/intent/person/requests.model` from `crates/intent/person/examples.txt`:
//! `cargo run --release -p intent --example person_requests`, in the repository's root.

#![allow(clippy::print_stdout, reason = "a program that says what it did")]

use std::path::Path;

use anyhow::Context;
use intent::PersonRequests;

fn main() -> anyhow::Result<()> {
    let trained = PersonRequests::train();
    let mut file = Vec::new();
    trained.model.write(&mut file)?;
    let path = Path::new("crates/intent/person/requests.model");
    std::fs::write(path, &file).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} bytes in {}\n{}", file.len(), path.display(), trained.report);
    Ok(())
}
