//! The node's own answer, where the function says nothing.

use conversation::{Invocation, Outcome};

use crate::held::Held;
use crate::node::Node;

/// What the visitor hears in the function's place.
pub(crate) fn answer(_node: &Node, _held: &Held, _invocation: &Invocation) -> Outcome {
    Outcome::Failure
}
