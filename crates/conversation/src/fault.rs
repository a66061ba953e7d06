//! Deliberate faults, one or more for each invariant. They exist only with the feature `faults`, which no program turns
//! on: the simulation breaks the code with each of them and must notice.

/// A way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Invariant 1: after a conflict, append the same thing behind what came first, without deciding again.
    SkipRedecision,
    /// Invariant 2: acknowledge when the append is sent off, not when it succeeded.
    AckBeforeStored,
    /// Invariant 3: do not look a repeated id up.
    ForgetIds,
    /// Invariant 4: hear of a gap and read nothing.
    LeaveGaps,
    /// Invariant 4: deliver the newest event without those before it.
    IgnoreGaps,
    /// Invariant 4: deliver an event again.
    DeliverRepeats,
    /// Invariant 4: tell a client that is ahead of the log nothing.
    NoReset,
    /// Invariant 5: leave the due mark out.
    NoDueMark,
    /// Invariant 5: answer a turn that has been answered.
    AnswerTwice,
    /// Invariant 5: take a cut stream for one that is still coming.
    WaitForever,
    /// Invariant 6: append an answer after a handover.
    SpeakOverPerson,
    /// Invariant 6: show what the assistant writes without looking whether the log has moved on.
    KeepStreaming,
    /// Invariant 7: show notes to the visitor.
    ShowNotes,
    /// Invariant 5: append also when the claim on the conversation has gone to another node.
    IgnoreFence,
    /// Invariant 4: take a log that has lost events for the one that was read before.
    TrustLostLog,
    /// Invariant 8: let commands queue without bound.
    UnboundedQueue,
    /// Invariant 8: take texts of any length.
    UnboundedText,
}

/// Every fault, for the simulation to go through.
pub const ALL_FAULTS: [Fault; 17] = [
    Fault::SkipRedecision,
    Fault::AckBeforeStored,
    Fault::ForgetIds,
    Fault::LeaveGaps,
    Fault::IgnoreGaps,
    Fault::DeliverRepeats,
    Fault::NoReset,
    Fault::NoDueMark,
    Fault::AnswerTwice,
    Fault::WaitForever,
    Fault::SpeakOverPerson,
    Fault::KeepStreaming,
    Fault::ShowNotes,
    Fault::IgnoreFence,
    Fault::TrustLostLog,
    Fault::UnboundedQueue,
    Fault::UnboundedText,
];
