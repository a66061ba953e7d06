//! Server-sent events, put together from bytes as they come.
//!
//! Written here because the crates for it hold an event of any length; this one is bounded. It accepts what real servers
//! send: lines that end in LF, CR LF or CR, comments, a missing blank line at the end, a byte order mark, characters cut
//! in two by a chunk, and bytes that are no UTF-8 (which become U+FFFD).

/// One event with data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The `event:` field. Empty: an ordinary message.
    pub(crate) name: String,
    /// The `data:` fields, joined by line feeds.
    pub(crate) data: String,
}

/// An event or a line that is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Takes bytes, gives events. Holds at most one event of `max_bytes`, one unfinished line, and the chunk last taken.
#[derive(Debug)]
pub(crate) struct Events {
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    /// The line before ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    first_line: bool,
    event: Event,
    has_data: bool,
    max_bytes: usize,
}

impl Events {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            after_cr: false,
            first_line: true,
            event: Event::default(),
            has_data: false,
            max_bytes,
        }
    }

    /// Takes the next bytes. Call [`Events::poll_event`] until it gives nothing before the next ones.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event that has data.
    pub(crate) fn poll_event(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(line) = self.poll_line()? {
            if line.is_empty() {
                if let Some(event) = self.take_event() {
                    return Ok(Some(event));
                }
            } else {
                self.handle_line(&line)?;
            }
        }
        Ok(None)
    }

    /// The stream has ended: the last event, if its blank line, or the end of its line, never came.
    pub(crate) fn finish(&mut self) -> Result<Option<Event>, TooLong> {
        let rest = self.buffer.split_off(self.start);
        (self.buffer, self.start, self.searched) = (Vec::new(), 0, 0);
        if !rest.is_empty() {
            self.handle_line(&String::from_utf8_lossy(&rest))?;
        }
        Ok(self.take_event())
    }

    fn poll_line(&mut self) -> Result<Option<String>, TooLong> {
        if self.after_cr && self.buffer.get(self.start) == Some(&b'\n') {
            self.start += 1;
            self.searched = self.searched.max(self.start);
        }
        let Some(length) = self.buffer[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.after_cr &= self.start == self.buffer.len();
            self.searched = self.buffer.len();
            return if self.searched - self.start > self.max_bytes { Err(TooLong) } else { Ok(None) };
        };
        let end = self.searched + length;
        let line = &self.buffer[self.start..end];
        if line.len() > self.max_bytes {
            return Err(TooLong);
        }
        let line = String::from_utf8_lossy(line).into_owned();
        self.after_cr = self.buffer[end] == b'\r';
        (self.start, self.searched) = (end + 1, end + 1);
        Ok(Some(line))
    }

    fn handle_line(&mut self, line: &str) -> Result<(), TooLong> {
        let line = if std::mem::take(&mut self.first_line) { line.trim_start_matches('\u{feff}') } else { line };
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => self.event.name = value.to_owned(),
            // Comments (an empty field), `id`, `retry` and fields nobody knows say nothing about an answer.
            _ => {}
        }
        if self.event.data.len() > self.max_bytes { Err(TooLong) } else { Ok(()) }
    }

    fn take_event(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], chunk: usize) -> Vec<(String, String)> {
        let (mut events, mut read) = (Events::new(64), Vec::new());
        for bytes in body.chunks(chunk) {
            events.handle_bytes(bytes);
            while let Some(event) = events.poll_event().unwrap() {
                read.push((event.name, event.data));
            }
        }
        read.extend(events.finish().unwrap().map(|event| (event.name, event.data)));
        read
    }

    #[track_caller]
    fn check(body: &[u8], expected: &[(&str, &str)]) {
        for chunk in 1..=body.len() {
            let read = read(body, chunk);
            let read: Vec<_> = read.iter().map(|(name, data)| (name.as_str(), data.as_str())).collect();
            assert_eq!(read, expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn events_are_read_wherever_the_chunks_end() {
        check("data: 你好\n\ndata: [DONE]\n\n".as_bytes(), &[("", "你好"), ("", "[DONE]")]);
    }

    #[test]
    fn all_three_line_ends_are_accepted() {
        check(b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", &[("", "a"), ("", "b"), ("", "c")]);
        check(b"data: a\r\ndata: b\r\n\r\n", &[("", "a\nb")]);
    }

    #[test]
    fn comments_and_events_without_data_say_nothing() {
        check(b": keep-alive\n\n: keep-alive\n\nevent: ping\n\ndata: a\n\n", &[("", "a")]);
    }

    #[test]
    fn a_missing_blank_line_or_line_end_at_the_end_is_forgiven() {
        check(b"data: a\n\ndata: [DONE]\n", &[("", "a"), ("", "[DONE]")]);
        check(b"data: a\n\ndata: [DONE]", &[("", "a"), ("", "[DONE]")]);
    }

    #[test]
    fn names_byte_order_marks_and_missing_spaces_are_understood() {
        check("\u{feff}event: error\ndata:{}\n\n".as_bytes(), &[("error", "{}")]);
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        check(b"data: a\xffb\n\n", &[("", "a\u{fffd}b")]);
    }

    #[test]
    fn a_line_over_the_limit_is_refused_before_it_ends() {
        let mut events = Events::new(64);
        events.handle_bytes(&[b'a'; 65]);
        assert_eq!(events.poll_event(), Err(TooLong));
    }

    #[test]
    fn an_event_of_many_short_lines_is_refused_over_the_limit() {
        let mut events = Events::new(64);
        events.handle_bytes(b"data: 0123456789\n".repeat(7).as_slice());
        assert_eq!(events.poll_event(), Err(TooLong));
    }
}
