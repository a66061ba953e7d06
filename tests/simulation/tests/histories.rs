//! What histories show without any deliberate fault.

use simulation::{Batch, Options, run, run_many};

#[test]
fn thousands_of_histories_break_no_invariant() {
    let found = run_many(&Batch { start_seed: 1, histories: 4_000, jobs: 2 }, &Options::default());
    let breaches: Vec<_> = found.breach.into_iter().map(|history| (history.seed, history.breach)).collect();
    assert_eq!(breaches, []);
    assert_eq!(found.histories, 4_000);
}

#[test]
fn one_seed_is_one_history() {
    for seed in 1..=100 {
        assert_eq!(run(seed, &Options::default()), run(seed, &Options::default()));
    }
    assert_ne!(run(1, &Options::default()).digest, run(2, &Options::default()).digest);
}

#[test]
fn a_history_that_is_told_is_the_same_history() {
    let (silent, told) = (run(7, &Options::default()), run(7, &Options::default().telling()));
    assert_eq!((silent.digest, silent.tally), (told.digest, told.tally));
    assert!(silent.story.is_empty() && told.story.len() > 100);
}

#[test]
fn histories_reach_every_corner_that_is_counted() {
    let found = run_many(&Batch { start_seed: 1, histories: 1_000, jobs: 2 }, &Options::default());
    let missed: Vec<_> = found.tally.counts().into_iter().filter(|(_, count)| *count == 0).collect();
    assert!(missed.is_empty(), "never seen: {missed:?}");
}
