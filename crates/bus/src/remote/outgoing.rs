//! What waits to be written to one server.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::interest::Ticket;
use crate::Topic;

/// How much may wait, in bytes.
pub(crate) const MAX_OUTGOING_BYTES: usize = 8 << 20;

/// How often a message is sent at most, because nobody knows whether it arrived.
const MAX_TRIES: u8 = 8;

/// How long messages are kept for a server that is away. Then they interest nobody any more.
const KEEP: Duration = Duration::from_secs(30);

/// What a command costs beside its payload, in bytes: its place in the queue, and its topic on the wire.
const COMMAND_BYTES: usize = 256;

/// What a server is told.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        topic: Topic,
        payload: Bytes,
        /// How often it was sent before.
        tries: u8,
    },
    Subscribe(Topic, Ticket),
    Unsubscribe(Topic, Ticket),
    /// Answer, and the sender hears of it.
    Probe(oneshot::Sender<()>),
}

impl Command {
    fn bytes(&self) -> usize {
        COMMAND_BYTES + if let Self::Publish { payload, .. } = self { payload.len() } else { 0 }
    }
}

/// A queue that takes commands only while its server can be reached, and is bounded by bytes.
///
/// A message that was sent may be lost with its connection, and only its publisher's node would know that anything happened.
/// So it is sent again, unless the server has said that it has it. It may arrive twice.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug)]
struct State {
    commands: VecDeque<Command>,
    bytes: usize,
    /// Messages that are to be sent again.
    kept: VecDeque<Command>,
    kept_bytes: usize,
    away_since: Instant,
    /// Why nothing is taken; none: it is.
    closed: Option<String>,
    /// A command that may not be lost was: the connection is of no use any more.
    broken: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            commands: VecDeque::new(),
            bytes: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            away_since: Instant::now(),
            closed: Some("not connected yet".to_owned()),
            broken: false,
        }
    }
}

impl State {
    fn keep(&mut self, command: Command) {
        self.forget_old();
        let bytes = command.bytes();
        if let Command::Publish { topic, payload, tries } = command
            && tries + 1 < MAX_TRIES
            && !self.is_long_away()
            && self.kept_bytes + bytes <= MAX_OUTGOING_BYTES
        {
            self.kept_bytes += bytes;
            self.kept.push_back(Command::Publish { topic, payload, tries: tries + 1 });
        }
    }

    fn is_long_away(&self) -> bool {
        self.closed.is_some() && self.away_since.elapsed() > KEEP
    }

    fn forget_old(&mut self) {
        if self.is_long_away() {
            (self.kept, self.kept_bytes) = (VecDeque::new(), 0);
        }
    }

    fn send_kept(&mut self) {
        self.kept_bytes = 0;
        for command in std::mem::take(&mut self.kept) {
            self.bytes += command.bytes();
            self.commands.push_back(command);
        }
    }
}

impl Outgoing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command.
    ///
    /// # Errors
    /// Why it cannot be sent now. A message is kept even so, and sent if the server is soon back.
    pub(crate) fn push(&self, command: Command) -> Result<(), String> {
        let mut state = self.state();
        if let Some(reason) = state.closed.clone() {
            state.keep(command);
            return Err(reason);
        }
        let bytes = command.bytes();
        if state.bytes + bytes > MAX_OUTGOING_BYTES {
            // Whoever is told of a lost message or subscription can do without. Of a lost unsubscription nobody is told.
            state.broken |= matches!(command, Command::Unsubscribe(..));
            return Err(format!("{} bytes wait to be written already", state.bytes));
        }
        state.bytes += bytes;
        state.commands.push_back(command);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The next command, if one is here.
    pub(crate) fn pop(&self) -> Option<Command> {
        let mut state = self.state();
        let command = state.commands.pop_front()?;
        state.bytes -= command.bytes();
        if state.commands.is_empty() {
            state.commands.shrink_to(64);
        }
        Some(command)
    }

    /// Waits until there is, or may be, a command. Giving up loses nothing.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether the connection must be given up.
    pub(crate) fn is_broken(&self) -> bool {
        self.state().broken
    }

    /// Takes commands from now on. Those that were kept come first.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        state.forget_old();
        (state.closed, state.broken) = (None, false);
        state.send_kept();
    }

    /// Takes none from now on. Messages that wait are kept, and so are those of `unanswered`, which are older.
    pub(crate) fn close(&self, reason: String, unanswered: impl Iterator<Item = Command>) {
        let mut state = self.state();
        if state.closed.is_none() {
            state.away_since = Instant::now();
        }
        unanswered.for_each(|command| state.keep(command));
        std::mem::take(&mut state.commands).into_iter().for_each(|command| state.keep(command));
        (state.bytes, state.closed) = (0, Some(reason));
    }

    /// Keeps a message that the server could not take right now.
    pub(crate) fn keep(&self, command: Command) {
        self.state().keep(command);
    }

    /// Sends what was kept.
    pub(crate) fn send_kept(&self) {
        let mut state = self.state();
        if state.closed.is_none() && !state.kept.is_empty() {
            state.send_kept();
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Gives back those of the kept messages for which `moves` is true.
    #[cfg(feature = "redis")]
    pub(crate) fn take_kept(&self, moves: impl Fn(&Topic) -> bool) -> Vec<Command> {
        let mut state = self.state();
        let moving = |command: &Command| matches!(command, Command::Publish { topic, .. } if moves(topic));
        let (moving, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut state.kept).into_iter().partition(moving);
        state.kept_bytes = stay.iter().map(Command::bytes).sum();
        state.kept = stay.into();
        moving
    }

    /// Why nothing is taken; none: it is.
    pub(crate) fn closed(&self) -> Option<String> {
        self.state().closed.clone()
    }
}

#[cfg(test)]
mod tests {
    use conversation::ConversationId;

    use super::*;

    fn topic() -> Topic {
        Topic::Conversation(ConversationId::new("shop", "visitor", 1).unwrap())
    }

    fn publish(bytes: usize) -> Command {
        Command::Publish { topic: topic(), payload: Bytes::from(vec![0; bytes]), tries: 0 }
    }

    fn close(outgoing: &Outgoing, unanswered: Vec<Command>) {
        outgoing.close("it died".to_owned(), unanswered.into_iter());
    }

    fn sizes(outgoing: &Outgoing) -> Vec<usize> {
        let size = |command| if let Command::Publish { payload, .. } = command { payload.len() } else { 0 };
        std::iter::from_fn(|| outgoing.pop()).map(size).collect()
    }

    #[test]
    fn nothing_is_taken_while_the_server_is_away() {
        let outgoing = Outgoing::default();
        assert!(outgoing.push(publish(1)).is_err());
        assert!(outgoing.pop().is_none());
        outgoing.open();
        outgoing.push(publish(2)).unwrap();
        close(&outgoing, vec![]);
        assert_eq!(outgoing.push(publish(3)), Err("it died".to_owned()));
        assert!(outgoing.pop().is_none());
        outgoing.open();
        assert_eq!(sizes(&outgoing), [1, 2, 3], "it came back soon enough");
    }

    #[test]
    fn no_more_is_kept_for_a_server_that_is_away_than_may_wait_for_one_that_is_there() {
        let outgoing = Outgoing::default();
        for _ in 0..1_000 {
            outgoing.push(publish(100_000)).unwrap_err();
        }
        outgoing.open();
        assert_eq!(sizes(&outgoing).len(), MAX_OUTGOING_BYTES / (100_000 + COMMAND_BYTES));
    }

    #[test]
    fn what_the_server_may_not_have_is_sent_again_in_order_but_not_for_ever() {
        let outgoing = Outgoing::default();
        outgoing.open();
        outgoing.push(publish(3)).unwrap();
        outgoing.push(Command::Unsubscribe(topic(), 1)).unwrap();
        close(&outgoing, vec![publish(1), Command::Subscribe(topic(), 1), publish(2)]);
        outgoing.open();
        assert_eq!(sizes(&outgoing), [1, 2, 3]);
        close(&outgoing, vec![Command::Publish { topic: topic(), payload: Bytes::new(), tries: MAX_TRIES - 1 }]);
        outgoing.open();
        assert_eq!(sizes(&outgoing), [0; 0]);
    }

    #[test]
    fn what_the_server_could_not_take_is_sent_later() {
        let outgoing = Outgoing::default();
        outgoing.open();
        outgoing.keep(publish(1));
        assert_eq!(sizes(&outgoing), [0; 0]);
        outgoing.send_kept();
        assert_eq!(sizes(&outgoing), [1]);
    }

    #[test]
    fn more_than_the_bound_is_refused_until_something_was_written() {
        let outgoing = Outgoing::default();
        outgoing.open();
        let taken = (0..1_000).take_while(|_| outgoing.push(publish(100_000)).is_ok()).count();
        assert_eq!(taken, MAX_OUTGOING_BYTES / (100_000 + COMMAND_BYTES));
        assert!(!outgoing.is_broken());
        outgoing.pop().unwrap();
        outgoing.push(publish(100_000)).unwrap();
    }

    #[test]
    fn a_lost_unsubscription_breaks_the_connection() {
        let outgoing = Outgoing::default();
        outgoing.open();
        while outgoing.push(publish(0)).is_ok() {}
        outgoing.push(Command::Unsubscribe(topic(), 1)).unwrap_err();
        assert!(outgoing.is_broken());
        close(&outgoing, vec![]);
        outgoing.open();
        assert!(!outgoing.is_broken());
    }
}
