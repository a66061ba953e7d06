//! Who takes which conversation.

use protocol::function::{Assignee, Assignment, RoutingRequest};

/// One assignment for each conversation of the queue, in its order: all wait in the queue, whatever the roster.
pub fn assign(request: &RoutingRequest) -> Vec<Assignment> {
    let assignment = |conversation: &String| Assignment { conversation: conversation.clone(), to: Assignee::Queue };
    request.queue.iter().map(|queued| assignment(&queued.conversation)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::function::{Queued, RosterAgent};

    #[test]
    fn every_conversation_waits_in_the_queue_in_its_order() {
        let queued = |conversation: &str| Queued { conversation: conversation.into(), since_ms: 1 };
        let request = RoutingRequest {
            site: "shop".into(),
            queue: vec![queued("shop/v2/1"), queued("shop/v1/3")],
            roster: vec![RosterAgent { agent: "mei".into(), capacity: 3, load: 0 }],
            deadline_ms: 9,
        };
        let assigned: Vec<_> = assign(&request).into_iter().map(|one| (one.conversation, one.to)).collect();
        assert_eq!(assigned, [("shop/v2/1".into(), Assignee::Queue), ("shop/v1/3".into(), Assignee::Queue)]);
    }
}
