//! Random inputs into one conversation, shrunk to the shortest that shows a breach.

use proptest::collection::vec;
use proptest::prelude::*;
use simulation::feed;

#[test]
fn an_event_heard_before_a_loss_is_not_taken_for_the_next_of_another_log() {
    // A node appends seq 1 while another has: it hears of the other's seq 2, the store loses both, and its own is stored.
    assert_eq!(feed(&[5, 0, 11, 0, 0, 0, 11, 1, 12, 1, 28, 2]), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_inputs_breaks_a_conversation(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(feed(&bytes), Ok(()));
    }

    /// Mostly a store that works, so that conversations get far.
    #[test]
    fn no_long_conversation_breaks(inputs in vec((any::<u8>(), any::<u8>(), any::<bool>()), 0..200)) {
        let bytes: Vec<u8> = inputs.iter().flat_map(|(kind, argument, stored)| {
            let then: &[u8] = if *stored { &[5, 0, 5, 0] } else { &[] };
            [&[*kind, *argument], then].concat()
        }).collect();
        prop_assert_eq!(feed(&bytes), Ok(()));
    }
}
