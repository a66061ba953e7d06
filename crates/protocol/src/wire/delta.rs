//! The hot path: one frame for each piece of each answer, made once for all who watch it.

use bytes::Bytes;
use prost::encoding::{self, WireType};
use serde::Serialize;

use super::{EncodeError, Subprotocol};

/// The number of `delta` in `ServerFrame`.
const DELTA: u32 = 4;

/// A Delta frame, in one allocation and without an owned copy of `text`. The same bytes as [`super::encode`] of it.
///
/// # Errors
/// None that a text can cause.
pub fn encode_delta(
    turn: u32,
    run: u32,
    offset: u32,
    text: &str,
    subprotocol: Subprotocol,
) -> Result<Bytes, EncodeError> {
    match subprotocol {
        Subprotocol::Proto => Ok(proto(turn, run, offset, text)),
        Subprotocol::Json => {
            let frame = JsonFrame { delta: JsonDelta { turn, run, offset, text } };
            let mut out = Vec::with_capacity(JSON_FRAME_BYTES + text.len());
            serde_json::to_writer(&mut out, &frame)?;
            Ok(out.into())
        }
    }
}

fn proto(turn: u32, run: u32, offset: u32, text: &str) -> Bytes {
    let numbers = [(1, turn), (2, run), (3, offset)];
    let mut body = 0;
    for (tag, number) in numbers.iter().filter(|(_, number)| *number != 0) {
        body += encoding::uint32::encoded_len(*tag, number);
    }
    if !text.is_empty() {
        body += encoding::key_len(4) + encoding::encoded_len_varint(text.len() as u64) + text.len();
    }

    let head = encoding::key_len(DELTA) + encoding::encoded_len_varint(body as u64);
    let mut out = Vec::with_capacity(head + body);
    encoding::encode_key(DELTA, WireType::LengthDelimited, &mut out);
    encoding::encode_varint(body as u64, &mut out);
    for (tag, number) in numbers.iter().filter(|(_, number)| *number != 0) {
        encoding::uint32::encode(*tag, number, &mut out);
    }
    if !text.is_empty() {
        encoding::encode_key(4, WireType::LengthDelimited, &mut out);
        encoding::encode_varint(text.len() as u64, &mut out);
        out.extend_from_slice(text.as_bytes());
    }
    out.into()
}

/// What a JSON delta frame has around its text, with the longest numbers and a few escapes.
const JSON_FRAME_BYTES: usize = 96;

#[derive(Serialize)]
struct JsonFrame<'a> {
    delta: JsonDelta<'a>,
}

/// Proto3 JSON leaves out what has its default value.
#[derive(Serialize)]
struct JsonDelta<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    turn: u32,
    #[serde(skip_serializing_if = "is_zero")]
    run: u32,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
