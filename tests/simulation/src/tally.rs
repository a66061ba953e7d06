//! How often what happened: shows that histories reach what they are meant to reach.

use std::fmt;

use conversation::{AnswerEnd, Body, HandoverReason, Refusal, Reply};

macro_rules! tally {
    ($($name:ident: $what:literal,)+) => {
        /// Counts over one history, or over many.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Tally {
            $(#[doc = $what] pub $name: u64,)+
        }

        impl Tally {
            /// Every count with what it counts.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$(($what, self.$name),)+]
            }

            /// Adds another history's.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

tally! {
    steps: "steps",
    messages: "visitor messages stored",
    complete: "answers, complete",
    stopped: "answers, stopped",
    interrupted: "answers, interrupted",
    fallback: "answers, fallback",
    failed: "handovers after failures",
    handovers: "handovers",
    summarised: "handovers with a summary",
    farewells: "handovers with a last word of the assistant",
    assigned: "assignments",
    agent_messages: "agent messages",
    notes: "notes",
    closed: "closes",
    rated: "ratings",
    runs: "runs of the assistant",
    deltas: "pieces of answers delivered",
    acks: "commands acknowledged",
    id_reused: "refused: id reused",
    too_long: "refused: text too long",
    empty: "refused: text empty",
    full: "refused: log full",
    busy: "refused: busy",
    unavailable: "refused: store unavailable",
    after_close: "refused: closed",
    conflicts: "appends that lost a race",
    fenced: "appends kept out by a claim",
    crashes: "nodes that died",
    pauses: "nodes that stood still",
    outages: "outages of the store",
    fail_overs: "fail-overs of the store",
    lost_events: "events lost by the store",
    lost_acked: "acknowledged messages lost by the store",
    lost_logs: "logs that a node found to be others",
    forgotten: "conversations forgotten",
    drains: "nodes that drained",
    bus_cuts: "nodes cut off from the bus",
    claims: "due conversations claimed",
    released: "claims given back",
    moved: "due times moved without an event",
    takeovers: "turns taken over from a silent node",
    inherited: "dead runners whom another node had to replace soon",
    rests: "conversations put to rest",
    lost_notices: "bus messages lost",
    cuts: "connections cut",
    resets: "clients told to reset when they come",
    lost_resets: "clients told to reset as their log was lost",
    torn: "clients told to reset as history did not continue theirs",
    history: "reads of history for a client",
    hidden: "events hidden from a visitor",
}

impl Tally {
    /// What never happened.
    pub fn missed(&self) -> Vec<&'static str> {
        self.counts().into_iter().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect()
    }

    pub(crate) fn count(&mut self, body: &Body) {
        if matches!(body, Body::Handover { summary, .. } if !summary.is_empty()) {
            self.summarised += 1;
        }
        if matches!(body, Body::Handover { text, .. } if !text.is_empty()) {
            self.farewells += 1;
        }
        let count = match body {
            Body::VisitorMessage { .. } => &mut self.messages,
            Body::Answer { end: AnswerEnd::Complete, .. } => &mut self.complete,
            Body::Answer { end: AnswerEnd::Stopped, .. } => &mut self.stopped,
            Body::Answer { end: AnswerEnd::Interrupted, .. } => &mut self.interrupted,
            Body::Answer { end: AnswerEnd::Fallback, .. } => &mut self.fallback,
            // Functions alone make them, and to the core they are answers like others.
            Body::Answer { end: AnswerEnd::Intent, .. } => &mut self.complete,
            Body::Handover { reason: HandoverReason::Failures, .. } => &mut self.failed,
            Body::Handover { .. } => &mut self.handovers,
            Body::Assigned { .. } => &mut self.assigned,
            Body::AgentMessage { .. } => &mut self.agent_messages,
            Body::Note { .. } => &mut self.notes,
            Body::Closed { .. } => &mut self.closed,
            Body::Rated { .. } => &mut self.rated,
        };
        *count += 1;
    }

    pub(crate) fn reply(&mut self, reply: &Reply) {
        let count = match reply {
            Reply::Acked(_) => &mut self.acks,
            Reply::Refused(Refusal::IdReused, _) => &mut self.id_reused,
            Reply::Refused(Refusal::TextTooLong { .. }, _) => &mut self.too_long,
            Reply::Refused(Refusal::TextEmpty, _) => &mut self.empty,
            Reply::Refused(Refusal::Full, _) => &mut self.full,
            Reply::Refused(Refusal::Busy, _) => &mut self.busy,
            Reply::Refused(Refusal::Unavailable, _) => &mut self.unavailable,
            Reply::Refused(Refusal::Closed, _) => &mut self.after_close,
            Reply::Refused(Refusal::InvalidScore, _) => return,
        };
        *count += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in self.counts() {
            writeln!(f, "{count:>14}  {what}")?;
        }
        Ok(())
    }
}
