//! Redis's protocol, version 3: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use bytes::{BufMut, BytesMut};

/// How deep answers may nest. Those that a bus asks for have three levels.
const MAX_DEPTH: usize = 8;

/// The longest line without a payload, in bytes.
const MAX_LINE_BYTES: usize = 64 << 10;

/// The longest string, in bytes: a message with room to spare, and the slots of the largest cluster.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// Something that a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(&'a [u8]),
    Error(&'a [u8]),
    Integer(i64),
    Nil,
    /// Also a set, and a map as one list of keys and values.
    Array(Vec<Value<'a>>),
    /// Said without being asked.
    Push(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// The string; empty if it is none, or not UTF-8.
    pub(crate) fn text(&self) -> &'a str {
        match self {
            Self::Text(bytes) | Self::Error(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            _ => "",
        }
    }

    /// The number, if it is one.
    pub(crate) fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The parts; none if it has none.
    pub(crate) fn parts(&self) -> &[Value<'a>] {
        if let Self::Array(parts) | Self::Push(parts) = self { parts } else { &[] }
    }
}

/// Bytes that no Redis sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Appends a command.
pub(crate) fn encode(words: &[&[u8]], output: &mut BytesMut) {
    put_length(b'*', words.len(), output);
    for word in words {
        put_length(b'$', word.len(), output);
        output.put_slice(word);
        output.put_slice(b"\r\n");
    }
}

fn put_length(kind: u8, length: usize, output: &mut BytesMut) {
    output.put_u8(kind);
    output.put_slice(length.to_string().as_bytes());
    output.put_slice(b"\r\n");
}

/// Reads one value and says how many bytes it has; none: it is not whole yet.
pub(crate) fn decode(input: &[u8]) -> Result<Option<(Value<'_>, usize)>, Malformed> {
    let mut reader = Reader { input, at: 0 };
    Ok(reader.value(MAX_DEPTH)?.map(|value| (value, reader.at)))
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Option<Value<'a>>, Malformed> {
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, rest) = line.split_first().ok_or(Malformed)?;
        match kind {
            b'+' | b',' | b'(' => Ok(Some(Value::Text(rest))),
            b'-' => Ok(Some(Value::Error(rest))),
            b':' => number(rest).map(Value::Integer).map(Some),
            b'#' => Ok(Some(Value::Integer(i64::from(rest == b"t")))),
            b'_' => Ok(Some(Value::Nil)),
            b'$' | b'=' => self.text(rest, Value::Text),
            b'!' => self.text(rest, Value::Error),
            b'*' | b'~' => self.array(rest, 1, depth, Value::Array),
            b'%' => self.array(rest, 2, depth, Value::Array),
            b'>' => self.array(rest, 1, depth, Value::Push),
            _ => Err(Malformed),
        }
    }

    fn line(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let rest = &self.input[self.at..];
        match rest.iter().take(MAX_LINE_BYTES).position(|byte| *byte == b'\n') {
            Some(end) => {
                self.at += end + 1;
                rest[..end].strip_suffix(b"\r").map(Some).ok_or(Malformed)
            }
            None if rest.len() >= MAX_LINE_BYTES => Err(Malformed),
            None => Ok(None),
        }
    }

    fn text(&mut self, length: &[u8], make: impl Fn(&'a [u8]) -> Value<'a>) -> Result<Option<Value<'a>>, Malformed> {
        let length = match number(length)? {
            -1 => return Ok(Some(Value::Nil)),
            length => usize::try_from(length).ok().filter(|length| *length <= MAX_TEXT_BYTES).ok_or(Malformed)?,
        };
        let Some(text) = self.input.get(self.at..self.at + length + 2) else { return Ok(None) };
        self.at += length + 2;
        text.strip_suffix(b"\r\n").map(make).map(Some).ok_or(Malformed)
    }

    fn array(
        &mut self,
        length: &[u8],
        each: i64,
        depth: usize,
        make: impl Fn(Vec<Value<'a>>) -> Value<'a>,
    ) -> Result<Option<Value<'a>>, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        let length = match number(length)? {
            -1 => return Ok(Some(Value::Nil)),
            length => length.checked_mul(each).filter(|length| *length >= 0).ok_or(Malformed)?,
        };
        let mut parts = Vec::new();
        for _ in 0..length {
            let Some(part) = self.value(depth)? else { return Ok(None) };
            parts.push(part);
        }
        Ok(Some(make(parts)))
    }
}

fn number(text: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], value: Value<'_>) {
        assert_eq!(decode(input), Ok(Some((value, input.len()))));
        for end in 0..input.len() {
            assert_eq!(decode(&input[..end]), Ok(None), "{:?} is not whole", input[..end].escape_ascii().to_string());
        }
    }

    #[test]
    fn every_kind_of_value_is_read_and_waited_for() {
        check(b"+OK\r\n", Value::Text(b"OK"));
        check(b"-MOVED 1 host:2\r\n", Value::Error(b"MOVED 1 host:2"));
        check(b":-7\r\n", Value::Integer(-7));
        check(b"$4\r\na\r\nb\r\n", Value::Text(b"a\r\nb"));
        check(b"$0\r\n\r\n", Value::Text(b""));
        check(b"$-1\r\n", Value::Nil);
        check(b"_\r\n", Value::Nil);
        check(b"*0\r\n", Value::Array(vec![]));
        check(b"%1\r\n+proto\r\n:3\r\n", Value::Array(vec![Value::Text(b"proto"), Value::Integer(3)]));
        check(b">2\r\n+a\r\n*1\r\n:1\r\n", Value::Push(vec![Value::Text(b"a"), Value::Array(vec![Value::Integer(1)])]));
    }

    #[test]
    fn what_no_redis_sends_is_refused() {
        for wrong in
            [&b"hello\r\n"[..], b"\r\n", b"+OK\n", b":x\r\n", b"$-2\r\n", b"$1\r\nabc", b"$99999999999\r\n", b"*-5\r\n"]
        {
            assert_eq!(decode(wrong), Err(Malformed), "{}", wrong.escape_ascii());
        }
        assert_eq!(decode(&b"*1\r\n".repeat(100)), Err(Malformed));
        assert_eq!(decode(&[b'+'; MAX_LINE_BYTES]), Err(Malformed));
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut output = BytesMut::new();
        encode(&[b"SPUBLISH", b"", b"a\r\n"], &mut output);
        assert_eq!(output, "*3\r\n$8\r\nSPUBLISH\r\n$0\r\n\r\n$3\r\na\r\n\r\n");
    }
}
