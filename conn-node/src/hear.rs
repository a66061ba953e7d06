//! The bus: what other nodes say of a conversation that this node holds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bus::{Received, Subscription, Topic};
use conversation::{ConversationId, Live, Millis, Notice};
use protocol::bus::BusMessage;

use crate::clock;
use crate::held::Held;
use crate::life;
use crate::node::{self, Node};
use crate::survive::survive;

/// First wait before a subscription that failed is tried again; doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// The longest wait between two tries to subscribe. While there is no subscription, `health` has the log looked at.
const MAX_RETRY: Duration = Duration::from_secs(4);

/// What was said in a conversation that was needed within this time may have been lost on its way to the bus, milliseconds.
const RECENT_MS: Millis = 60_000;

/// Tells the other nodes, and again later if the bus does not take it now.
pub(crate) fn publish(node: &Node, held: &Held, notice: &Notice) {
    if !publish_once(node, held.id(), notice) {
        held.note_unpublished();
    }
}

/// Tells the other nodes; false if the bus did not take it. A node that is alone has no bus and says nothing.
///
/// Nobody depends on it: who misses an event finds the gap, who misses all finds a due time, and who misses that a
/// conversation is gone finds the log gone when it is looked at next.
pub(crate) fn publish_once(node: &Node, id: &ConversationId, notice: &Notice) -> bool {
    let Some(bus) = &node.bus else { return true };
    let message = protocol::bus::encode_notice(&node.speaker, notice);
    let published = bus.publish(&Topic::Conversation(id.clone()), message.into());
    if let Err(error) = &published {
        node.metrics.bus_errors.inc();
        tracing::debug!(conversation = %id, %error, "not published");
    }
    published.is_ok()
}

/// Listens for as long as the conversation is in memory. The log is read only once the subscription stands, so that no
/// event falls between the two.
pub(crate) async fn listen(node: Weak<Node>, held: Weak<Held>) {
    let mut subscription = subscribe(&node, &held).await;
    {
        let (Some(node), Some(held)) = (node.upgrade(), held.upgrade()) else { return };
        // Carries out what the conversation has wanted since it was made: its log.
        held.handle(&node, |_, _| {});
        if node.bus.is_none() {
            return;
        }
    }
    let mut retry = FIRST_RETRY;
    loop {
        let Some(heard) = &mut subscription else {
            // Full jitter: after an outage thousands of conversations subscribe again.
            tokio::time::sleep(retry.mul_f64(0.5 + rand::random::<f64>())).await;
            retry = (retry * 2).min(MAX_RETRY);
            subscription = subscribe(&node, &held).await;
            if subscription.is_some() {
                catch_up(&node, &held).await;
            }
            continue;
        };
        let received = heard.recv().await;
        match received {
            Received::Message(bytes) => {
                let (Some(node), Some(held)) = (node.upgrade(), held.upgrade()) else { return };
                if survive("hearing another node", hear(&node, &held, &bytes)).await.is_none() {
                    // What it had to say may be in the log.
                    node.look_again(&held).await;
                }
            }
            // Whatever was lost shows when the log is read; and what was said here may have been lost as well.
            Received::Lagged => {
                catch_up(&node, &held).await;
            }
        }
    }
}

async fn catch_up(node: &Weak<Node>, held: &Weak<Held>) {
    let (Some(node), Some(held)) = (node.upgrade(), held.upgrade()) else { return };
    if clock::now().saturating_sub(held.touched()) < RECENT_MS {
        held.note_unpublished();
        // One at rest does not have the event at hand; if the log cannot be read now, the note stands.
        held.wake_up(&node);
        held.wait_until(|live| live.is_loaded() || node::is_stuck(live)).await;
    }
    held.publish_again(&node);
    node.look_again(&held).await;
}

async fn subscribe(node: &Weak<Node>, held: &Weak<Held>) -> Option<Subscription> {
    let (bus, topic) = {
        let (node, held) = (node.upgrade()?, held.upgrade()?);
        (Arc::clone(node.bus.as_ref()?), Topic::Conversation(held.id().clone()))
    };
    // Nothing is held meanwhile: a conversation that nobody needs may go.
    match bus.subscribe(&topic).await {
        Ok(subscription) => Some(subscription),
        Err(error) => {
            tracing::debug!(%error, "not subscribed: other nodes' events come late");
            None
        }
    }
}

async fn hear(node: &Arc<Node>, held: &Arc<Held>, bytes: &[u8]) {
    let message = match BusMessage::decode(bytes) {
        Ok(message) if message.node == node.speaker => return,
        Ok(message) => message,
        Err(error) => return tracing::warn!(conversation = %held.id(), %error, "a bus message is dropped"),
    };
    if let Some(rested) = held.rested()
        && is_old_news(&message.notice, rested.head)
    {
        return;
    }
    match message.notice {
        Notice::Event { event, previous_at } => {
            held.handle(node, |live, now| live.handle_heard_event(now, event, previous_at));
        }
        Notice::Turn(text) => held.handle(node, |live, now| live.handle_heard_turn(now, &text)),
        Notice::AskTurn => held.handle(node, |live, _| live.handle_ask_turn()),
        // Whoever can publish must not be able to send visitors away: the log tells.
        Notice::Forgotten => match node.store.head(held.id()).await {
            Ok(0) => life::heard_forgotten(node, held),
            Ok(_) | Err(_) => held.handle(node, Live::handle_refresh),
        },
    }
}

/// Whether a conversation at rest need not be woken for it: it runs no turn, and knows events up to `head`.
fn is_old_news(notice: &Notice, head: u32) -> bool {
    match notice {
        Notice::AskTurn => true,
        Notice::Event { event, .. } => event.seq <= head,
        Notice::Turn(_) | Notice::Forgotten => false,
    }
}
