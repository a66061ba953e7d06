//! What the model budget reaches in virtual time. `docs/budget.md` has the table.

use simulation::budget::{Counting, Demand, Figures, Knowledge, Setting, run};

/// What a run must reach.
struct Goal {
    used: f64,
    refused: f64,
    halved_s: usize,
    doubled_s: usize,
    jain: f64,
}

const WITH_HEADERS: Goal = Goal { used: 0.95, refused: 0.001, halved_s: 10, doubled_s: 20, jain: 0.99 };
const WITHOUT: Goal = Goal { used: 0.9, refused: 0.01, halved_s: 10, doubled_s: 20, jain: 0.99 };

impl Goal {
    fn check(&self, setting: &Setting, figures: &Figures) {
        let is_reached = figures.used >= self.used
            && figures.refused < self.refused
            && figures.halved_s.is_some_and(|seconds| seconds <= self.halved_s)
            && figures.doubled_s.is_some_and(|seconds| seconds <= self.doubled_s)
            && figures.jain >= self.jain;
        let Figures { used, refused, halved_s, doubled_s, jain, .. } = figures;
        assert!(is_reached, "{used} {refused} {halved_s:?} {doubled_s:?} {jain} in {setting:?}");
    }
}

fn check_all(knowledge: Knowledge, callers: usize, goal: &Goal) {
    for window_s in [1, 5, 60] {
        let setting = Setting { callers, window_s, knowledge, ..Setting::default() };
        goal.check(&setting, &run(&setting));
    }
}

#[test]
fn with_headers_the_quota_is_used_and_hardly_anything_refused() {
    for callers in [1, 4, 32] {
        check_all(Knowledge::Headers, callers, &WITH_HEADERS);
    }
}

#[test]
fn with_a_configured_limit_and_no_headers_a_cut_quota_is_found_out_by_refusals() {
    for callers in [1, 4, 32] {
        check_all(Knowledge::Configured, callers, &WITHOUT);
    }
}

#[test]
fn where_nothing_is_known_the_limit_is_found_by_trying() {
    for callers in [1, 4, 32] {
        check_all(Knowledge::Nothing, callers, &WITHOUT);
    }
}

#[test]
fn sites_get_equal_shares_however_many_callers_they_are_on() {
    for callers in [4, 32] {
        for demand_percent in [150, 300] {
            let setting = Setting { demand: Demand::Uneven, callers, demand_percent, ..Setting::default() };
            let goal = Goal { jain: 0.99, ..WITH_HEADERS };
            goal.check(&setting, &run(&setting));
        }
    }
}

#[test]
fn without_the_store_callers_stay_within_the_quota_and_come_back_within_it() {
    for callers in [4, 32] {
        let outage = Some((80_000, 95_000));
        let setting = Setting { window_s: 1, callers, outage, changes: false, ..Setting::default() };
        let figures = run(&setting);
        let away = figures.by_second[82..95].iter().sum::<f64>() / 13.0;
        assert!((0.7..1.0).contains(&away), "{away}");
        let back = figures.by_second[95..100].iter().sum::<f64>() / 5.0;
        // The server's bucket holds a second's worth.
        assert!((0.8..1.2).contains(&back), "{back}");
        assert!(figures.refused < 0.001, "{}", figures.refused);
    }
}

#[test]
fn headers_make_up_for_tokens_that_are_counted_in_another_way() {
    for counting in [Counting::Reserved, Counting::Actual] {
        let setting = Setting { counting, ..Setting::default() };
        WITH_HEADERS.check(&setting, &run(&setting));
    }
}

#[test]
fn a_refusal_that_does_not_say_when_to_come_back_is_enough() {
    let setting = Setting { knowledge: Knowledge::Nothing, retry_after: false, ..Setting::default() };
    WITHOUT.check(&setting, &run(&setting));
}

#[test]
fn whichever_quota_is_nearer_holds() {
    let setting = Setting { requests_per_minute: 2_000, ..Setting::default() };
    WITH_HEADERS.check(&setting, &run(&setting));
}

#[test]
fn where_there_is_enough_nobody_waits_or_is_turned_away() {
    let setting = Setting { demand_percent: 60, changes: false, ..Setting::default() };
    let figures = run(&setting);
    assert!(figures.wait_p50_ms <= 10 && figures.turned_away == 0.0 && figures.refusals == 0, "{figures:?}");
}

#[test]
fn over_many_seeds_the_setting_of_the_real_time_benchmark_is_within_reach() {
    for (knowledge, callers, used, refused) in [
        (Knowledge::Headers, 1, 0.95, 0.001),
        (Knowledge::Headers, 4, 0.95, 0.001),
        (Knowledge::Headers, 32, 0.95, 0.001),
        (Knowledge::Nothing, 1, 0.9, 0.01),
        (Knowledge::Nothing, 4, 0.9, 0.01),
        (Knowledge::Nothing, 32, 0.9, 0.01),
    ] {
        let runs: Vec<Figures> =
            (1..=20).map(|seed| run(&Setting { seed, knowledge, callers, ..Setting::real() })).collect();
        let median = |of: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (uses, refuses, jain) = (median(|run| run.used), median(|run| run.refused), median(|run| run.jain));
        let is_reached = uses >= used && refuses < refused && jain >= 0.99;
        assert!(is_reached, "{uses} {refuses} {jain} of {callers} with {knowledge:?}");
        for run in &runs {
            let is_settled = run.halved_s.is_some_and(|seconds| seconds <= 10);
            assert!(is_settled && run.doubled_s.is_some_and(|seconds| seconds <= 20), "{run:?}");
        }
        let worst = |of: fn(&Figures) -> f64| runs.iter().map(of).fold(f64::INFINITY, f64::min);
        let (lowest, unfairest) = (worst(|run| run.used), worst(|run| run.jain));
        assert!(lowest > 0.8 && unfairest > 0.96, "{lowest} {unfairest} of {callers} with {knowledge:?}");
    }
}

#[test]
fn one_setting_is_one_run() {
    let setting = Setting { knowledge: Knowledge::Nothing, ..Setting::default() };
    assert_eq!(run(&setting), run(&setting));
    assert_ne!(run(&setting), run(&Setting { seed: 2, ..setting }));
}
