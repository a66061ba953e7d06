//! Responses as InvokeWithResponseStream frames them: Amazon's event stream, <https://smithy.io/2.0/aws/amazon-eventstream.html>.
//!
//! A message is `total length | length of headers | CRC of both | headers | payload | CRC of all`, numbers big-endian, CRC-32 as
//! in gzip. Each piece of a response is one event `PayloadChunk`; the last event, `InvokeComplete`, says how it ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame};
use serde_json::json;

use crate::invocation::{FunctionError, Response, ResponseBody};

/// The type of such a body.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// What every message has beside headers and payload, bytes: two lengths and two checksums.
const FRAME: usize = 16;

/// The type of a header whose value is a string.
const STRING: u8 = 7;

/// A function's response, framed.
#[derive(Debug)]
pub struct EventStream {
    coming: Coming,
}

/// What is still to be sent.
#[derive(Debug)]
enum Coming {
    /// The prelude, as the function wrote it, and then the response.
    Prelude(Bytes, ResponseBody),
    Pieces(ResponseBody),
    /// Only how it ended.
    Complete(Option<FunctionError>),
    Nothing,
}

impl EventStream {
    /// The events of a response. The prelude is passed on, as Lambda does.
    #[must_use]
    pub fn of(response: Response) -> Self {
        let Response { prelude, body, .. } = response;
        let coming = if prelude.is_empty() { Coming::Pieces(body) } else { Coming::Prelude(prelude, body) };
        Self { coming }
    }

    /// The one event of a function that gave no response.
    #[must_use]
    pub fn failed(error: FunctionError) -> Self {
        Self { coming: Coming::Complete(Some(error)) }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (event, coming) = match std::mem::replace(&mut self.coming, Coming::Nothing) {
            Coming::Prelude(prelude, body) => (payload_chunk(&prelude), Coming::Pieces(body)),
            Coming::Pieces(mut body) => {
                let Poll::Ready(piece) = Pin::new(&mut body).poll_frame(cx) else {
                    self.coming = Coming::Pieces(body);
                    return Poll::Pending;
                };
                match piece {
                    Some(Ok(frame)) => (payload_chunk(&frame.into_data().unwrap_or_default()), Coming::Pieces(body)),
                    Some(Err(broken_off)) => {
                        let error = FunctionError::new("Runtime.ExitError", &broken_off.to_string());
                        (complete(Some(&error)), Coming::Nothing)
                    }
                    None => (complete(None), Coming::Nothing),
                }
            }
            Coming::Complete(error) => (complete(error.as_ref()), Coming::Nothing),
            Coming::Nothing => return Poll::Ready(None),
        };
        self.coming = coming;
        Poll::Ready(Some(Ok(Frame::data(event))))
    }
}

fn payload_chunk(piece: &[u8]) -> Bytes {
    event("PayloadChunk", "application/octet-stream", piece)
}

/// The end; the error's code is its type in Lambda's words, its details the JSON that the function reported.
fn complete(error: Option<&FunctionError>) -> Bytes {
    let end = match error {
        None => json!({}),
        Some(error) => {
            json!({ "ErrorCode": error.kind(), "ErrorDetails": String::from_utf8_lossy(&error.body) })
        }
    };
    event("InvokeComplete", "application/json", end.to_string().as_bytes())
}

fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let mut headers = BytesMut::new();
    for (name, value) in [(":message-type", "event"), (":event-type", kind), (":content-type", content_type)] {
        headers.put_u8(name.len() as u8);
        headers.put_slice(name.as_bytes());
        headers.put_u8(STRING);
        headers.put_u16(value.len() as u16);
        headers.put_slice(value.as_bytes());
    }
    let length = FRAME + headers.len() + payload.len();
    let mut message = BytesMut::with_capacity(length);
    message.put_u32(length as u32);
    message.put_u32(headers.len() as u32);
    message.put_u32(crc32fast::hash(&message));
    message.put_slice(&headers);
    message.put_slice(payload);
    message.put_u32(crc32fast::hash(&message));
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a message apart as the page above says; panics where it is not whole.
    fn parse(message: &[u8]) -> (Vec<(String, String)>, Vec<u8>) {
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(number(0), message.len());
        assert_eq!(number(8), crc32(&message[..8]) as usize);
        assert_eq!(number(message.len() - 4), crc32(&message[..message.len() - 4]) as usize);
        let (mut headers, end) = (Vec::new(), 12 + number(4));
        let mut at = 12;
        while at < end {
            let name_end = at + 1 + usize::from(message[at]);
            assert_eq!(message[name_end], 7);
            let value = name_end + 3;
            let value_end = value + usize::from(u16::from_be_bytes([message[name_end + 1], message[name_end + 2]]));
            let text = |from: usize, to: usize| String::from_utf8(message[from..to].to_vec()).unwrap();
            headers.push((text(at + 1, name_end), text(value, value_end)));
            at = value_end;
        }
        (headers, message[end..message.len() - 4].to_vec())
    }

    /// Bit by bit, from the polynomial.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
        })
    }

    fn headers(kind: &str, content_type: &str) -> Vec<(String, String)> {
        [(":message-type", "event"), (":event-type", kind), (":content-type", content_type)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    #[test]
    fn a_message_has_its_lengths_headers_payload_and_checksums() {
        for payload in [&b"a\n"[..], &[0; 70_000], b""] {
            let expected = (headers("PayloadChunk", "application/octet-stream"), payload.to_vec());
            assert_eq!(parse(&payload_chunk(payload)), expected);
        }
    }

    #[test]
    fn the_end_tells_a_good_end_from_an_error_and_its_type() {
        assert_eq!(parse(&complete(None)), (headers("InvokeComplete", "application/json"), b"{}".to_vec()));
        let (_, payload) = parse(&complete(Some(&FunctionError::new("Sandbox.Timedout", "late"))));
        let end: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(end["ErrorCode"], "Sandbox.Timedout");
        assert!(end["ErrorDetails"].as_str().unwrap().contains("late"));
    }
}
