//! One answer as it comes: bytes in, pieces out. No I/O.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::quota;
use crate::model::{ModelError, Piece};
use crate::openai::body::Body;

/// How long to wait for the usage, and for `[DONE]`, once the model has said that the answer is over. Some servers never
/// send either and keep the connection open.
const AFTER_END: Duration = Duration::from_millis(200);

/// How long to wait for the end of the body after `[DONE]`. A body read to its end gives its connection back to the pool.
const AFTER_DONE: Duration = Duration::from_millis(20);

/// How long to wait for the rest of a call once its name says that the model hands over. The summary is not worth more.
const AFTER_CALL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Answer {
    model: String,
    body: Body,
    pieces: VecDeque<Piece>,
    has_content: bool,
    /// Until when more is waited for.
    over_by: Option<Instant>,
}

impl Answer {
    /// `model`: its name in the configuration.
    pub(crate) fn new(model: &str) -> Self {
        Self { model: model.to_owned(), body: Body::new(), pieces: VecDeque::new(), has_content: false, over_by: None }
    }

    /// Takes the next bytes. What they held before an error is there, too.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), ModelError> {
        let taken = self.body.handle_bytes(bytes).and_then(|()| self.take_texts(now));
        if let Err(ModelError::RateLimited { .. }) = taken {
            self.pieces.push_back(Piece::Quota(quota::refused_in_stream(&self.model)));
        }
        self.bound_waiting(now);
        taken
    }

    /// Nothing more will be read.
    ///
    /// # Errors
    /// The answer was not over.
    pub(crate) fn handle_end(&mut self) -> Result<(), ModelError> {
        if let Some(text) = self.body.finish()? {
            self.pieces.push_back(Piece::Text(text));
        }
        self.pieces.extend(self.body.usage().map(Piece::Usage));
        let last = match (self.body.calls().summary(), self.body.end()) {
            (Some(summary), _) => Piece::Handover { summary },
            (None, Some(end)) => Piece::End(end),
            (None, None) => return Err(ModelError::Unreachable("it closed before the answer was over".into())),
        };
        self.pieces.push_back(last);
        Ok(())
    }

    pub(crate) fn poll_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// The moment until which more is waited for, once the answer is over. No fault counts from then on.
    pub(crate) fn over_by(&self) -> Option<Instant> {
        self.over_by
    }

    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    fn take_texts(&mut self, now: Instant) -> Result<(), ModelError> {
        while let Some(text) = self.body.poll_text()? {
            if !text.trim_start().is_empty() {
                self.handle_content(now);
            }
            self.pieces.push_back(Piece::Text(text));
        }
        Ok(())
    }

    fn handle_content(&mut self, now: Instant) {
        if !self.has_content {
            self.has_content = true;
            self.pieces.push_back(Piece::Heard(now));
        }
    }

    fn bound_waiting(&mut self, now: Instant) {
        if self.body.calls().is_handover() {
            self.handle_content(now);
            self.over_by.get_or_insert(now + AFTER_CALL);
        }
        let wait = if self.body.is_done() {
            AFTER_DONE
        } else if self.body.end().is_some() {
            AFTER_END
        } else {
            return;
        };
        let over_by = now + wait;
        self.over_by = Some(self.over_by.map_or(over_by, |at| at.min(over_by)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{End, Usage};

    const HI: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const CALL: &str = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"hand_over\",\
                        \"arguments\":\"{\\\"summary\\\":\\\"S\\\"}\"}}]}}]}\n\n";

    /// The pieces of these parts, a second apart, and how it ended.
    fn pieces(parts: &[&str]) -> (Vec<Piece>, Result<(), ModelError>) {
        let (mut answer, mut now, mut pieces) = (Answer::new("own"), Instant::now(), Vec::new());
        let mut ended = Ok(());
        for part in parts {
            ended = ended.and_then(|()| answer.handle_bytes(part.as_bytes(), now));
            now += Duration::from_secs(1);
        }
        ended = ended.and_then(|()| answer.handle_end());
        pieces.extend(std::iter::from_fn(|| answer.poll_piece()).filter(|piece| !matches!(piece, Piece::Heard(_))));
        (pieces, ended)
    }

    fn hi() -> Piece {
        Piece::Text("Hi".into())
    }

    #[test]
    fn an_answer_is_its_texts_its_usage_and_its_end() {
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
        let counted = Piece::Usage(Usage { prompt_tokens: 7, completion_tokens: 2 });
        assert_eq!(pieces(&[HI, HI, STOP, usage]), (vec![hi(), hi(), counted, Piece::End(End::Complete)], Ok(())));
    }

    #[test]
    fn content_is_heard_once_and_white_space_is_none() {
        let (mut answer, now) = (Answer::new("own"), Instant::now());
        let later = now + Duration::from_secs(1);
        for (bytes, at) in [(HI.replace("Hi", " \\n"), now), (HI.to_owned(), later), (HI.to_owned(), later)] {
            answer.handle_bytes(bytes.as_bytes(), at).unwrap();
        }
        let pieces: Vec<_> = std::iter::from_fn(|| answer.poll_piece()).collect();
        assert_eq!(pieces, [Piece::Text(" \n".into()), Piece::Heard(later), hi(), hi()]);
    }

    #[test]
    fn a_call_hands_over_also_after_text_and_without_an_end() {
        let handover = Piece::Handover { summary: "S".into() };
        assert_eq!(pieces(&[CALL, STOP]), (vec![handover.clone()], Ok(())));
        assert_eq!(pieces(&[HI, CALL]), (vec![hi(), handover], Ok(())));
    }

    #[test]
    fn a_rate_limit_inside_a_stream_is_told_to_the_budget() {
        let (pieces, ended) = pieces(&["data: {\"error\":{\"code\":429}}\n\n"]);
        assert_eq!(pieces, [Piece::Quota(quota::refused_in_stream("own"))]);
        assert!(matches!(ended, Err(ModelError::RateLimited { .. })), "{ended:?}");
    }

    #[test]
    fn waiting_is_bounded_once_the_answer_is_over_and_never_prolonged() {
        let start = Instant::now();
        let mut answer = Answer::new("own");
        let mut over_by = |bytes: &str, at| {
            answer.handle_bytes(bytes.as_bytes(), at).unwrap();
            answer.over_by()
        };
        assert_eq!(over_by(HI, start), None);
        assert_eq!(over_by(CALL, start), Some(start + AFTER_CALL));
        assert_eq!(over_by(STOP, start), Some(start + AFTER_END));
        assert_eq!(over_by(": keep-alive\n\n", start + AFTER_END / 2), Some(start + AFTER_END));
        assert_eq!(over_by("data: [DONE]\n\n", start), Some(start + AFTER_DONE));
    }
}
