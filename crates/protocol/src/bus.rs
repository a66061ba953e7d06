//! What nodes tell each other about one conversation, and how it is written.
//!
//! The bus may lose, repeat and reorder. Nothing here is the truth: a lost event shows as a gap in seq and is read from
//! the log, a lost piece of an answer as a gap in offset.

use conversation::{Event, Millis, Seq};
use prost::Message;

use crate::convert::EventError;
use crate::internal::v1;

/// One message of a conversation's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusMessage {
    /// The node that published it. A node drops what it published itself.
    pub node: String,
    /// What it says.
    pub kind: BusKind,
}

/// What a bus message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusKind {
    /// An event was appended.
    Event(Event),
    /// A piece of the answer being written.
    TurnText(TurnText),
    /// Asks the node that has a turn running here, if there is one, for all of its text so far.
    AskTurn,
}

/// A piece of the answer that a node is having written, or, at offset 0, all of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnText {
    /// The turn: the seq of the newest visitor message it answers.
    pub turn: Seq,
    /// Tells apart two runs of one turn.
    pub run: u32,
    /// Where `text` starts, in UTF-8 bytes of the answer.
    pub offset: u32,
    /// The piece.
    pub text: String,
    /// When the turn ends at the latest. After it, nobody waits for this run.
    pub deadline: Millis,
}

/// Why bytes are no bus message.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Not protobuf.
    #[error("the bus message is damaged: {0}")]
    NotProto(#[from] prost::DecodeError),
    /// An event that the core could not have made.
    #[error("the bus message holds no event")]
    Event(#[from] EventError),
    /// Empty, or of a kind that this version does not know. Drop it: the node that sent it is newer.
    #[error("the bus message is of a kind that this version does not know")]
    UnknownKind,
}

impl BusMessage {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match &self.kind {
            BusKind::Event(event) => v1::bus_message::Kind::Event(event.into()),
            BusKind::TurnText(piece) => v1::bus_message::Kind::TurnText(v1::TurnText {
                turn: piece.turn,
                run: piece.run,
                offset: piece.offset,
                text: piece.text.clone(),
                deadline_ms: piece.deadline,
            }),
            BusKind::AskTurn => v1::bus_message::Kind::AskTurn(v1::AskTurn {}),
        };
        v1::BusMessage { node: self.node.clone(), kind: Some(kind) }.encode_to_vec()
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// Bytes that are no bus message, or one that this version does not understand.
    pub fn decode(bytes: &[u8]) -> Result<Self, BusError> {
        let message = v1::BusMessage::decode(bytes)?;
        let kind = match message.kind.ok_or(BusError::UnknownKind)? {
            v1::bus_message::Kind::Event(event) => BusKind::Event(event.try_into()?),
            v1::bus_message::Kind::TurnText(piece) => BusKind::TurnText(TurnText {
                turn: piece.turn,
                run: piece.run,
                offset: piece.offset,
                text: piece.text,
                deadline: piece.deadline_ms,
            }),
            v1::bus_message::Kind::AskTurn(v1::AskTurn {}) => BusKind::AskTurn,
        };
        Ok(BusMessage { node: message.node, kind })
    }
}
