//! The newest events of a log, kept in memory within a bound of bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{Body, Event};
use crate::id::Seq;

/// What one event is counted as beside its text, bytes.
const EVENT_BYTES: usize = 96;

/// The newest events, dense, oldest first.
#[derive(Debug, Default)]
pub struct Window {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

/// One line of what a model is told about the conversation so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who said it.
    pub role: Role,
    /// What.
    pub text: Arc<str>,
}

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The visitor.
    Visitor,
    /// The assistant.
    Assistant,
    /// A person.
    Agent,
}

impl Window {
    /// Adds the next event and lets the oldest go until at most `max_bytes` are held. The newest always stays.
    pub fn push(&mut self, event: Arc<Event>, max_bytes: usize) {
        self.bytes += EVENT_BYTES + event.body.text_bytes();
        self.events.push_back(event);
        while self.bytes > max_bytes && self.events.len() > 1 {
            if let Some(oldest) = self.events.pop_front() {
                self.bytes -= EVENT_BYTES + oldest.body.text_bytes();
            }
        }
    }

    /// The event at `seq`, if it is still here.
    pub fn get(&self, seq: Seq) -> Option<&Arc<Event>> {
        let first = self.events.front()?.seq;
        self.events.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// What was said, oldest first, with the visitor messages after `answered` at the end: a message that came while an
    /// answer was being written stands in the log before that answer, but it is what is to be answered now. Notes and
    /// empty answers are left out.
    pub fn lines(&self, answered: Seq) -> Vec<Line> {
        let is_open = |e: &Event| e.seq > answered && matches!(e.body, Body::VisitorMessage { .. });
        let settled = self.events.iter().filter(|e| !is_open(e));
        let open = self.events.iter().filter(|e| is_open(e));
        settled.chain(open).filter_map(|e| line(&e.body)).collect()
    }

    /// The text of the visitor message at `seq`, if it is still here.
    pub fn visitor_text(&self, seq: Seq) -> Option<&str> {
        match &self.get(seq)?.body {
            Body::VisitorMessage { text, .. } => Some(text),
            _ => None,
        }
    }
}

fn line(body: &Body) -> Option<Line> {
    let (role, text) = match body {
        Body::VisitorMessage { text, .. } => (Role::Visitor, text),
        Body::Answer { text, .. } if !text.is_empty() => (Role::Assistant, text),
        Body::AgentMessage { text, .. } => (Role::Agent, text),
        _ => return None,
    };
    Some(Line { role, text: Arc::clone(text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AnswerEnd;
    use crate::id::MessageId;

    fn message(seq: Seq, text: &str) -> Arc<Event> {
        let body = Body::VisitorMessage { id: MessageId([seq as u8; 16]), text: text.into() };
        Arc::new(Event { seq, at: 0, body })
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let mut window = Window::default();
        for seq in 1..=3 {
            window.push(message(seq, "0123456789"), 2 * (EVENT_BYTES + 10));
        }
        assert_eq!([1, 2, 3, 4].map(|seq| window.get(seq).is_some()), [false, true, true, false]);
        window.push(message(4, &"x".repeat(5000)), 200);
        assert_eq!([3, 4].map(|seq| window.get(seq).is_some()), [false, true]);
    }

    #[test]
    fn a_model_is_told_what_was_said_and_last_what_is_open() {
        let mut window = Window::default();
        window.push(message(1, "first"), 9999);
        let note = Body::Note { agent: "kim".into(), text: "secret".into() };
        window.push(Arc::new(Event { seq: 2, at: 0, body: note }), 9999);
        window.push(message(3, "second"), 9999);
        let answer = Body::Answer { turn: 1, text: "answer".into(), end: AnswerEnd::Complete, offer_person: false };
        window.push(Arc::new(Event { seq: 4, at: 0, body: answer }), 9999);
        let said: Vec<_> = window.lines(1).into_iter().map(|line| (line.role, line.text.to_string())).collect();
        let expected = [(Role::Visitor, "first"), (Role::Assistant, "answer"), (Role::Visitor, "second")];
        assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
    }
}
