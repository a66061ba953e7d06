//! The newest events of a log, and the questions still open, kept in memory within a bound of bytes each.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{AnswerEnd, Body, Event};
use crate::id::{Millis, Seq};

/// What one event is counted as beside its text, bytes.
const EVENT_BYTES: usize = 96;

/// The newest events, dense, oldest first.
#[derive(Debug, Default)]
pub struct Window {
    events: VecDeque<Arc<Event>>,
    /// When the event before the oldest was decided; 0 if that is the first of the log.
    before_at: Millis,
    bytes: usize,
    /// Visitor messages after `answered` that are too old for `events`: a long answer must not push out the question that
    /// waited for its end.
    open: VecDeque<Arc<Event>>,
    open_bytes: usize,
    answered: Seq,
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
    /// Adds the next event and lets the oldest go until at most `max_bytes` are held, and as much again of open questions.
    /// The newest of both always stays.
    pub fn push(&mut self, event: Arc<Event>, max_bytes: usize) {
        match &event.body {
            Body::Answer { turn, .. } => self.close_until(*turn),
            Body::Handover { .. } | Body::Closed { .. } => self.close_until(event.seq),
            _ => {}
        }
        self.bytes += cost(&event);
        self.events.push_back(event);
        while self.bytes > max_bytes && self.events.len() > 1 {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= cost(&oldest);
            self.before_at = oldest.at;
            if self.is_open(&oldest) {
                self.open_bytes += cost(&oldest);
                self.open.push_back(oldest);
            }
        }
        while self.open_bytes > max_bytes && self.open.len() > 1 {
            let Some(oldest) = self.open.pop_front() else { break };
            self.open_bytes -= cost(&oldest);
        }
    }

    fn close_until(&mut self, seq: Seq) {
        self.answered = seq;
        self.open.retain(|event| event.seq > seq);
        self.open_bytes = self.open.iter().map(|event| cost(event)).sum();
    }

    fn is_open(&self, event: &Event) -> bool {
        event.seq > self.answered && matches!(event.body, Body::VisitorMessage { .. })
    }

    /// When the event before the one at `seq` was decided, if the latter is still here.
    pub fn previous_at(&self, seq: Seq) -> Option<Millis> {
        self.get(seq)?;
        Some(self.get(seq - 1).map_or(self.before_at, |event| event.at))
    }

    /// The event at `seq`, if it is still here.
    pub fn get(&self, seq: Seq) -> Option<&Arc<Event>> {
        let first = self.events.front()?.seq;
        self.events.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// What was said, oldest first, with the open questions at the end: a message that came while an answer was being
    /// written stands in the log before that answer, but it is what is to be answered now. Notes and empty answers are
    /// left out.
    pub fn lines(&self) -> Vec<Line> {
        let settled = self.events.iter().filter(|event| !self.is_open(event));
        let open = self.open.iter().chain(self.events.iter().filter(|event| self.is_open(event)));
        settled.chain(open).filter_map(|event| line(&event.body)).collect()
    }

    /// How many of the newest answers were fallbacks, in a row.
    pub fn failures(&self) -> u32 {
        let ends = self.events.iter().rev().filter_map(|event| match &event.body {
            Body::Answer { end, .. } => Some(*end),
            _ => None,
        });
        ends.take_while(|end| *end == AnswerEnd::Fallback).map(|_| 1).sum()
    }

    /// The text of the visitor message at `seq`, if it is still here.
    pub fn visitor_text(&self, seq: Seq) -> Option<&str> {
        let event = self.get(seq).or_else(|| self.open.iter().find(|event| event.seq == seq))?;
        match &event.body {
            Body::VisitorMessage { text, .. } => Some(text),
            _ => None,
        }
    }
}

fn cost(event: &Event) -> usize {
    EVENT_BYTES + event.body.text_bytes()
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
    fn a_long_answer_does_not_push_out_the_question_that_waited_for_its_end() {
        let mut window = Window::default();
        window.push(message(1, "first"), 300);
        window.push(message(2, "second"), 300);
        let answer = |turn| Body::Answer {
            turn,
            text: "x".repeat(999).into(),
            end: AnswerEnd::Complete,
            offer_person: false,
            sources: None,
            choices: None,
        };
        window.push(Arc::new(Event { seq: 3, at: 0, body: answer(1) }), 300);
        assert_eq!(window.get(2), None);
        assert_eq!(window.visitor_text(2), Some("second"));
        let last = |window: &Window| window.lines().last().map(|line| line.role);
        assert_eq!(last(&window), Some(Role::Visitor));
        window.push(Arc::new(Event { seq: 4, at: 0, body: answer(2) }), 300);
        assert_eq!((window.visitor_text(2), last(&window)), (None, Some(Role::Assistant)));
    }

    #[test]
    fn only_fallbacks_at_the_end_count_as_failures() {
        let mut window = Window::default();
        let ends = [AnswerEnd::Fallback, AnswerEnd::Complete, AnswerEnd::Fallback, AnswerEnd::Fallback];
        let mut failures = vec![];
        for (seq, end) in (1..).step_by(2).zip(ends) {
            window.push(message(seq, "?"), 9999);
            let body =
                Body::Answer { turn: seq, text: "!".into(), end, offer_person: false, sources: None, choices: None };
            window.push(Arc::new(Event { seq: seq + 1, at: 0, body }), 9999);
            failures.push(window.failures());
        }
        assert_eq!(failures, [1, 0, 1, 2]);
    }

    #[test]
    fn open_questions_are_bounded_too() {
        let mut window = Window::default();
        for seq in 1..=100 {
            window.push(message(seq, "0123456789"), 5 * (EVENT_BYTES + 10));
        }
        assert_eq!(window.lines().len(), 10);
    }

    #[test]
    fn a_model_is_told_what_was_said_and_last_what_is_open() {
        let mut window = Window::default();
        window.push(message(1, "first"), 9999);
        let note = Body::Note { agent: "kim".into(), text: "secret".into() };
        window.push(Arc::new(Event { seq: 2, at: 0, body: note }), 9999);
        window.push(message(3, "second"), 9999);
        let answer = Body::Answer {
            turn: 1,
            text: "answer".into(),
            end: AnswerEnd::Complete,
            offer_person: false,
            sources: None,
            choices: None,
        };
        window.push(Arc::new(Event { seq: 4, at: 0, body: answer }), 9999);
        let said: Vec<_> = window.lines().into_iter().map(|line| (line.role, line.text.to_string())).collect();
        let expected = [(Role::Visitor, "first"), (Role::Assistant, "answer"), (Role::Visitor, "second")];
        assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
    }
}
