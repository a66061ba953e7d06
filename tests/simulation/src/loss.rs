//! What a store can lose: the newest events of logs, when a fail-over finds a replica behind; and whole conversations, when
//! somebody asks for them to be forgotten.

use conversation::{Millis, Notice};

use crate::agenda::{ConnectionIx, ConversationIx, Happening, NodeIx};
use crate::trace::tell;
use crate::watch::Checked;
use crate::world::World;

/// How many events one fail-over loses of a log at most.
const MOST_LOST: u64 = 3;

impl World {
    /// A replica takes over that has not got the newest events of some logs. Each has the due time that came with its
    /// newest event: both are written in one step, and copied in the order of the writes.
    pub(crate) fn store_fails_over(&mut self) -> Checked {
        for conversation in 0..self.plan.conversations {
            let count = self.rng.below(MOST_LOST + 1).min(u64::from(self.watch.head(conversation))) as usize;
            if count == 0 || self.store.place(conversation).forgotten {
                continue;
            }
            let acked = self.watch.lost(conversation, count)?;
            let head = self.watch.head(conversation) as usize;
            let place = self.store.place_mut(conversation);
            place.dues.truncate(head);
            (place.due, place.claim) = (place.dues.last().copied().flatten(), None);
            self.tally.lost_events += count as u64;
            self.tally.lost_acked += acked;
            tell!(self, "store   c{conversation} loses {count} events, {head} are left");
        }
        Ok(())
    }

    /// A conversation is to be forgotten: its log goes, and the node that does it tells the others.
    pub(crate) fn forget(&mut self, conversation: ConversationIx) -> Checked {
        let Some(node) = (0..self.nodes.len()).find(|node| self.nodes[*node].up && !self.nodes[*node].stands_still())
        else {
            return Ok(());
        };
        if self.store.place(conversation).forgotten || self.watch.head(conversation) == 0 {
            return Ok(());
        }
        tell!(self, "store   c{conversation} is forgotten by node{node}");
        self.tally.forgotten += 1;
        self.watch.lost(conversation, self.watch.head(conversation) as usize)?;
        let place = self.store.place_mut(conversation);
        (place.due, place.claim, place.forgotten) = (None, None, true);
        place.dues.clear();
        self.publish(Some(node), conversation, &Notice::Forgotten);
        self.node_forgets(node, conversation);
        Ok(())
    }

    /// A node keeps nothing of a conversation, and sends away who is connected to it.
    pub(crate) fn node_forgets(&mut self, node: NodeIx, conversation: ConversationIx) {
        self.nodes[node].slots.remove(&conversation);
        let of_it = |ix: &ConnectionIx| self.pipes[*ix].conversation == conversation;
        let connections: Vec<ConnectionIx> = self.nodes[node].connections.keys().copied().filter(of_it).collect();
        for connection in connections {
            self.nodes[node].connections.remove(&connection);
            self.cut(connection);
        }
    }

    /// Plans when conversations are forgotten.
    pub(crate) fn plan_forgetting(&mut self) {
        if self.plan.forgets {
            let at: Millis = self.now + self.rng.between(2_000, self.plan.active);
            let conversation = self.rng.below(self.plan.conversations as u64) as ConversationIx;
            self.agenda.plan(at, Happening::Forget(conversation));
        }
    }
}
