//! Visitor, node, functions and provider, put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use provider::{Fault, Kind, Latency, Options, Provider, Rule, Settings};
use tempfile::TempDir;

use crate::local_dev::{self, LocalDev};
use crate::rows::{Row, Scene, Section};
use crate::seen::{ANSWER, Seen};
use crate::visitor::{Turn, Visitor};

/// The first-token clock, milliseconds. Short, so that the page is soon made.
pub(crate) const FIRST_TOKEN_MS: u64 = 1000;
/// The clock for the gap between tokens, milliseconds.
pub(crate) const GAP_MS: u64 = 600;
/// The clock for the whole answer, milliseconds.
pub(crate) const TOTAL_MS: u64 = 5000;
/// How long connecting may take, milliseconds.
const CONNECT_MS: u64 = 500;
/// When the provider writes the first token, milliseconds after the request.
pub(crate) const PROVIDER_FIRST_MS: f64 = 30.0;
/// From one of its tokens to the next, milliseconds.
pub(crate) const PROVIDER_TOKEN_MS: f64 = 10.0;

/// What a visitor says that no intent knows.
const QUESTION: &str = "My parcel seems to have taken the scenic route";

/// What a visitor says that the site's intents know.
const KNOWN_QUESTION: &str = "How long does shipping take?";

/// Intents of one of the sites: the demo shop's.
const INTENTS: &str = include_str!("../../../web/demo/intents.toml");

/// Everything, running.
#[derive(Debug)]
pub struct World {
    provider: Provider,
    local_dev: LocalDev,
    /// The same with a model behind TLS that nobody answers.
    slow_tls: LocalDev,
    _slow: Provider,
    _folder: TempDir,
    visitors: u64,
}

impl World {
    /// Starts everything that these rows need; `executable` is local-dev's, else the one beside this program.
    ///
    /// # Errors
    /// Something cannot be started.
    pub async fn start(executable: Option<PathBuf>, sections: &[Section]) -> anyhow::Result<Self> {
        let executable = match executable {
            Some(executable) => executable,
            None => local_dev::beside_this_program()?,
        };
        let provider = Provider::start(Options::with(settings())).await?;
        let mut options = Options::default().and_tls();
        options.settings.connections.tls_delay_ms = 3_600_000;
        let slow = Provider::start(options).await?;
        let folder = tempfile::tempdir()?;
        let intents = folder.path().join("intents.toml");
        std::fs::write(&intents, INTENTS)?;
        let write = |name: &str, url: &str| -> anyhow::Result<PathBuf> {
            let path = folder.path().join(name);
            std::fs::write(&path, configuration(url, &intents, sections))?;
            Ok(path)
        };
        let slow_url = slow.tls_url().context("no TLS")?;
        let (ours, tls) = (write("frontdesk.toml", &provider.url())?, write("tls.toml", &slow_url)?);
        let local_dev = LocalDev::start(&executable, &ours).await?;
        let slow_tls = LocalDev::start(&executable, &tls).await?;
        let mut world = Self { provider, local_dev, slow_tls, _slow: slow, _folder: folder, visitors: 0 };
        world.warm_up().await?;
        Ok(world)
    }

    /// One row.
    ///
    /// # Errors
    /// The node did something that it must not do, or nothing came.
    pub async fn see(&mut self, row: &Row) -> anyhow::Result<Seen> {
        let key = row.site();
        let seen = match row.scene {
            Scene::Fault(fault) | Scene::TwoModels(fault) => self.ask(&key, &[(fault, QUESTION)]).await,
            Scene::SecondTurn(fault) => self.ask(&key, &[(Fault::OK, QUESTION), (fault, QUESTION)]).await,
            Scene::KnownIntent(fault) => self.ask(&key, &[(fault, KNOWN_QUESTION)]).await,
            Scene::Again(fault) => self.ask(&key, &[(fault, QUESTION), (fault, QUESTION)]).await,
            Scene::Refused => self.refused(&key).await,
            Scene::SlowTls => self.never_agreed(&key).await,
        };
        seen.with_context(|| row.name.clone())
    }

    /// Stops everything.
    ///
    /// # Errors
    /// Something does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.local_dev.stop().await?;
        self.slow_tls.stop().await
    }

    /// Ordinary turns, so that nothing is done for the first time when it is measured.
    async fn warm_up(&mut self) -> anyhow::Result<()> {
        for _ in 0..3 {
            self.ask("shop", &[(Fault::OK, QUESTION)]).await?;
        }
        Ok(())
    }

    /// A new visitor says this, one after the other; what came of the last is told. The fault is that of the first model.
    async fn ask(&mut self, site: &str, turns: &[(Fault, &str)]) -> anyhow::Result<Seen> {
        let mut visitor = self.visitor(site).await?;
        let mut seen = Err(anyhow::anyhow!("no turn"));
        for (fault, text) in turns {
            let rule = Rule { model: Some(site.to_owned()), ..Rule::always(*fault) };
            self.provider.change(|settings| settings.rules.rules = vec![rule])?;
            let before = self.provider.counts().requests.received;
            let turn = visitor.say(text).await?;
            seen = Ok(turn.seen(self.provider.counts().requests.received - before));
        }
        seen
    }

    async fn refused(&mut self, site: &str) -> anyhow::Result<Seen> {
        self.provider.change(|settings| settings.connections.refuse = true)?;
        self.provider.close_connections(provider::HowToClose::AtOnce);
        let before = self.provider.counts().connections.refused;
        let seen = self.ask(site, &[(Fault::OK, QUESTION)]).await;
        self.provider.change(|settings| settings.connections.refuse = false)?;
        let refused = self.provider.counts().connections.refused - before;
        Ok(Seen { requests: refused, ..seen? })
    }

    async fn never_agreed(&mut self, site: &str) -> anyhow::Result<Seen> {
        let node = self.slow_tls.node;
        self.visitors += 1;
        Ok(Visitor::open(node, site, self.visitors).await?.say(QUESTION).await?.seen(0))
    }

    async fn visitor(&mut self, site: &str) -> anyhow::Result<Visitor> {
        self.visitors += 1;
        Visitor::open(self.local_dev.node, site, self.visitors).await
    }
}

impl Turn {
    fn seen(self, requests: u64) -> Seen {
        let first_ms = self.first.map(|first| first.as_millis());
        Seen { what: self.what, first_ms, over_ms: self.over.as_millis(), requests }
    }
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.answers.text = ANSWER.to_owned();
    settings.answers.first_token_ms = Latency::Fixed(PROVIDER_FIRST_MS);
    settings.answers.per_token_ms = Latency::Fixed(PROVIDER_TOKEN_MS);
    settings.rules.rules = vec![Rule::always(Kind::Ok.into())];
    settings
}

/// The sites of the rows, each with a model of its name.
fn configuration(url: &str, intents: &Path, sections: &[Section]) -> String {
    let sites: BTreeMap<String, Scene> =
        sections.iter().flat_map(|section| &section.rows).map(|row| (row.site(), row.scene)).collect();
    let sites: String = sites.iter().map(|(key, scene)| site(key, *scene, url, intents)).collect();
    format!(
        "[ai]\nmodel = \"openai\"\nmodel_url = \"{url}\"\nmodel_name = \"default\"\nconnect_ms = {CONNECT_MS}\nfirst_token_ms = {FIRST_TOKEN_MS}\ngap_ms = {GAP_MS}\ntotal_ms = {TOTAL_MS}\n\
         [turn]\ndeadline_ms = 6000\n[limits]\nnew_visitors_per_address_burst = 20_000\n{sites}"
    )
}

fn site(key: &str, scene: Scene, url: &str, intents: &Path) -> String {
    let models = match scene {
        Scene::TwoModels(_) => format!("[\"{key}\", \"default\"]"),
        _ => format!("[\"{key}\"]"),
    };
    let intents = match scene {
        Scene::KnownIntent(_) => format!("intents = {:?}\n", intents.display().to_string()),
        _ => String::new(),
    };
    format!(
        "{}[sites.{key}]\nname = \"Shop\"\norigins = [\"http://127.0.0.1:7000\"]\nlanguages = [\"en\"]\n\
         models = {models}\n{intents}",
        model(key, url)
    )
}

fn model(name: &str, url: &str) -> String {
    format!("[models.{name}]\nmodel = \"openai\"\nmodel_url = \"{url}\"\nmodel_name = \"{name}\"\n")
}
