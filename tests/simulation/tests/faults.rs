//! A simulation that finds nothing proves nothing: the core is broken on purpose, one fault at a time, and each must be
//! caught as a breach of an invariant that it breaks.

use simulation::{ALL_FAULTS, Batch, Fault, Options, run_many};

/// Histories that a fault may hide in. CI runs five times as many without one.
const ENOUGH: u64 = 20_000;

fn broken_invariants(fault: Fault) -> &'static [u8] {
    match fault {
        // Whatever was decided for another state: ids, answers and handovers may all be doubled.
        Fault::SkipRedecision => &[1, 3, 5, 6],
        Fault::AckBeforeStored => &[2],
        Fault::ForgetIds => &[3],
        Fault::LeaveGaps | Fault::IgnoreGaps | Fault::DeliverRepeats | Fault::NoReset => &[4],
        Fault::NoDueMark | Fault::AnswerTwice | Fault::WaitForever | Fault::IgnoreFence => &[5],
        Fault::SpeakOverPerson | Fault::KeepStreaming => &[6],
        Fault::ShowNotes => &[7],
        // Who has folded a mixture of two logs shows it to clients, and does not see what the log asks for.
        Fault::TrustLostLog => &[1, 4, 5],
        Fault::UnboundedQueue | Fault::UnboundedText => &[8],
    }
}

#[test]
fn every_deliberate_fault_is_caught() {
    for fault in ALL_FAULTS {
        let batch = Batch { start_seed: 1, histories: ENOUGH, jobs: 1 };
        let found = run_many(&batch, &Options { trace: false, fault: Some(fault) });
        let history = found.breach.unwrap_or_else(|| panic!("{fault:?} was not caught in {ENOUGH} histories"));
        let breach = history.breach.unwrap();
        println!("{fault:?}: caught after {} histories: {breach}", found.histories);
        assert!(broken_invariants(fault).contains(&breach.invariant), "{fault:?} was caught as {breach}");
    }
}
