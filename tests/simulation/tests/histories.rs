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
    let found = run_many(&Batch { start_seed: 1, histories: 2_000, jobs: 2 }, &Options::default());
    assert_eq!(found.tally.missed(), [""; 0], "never seen");
}

/// Histories that showed a fault of the core when they were first run, or do when its repair is taken back.
#[test]
fn histories_that_once_broke_an_invariant_break_none() {
    let found = [
        (13, "a client got pieces of a turn whose message it had not got, or whose end it had"),
        (1_301, "a client that had read further than its node got pieces of a turn that was over"),
        (16, "a long answer pushed the question that waited for its end out of memory"),
        (12, "a stop named a seq that is no visitor message, and was carried out"),
        (200, "the runs of one turn on two nodes flickered on a third"),
        (25, "a run got the number of a run that was still speaking"),
        (7_163, "two nodes gave one number to their runs of one turn"),
        (21_932, "late words of a run whose time was over took another run's place"),
        (2_017, "a gap heard of during a read was forgotten after it"),
        (2_096, "a gap behind an event that fits was not noticed"),
        (2, "nobody was woken after a read that found nothing"),
    ];
    for (seed, what) in found {
        assert_eq!(run(seed, &Options::default()).breach, None, "seed {seed}: {what}");
    }
}
