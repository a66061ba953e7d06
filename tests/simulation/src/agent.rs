//! Somebody who writes to logs from outside, as another node would: people's messages, notes, closes.

use std::sync::Arc;

use conversation::{Assignee, Body, ClosedBy, Event, Fence, Notice, Owner, due_at};

use crate::agenda::{ConversationIx, Happening};
use crate::store::Append;
use crate::watch::Checked;
use crate::world::World;

impl World {
    pub(crate) fn agent_acts(&mut self) -> Checked {
        if self.plan.agent_every == 0 {
            return Ok(());
        }
        let next = self.now + self.rng.between(1, 2 * self.plan.agent_every);
        self.agenda.plan(next, Happening::AgentActs);
        let conversation = self.rng.below(self.plan.conversations as u64) as ConversationIx;
        if self.store.place(conversation).forgotten {
            return Ok(());
        }
        let Some(body) = self.draw_body(conversation) else { return Ok(()) };
        let event = Arc::new(Event { seq: self.watch.head(conversation) + 1, at: self.now, body });
        let Ok(after) = self.watch.state(conversation).after(&event) else { return Ok(()) };
        let due = due_at(&after, &self.plan.policy);
        let previous_at = self.watch.state(conversation).head_at();
        let append = Append { event: Arc::clone(&event), due, fence: Fence::Open, previous_at };
        self.append(None, conversation, &append)?;
        self.publish(None, conversation, &Notice::Event { event, previous_at });
        Ok(())
    }

    /// What an agent may do in this state.
    fn draw_body(&mut self, conversation: ConversationIx) -> Option<Body> {
        let agent: Arc<str> = "kim".into();
        let text: Arc<str> = "one moment".into();
        let owner = self.watch.state(conversation).owner().clone();
        let draw = self.rng.weighted(&[40, 40, 12, 8]);
        match (draw, owner) {
            (0, _) => Some(Body::Note { agent, text }),
            (1, Owner::People(_)) => Some(Body::AgentMessage { agent, id: self.fresh_id(), text }),
            (2, Owner::People(_)) => Some(Body::Assigned { to: Assignee::Agent(agent) }),
            (3, Owner::People(_)) => Some(Body::Closed { by: ClosedBy::Agent }),
            (3, Owner::Assistant) if self.rng.chance(200) => Some(Body::Closed { by: ClosedBy::Site }),
            _ => None,
        }
    }
}
