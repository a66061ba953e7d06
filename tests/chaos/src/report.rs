//! What is printed at the end, and whether enough happened for it to mean anything.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context;
use protocol::codes::CloseCode;
use protocol::v1::{AnswerEnd, event};

use crate::crowd::Glance;
use crate::schedule::Scope;
use crate::tally::Tally;
use crate::verify::History;

/// Adds up what the visitors saw and what the store holds.
pub(crate) fn count(histories: &[History], tally: &Tally) {
    tally.add("visitors", histories.len() as u64);
    for history in histories {
        tally.add("tabs", history.tabs.len() as u64);
        for (_, tab) in &history.tabs {
            count_tab(tab, tally);
        }
        for log in history.logs.values().filter(|log| !log.is_empty()) {
            tally.add("conversations", 1);
            for event in log {
                count_event(event.body.as_ref(), tally);
            }
        }
    }
}

fn count_tab(tab: &crate::record::TabRecord, tally: &Tally) {
    let sent = |id: &[u8; 16]| tab.sent.iter().any(|(sent, _)| sent == id);
    tally.add("messages acknowledged", tab.acked.iter().filter(|acked| sent(&acked.id)).count() as u64);
    tally.add("other commands acknowledged", tab.acked.iter().filter(|acked| !sent(&acked.id)).count() as u64);
    tally.add("commands refused for good", tab.refused.len() as u64);
    tally.add("commands left behind in an earlier conversation", tab.left_behind.len() as u64);
    tally.add("connections welcomed", tab.welcomes);
    tally.add("resumes by cursor", tab.resumes);
    tally.add("connections lost", tab.ends.values().sum());
    tally.add("resets", tab.resets as u64);
    tally.add("answers shown while they were written", tab.shown.len() as u64);
}

fn count_event(body: Option<&event::Body>, tally: &Tally) {
    tally.add("events stored", 1);
    let Some(body) = body else { return };
    let name = match body {
        event::Body::VisitorMessage(_) => "messages stored",
        event::Body::Answer(answer) => match answer.end() {
            AnswerEnd::Complete => "turns ended by a whole answer",
            AnswerEnd::Stopped => "turns stopped",
            AnswerEnd::Interrupted => "turns broken off",
            AnswerEnd::Fallback => "turns ended by the fallback",
            AnswerEnd::Intent => "turns ended by an intent's reply",
            AnswerEnd::Unspecified => "turns ended in a way that is none",
        },
        event::Body::Handover(_) => "handovers",
        event::Body::Closed(_) => "conversations closed",
        event::Body::Rated(_) => "ratings",
        _ => return,
    };
    tally.add(name, 1);
}

/// Writes what a person who looks for a cause wants to read beside the logs.
pub(crate) fn write_lines(path: &Path, lines: &[impl fmt::Debug]) -> anyhow::Result<()> {
    let text: String = lines.iter().map(|line| format!("{line:?}\n")).collect();
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// What was going on while things were broken, for people to read.
pub(crate) fn glances(seen: &[Glance]) -> String {
    let median = |mut values: Vec<usize>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let connected = seen.iter().map(|glance| glance.connected_tabs);
    let turns: Vec<_> = seen.iter().map(|glance| glance.turns_under_way).collect();
    format!(
        "at any moment: {} of {} tabs connected (fewest {}), {} turns under way (most {})",
        median(connected.clone().collect()),
        seen.last().map_or(0, |glance| glance.tabs),
        connected.min().unwrap_or(0),
        median(turns.clone()),
        turns.iter().max().unwrap_or(&0),
    )
}

/// How long tabs had no connection, and how connections ended, for people to read.
pub(crate) fn connections(histories: &[History]) -> String {
    let tabs = || histories.iter().flat_map(|history| history.tabs.iter().map(|(_, tab)| tab));
    let without = || tabs().flat_map(|tab| tab.without_ms.iter().copied());
    let drained = without().filter(|(code, _)| *code == CloseCode::Draining.number());
    let mut ends: BTreeMap<u16, u64> = BTreeMap::new();
    for (code, count) in tabs().flat_map(|tab| &tab.ends) {
        *ends.entry(*code).or_default() += count;
    }
    let ends: Vec<_> = ends.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    format!(
        "a tab without connection: {}\nafter its node drained: {}\nends by close code (0: none): {}",
        percentiles(without().map(|(_, ms)| ms).collect()),
        percentiles(drained.map(|(_, ms)| ms).collect()),
        ends.join(", ")
    )
}

fn percentiles(mut ms: Vec<u64>) -> String {
    ms.sort_unstable();
    // The smallest value that so many percent of all do not exceed.
    let percentile =
        |percent: usize| ms.get((ms.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
    let [p50, p99, longest] = [50, 99, 100].map(percentile);
    format!("p50 {p50} ms, p99 {p99} ms, longest {longest} ms, {} times", ms.len())
}

/// A run in which too little happened shows nothing: what must have happened in a minute of it, with 500 visitors.
pub(crate) fn too_little(tally: &Tally, scope: &Scope) -> Vec<String> {
    let scaled = |in_a_minute: u64| in_a_minute * scope.seconds / 60;
    let crowd = |in_a_minute: u64| scaled(in_a_minute) * scope.visitors as u64 / 500;
    let cuts: u64 = ["by a reset", "by a close", "in silence"]
        .map(|how| tally.count(&format!("visitors' connections cut {how}")))
        .iter()
        .sum();
    let mut wanted = vec![
        ("cuts of visitors' connections", cuts, crowd(1_000)),
        ("connections cut in silence", tally.count("visitors' connections cut in silence"), crowd(50)),
        ("nodes killed", tally.count("nodes killed"), scaled(1)),
        ("nodes paused", tally.count("nodes paused"), scaled(1)),
        ("nodes drained", tally.count("nodes drained and replaced"), scaled(1)),
        ("resumes by cursor", tally.count("resumes by cursor"), crowd(1_000)),
        ("messages acknowledged", tally.count("messages acknowledged"), crowd(600)),
        ("whole answers", tally.count("turns ended by a whole answer"), crowd(200)),
        ("stopped answers", tally.count("turns stopped"), crowd(10)),
        ("answers broken off", tally.count("turns broken off"), crowd(10)),
        ("conversations closed", tally.count("conversations closed"), crowd(10)),
        ("handovers", tally.count("handovers"), crowd(3)),
        ("networks to visitors in trouble", troubles(tally, "visitors"), scaled(4)),
    ];
    if scope.store_servers > 0 {
        wanted.push(("restarts of the store", tally.count("store killed and restarted"), scaled(2)));
        wanted.push(("pauses of the store", tally.count("store paused"), scaled(2)));
    }
    if scope.store_servers > 1 {
        wanted.push(("fail-overs of the store", tally.count("replicas that took over"), scaled(1)));
    }
    if scope.store_links {
        wanted.push(("networks to the store in trouble", troubles(tally, "the store"), scaled(4)));
    }
    if scope.bus {
        wanted.push(("restarts of the bus", tally.count("bus killed and restarted"), scaled(1)));
        wanted.push(("networks to the bus in trouble", troubles(tally, "the bus"), scaled(4)));
        wanted.push(("turns taken over", tally.count("conversations claimed when due"), scaled(10)));
    }
    let few = wanted.into_iter().filter(|(_, count, least)| count < least);
    few.map(|(what, count, least)| format!("only {count} {what}; the run needs {least} to show anything")).collect()
}

fn troubles(tally: &Tally, to: &str) -> u64 {
    ["down", "stalled", "slow"].map(|what| tally.count(&format!("networks to {to} {what}"))).iter().sum()
}

/// What the nodes' logs tell that nobody else knows.
pub(crate) fn count_log(log: &str, tally: &Tally) {
    for line in log.lines() {
        if line.contains(" due conversation=") {
            tally.add("conversations claimed when due", 1);
        } else if line.contains("handed to a due time") {
            tally.add("turns handed over in a drain", 1);
        } else if line.contains("panicked at") {
            tally.wrong(format!("a process panicked: {line}"));
        } else if line.contains(" ERROR ") {
            tally.add("errors in the nodes' logs", 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope = Scope { seconds: 60, visitors: 500, nodes: 3, store_servers: 1, store_links: true, bus: true };

    #[test]
    fn a_run_in_which_nothing_was_broken_shows_nothing() {
        let few = too_little(&Tally::default(), &SCOPE);
        assert!(few.iter().any(|what| what == "only 0 nodes killed; the run needs 1 to show anything"), "{few:#?}");
        assert!(few.len() > 15, "{few:#?}");
        let alone = Scope { store_servers: 0, store_links: false, bus: false, ..SCOPE };
        assert!(too_little(&Tally::default(), &alone).iter().all(|what| !what.contains("the bus")));
    }

    #[test]
    fn what_the_nodes_logs_tell_is_counted_and_a_panic_is_wrong() {
        let tally = Tally::default();
        let log =
            "1 INFO conn_node::due: due conversation=shop/v/1\n2 ERROR conn_node: x\nthread 'a' panicked at b.rs:1";
        count_log(log, &tally);
        assert_eq!((tally.count("conversations claimed when due"), tally.count("errors in the nodes' logs")), (1, 1));
        assert_eq!(tally.take_wrong().len(), 1);
    }

    #[test]
    fn percentiles_are_values_by_nearest_rank() {
        assert_eq!(percentiles((1..=200).rev().collect()), "p50 100 ms, p99 198 ms, longest 200 ms, 200 times");
        assert_eq!(percentiles(vec![]), "p50 0 ms, p99 0 ms, longest 0 ms, 0 times");
    }
}
