//! Frames to bytes and back, in either subprotocol.
//!
//! Decoding takes any bytes: what is no frame is a named error, never a panic, and costs time and memory in proportion
//! to its length. Fields and enum values that this version does not know are ignored, so that clients and nodes of
//! different versions understand each other; a frame kind it does not know is [`DecodeError::UnknownFrame`].

use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::v1::{self, ClientFrame, ErrorCode, ServerFrame, client_frame, server_frame};

mod delta;
mod frames;

pub use delta::encode_delta;

/// How frames are written on one connection; agreed in the WebSocket handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subprotocol {
    /// Protobuf, in binary WebSocket messages.
    Proto,
    /// Proto3 JSON, in text WebSocket messages.
    Json,
}

impl Subprotocol {
    /// Both, the better one first.
    pub const ALL: [Subprotocol; 2] = [Subprotocol::Proto, Subprotocol::Json];

    /// Its name in `Sec-WebSocket-Protocol`.
    pub fn name(self) -> &'static str {
        match self {
            Subprotocol::Proto => "frontdesk.v1.proto",
            Subprotocol::Json => "frontdesk.v1.json",
        }
    }

    /// The first name of a client's `Sec-WebSocket-Protocol` list (`a, b, c`) that is known. None: refuse the handshake.
    pub fn choose(offered: &str) -> Option<Self> {
        offered.split(',').find_map(|name| Self::ALL.into_iter().find(|known| known.name() == name.trim()))
    }
}

/// Why bytes are no frame. Holds nothing of what the bytes say, so it can be sent back and logged.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf of a frame.
    #[error("the frame is not protobuf of frontdesk.v1: check that it is one whole frame; {0}")]
    NotProto(prost::DecodeError),
    /// Not JSON of a frame.
    #[error("the frame is not proto3 JSON of frontdesk.v1: {what} at column {column} of line {line}")]
    NotJson {
        /// Syntax, types, or an early end.
        what: &'static str,
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// Well-formed, but of no kind that this version knows.
    #[error("the frame is empty or of a kind that this version does not know: use the kinds of frontdesk.v1")]
    UnknownFrame,
}

impl DecodeError {
    /// What a node answers.
    pub fn code(&self) -> ErrorCode {
        match self {
            DecodeError::NotProto(_) | DecodeError::NotJson { .. } => ErrorCode::Malformed,
            DecodeError::UnknownFrame => ErrorCode::UnknownFrame,
        }
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        // The error's own text quotes the input, which may hold a visitor's words or a token.
        let what = match error.classify() {
            serde_json::error::Category::Data => "a value of the wrong type, out of range, or given twice",
            serde_json::error::Category::Eof => "an early end",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "a syntax error",
        };
        DecodeError::NotJson { what, line: error.line(), column: error.column() }
    }
}

/// Why a frame has no bytes: its maker put a number into an enum field that the schema has not. Only JSON, which writes
/// names, can fail so.
#[derive(Debug, thiserror::Error)]
#[error("the frame cannot be written as JSON: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// What a node sends.
///
/// # Errors
/// An enum field with a number that the schema has not.
pub fn encode(frame: &ServerFrame, subprotocol: Subprotocol) -> Result<Bytes, EncodeError> {
    encode_any(frame, subprotocol)
}

/// What a client sends.
///
/// # Errors
/// None with the present schema, whose client frames have no enums.
pub fn encode_client(frame: &ClientFrame, subprotocol: Subprotocol) -> Result<Bytes, EncodeError> {
    encode_any(frame, subprotocol)
}

/// What a node receives. Bound the length of `bytes` first.
///
/// # Errors
/// Bytes that are no frame.
pub fn decode_client(bytes: &[u8], subprotocol: Subprotocol) -> Result<client_frame::Kind, DecodeError> {
    decode_any::<ClientFrame>(bytes, subprotocol)?.kind.ok_or(DecodeError::UnknownFrame)
}

/// What a client receives.
///
/// # Errors
/// Bytes that are no frame. A client ignores [`DecodeError::UnknownFrame`]: the node is newer than the client.
pub fn decode_server(bytes: &[u8], subprotocol: Subprotocol) -> Result<server_frame::Kind, DecodeError> {
    decode_any::<ServerFrame>(bytes, subprotocol)?.kind.ok_or(DecodeError::UnknownFrame)
}

fn encode_any<F: Message + Serialize>(frame: &F, subprotocol: Subprotocol) -> Result<Bytes, EncodeError> {
    Ok(match subprotocol {
        Subprotocol::Proto => frame.encode_to_vec().into(),
        Subprotocol::Json => serde_json::to_vec(frame)?.into(),
    })
}

fn decode_any<F: Message + Default + DeserializeOwned>(
    bytes: &[u8],
    subprotocol: Subprotocol,
) -> Result<F, DecodeError> {
    match subprotocol {
        Subprotocol::Proto => F::decode(bytes).map_err(DecodeError::NotProto),
        Subprotocol::Json => Ok(serde_json::from_slice(bytes)?),
    }
}
