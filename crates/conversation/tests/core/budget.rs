//! One node's view of a model's budget, input by input.

use std::sync::Arc;

use conversation::Millis;
use conversation::budget::{
    Allowance, Ask, Limit, Limits, ModelBudget, Output, Quota, Refusal, Shared, Size, Spent, Ticket,
};

const T0: Millis = 1_790_000_000_000;

/// A budget, and what it wanted done since the last look.
struct Bench {
    budget: ModelBudget,
    now: Millis,
}

impl Bench {
    fn new(requests: u64, tokens: u64) -> Self {
        Self { budget: ModelBudget::new("a", Limits::configured(requests, tokens), 100, T0), now: T0 }
    }

    fn ask(&mut self, ticket: Ticket, until: Millis) {
        let site = Arc::from("shop");
        self.budget.handle_ask(Ask { ticket, site: &site, size: Size::default(), until: T0 + until }, self.now);
    }

    /// What is wanted now, without what is only for listening to others.
    fn outputs(&mut self) -> Vec<Output> {
        let all = std::iter::from_fn(|| self.budget.poll(self.now));
        all.filter(|output| !matches!(output, Output::Look | Output::Gather(_))).collect()
    }

    /// The calls that wait for the store.
    fn calls(&mut self) -> Vec<u64> {
        let call = |output| if let Output::Reserve { call, .. } = output { Some(call) } else { None };
        self.outputs().into_iter().filter_map(call).collect()
    }

    fn pass(&mut self, ms: Millis) {
        self.now += ms;
    }
}

#[test]
fn a_turn_goes_when_its_slot_is_ripe() {
    let mut bench = Bench::new(600, 60_000);
    bench.ask(1, 5_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_reserved(call, 100, bench.now);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.budget.wakes_at(bench.now), Some(T0 + 100));
    bench.pass(100);
    assert_eq!(bench.outputs(), [Output::Grant(1)]);
}

#[test]
fn a_slot_whose_turn_has_left_goes_to_the_next_one_or_back_to_all() {
    let mut bench = Bench::new(600, 0);
    bench.ask(1, 5_000);
    bench.ask(2, 5_000);
    let calls = bench.calls();
    calls.iter().for_each(|call| bench.budget.handle_reserved(*call, 100, bench.now));
    bench.budget.handle_give_up(1);
    bench.pass(400);
    let outputs = bench.outputs();
    assert_eq!(outputs[0], Output::Grant(2));
    let Some(Output::Settle { requests: Some(take), .. }) = outputs.get(1) else { panic!("{outputs:?}") };
    assert_eq!(take.amount, -1_000);
}

#[test]
fn a_turn_that_cannot_wait_so_long_is_refused_as_soon_as_that_is_known() {
    let mut bench = Bench::new(600, 0);
    bench.ask(1, 1_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_reserved(call, 9_000, bench.now);
    let outputs = bench.outputs();
    assert!(outputs.contains(&Output::Refuse(1, Refusal::TooLong)), "{outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Settle { .. })), "the slot goes back: {outputs:?}");
    bench.ask(2, 1_000);
    assert_eq!(bench.outputs(), [Output::Refuse(2, Refusal::TooLong)], "without asking the store again");
}

#[test]
fn what_an_estimate_took_too_much_or_too_little_is_corrected() {
    let mut bench = Bench::new(0, 60_000);
    bench.ask(1, 5_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_reserved(call, 0, bench.now);
    assert_eq!(bench.outputs(), [Output::Grant(1)]);
    // 300 of question and 100 of answer were expected.
    bench.budget.handle_spent(1, Spent::Tokens { prompt: 250, completion: 50 });
    bench.pass(300);
    let outputs = bench.outputs();
    let [Output::Settle { tokens: Some(take), requests: None }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(take.amount, -100);
}

#[test]
fn after_retry_after_nobody_goes_before_and_those_behind_it_are_refused_at_once() {
    let mut bench = Bench::new(600, 0);
    bench.ask(1, 60_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_reserved(call, 0, bench.now);
    bench.outputs();
    bench.budget.handle_quota(1, &Quota { refused: true, retry_after_ms: Some(7_000), ..Quota::default() }, bench.now);
    let proposed = bench.outputs();
    let Some(Output::Propose(shared)) = proposed.first() else { panic!("{proposed:?}") };
    assert_eq!(shared.blocked_until, T0 + 7_000);
    assert!(shared.scale.value < 1.0, "and the rate is cut");
    bench.ask(2, 60_000);
    bench.ask(3, 5_000);
    assert_eq!(bench.outputs(), [Output::Refuse(3, Refusal::Blocked)]);
    bench.pass(7_000);
    assert_eq!(bench.calls().len(), 1);
}

#[test]
fn what_another_node_learnt_moves_slots_that_are_not_ripe() {
    let mut bench = Bench::new(600, 0);
    bench.ask(1, 60_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_reserved(call, 100, bench.now);
    let requests = Allowance { per_minute: 300_000.0, capacity: 5_000.0 };
    bench.budget.handle_shared(Some(Shared { requests, learnt_at: T0, ..Shared::new(T0) }), bench.now);
    bench.pass(199);
    assert_eq!(bench.outputs(), []);
    bench.pass(1);
    assert_eq!(bench.outputs(), [Output::Grant(1)], "half the rate, twice the wait");
}

#[test]
fn a_server_that_counts_more_than_it_gives_in_a_minute_costs_a_minute() {
    for (prompt, completion) in [(1_000_000_000_000, 3), (3, u64::MAX), (u64::MAX, u64::MAX)] {
        let mut bench = Bench::new(0, 60_000);
        bench.ask(1, 5_000);
        let [call] = bench.calls()[..] else { panic!("one reservation") };
        bench.budget.handle_reserved(call, 0, bench.now);
        assert_eq!(bench.outputs(), [Output::Grant(1)]);
        // 400 were expected.
        bench.budget.handle_spent(1, Spent::Tokens { prompt, completion });
        bench.pass(300);
        let outputs = bench.outputs();
        let [Output::Settle { tokens: Some(take), requests: None }] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!(take.amount, 59_600);
    }
}

/// A turn a second for `seconds`, each with a clock of 4 s; the store answers as one bucket of `per_minute` tokens would, and a
/// turn takes `tokens(number)`. How many were granted in the second half.
fn granted(per_minute: u64, seconds: u64, tokens: impl Fn(u64) -> u64) -> u64 {
    let mut bench = Bench::new(0, per_minute);
    let (mut level, mut number, mut late) = (None, 0, 0);
    for step in 0..seconds * 10 {
        if step % 10 == 0 {
            bench.ask(step, bench.now - T0 + 4_000);
        }
        for output in bench.outputs() {
            let take = match &output {
                Output::Reserve { tokens, .. } | Output::Settle { tokens, .. } => tokens.as_ref(),
                _ => None,
            };
            if let Some(take) = take {
                let (held, at) = level.unwrap_or((take.burst as f64, bench.now));
                let flown = (bench.now - at) as f64 * take.per_minute as f64 / 60_000.0;
                let held = (held + flown).min(take.burst as f64) - take.amount as f64;
                level = Some((held, bench.now));
                if let Output::Reserve { call, .. } = output {
                    let wait = (-held).max(0.0) * 60_000.0 / take.per_minute as f64;
                    bench.budget.handle_reserved(call, wait as u64, bench.now);
                }
            }
            if let Output::Grant(ticket) = output {
                number += 1;
                late += u64::from(step >= seconds * 5);
                bench.budget.handle_spent(ticket, Spent::Tokens { prompt: tokens(number), completion: 50 });
            }
        }
        bench.pass(100);
    }
    late
}

#[test]
fn a_small_quota_is_used_although_a_turn_takes_more_than_a_second_of_it() {
    for per_minute in [3_000, 6_000, 12_000] {
        let late = granted(per_minute, 600, |_| 150);
        let quota = per_minute * 5 / 200;
        assert!(late * 10 >= quota.min(300) * 8, "{late} turns of {quota} with {per_minute} tokens a minute");
    }
}

#[test]
fn one_absurd_count_does_not_make_every_later_turn_too_large() {
    for lie in [1, 5, 30] {
        let late = granted(60_000, 600, |number| if number == lie { 100_000_000 } else { 150 });
        assert!(late >= 270, "{late} of 300 turns after turn {lie} had taken a hundred million tokens");
    }
}

#[test]
fn a_model_without_limits_owes_nothing_and_wakes_nobody_for_it() {
    let mut bench = Bench::new(0, 0);
    bench.ask(1, 5_000);
    assert_eq!(bench.outputs(), [Output::Grant(1)]);
    bench.budget.handle_spent(1, Spent::Tokens { prompt: 250, completion: 50 });
    bench.budget.handle_unreserved(250, 50);
    bench.pass(60_000);
    bench.outputs();
    assert_eq!(bench.budget.wakes_at(bench.now), None);
    let limit = Limit { limit: Some(600), remaining: Some(500), reset_ms: Some(700) };
    bench.ask(2, 65_000);
    assert_eq!(bench.outputs(), [Output::Grant(2)]);
    bench.budget.handle_quota(2, &Quota { requests: Some(limit), ..Quota::default() }, bench.now);
    bench.pass(1_000);
    let settled = |output: &Output| matches!(output, Output::Settle { .. });
    assert!(!bench.outputs().iter().any(settled), "what went before the limit was known counts for nothing");
}

#[test]
fn headers_pull_the_level_down_to_what_is_left() {
    let mut bench = Bench::new(0, 0);
    bench.ask(1, 5_000);
    assert_eq!(bench.outputs(), [Output::Grant(1)], "nothing is known to limit it");
    let limit = Limit { limit: Some(600), remaining: Some(3), reset_ms: Some(700) };
    bench.budget.handle_quota(1, &Quota { requests: Some(limit), ..Quota::default() }, bench.now);
    bench.ask(2, 5_000);
    let outputs = bench.outputs();
    let reserve = outputs.iter().find(|output| matches!(output, Output::Reserve { .. }));
    let Some(Output::Reserve { requests: Some(take), tokens: None, .. }) = reserve else { panic!("{outputs:?}") };
    assert_eq!((take.remaining, take.burst), (Some(3_000), 5_000));
}

#[test]
fn headers_without_sense_limit_nothing() {
    let mut bench = Bench::new(0, 0);
    for (limit, remaining) in [(Some(0), Some(0)), (None, Some(0)), (None, None)] {
        bench.ask(1, 5_000);
        bench.outputs();
        let limit = Limit { limit, remaining, reset_ms: Some(0) };
        bench.budget.handle_quota(1, &Quota { requests: Some(limit), ..Quota::default() }, bench.now);
        assert_eq!(bench.budget.rates(bench.now), (None, None));
    }
}

#[test]
fn without_the_store_turns_go_at_this_nodes_part_of_the_rate() {
    let mut bench = Bench::new(600, 0);
    bench.ask(1, 60_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_store_failed(call, bench.now);
    for ticket in 2..=100 {
        bench.ask(ticket, 60_000);
    }
    let mut granted = 0;
    for _ in 0..900 {
        bench.pass(1);
        granted += bench.outputs().iter().filter(|output| matches!(output, Output::Grant(_))).count();
    }
    assert!((7..=9).contains(&granted), "nine tenths of ten a second: {granted}");
}

#[test]
fn a_store_that_is_back_begins_with_an_empty_bucket() {
    let mut bench = Bench::new(600, 0);
    bench.ask(1, 60_000);
    let [call] = bench.calls()[..] else { panic!("one reservation") };
    bench.budget.handle_store_failed(call, bench.now);
    bench.pass(2_000);
    bench.outputs();
    bench.ask(2, 60_000);
    let outputs = bench.outputs();
    let reserve = outputs.iter().find(|output| matches!(output, Output::Reserve { .. }));
    let Some(Output::Reserve { requests: Some(take), .. }) = reserve else { panic!("{outputs:?}") };
    assert_eq!(take.remaining, Some(0));
}

#[test]
fn headers_with_any_numbers_are_taken_without_harm() {
    for number in [0, 1, u64::MAX / 1_000, u64::MAX] {
        let mut bench = Bench::new(600, 60_000);
        bench.ask(1, 5_000);
        let [call] = bench.calls()[..] else { panic!("one reservation") };
        bench.budget.handle_reserved(call, 0, bench.now);
        assert_eq!(bench.outputs(), [Output::Grant(1)]);
        let limit = Some(Limit { limit: Some(100), remaining: Some(number), reset_ms: Some(number) });
        let huge = Some(Limit { limit: Some(number.max(1)), remaining: Some(number), reset_ms: Some(number) });
        bench.budget.handle_quota(1, &Quota { requests: limit, tokens: huge, ..Quota::default() }, bench.now);
        bench.ask(2, 5_000);
        let _ = bench.outputs();
    }
}
