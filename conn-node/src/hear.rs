//! The bus: what other nodes say of a conversation that this node holds.

use std::sync::{Arc, Weak};

use bus::{Received, Topic};
use conversation::{ConversationId, Live, Notice};
use protocol::bus::BusMessage;

use crate::held::Held;
use crate::node::Node;

/// Tells the other nodes. A node that is alone has no bus and says nothing.
pub(crate) fn publish(node: &Node, id: &ConversationId, notice: &Notice) {
    let Some(bus) = &node.bus else { return };
    let message = protocol::bus::encode_notice(&node.config.node.name, notice);
    if let Err(error) = bus.publish(&Topic::Conversation(id.clone()), message.into()) {
        // Nobody depends on the bus: who misses an event finds the gap, who misses all finds a due time.
        tracing::warn!(conversation = %id, %error, "not published");
    }
}

/// Listens for as long as the conversation is in memory. The log is read only once the subscription stands, so that no
/// event falls between the two.
pub(crate) async fn listen(node: Weak<Node>, held: Weak<Held>) {
    let Some(mut subscription) = subscribe(&node, &held).await else { return };
    loop {
        let received = subscription.recv().await;
        let (Some(node), Some(held)) = (node.upgrade(), held.upgrade()) else { return };
        match received {
            Received::Message(bytes) => hear(&node, &held, &bytes),
            // Whatever was lost shows when the log is read.
            Received::Lagged => held.handle(&node, Live::handle_refresh),
        }
    }
}

async fn subscribe(node: &Weak<Node>, held: &Weak<Held>) -> Option<bus::Subscription> {
    let (node, held) = (node.upgrade()?, held.upgrade()?);
    let subscription = match &node.bus {
        None => None,
        Some(bus) => match bus.subscribe(&Topic::Conversation(held.id().clone())).await {
            Ok(subscription) => Some(subscription),
            Err(error) => {
                tracing::warn!(conversation = %held.id(), %error, "not subscribed: other nodes' events come late");
                None
            }
        },
    };
    // Carries out what the conversation has wanted since it was made: its log.
    held.handle(&node, |_, _| {});
    subscription
}

fn hear(node: &Arc<Node>, held: &Arc<Held>, bytes: &[u8]) {
    let message = match BusMessage::decode(bytes) {
        Ok(message) if message.node == node.config.node.name => return,
        Ok(message) => message,
        Err(error) => return tracing::warn!(conversation = %held.id(), %error, "a bus message is dropped"),
    };
    match message.notice {
        Notice::Event(event) => held.handle(node, |live, now| live.handle_heard_event(now, event)),
        Notice::Turn(text) => held.handle(node, |live, now| live.handle_heard_turn(now, &text)),
        Notice::AskTurn => held.handle(node, |live, _| live.handle_ask_turn()),
    }
}
