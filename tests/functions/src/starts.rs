//! From exec to the first request for an invocation.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::samples::Samples;

/// What a function asks first.
const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n";

/// Starts the program so many times, one after the other, and prints how long each took.
pub(crate) async fn run(executable: &Path, config: Option<&Path>, times: usize) -> Result<()> {
    let (executable, config) = (found(executable)?, config.map(found).transpose()?);
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let api = listener.local_addr()?.to_string();
    let mut samples = Samples::default();
    for _ in 0..times {
        let mut function = Command::new(&executable);
        function
            .env_clear()
            .current_dir(folder.path())
            .kill_on_drop(true)
            .env("AWS_LAMBDA_RUNTIME_API", &api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "test")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(config) = &config {
            function.env("FRONTDESK_CONFIG", config);
        }
        let started = Instant::now();
        let mut function = function.spawn()?;
        let (mut connection, _) = listener.accept().await?;
        let mut asked = vec![0; NEXT.len()];
        connection.read_exact(&mut asked).await?;
        samples.push(started.elapsed());
        ensure!(asked == NEXT, "its first request is {:?}", String::from_utf8_lossy(&asked));
        function.kill().await?;
    }
    println!("from exec to the first request for an invocation, {}:", executable.display());
    println!("{samples}");
    Ok(())
}

/// The whole path: the function starts in a folder of its own.
fn found(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("{} is not there", path.display()))
}
