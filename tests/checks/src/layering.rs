//! Which crate may know which. Arrows point one way: from the programs to the crates, and among the crates to the core.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Who may know whom. A name that ends in `*` is a folder: every crate in it.
///
/// A crate that is not here may depend on nothing of ours until it gets its line. Those in `tests/` know everything.
const ARROWS: &[(&str, &[&str])] = &[
    ("crates/conversation", &[]),
    ("crates/config", &[]),
    ("crates/protocol", &["crates/conversation"]),
    ("crates/outbound", &[]),
    ("crates/store", &["crates/conversation", "crates/protocol"]),
    ("crates/bus", &["crates/conversation", "crates/protocol"]),
    ("crates/telemetry", &["crates/config", "crates/outbound"]),
    ("crates/language", &[]),
    ("crates/intent", &["crates/language"]),
    ("crates/knowledge", &["crates/language"]),
    ("conn-node", &["crates/*"]),
    ("functions/ai", FUNCTIONS_KNOW),
    ("functions/routing", FUNCTIONS_KNOW),
    ("local-dev", &["crates/*", "conn-node", "functions/*"]),
];

/// A function keeps nothing: it never reaches a store, a bus or a node.
const FUNCTIONS_KNOW: &[&str] = &[
    "crates/protocol",
    "crates/intent",
    "crates/knowledge",
    "crates/language",
    "crates/outbound",
    "crates/telemetry",
    "crates/config",
];

/// A crate of the workspace and what it depends on, as `cargo metadata --no-deps` tells.
#[derive(Debug, Clone)]
pub struct Crate {
    /// Its folder in the repository, such as `crates/store`.
    pub folder: String,
    /// The folders of the workspace's own crates that it depends on.
    pub own: Vec<Dependency>,
    /// The names of crates from elsewhere.
    pub foreign: Vec<Dependency>,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// A folder, or a crate's name.
    pub on: String,
    /// Only its tests need it.
    pub for_tests: bool,
}

/// What is wrong with the arrows between the crates; empty: nothing.
pub fn wrong_arrows(crates: &[Crate]) -> Vec<String> {
    crates.iter().filter(|one| !one.folder.starts_with("tests/")).flat_map(wrong_arrows_of).collect()
}

fn wrong_arrows_of(one: &Crate) -> Vec<String> {
    let Some((_, may_know)) = ARROWS.iter().find(|(folder, _)| *folder == one.folder) else {
        return vec![format!("{} has no line in tests/checks/src/layering.rs: say there what it may know", one.folder)];
    };
    let is_allowed = |dependency: &Dependency| {
        may_know.iter().any(|pattern| matches(pattern, &dependency.on))
            || (dependency.for_tests && (dependency.on.starts_with("tests/") || dependency.on == one.folder))
    };
    let mut wrong: Vec<_> = (one.own.iter().filter(|dependency| !is_allowed(dependency)))
        .map(|dependency| format!("{} may not know {}", one.folder, dependency.on))
        .collect();
    if one.folder == "crates/conversation" {
        let foreign = one.foreign.iter().filter(|dependency| !dependency.for_tests);
        wrong.extend(foreign.map(|dependency| format!("the core may depend on nothing, and not on {}", dependency.on)));
    }
    wrong
}

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => folder.starts_with(start),
        None => folder == pattern,
    }
}

/// The crates of Amazon's SDK among `names`: trying Frontdesk out must not compile them, which takes minutes.
pub fn amazon_crates<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let is_amazons = |name: &&str| ["aws-", "rusoto", "lambda-extension"].iter().any(|start| name.starts_with(start));
    names.into_iter().filter(is_amazons).collect()
}

/// Reads the output of `cargo metadata --no-deps --format-version 1`.
///
/// # Errors
/// Text of another shape.
pub fn parse_metadata(json: &[u8]) -> anyhow::Result<Vec<Crate>> {
    let metadata: Metadata = serde_json::from_slice(json)?;
    let folder = |path: &str| path.strip_prefix(&metadata.workspace_root).map(|rest| rest.trim_matches('/').to_owned());
    Ok((metadata.packages.iter())
        .map(|package| {
            let (own, foreign): (Vec<_>, Vec<_>) = package.dependencies.iter().partition(|one| one.path.is_some());
            Crate {
                folder: folder(package.manifest_path.trim_end_matches("Cargo.toml")).unwrap_or_default(),
                own: own.into_iter().map(|one| one.named(one.path.as_deref().and_then(folder))).collect(),
                foreign: foreign.into_iter().map(|one| one.named(None)).collect(),
            }
        })
        .collect())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: String,
    dependencies: Vec<Declared>,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

impl Declared {
    fn named(&self, folder: Option<String>) -> Dependency {
        Dependency { on: folder.unwrap_or(self.name.clone()), for_tests: self.kind.as_deref() == Some("dev") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folder: &str, own: &[&str], foreign: &[&str], wrong: &[&str]) {
        let of = |names: &[&str]| {
            let one = |name: &&str| Dependency {
                on: name.trim_start_matches("dev:").to_owned(),
                for_tests: name.starts_with("dev:"),
            };
            names.iter().map(one).collect()
        };
        let one = Crate { folder: folder.to_owned(), own: of(own), foreign: of(foreign) };
        assert_eq!(wrong_arrows(&[one]), wrong, "{folder}");
    }

    #[test]
    fn arrows_towards_the_core_are_right() {
        check("crates/protocol", &["crates/conversation"], &["prost"], &[]);
        check("crates/store", &["crates/conversation", "crates/protocol"], &["redb"], &[]);
        check("conn-node", &["crates/store", "crates/config"], &["tokio"], &[]);
        check("functions/ai", &["crates/protocol", "crates/telemetry"], &["reqwest"], &[]);
        check("local-dev", &["conn-node", "functions/ai"], &[], &[]);
        check("tests/kill", &["local-dev", "conn-node"], &[], &[]);
    }

    #[test]
    fn arrows_away_from_the_core_are_found() {
        check("crates/conversation", &["crates/protocol"], &[], &["crates/conversation may not know crates/protocol"]);
        check("crates/conversation", &[], &["serde"], &["the core may depend on nothing, and not on serde"]);
        check("crates/store", &["crates/bus"], &[], &["crates/store may not know crates/bus"]);
        check("functions/ai", &["crates/store"], &[], &["functions/ai may not know crates/store"]);
        check("functions/routing", &["dev:conn-node"], &[], &["functions/routing may not know conn-node"]);
        check("conn-node", &["functions/ai"], &[], &["conn-node may not know functions/ai"]);
        check("crates/protocol", &["tests/client"], &[], &["crates/protocol may not know tests/client"]);
    }

    #[test]
    fn tests_of_a_crate_may_know_the_test_crates() {
        check("conn-node", &["dev:tests/client", "dev:conn-node"], &[], &[]);
        check("crates/conversation", &[], &["dev:proptest"], &[]);
    }

    #[test]
    fn a_crate_without_a_line_is_found() {
        let wrong = "crates/new has no line in tests/checks/src/layering.rs: say there what it may know";
        check("crates/new", &[], &[], &[wrong]);
    }

    #[test]
    fn amazons_crates_are_found_by_name() {
        let names = ["tokio", "aws-sdk-lambda", "aws-config", "lambda_runtime"];
        assert_eq!(amazon_crates(names), BTreeSet::from(["aws-config", "aws-sdk-lambda"]));
    }

    #[test]
    fn metadata_becomes_folders() {
        let json = br#"{"workspace_root": "/there", "packages": [{"manifest_path": "/there/crates/bus/Cargo.toml",
            "dependencies": [{"name": "conversation", "kind": null, "path": "/there/crates/conversation"},
            {"name": "tokio", "kind": "dev", "path": null}]}]}"#;
        let crates = parse_metadata(json).unwrap();
        assert_eq!(crates[0].folder, "crates/bus");
        assert_eq!(crates[0].own, [Dependency { on: "crates/conversation".to_owned(), for_tests: false }]);
        assert_eq!(crates[0].foreign, [Dependency { on: "tokio".to_owned(), for_tests: true }]);
    }
}
