//! The rows of the page: what fails, and where.

use provider::{Fault, Kind};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What the row is called.
    pub name: String,
    /// What the model's server does.
    pub about: String,
    /// How it is made.
    pub scene: Scene,
}

impl Row {
    /// Its site, which has the name of its first model. Nodes and functions remember how a model did: rows
    /// for which that matters have models of their own.
    pub(crate) fn site(&self) -> String {
        match self.scene {
            Scene::Fault(fault) if is_about_quota(fault) => self.name.clone(),
            Scene::Fault(_) | Scene::SecondTurn(_) | Scene::Refused | Scene::SlowTls => "shop".to_owned(),
            Scene::KnownIntent(_) => "known".to_owned(),
            Scene::TwoModels(_) => format!("two-{}", self.name),
            Scene::Again(_) => format!("again-{}", self.name),
        }
    }
}

fn is_about_quota(fault: Fault) -> bool {
    matches!(fault.kind, Kind::RateLimited | Kind::RateLimitedSilent | Kind::QuotaUsedUp)
}

/// How a row is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// One request gets this fault.
    Fault(Fault),
    /// The same, after an ordinary turn on the same connection.
    SecondTurn(Fault),
    /// The same, at a site with a second model behind the first.
    TwoModels(Fault),
    /// The same, and the message is one that the site's intents know.
    KnownIntent(Fault),
    /// Two turns in a row get the fault; the second one is shown.
    Again(Fault),
    /// New connections are refused.
    Refused,
    /// TLS is never agreed on.
    SlowTls,
}

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What all its rows have in common.
    pub about: &'static str,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// All rows.
pub fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "One model",
            about: "A site with one model, no intents and no knowledge. The visitor's first message.",
            rows: one_model(),
        },
        Section {
            title: "A second model behind it",
            about: "The first model of the site's list fails, the second one works.",
            rows: with(
                [Kind::StallBefore, Kind::KeepAliveOnly, Kind::Status, Kind::QuotaUsedUp, Kind::StallAfter],
                Scene::TwoModels,
            ),
        },
        Section {
            title: "A message that the site's intents know",
            about: "The model is tried first (instant answers are off); what the local intent model knows is the fallback.",
            rows: with([Kind::Ok, Kind::StallBefore, Kind::Status], Scene::KnownIntent),
        },
        Section {
            title: "Two failures in a row",
            about: "The turn before this one had no answer either.",
            rows: with([Kind::StallBefore, Kind::QuotaUsedUp, Kind::StallAfter], Scene::Again),
        },
    ]
}

fn one_model() -> Vec<Row> {
    let scene = |kind: Kind| match kind {
        Kind::Stale => Scene::SecondTurn(kind.into()),
        _ => Scene::Fault(kind.into()),
    };
    let mut rows: Vec<_> = Kind::ALL.iter().map(|kind| row(*kind, scene(*kind))).collect();
    let connections = [
        ("refused", "new connections are reset", Scene::Refused),
        ("slow-tls", "TLS is never agreed on", Scene::SlowTls),
    ];
    for (place, (name, about, scene)) in connections.into_iter().enumerate() {
        rows.insert(1 + place, Row { name: name.to_owned(), about: about.to_owned(), scene });
    }
    rows
}

fn with<const N: usize>(kinds: [Kind; N], scene: impl Fn(Fault) -> Scene) -> Vec<Row> {
    kinds.into_iter().map(|kind| row(kind, scene(kind.into()))).collect()
}

fn row(kind: Kind, scene: Scene) -> Row {
    let about = kind.about().replace(" N ", &format!(" {} ", kind.default_number()));
    Row { name: kind.name().to_owned(), about: about.replace("N ms", &format!("{} ms", kind.default_number())), scene }
}
