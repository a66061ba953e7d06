//! The body of a model's response: server-sent events, or one JSON document from a server that does not stream.

use crate::model::{End, ModelError, Usage};
use crate::openai::chunk::{self, Chunk};
use crate::openai::tool::Calls;
use crate::sse::{Event, Events, TooLong};

/// The longest event, and the longest document of a server that does not stream, in bytes.
const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Takes bytes, gives the texts in them.
#[derive(Debug)]
pub(crate) struct Body {
    kind: Kind,
    /// `[DONE]` has come, or the document has been read.
    is_done: bool,
    has_text: bool,
    end: Option<End>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    model: Option<String>,
    calls: Calls,
}

#[derive(Debug)]
enum Kind {
    /// Nothing but white space so far. The content type is not asked: servers get it wrong.
    Unknown,
    Events(Events),
    Document(Vec<u8>),
}

impl Body {
    pub(crate) fn new() -> Self {
        Self {
            kind: Kind::Unknown,
            is_done: false,
            has_text: false,
            end: None,
            finish_reason: None,
            usage: None,
            model: None,
            calls: Calls::default(),
        }
    }

    /// Takes the next bytes. Call [`Body::poll_text`] until it gives nothing before the next ones.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        if let Kind::Unknown = self.kind {
            self.kind = match bytes.trim_ascii_start().first() {
                None => return Ok(()),
                Some(b'{') => Kind::Document(Vec::new()),
                Some(_) => Kind::Events(Events::new(MAX_EVENT_BYTES)),
            };
        }
        match &mut self.kind {
            Kind::Unknown => Ok(()),
            Kind::Events(events) => {
                events.handle_bytes(bytes);
                Ok(())
            }
            Kind::Document(document) if document.len() + bytes.len() > MAX_EVENT_BYTES => Err(too_long(TooLong)),
            Kind::Document(document) => {
                document.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The next text.
    pub(crate) fn poll_text(&mut self) -> Result<Option<String>, ModelError> {
        while let Kind::Events(events) = &mut self.kind
            && !self.is_done
        {
            let Some(event) = events.poll_event().map_err(too_long)? else { return Ok(None) };
            if let Some(text) = self.handle_event(&event)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The body has ended: what was left in it.
    pub(crate) fn finish(&mut self) -> Result<Option<String>, ModelError> {
        if self.is_done {
            return Ok(None);
        }
        match &mut self.kind {
            Kind::Unknown => Ok(None),
            Kind::Events(events) => match events.finish().map_err(too_long)? {
                Some(event) => self.handle_event(&event),
                None => Ok(None),
            },
            Kind::Document(document) => {
                let document = String::from_utf8_lossy(&std::mem::take(document)).into_owned();
                let chunk = chunk::read(&document, false)?;
                self.is_done = true;
                Ok(self.handle_chunk(chunk))
            }
        }
    }

    /// Nothing more of use will come.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// How the answer ended, if it is known to have ended. `[DONE]` alone is enough.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.or((self.is_done && self.has_text).then_some(End::Complete))
    }

    /// How the server calls that end.
    pub(crate) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref()
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// How the server calls the model.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// What the model calls.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    fn handle_event(&mut self, event: &Event) -> Result<Option<String>, ModelError> {
        match event.data.trim() {
            "" => Ok(None),
            "[DONE]" => {
                self.is_done = true;
                Ok(None)
            }
            data => match chunk::read(data, event.name == "error") {
                Ok(chunk) => Ok(self.handle_chunk(chunk)),
                // The answer is whole: what goes wrong afterwards takes nothing from it.
                Err(_) if self.end.is_some() => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    fn handle_chunk(&mut self, chunk: Chunk) -> Option<String> {
        self.end = self.end.or(chunk.end);
        self.finish_reason = self.finish_reason.take().or(chunk.finish_reason);
        self.usage = chunk.usage.or(self.usage);
        self.model = self.model.take().or(chunk.model);
        self.calls.handle_delta(&chunk.said);
        self.has_text |= !chunk.text.is_empty();
        (!chunk.text.is_empty()).then_some(chunk.text)
    }
}

fn too_long(_: TooLong) -> ModelError {
    ModelError::Invalid(format!("an event is longer than {MAX_EVENT_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, chunk: usize) -> (String, Option<End>, Result<(), ModelError>) {
        let (mut reader, mut text) = (Body::new(), String::new());
        let result = (|| {
            for bytes in body.as_bytes().chunks(chunk) {
                reader.handle_bytes(bytes)?;
                while let Some(piece) = reader.poll_text()? {
                    text.push_str(&piece);
                }
            }
            text.extend(reader.finish()?);
            Ok(())
        })();
        (text, reader.end(), result)
    }

    #[track_caller]
    fn check(body: &str, text: &str, end: Option<End>) {
        for chunk in 1..=body.len() {
            let read = read(body, chunk);
            assert_eq!((read.0.as_str(), read.1), (text, end), "in chunks of {chunk}");
            assert_eq!(read.2, Ok(()));
        }
    }

    const HI: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"你好\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

    #[test]
    fn an_answer_is_over_by_its_finish_reason_or_by_done() {
        check(&format!("{HI}{STOP}data: [DONE]\n\n"), "你好", Some(End::Complete));
        check(&format!("{HI}{STOP}"), "你好", Some(End::Complete));
        check(&format!("{HI}data: [DONE]"), "你好", Some(End::Complete));
    }

    #[test]
    fn an_answer_without_either_is_not_known_to_be_over() {
        check(HI, "你好", None);
        check("data: [DONE]\n\n", "", None);
        check(" \n", "", None);
    }

    #[test]
    fn a_fault_after_the_end_takes_nothing_from_the_answer() {
        check(&format!("{HI}{STOP}data: {{\"usa"), "你好", Some(End::Complete));
        check(&format!("{HI}{STOP}event: error\ndata: {{}}\n\n"), "你好", Some(End::Complete));
    }

    #[test]
    fn what_follows_done_is_not_read() {
        check(&format!("{HI}data: [DONE]\n\ndata: rubbish\n\n"), "你好", Some(End::Complete));
    }

    #[test]
    fn a_server_that_does_not_stream_is_understood() {
        check("\n{\"choices\":[{\"message\":{\"content\":\"你好\"}}]}\n", "你好", Some(End::Complete));
    }

    #[test]
    fn texts_before_a_broken_event_are_given_before_the_error() {
        for chunk in [7, 4096] {
            let (text, _, result) = read(&format!("{HI}data: {{\"choi\n\n"), chunk);
            assert_eq!(text, "你好");
            assert!(matches!(result, Err(ModelError::Invalid(_))));
        }
    }

    #[test]
    fn a_document_over_the_limit_is_refused() {
        let document = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_EVENT_BYTES));
        assert!(matches!(read(&document, 4096).2, Err(ModelError::Invalid(_))));
    }
}
