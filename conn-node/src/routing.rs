//! One assignment through the function `routing`.

use std::sync::Arc;
use std::time::Duration;

use conversation::{Assignee, ConversationId};
use protocol::function::{self, RoutingLine, RoutingOutcome, RoutingRequest};

use crate::clock;
use crate::held::Held;
use crate::invocation::Reader;
use crate::invoke::InvokeError;
use crate::node::Node;
use crate::survive::survive;

/// How long routing may take.
const ROUTING_DEADLINE: Duration = Duration::from_secs(3);

/// Asks who takes a conversation that was handed over.
pub(crate) async fn route(node: Arc<Node>, held: Arc<Held>) {
    let function = &node.config.functions.routing_name;
    let asked = survive("routing", tokio::time::timeout(ROUTING_DEADLINE, assignee(&node, held.id()))).await;
    let assignee = match asked {
        Some(Ok(Ok(assignee))) => assignee,
        Some(Ok(Err(error))) => {
            tracing::warn!(conversation = %held.id(), function, %error, "routing failed: it stays in the queue");
            None
        }
        Some(Err(_)) => {
            tracing::warn!(conversation = %held.id(), function, "routing took too long: it stays in the queue");
            None
        }
        None => None,
    };
    held.handle(&node, |live, now| live.handle_routed(now, assignee));
}

async fn assignee(node: &Node, id: &ConversationId) -> Result<Option<Assignee>, InvokeError> {
    let name = &node.config.functions.routing_name;
    let now = clock::now();
    let deadline = now + ROUTING_DEADLINE.as_millis() as u64;
    let signed = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let request = RoutingRequest {
        site: id.site().to_owned(),
        queue: vec![function::Queued { conversation: id.as_str().to_owned(), since_ms: signed(now) }],
        roster: vec![],
        deadline_ms: signed(deadline),
    };
    let mut reader = Reader::invoke(node, name, &request, deadline).await?;
    match reader.next::<RoutingLine>().await? {
        Some(RoutingLine::Outcome(RoutingOutcome::Assignments(assignments))) => {
            let ours = assignments.into_iter().find(|assignment| assignment.conversation == id.as_str());
            Ok(ours.map(|assignment| match assignment.to {
                function::Assignee::Queue => Assignee::Queue,
                function::Assignee::Agent(agent) => Assignee::Agent(agent.into()),
            }))
        }
        Some(RoutingLine::Outcome(RoutingOutcome::Failure(_))) => Ok(None),
        None => Err(reader.failed()),
    }
}
