//! The functions: they write, hang, crash, are cut, come late, and go on after they were cancelled.

use conversation::{AnswerEnd, Assignee, HandoverReason, Invocation, Millis, Outcome};

use crate::agenda::{ConversationIx, FunctionStep, Happening, Incarnation};
use crate::trace::tell;
use crate::watch::Checked;
use crate::world::World;

/// Pieces of answers; several bytes a character, so that bounds fall into the middle of one.
const WORDS: [&str; 6] = ["tea ", "绿茶", "in stock ", "é", "— until Friday. ", ""];

/// A function's answer must be there by then; the driver waits no longer for `routing`.
const ROUTING_DEADLINE: Millis = 3_000;

impl World {
    /// Starts a run: everything it will say is decided now.
    pub(crate) fn invoke_assistant(
        &mut self,
        from: Incarnation,
        conversation: ConversationIx,
        invocation: &Invocation,
    ) {
        let (turn, run) = (invocation.turn, invocation.run);
        let slot = self.slot_of(from.node, conversation);
        tell!(self, "node{}   c{conversation} runs turn {turn} run {run}", from.node);
        self.tally.runs += 1;
        let weather = self.plan.function.clone();
        let weights = [weather.answers, weather.hands_over, weather.fails, weather.cut, weather.hangs, weather.is_late];
        let ending = self.rng.weighted(&weights);
        let speaks = !matches!(ending, 1 | 2) || self.rng.chance(300);
        let pieces = if speaks { self.rng.between(1, 12) } else { 0 };
        let mut at = self.now;
        let mut text = String::new();
        for _ in 0..pieces {
            at += self.rng.delay(300, weather.worst_delay);
            let piece = *self.rng.pick(&WORDS);
            text.push_str(piece);
            let step = FunctionStep::Delta(piece.to_owned());
            self.agenda.plan(at, Happening::Function(from, conversation, slot, run, step));
        }
        self.watch.script(conversation, turn, run, &text);
        at += self.rng.delay(100, weather.worst_delay);
        if ending == 5 {
            at = invocation.deadline + self.rng.between(0, 4_000);
        }
        if let Some(outcome) = outcome(ending, &text) {
            self.agenda.plan(at, Happening::Function(from, conversation, slot, run, FunctionStep::Outcome(outcome)));
        }
    }

    pub(crate) fn function_says(
        &mut self,
        to: Incarnation,
        conversation: ConversationIx,
        slot: u64,
        run: u32,
        step: FunctionStep,
    ) -> Checked {
        let node = to.node;
        if self.slot_of(node, conversation) != slot {
            return Ok(()); // The conversation was let go of meanwhile, and who listened to the run with it.
        }
        // Once cancelled, its words mostly stop; what was already on the way may still arrive.
        if !self.is_running(node, conversation, run) && self.rng.chance(500) {
            return Ok(());
        }
        tell!(self, "run{run}  c{conversation} says {step:?}");
        match step {
            FunctionStep::Delta(text) => self.input(node, conversation, |live, now| live.handle_delta(now, run, &text)),
            FunctionStep::Outcome(outcome) => {
                self.finish_run(node, conversation, run);
                self.input(node, conversation, |live, now| live.handle_outcome(now, run, outcome))
            }
        }
    }

    pub(crate) fn invoke_routing(&mut self, from: Incarnation, conversation: ConversationIx) {
        let at = self.now + self.rng.delay(100, ROUTING_DEADLINE);
        let to = match self.rng.weighted(&[60, 25, 15]) {
            0 => Some(Assignee::Queue),
            1 => Some(Assignee::Agent("kim".into())),
            _ => None,
        };
        self.agenda.plan(at, Happening::Routed(from, conversation, to));
    }
}

/// How a run ends: answer, handover, failure, cut (the driver reports a failure), hang (nothing), late answer.
fn outcome(ending: usize, text: &str) -> Option<Outcome> {
    match ending {
        0 | 5 => Some(Outcome::Answer {
            text: text.into(),
            end: AnswerEnd::Complete,
            offer_person: false,
            sources: None,
            choices: None,
        }),
        1 => Some(Outcome::Handover { reason: HandoverReason::Assistant, summary: "".into(), text: text.into() }),
        2 | 3 => Some(Outcome::Failure),
        _ => None,
    }
}
