//! What nodes tell each other about one conversation, and about their clocks, and how it is written.
//!
//! The bus may lose, repeat and reorder. Nothing here is the truth: a lost event shows as a gap in seq and is read from
//! the log, a lost piece of an answer as a gap in offset.

use std::sync::Arc;

use conversation::{Millis, Notice, TurnText};
use prost::Message;

use crate::convert::EventError;
use crate::internal::v1::{self, bus_message::Kind};

/// One message of a conversation's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusMessage {
    /// The node that published it. A node drops what it published itself.
    pub node: String,
    /// What it says.
    pub notice: Notice,
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
        encode_notice(&self.node, &self.notice)
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// Bytes that are no bus message, or one that this version does not understand.
    pub fn decode(bytes: &[u8]) -> Result<Self, BusError> {
        let message = v1::BusMessage::decode(bytes)?;
        let notice = match message.kind.ok_or(BusError::UnknownKind)? {
            Kind::Event(event) => {
                Notice::Event { event: Arc::new(event.try_into()?), previous_at: message.previous_at_ms }
            }
            Kind::TurnText(heard) => Notice::Turn(TurnText {
                turn: heard.turn,
                run: heard.run,
                offset: heard.offset as usize,
                text: heard.text.into(),
                deadline: heard.deadline_ms,
            }),
            Kind::AskTurn(v1::AskTurn {}) => Notice::AskTurn,
            Kind::Forgotten(v1::Forgotten {}) => Notice::Forgotten,
        };
        Ok(BusMessage { node: message.node, notice })
    }
}

/// One message of the topic on which nodes speak of their clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockNotice {
    /// The node that published it.
    pub node: String,
    /// Its clock as it published this.
    pub at: Millis,
    /// What it has heard of others, the last of each.
    pub heard: Vec<HeardClock>,
}

/// What a node has heard of another one's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardClock {
    /// The other one.
    pub node: String,
    /// Its clock, as it said.
    pub at: Millis,
    /// How long ago that was heard, milliseconds.
    pub held: Millis,
}

impl ClockNotice {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let heard =
            |heard: &HeardClock| v1::HeardClock { node: heard.node.clone(), at_ms: heard.at, held_ms: heard.held };
        let heard = self.heard.iter().map(heard).collect();
        v1::ClockNotice { node: self.node.clone(), at_ms: self.at, heard }.encode_to_vec()
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BusError> {
        let v1::ClockNotice { node, at_ms: at, heard } = v1::ClockNotice::decode(bytes)?;
        let of = |heard: v1::HeardClock| HeardClock { node: heard.node, at: heard.at_ms, held: heard.held_ms };
        Ok(Self { node, at, heard: heard.into_iter().map(of).collect() })
    }
}

/// The bytes of a [`BusMessage`] of `node`.
pub fn encode_notice(node: &str, notice: &Notice) -> Vec<u8> {
    let kind = match notice {
        Notice::Event { event, .. } => Kind::Event(event.as_ref().into()),
        Notice::Turn(told) => Kind::TurnText(v1::TurnText {
            turn: told.turn,
            run: told.run,
            // An answer is bounded far below 4 GiB.
            offset: u32::try_from(told.offset).unwrap_or(u32::MAX),
            text: told.text.to_string(),
            deadline_ms: told.deadline,
        }),
        Notice::AskTurn => Kind::AskTurn(v1::AskTurn {}),
        Notice::Forgotten => Kind::Forgotten(v1::Forgotten {}),
    };
    let previous_at_ms = if let Notice::Event { previous_at, .. } = notice { *previous_at } else { 0 };
    v1::BusMessage { node: node.to_owned(), previous_at_ms, kind: Some(kind) }.encode_to_vec()
}
