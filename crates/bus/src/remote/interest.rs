//! What is to be heard from one server, and what the server has confirmed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::outgoing::{Command, Outgoing};
use crate::Topic;
use crate::hub::Hub;

/// Names one attempt to subscribe, so that a late confirmation of an earlier one confirms nothing.
pub(crate) type Ticket = u64;

/// Hears whether the server has confirmed; the error is why not.
pub(crate) type Confirmation = oneshot::Receiver<Result<(), String>>;

/// The topics of one server, and what waits to be written to it.
///
/// Commands reach the server in the order in which they are queued under the lock. So what was queued last about a topic is
/// what holds, however the subscriptions and the unsubscriptions of several readers mix.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    state: Mutex<State>,
    outgoing: Outgoing,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Topic, Entry>,
    /// Few topics have any.
    waiting: HashMap<Topic, Vec<oneshot::Sender<Result<(), String>>>>,
    /// Topics that may be [`Stage::Idle`].
    idle: Vec<Topic>,
    last_ticket: Ticket,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    stage: Stage,
    /// There was a gap: the local subscriptions must hear so once it has ended.
    has_gap: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server does not know of it.
    Idle,
    /// The server was asked, or will be: the command is queued.
    Asked,
    /// The server has confirmed.
    Stands,
}

impl Interest {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Subscribes for somebody whom the hub has already. None: it stands.
    ///
    /// # Errors
    /// Why the server cannot be asked.
    pub(crate) fn want(&self, topic: &Topic) -> Result<Option<Confirmation>, String> {
        let mut state = self.state();
        let stage = state.topics.get(topic).map_or(Stage::Idle, |entry| entry.stage);
        match stage {
            Stage::Stands => return Ok(None),
            Stage::Asked => {}
            Stage::Idle => state.ask(topic, &self.outgoing)?,
        }
        let (sender, confirmation) = oneshot::channel();
        state.waiting.entry(topic.clone()).or_default().push(sender);
        Ok(Some(confirmation))
    }

    /// Takes over a topic that somebody here hears already, from another server. There was a gap.
    #[cfg(feature = "redis")]
    pub(crate) fn adopt(&self, topic: &Topic) {
        let mut state = self.state();
        let entry = state.topics.entry(topic.clone()).or_insert(Entry { ticket: 0, stage: Stage::Idle, has_gap: true });
        entry.has_gap = true;
        if entry.stage == Stage::Idle && state.ask(topic, &self.outgoing).is_err() {
            state.idle.push(topic.clone());
        }
    }

    /// Gives up a topic that nobody here hears any more.
    pub(crate) fn leave(&self, topic: &Topic, hub: &Hub) {
        let mut state = self.state();
        // Somebody may have come between the last one's leaving and this. Who comes later finds no entry, and asks anew.
        if !hub.listens(topic) {
            state.forget(topic, &self.outgoing);
        }
    }

    /// Gives up those topics for which `moves` is true, and returns them.
    #[cfg(feature = "redis")]
    pub(crate) fn give_up(&self, moves: impl Fn(&Topic) -> bool) -> Vec<Topic> {
        let mut state = self.state();
        let moving: Vec<_> = state.topics.keys().filter(|topic| moves(topic)).cloned().collect();
        for topic in &moving {
            state.forget(topic, &self.outgoing);
        }
        moving
    }

    /// The server has confirmed. Whether the local subscriptions must hear that there was a gap.
    #[must_use]
    pub(crate) fn confirm(&self, topic: &Topic, ticket: Ticket) -> bool {
        let mut state = self.state();
        let Some(entry) = state.topics.get_mut(topic).filter(|entry| entry.ticket == ticket) else { return false };
        entry.stage = Stage::Stands;
        let had_gap = std::mem::take(&mut entry.has_gap);
        state.tell(topic, &Ok(()));
        had_gap
    }

    /// The server has refused.
    pub(crate) fn refuse(&self, topic: &Topic, ticket: Ticket, reason: &str) {
        let mut state = self.state();
        if state.topics.get(topic).is_some_and(|entry| entry.ticket == ticket) {
            state.rest(topic);
            state.tell(topic, &Err(reason.to_owned()));
        }
    }

    /// The server has ended a subscription that stood.
    pub(crate) fn lose(&self, topic: &Topic) {
        self.state().rest(topic);
    }

    /// Asks again for what the server refused or ended.
    pub(crate) fn retry(&self) {
        let mut state = self.state();
        for topic in std::mem::take(&mut state.idle) {
            let is_idle = state.topics.get(&topic).is_some_and(|entry| entry.stage == Stage::Idle);
            if is_idle && state.ask(&topic, &self.outgoing).is_err() {
                state.idle.push(topic);
            }
        }
    }

    /// The server can be reached. Returns what it is to be asked first.
    #[must_use]
    pub(crate) fn open(&self) -> Vec<Command> {
        let mut state = self.state();
        let State { topics, last_ticket, idle, .. } = &mut *state;
        idle.clear();
        self.outgoing.open();
        let ask = |(topic, entry): (&Topic, &mut Entry)| {
            *last_ticket += 1;
            (entry.ticket, entry.stage) = (*last_ticket, Stage::Asked);
            Command::Subscribe(topic.clone(), *last_ticket)
        };
        topics.iter_mut().map(ask).collect()
    }

    /// The server cannot be reached any more. It has not answered `unanswered`.
    pub(crate) fn close(&self, reason: &str, unanswered: impl Iterator<Item = Command>) {
        let mut state = self.state();
        self.outgoing.close(reason.to_owned(), unanswered);
        for entry in state.topics.values_mut() {
            (entry.stage, entry.has_gap) = (Stage::Idle, true);
        }
        for sender in std::mem::take(&mut state.waiting).into_values().flatten() {
            let _ = sender.send(Err(reason.to_owned()));
        }
    }
}

impl State {
    fn ask(&mut self, topic: &Topic, outgoing: &Outgoing) -> Result<(), String> {
        let ticket = self.last_ticket + 1;
        outgoing.push(Command::Subscribe(topic.clone(), ticket))?;
        self.last_ticket = ticket;
        let has_gap = self.topics.get(topic).is_some_and(|entry| entry.has_gap);
        self.topics.insert(topic.clone(), Entry { ticket, stage: Stage::Asked, has_gap });
        Ok(())
    }

    fn forget(&mut self, topic: &Topic, outgoing: &Outgoing) {
        self.waiting.remove(topic);
        if let Some(entry) = self.topics.remove(topic)
            && entry.stage != Stage::Idle
        {
            // A server that cannot be reached forgets by itself.
            let _ = outgoing.push(Command::Unsubscribe(topic.clone(), entry.ticket));
        }
        if self.topics.len() < self.topics.capacity() / 4 {
            self.topics.shrink_to_fit();
        }
    }

    fn rest(&mut self, topic: &Topic) {
        if let Some(entry) = self.topics.get_mut(topic) {
            (entry.stage, entry.has_gap) = (Stage::Idle, true);
            self.idle.push(topic.clone());
        }
    }

    fn tell(&mut self, topic: &Topic, answer: &Result<(), String>) {
        for sender in self.waiting.remove(topic).unwrap_or_default() {
            let _ = sender.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conversation::ConversationId;

    use super::*;
    use crate::{Options, Subscription};

    fn topic() -> Topic {
        Topic::Conversation(ConversationId::new("shop", "visitor", 1).unwrap())
    }

    fn listen(hub: &Arc<Hub>) -> Subscription {
        Hub::subscribe(hub, &topic())
    }

    fn opened() -> (Interest, Arc<Hub>) {
        let interest = Interest::default();
        assert!(interest.open().is_empty());
        (interest, Arc::new(Hub::new(Options::default(), None)))
    }

    /// What the server is told next, as text.
    fn told(interest: &Interest) -> String {
        match interest.outgoing().pop() {
            Some(Command::Subscribe(_, ticket)) => format!("subscribe {ticket}"),
            Some(Command::Unsubscribe(_, ticket)) => format!("unsubscribe {ticket}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_server_is_asked_once_and_all_wait_for_its_answer() {
        let (interest, _) = opened();
        let mut first = interest.want(&topic()).unwrap().unwrap();
        let mut second = interest.want(&topic()).unwrap().unwrap();
        assert_eq!(told(&interest), "subscribe 1");
        assert_eq!(told(&interest), "None");
        first.try_recv().unwrap_err();
        assert!(!interest.confirm(&topic(), 1), "the first subscription has no gap");
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(Ok(())), Ok(Ok(()))));
        assert!(interest.want(&topic()).unwrap().is_none(), "it stands");
    }

    #[test]
    fn who_comes_while_the_last_one_leaves_keeps_the_subscription() {
        let (interest, hub) = opened();
        let _ = interest.want(&topic()).unwrap();
        assert_eq!(told(&interest), "subscribe 1");
        let _came = listen(&hub);
        interest.leave(&topic(), &hub);
        assert_eq!(told(&interest), "None");
    }

    #[test]
    fn who_comes_after_the_last_one_left_asks_anew_and_an_old_confirmation_confirms_nothing() {
        let (interest, hub) = opened();
        let _ = interest.want(&topic()).unwrap();
        interest.leave(&topic(), &hub);
        let mut again = interest.want(&topic()).unwrap().unwrap();
        assert_eq!(
            [told(&interest), told(&interest), told(&interest)],
            ["subscribe 1", "unsubscribe 1", "subscribe 2"]
        );
        let _ = interest.confirm(&topic(), 1);
        again.try_recv().unwrap_err();
        let _ = interest.confirm(&topic(), 2);
        assert_eq!(again.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_lost_connection_is_a_gap_that_is_told_once_the_subscription_stands_again() {
        let (interest, _) = opened();
        let _ = interest.want(&topic()).unwrap();
        let _ = interest.confirm(&topic(), 1);
        interest.close("it died", std::iter::empty());
        assert_eq!(interest.want(&topic()).unwrap_err(), "it died");
        let asked = interest.open();
        assert!(matches!(asked.as_slice(), [Command::Subscribe(_, 2)]));
        assert!(interest.confirm(&topic(), 2));
        assert!(!interest.confirm(&topic(), 2), "one gap is told once");
    }

    #[test]
    fn who_waits_hears_that_the_connection_was_lost() {
        let (interest, _) = opened();
        let mut waiting = interest.want(&topic()).unwrap().unwrap();
        interest.close("it died", std::iter::empty());
        assert_eq!(waiting.try_recv(), Ok(Err("it died".to_owned())));
    }

    #[test]
    fn what_the_server_refused_or_ended_is_asked_again() {
        let (interest, _) = opened();
        let mut waiting = interest.want(&topic()).unwrap().unwrap();
        assert_eq!(told(&interest), "subscribe 1");
        interest.refuse(&topic(), 1, "not allowed");
        assert_eq!(waiting.try_recv(), Ok(Err("not allowed".to_owned())));
        interest.retry();
        interest.retry();
        assert_eq!([told(&interest), told(&interest)], ["subscribe 2", "None"]);
        let _ = interest.confirm(&topic(), 2);
        interest.lose(&topic());
        interest.retry();
        assert_eq!(told(&interest), "subscribe 3");
        assert!(interest.confirm(&topic(), 3), "there was a gap");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_topic_that_moves_to_another_server_has_a_gap() {
        let (old, _) = opened();
        let (new, _) = opened();
        let _ = old.want(&topic()).unwrap();
        for moving in old.give_up(|_| true) {
            new.adopt(&moving);
        }
        assert_eq!([told(&old), told(&old), told(&new)], ["subscribe 1", "unsubscribe 1", "subscribe 1"]);
        assert!(new.confirm(&topic(), 1));
        assert!(old.give_up(|_| true).is_empty());
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_topic_that_moves_to_a_server_that_is_away_is_asked_for_when_that_is_back() {
        let new = Interest::default();
        new.adopt(&topic());
        new.retry();
        assert!(matches!(new.open().as_slice(), [Command::Subscribe(_, 1)]));
    }
}
