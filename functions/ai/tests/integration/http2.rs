//! A model's server that speaks HTTP/2, with a certificate of its own.

use anyhow::{Context, Result};
use protocol::function::AiLine;
use provider::{HowToClose, Options, Provider};
use runtime_api::{Process, RuntimeApi};

use crate::program::{AI, answer, turn};

/// A provider with TLS, the function that asks it, and what both need.
struct Scene {
    provider: Provider,
    api: RuntimeApi,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start(connections: &str) -> Result<Self> {
        let provider = Provider::start(Options::default().and_tls()).await?;
        let folder = tempfile::tempdir()?;
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, provider.authority_pem().context("no authority")?)?;
        let (authority, url) = (authority.to_string_lossy().into_owned(), provider.tls_url().context("no TLS")?);
        let api = RuntimeApi::start().await?;
        let variables = [
            ("SSL_CERT_FILE", authority.as_str()),
            ("FRONTDESK_AI_MODEL", "openai"),
            ("FRONTDESK_AI_MODEL_URL", url.as_str()),
            ("FRONTDESK_AI_MODEL_NAME", "tiny"),
            ("FRONTDESK_AI_CONNECTIONS", connections),
            ("FRONTDESK_TURN_DEADLINE_MS", "900000"),
        ];
        let process = Process::start(AI, &api, &variables)?;
        Ok(Self { provider, api, _process: process, _folder: folder })
    }

    async fn turn(&self) -> Result<Vec<AiLine>> {
        self.api.invoke(&turn("Where is my parcel?"))?.lines().await
    }
}

#[tokio::test]
async fn turns_are_streams_of_one_connection() -> Result<()> {
    let scene = Scene::start("1").await?;
    // The first one may come while the warm-up is still connecting.
    assert!(!answer(&scene.turn().await?).1.fallback);
    let connections = scene.provider.counts().connections.http2;
    for _ in 0..2 {
        assert!(!answer(&scene.turn().await?).1.fallback);
    }
    let records = scene.provider.records_after(0);
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record.protocol == "HTTP/2.0"), "{records:?}");
    assert!((1..=2).contains(&connections), "{connections}");
    assert_eq!(scene.provider.counts().connections.http2, connections);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_no_failed_turn() -> Result<()> {
    for how in [HowToClose::Gently, HowToClose::AtOnce, HowToClose::Reset] {
        let scene = Scene::start("1").await?;
        scene.turn().await?;
        scene.provider.close_connections(how);
        let lines = scene.turn().await?;
        assert!(!answer(&lines).1.fallback, "{how:?}");
        assert!(
            lines.iter().any(|line| matches!(line, AiLine::Report(report) if report.attempts == 1)),
            "{how:?} {lines:?}"
        );
    }
    Ok(())
}
