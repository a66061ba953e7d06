//! Claims on conversations, and what they keep others from doing.

use std::num::NonZeroU64;

/// Names one claim: a random number that the claimer makes, never 0. What carries it out belongs to that claim.
pub type Claim = NonZeroU64;

/// Which claim on a conversation keeps a write out: the fencing token of leases.
///
/// A node makes a claim when it takes a conversation out of the due index. The claim ends with the next event, when the due
/// time is moved, or with the next claim. A
/// node that was paused for longer than its claim holds, and goes on as if nothing had happened, is stopped here: the check
/// and the write are one atomic step in the store, so no pause fits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fence {
    /// None: what a visitor or an agent does is never kept out.
    #[default]
    Open,
    /// Any: for what a node does that has not claimed the conversation.
    Unclaimed,
    /// Any but this one: for what a node does under its claim. Also stored if no claim is left.
    Claimed(Claim),
}

impl Fence {
    /// Whether a write with this fence is let through while `claim` stands.
    pub fn lets_through(self, claim: Option<Claim>) -> bool {
        match (self, claim) {
            (Self::Open, _) | (_, None) => true,
            (Self::Unclaimed, Some(_)) => false,
            (Self::Claimed(own), Some(claim)) => own == claim,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_keeps_out_everybody_but_its_owner_and_those_it_does_not_concern() {
        let [own, other] = [1, 2].map(|number| Claim::new(number).unwrap());
        for (fence, expected) in [
            (Fence::Open, [true, true, true]),
            (Fence::Unclaimed, [true, false, false]),
            (Fence::Claimed(own), [true, true, false]),
        ] {
            assert_eq!([None, Some(own), Some(other)].map(|claim| fence.lets_through(claim)), expected, "{fence:?}");
        }
    }
}
