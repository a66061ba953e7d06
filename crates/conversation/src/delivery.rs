//! Delivery: what a connection has not got yet.
//!
//! A connection has no queue. It has a [`Position`] and pulls: events in order, then the text of the answer being written.
//! So its memory is bounded whatever happens, a slow reader gets several pieces of an answer as one, and nothing can be
//! doubled or overtaken.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::event::{Audience, Event};
use crate::id::{Millis, Seq};
use crate::live::Live;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Which of the conversation's logs it is a place in (see [`Live::epoch`]).
    pub epoch: u32,
    /// The last seq delivered.
    pub seq: Seq,
    /// When that event was decided; 0: that is not known. It tells whether what comes next belongs behind it.
    pub at: Millis,
    /// The answer of which the connection has the first `offset` bytes.
    pub turn: Seq,
    /// The run of that answer.
    pub run: u32,
    /// UTF-8 bytes of it delivered.
    pub offset: usize,
}

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The log was lost, and another one stands in its place: the client drops everything and gets all events of it, up to
    /// this seq for now. The position is at its start.
    Reset(Seq),
    /// An event; the position has moved past it.
    Event(Arc<Event>),
    /// The seq of an event that this audience may not see, and when it was decided, by which the client can name it; the
    /// position has moved past it.
    Hidden(Seq, Millis),
    /// Events after this seq are no longer in memory, or do not fit behind the one delivered last: read the log from one
    /// before on, look whether it goes on from there ([`Position::is_continued_by`]), and deliver through
    /// [`Position::take`].
    History(Seq),
    /// A piece of the answer being written; the position has moved past it.
    Delta {
        /// The turn.
        turn: Seq,
        /// The run.
        run: u32,
        /// Where the text starts, UTF-8 bytes.
        offset: usize,
        /// The piece.
        text: String,
    },
}

/// The longest text of one delta, bytes: a long answer to a late joiner comes in several frames.
const MAX_DELTA_BYTES: usize = 8 * 1024;

impl Position {
    /// Whether a page of the log, read from one before this position on, goes on from it. If not, what the client holds was
    /// lost: it is to be reset.
    pub fn is_continued_by(&self, page: &[Event]) -> bool {
        self.seq == 0 || page.first().is_some_and(|first| first.seq == self.seq && self.may_be_at(first.at))
    }

    fn may_be_at(&self, at: Millis) -> bool {
        self.at == 0 || self.at == at
    }

    /// Takes an event read from the store, if it is the next one.
    pub fn take(&mut self, event: Arc<Event>, audience: Audience) -> Option<Piece> {
        if event.seq != self.seq + 1 {
            return None;
        }
        (self.seq, self.at) = (event.seq, event.at);
        Some(if event.body.is_visible_to(audience) { Piece::Event(event) } else { Piece::Hidden(self.seq, event.at) })
    }
}

impl Live {
    /// What to send next to a connection at `position`; `None` when it has everything.
    pub fn next_piece(&self, position: &mut Position, audience: Audience) -> Option<Piece> {
        if !self.is_loaded() {
            return None; // Only when all is read is it known whether it is the log that it was.
        }
        if position.epoch != self.epoch() {
            *position = Position { epoch: self.epoch(), ..Position::default() };
            return Some(Piece::Reset(self.state().head()));
        }
        match position.seq.cmp(&self.state().head()) {
            Ordering::Less => return Some(self.next_event(position, audience)),
            // The log was lost and has grown again to where the client is: what it holds is not what is there.
            Ordering::Equal if position.seq > 0 && !position.may_be_at(self.state().head_at()) => {
                return Some(Piece::History(position.seq));
            }
            Ordering::Equal => {}
            // It was read from the log further than this node has come: what is written may be over there.
            Ordering::Greater => return None,
        }
        let (turn, run, text) = self.written()?;
        let is_held = (position.turn, position.run) == (turn, run);
        // A client may name any offset; one that is not between characters is no place to go on.
        let offset =
            if is_held && text.is_char_boundary(position.offset.min(text.len())) { position.offset } else { 0 };
        let rest = text.get(offset..).filter(|rest| !rest.is_empty())?;
        let mut end = rest.len().min(MAX_DELTA_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        // Only now: as long as nothing of this run is sent, the client holds what it held.
        (position.turn, position.run, position.offset) = (turn, run, offset + end);
        Some(Piece::Delta { turn, run, offset, text: rest[..end].to_owned() })
    }

    fn next_event(&self, position: &mut Position, audience: Audience) -> Piece {
        if broken!(self.policy(), IgnoreGaps) && self.state().head() > position.seq + 1 {
            (position.seq, position.at) = (self.state().head() - 1, 0);
        }
        let Some(event) = self.window().get(position.seq + 1) else {
            return Piece::History(position.seq);
        };
        if self.window().previous_at(event.seq).is_some_and(|at| !position.may_be_at(at)) {
            return Piece::History(position.seq);
        }
        let audience = if broken!(self.policy(), ShowNotes) { Audience::Agents } else { audience };
        let before = (position.seq, position.at);
        let piece = position.take(Arc::clone(event), audience).unwrap_or(Piece::History(before.0));
        if broken!(self.policy(), DeliverRepeats) && event.seq % 5 == 0 && position.offset != usize::MAX {
            (position.seq, position.at) = before;
            position.offset = usize::MAX;
        }
        piece
    }
}
