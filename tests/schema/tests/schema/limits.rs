//! The limits that the document names are the configuration's defaults.

use std::collections::BTreeMap;

use crate::markdown;

/// Dotted key → default, from the reference that the configuration makes of itself.
fn defaults() -> BTreeMap<String, String> {
    let reference = config::reference();
    let mut table = "";
    let mut defaults = BTreeMap::new();
    for line in reference.lines() {
        if let Some(name) = line.strip_prefix("## `[").and_then(|rest| rest.strip_suffix("]`")) {
            table = name;
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches('`')).collect();
            defaults.insert(format!("{table}.{}", cells[0]), cells[2].to_owned());
        }
    }
    defaults
}

#[test]
fn every_limit_has_the_configurations_default() {
    let defaults = defaults();
    let rows = markdown::section("Limits").rows();
    assert!(rows.len() > 20, "{} limits", rows.len());
    for row in rows {
        let [_, default, key, _] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(Some(default), defaults.get(key), "{key}");
    }
}

#[test]
fn every_limit_of_a_client_is_named() {
    let named: Vec<_> = markdown::section("Limits").rows().into_iter().map(|row| row[2].clone()).collect();
    // A bound on the node's own memory, which a client cannot tell from the address's limits.
    let not_for_clients = ["limits.max_tracked"];
    for key in defaults().into_keys().filter(|key| key.starts_with("limits.")) {
        assert!(named.contains(&key) || not_for_clients.contains(&key.as_str()), "{key} is not in docs/protocol.md");
    }
}
