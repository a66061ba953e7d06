//! Commands until they are acknowledged, across connections.

use std::collections::VecDeque;

use conversation::Millis;
use protocol::v1::{self, ClientFrame, ErrorCode};

use crate::change::{Command, Id};

/// What the visitor has asked for and the node has not acknowledged.
///
/// One command is under way at a time, so that a refusal cannot change their order; only Stop overtakes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug, Clone)]
struct Waiting {
    id: Id,
    command: Command,
    /// The conversation it was written in; 0: none was known yet.
    conversation: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent from this time on.
    From(Millis),
    /// On its way, on this connection.
    Sent,
}

impl Outbox {
    pub(crate) fn push(&mut self, id: Id, command: Command, conversation: u32) {
        self.waiting.push_back(Waiting { id, command, conversation, state: State::From(0) });
    }

    /// The client is in this conversation from now on. What was written in another one is not sent any more: it may be
    /// stored there, and its id is known only there. What is on its way on the present connection still gets its reply.
    /// Returns what is given up.
    pub(crate) fn move_to(&mut self, conversation: u32, is_new_connection: bool) -> Vec<Id> {
        let mut left_behind = Vec::new();
        self.waiting.retain_mut(|waiting| {
            if waiting.conversation == 0 {
                waiting.conversation = conversation;
            }
            let is_on_its_way = !is_new_connection && waiting.state == State::Sent;
            let stays = waiting.conversation == conversation || is_on_its_way;
            if !stays {
                left_behind.push(waiting.id);
            }
            stays
        });
        left_behind
    }

    /// What to send next. Call until there is nothing.
    pub(crate) fn next(&mut self, now: Millis) -> Option<ClientFrame> {
        let mut is_first = true;
        for waiting in &mut self.waiting {
            let may_go = is_first || matches!(waiting.command, Command::Stop(_));
            if may_go && matches!(waiting.state, State::From(at) if at <= now) {
                waiting.state = State::Sent;
                return Some(frame(waiting));
            }
            is_first &= matches!(waiting.command, Command::Stop(_));
        }
        None
    }

    /// When [`Outbox::next`] may have something that it has not now.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        let at = |waiting: &Waiting| match waiting.state {
            State::From(at) => Some(at),
            State::Sent => None,
        };
        let first = self.waiting.iter().find(|waiting| !matches!(waiting.command, Command::Stop(_)));
        let stops = self.waiting.iter().filter(|waiting| matches!(waiting.command, Command::Stop(_)));
        stops.chain(first).filter_map(at).min()
    }

    /// A new connection: whatever was on its way goes again.
    pub(crate) fn restart(&mut self) {
        for waiting in &mut self.waiting {
            waiting.state = State::From(0);
        }
    }

    /// Whether it was waiting here.
    pub(crate) fn remove(&mut self, id: &[u8]) -> Option<Id> {
        let at = self.waiting.iter().position(|waiting| waiting.id == id)?;
        self.waiting.remove(at).map(|waiting| waiting.id)
    }

    /// The node refused: what may succeed later stays. Returns the id when it was dropped for good.
    pub(crate) fn handle_refusal(&mut self, now: Millis, error: &v1::Error) -> Option<Id> {
        match error.code() {
            ErrorCode::RateLimited | ErrorCode::Unavailable => {
                let at = now + Millis::from(error.retry_after_ms);
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.id == error.id[..]) {
                    waiting.state = State::From(at);
                }
                None
            }
            // It goes again on the next connection.
            ErrorCode::Draining | ErrorCode::Internal => None,
            _ => self.remove(&error.id),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn frame(waiting: &Waiting) -> ClientFrame {
    let id = waiting.id.to_vec();
    match &waiting.command {
        Command::Send(text) => v1::Send { id, text: text.clone() }.into(),
        Command::Stop(turn) => v1::Stop { id, turn: *turn }.into(),
        Command::AskPerson => v1::AskPerson { id }.into(),
        Command::Close => v1::Close { id }.into(),
        Command::Rate(score, comment) => v1::Rate { id, score: *score, comment: comment.clone() }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(commands: &[Command]) -> Outbox {
        let mut outbox = Outbox::default();
        for (number, command) in commands.iter().enumerate() {
            outbox.push([number as u8; 16], command.clone(), 1);
        }
        outbox
    }

    fn sent(outbox: &mut Outbox, now: Millis) -> Vec<u8> {
        std::iter::from_fn(|| outbox.next(now)).map(|frame| first_byte(&frame)).collect()
    }

    fn first_byte(frame: &ClientFrame) -> u8 {
        match &frame.kind {
            Some(v1::client_frame::Kind::Send(send)) => send.id[0],
            Some(v1::client_frame::Kind::Stop(stop)) => stop.id[0],
            other => panic!("{other:?}"),
        }
    }

    fn refusal(id: u8, code: ErrorCode, retry_after_ms: u32) -> v1::Error {
        v1::Error { code: code.into(), id: vec![id; 16], retry_after_ms, ..Default::default() }
    }

    #[test]
    fn one_goes_after_the_other_and_stop_overtakes() {
        let send = || Command::Send("x".to_owned());
        let mut outbox = outbox(&[send(), send(), Command::Stop(1), send()]);
        assert_eq!(sent(&mut outbox, 0), [0, 2]);
        outbox.remove(&[0; 16]);
        assert_eq!(sent(&mut outbox, 0), [1]);
        outbox.remove(&[2; 16]);
        outbox.remove(&[1; 16]);
        assert_eq!(sent(&mut outbox, 0), [3]);
    }

    #[test]
    fn what_may_succeed_later_goes_again_when_the_node_says_and_keeps_its_place() {
        let send = || Command::Send("x".to_owned());
        let mut outbox = outbox(&[send(), send()]);
        assert_eq!(sent(&mut outbox, 0), [0]);
        assert_eq!(outbox.handle_refusal(100, &refusal(0, ErrorCode::RateLimited, 50)), None);
        assert_eq!((sent(&mut outbox, 149), outbox.next_at()), (vec![], Some(150)));
        assert_eq!(sent(&mut outbox, 150), [0]);
        assert_eq!(outbox.handle_refusal(150, &refusal(0, ErrorCode::TextTooLong, 0)), Some([0; 16]));
        assert_eq!(sent(&mut outbox, 150), [1]);
    }

    #[test]
    fn a_new_connection_carries_everything_again() {
        let mut outbox = outbox(&[Command::Send("x".to_owned())]);
        assert_eq!(sent(&mut outbox, 0), [0]);
        assert_eq!(outbox.handle_refusal(0, &refusal(0, ErrorCode::Draining, 0)), None);
        assert_eq!(sent(&mut outbox, 0), [0; 0]);
        outbox.restart();
        assert_eq!(sent(&mut outbox, 0), [0]);
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn what_was_written_in_another_conversation_is_left_there() {
        let send = || Command::Send("x".to_owned());
        let mut outbox = outbox(&[send(), send()]);
        outbox.push([2; 16], send(), 0);
        assert_eq!(sent(&mut outbox, 0), [0]);
        assert_eq!(outbox.move_to(1, true), [[0; 16]; 0], "they belong there, also what was written before a Welcome");
        assert_eq!(outbox.move_to(2, false), [[1; 16], [2; 16]], "the first is on its way and gets a reply");
        outbox.push([3; 16], send(), 2);
        assert_eq!(outbox.move_to(2, true), [[0; 16]], "nobody knows what became of it");
        outbox.restart();
        assert_eq!(sent(&mut outbox, 0), [3]);
    }
}
