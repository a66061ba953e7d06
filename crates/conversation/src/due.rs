//! When a conversation needs somebody's attention even if nobody is connected.

use crate::id::Millis;
use crate::policy::Policy;
use crate::state::State;

/// The due mark that belongs to a state; stored together with the event that led to it.
///
/// * An unanswered turn: when its run must long be over, so that whoever finds the mark knows that the runner died. The run
///   began with the newest event at the latest: one that waited for the answer before it begins with that.
/// * A handover without an assignment: soon, because routing is quick.
/// * Otherwise nothing is owed and there is no mark.
pub fn due_at(state: &State, policy: &Policy) -> Option<Millis> {
    if broken!(policy, NoDueMark) {
        return None;
    }
    if state.open_turn().is_some() {
        return Some(state.head_at() + policy.turn_deadline + 2 * policy.turn_grace);
    }
    state.wants_assignment().then(|| state.handover_at() + policy.routing_grace)
}
