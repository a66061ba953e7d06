//! Newline-delimited JSON: one value a line, read from chunks that end anywhere.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::MAX_LINE_BYTES;

/// Puts newline-delimited JSON together again from chunks that end anywhere, also in the middle of a character.
///
/// Holds at most one unfinished line of the length it was given, and the chunk last pushed.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the first line that was not taken yet begins.
    start: usize,
    /// How far the buffer has been searched for a newline.
    searched: usize,
    max_line_bytes: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(MAX_LINE_BYTES)
    }
}

impl Lines {
    /// A reader that refuses lines longer than `max_line_bytes`, newline not counted.
    pub fn new(max_line_bytes: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, max_line_bytes }
    }

    /// Takes the next bytes of the body. Call [`Lines::poll_line`] until it gives nothing before pushing again.
    pub fn handle_chunk(&mut self, chunk: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line, decoded, or nothing until more bytes come. Empty lines are skipped.
    ///
    /// # Errors
    /// [`LineError::TooLong`] and [`LineError::Malformed`]; the body is of no use after either.
    pub fn poll_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        while let Some(newline) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + newline;
            let line = &self.buffer[self.start..end];
            self.start = end + 1;
            self.searched = end + 1;
            if line.len() > self.max_line_bytes {
                return Err(LineError::TooLong { max_line_bytes: self.max_line_bytes });
            }
            // JSON never holds a bare NUL: all before the last one is the prelude.
            let line = line.rsplit(|byte| *byte == 0).next().unwrap_or(line);
            if !line.trim_ascii().is_empty() {
                return Ok(Some(serde_json::from_slice(line)?));
            }
        }
        self.searched = self.buffer.len();
        if self.searched - self.start > self.max_line_bytes {
            return Err(LineError::TooLong { max_line_bytes: self.max_line_bytes });
        }
        Ok(None)
    }

    /// Whether bytes of an unfinished line are held. At the end of a body it means that the last line was cut off.
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }
}

/// A line of a function's body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No newline within the limit.
    #[error("the function wrote a line longer than {max_line_bytes} bytes")]
    TooLong {
        /// The limit, in bytes.
        max_line_bytes: usize,
    },
    /// No JSON, or JSON of another shape.
    #[error("the function wrote a line that is not of the agreed shape")]
    Malformed(#[from] serde_json::Error),
}

/// Writes `line` as one line of newline-delimited JSON, newline included.
///
/// # Errors
/// None for the types of [`crate::function`].
pub fn encode_line<T: Serialize>(line: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{AiHandover, AiLine, AiOutcome};
    use super::*;

    #[test]
    fn lines_are_put_together_wherever_the_chunks_end() {
        let lines =
            [AiLine::Delta("你好 \n \"x\"".into()), AiLine::Outcome(AiOutcome::Handover(AiHandover::default()))];
        let body: Vec<u8> = lines.iter().flat_map(|line| encode_line(line).unwrap()).collect();
        for size in 1..=body.len() {
            let (mut reader, mut read) = (Lines::default(), Vec::new());
            for chunk in body.chunks(size) {
                reader.handle_chunk(chunk);
                while let Some(line) = reader.poll_line::<AiLine>().unwrap() {
                    read.push(line);
                }
            }
            assert_eq!(read, lines, "chunks of {size}");
            assert!(!reader.is_partial());
        }
    }

    #[test]
    fn the_prelude_of_a_streamed_lambda_response_is_skipped() {
        let mut reader = Lines::default();
        reader.handle_chunk(b"{\"statusCode\":200,\"headers\":{},\"cookies\":[]}\0\0\0\0");
        assert_eq!(reader.poll_line::<AiLine>().unwrap(), None);
        reader.handle_chunk(b"\0\0\0\0{\"delta\":\"a\"}\n");
        assert_eq!(reader.poll_line().unwrap(), Some(AiLine::Delta("a".into())));
    }

    #[test]
    fn a_body_cut_in_a_line_is_seen_as_partial() {
        let mut reader = Lines::default();
        reader.handle_chunk(b"{\"delta\":\"a\"}\n\n{\"out");
        assert_eq!(reader.poll_line().unwrap(), Some(AiLine::Delta("a".into())));
        assert_eq!(reader.poll_line::<AiLine>().unwrap(), None);
        assert!(reader.is_partial());
    }

    #[test]
    fn lines_over_the_limit_and_lines_of_another_shape_are_refused() {
        let mut reader = Lines::new(8);
        reader.handle_chunk(b"123456789");
        assert!(matches!(reader.poll_line::<u64>(), Err(LineError::TooLong { max_line_bytes: 8 })));
        let mut reader = Lines::new(8);
        reader.handle_chunk(b"123456789\n");
        assert!(matches!(reader.poll_line::<u64>(), Err(LineError::TooLong { .. })));
        let mut reader = Lines::default();
        reader.handle_chunk(b"{\"outcome\":1}\n1\n");
        assert!(
            matches!(reader.poll_line::<AiLine>(), Ok(Some(AiLine::Unknown(_)))),
            "an outcome of another shape is none"
        );
        assert!(matches!(reader.poll_line::<AiLine>(), Err(LineError::Malformed(_))));
    }
}
