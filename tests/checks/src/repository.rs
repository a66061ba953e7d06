//! The repository that is being checked: its files and what Cargo says of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The paths of all committed files, and of those about to be, from the root.
///
/// # Errors
/// There is no git, or this is no clone.
pub fn files() -> anyhow::Result<BTreeSet<String>> {
    let paths = output("git", &["ls-files", "-z", "--cached"])?;
    let paths = String::from_utf8(paths).context("a file's name is not UTF-8")?;
    Ok(paths.split('\0').filter(|path| !path.is_empty() && root().join(path).exists()).map(str::to_owned).collect())
}

/// The text of a file; `None`: it is none, such as a picture.
pub fn text(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

/// What `program` writes when it is run in the root.
///
/// # Errors
/// It cannot be started, or fails.
pub fn output(program: &str, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let run = Command::new(program).args(arguments).current_dir(root()).output();
    let run = run.with_context(|| format!("{program} cannot be started: install it"))?;
    ensure!(run.status.success(), "{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&run.stderr));
    Ok(run.stdout)
}
