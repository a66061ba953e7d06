//! The delivery cursor: turns events that come late, twice or out of order into each event once, in order.
//!
//! A client has one over its connection, a node one over the bus. While history is being read, live events are held; what
//! was read and what came live are merged by seq.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::id::Seq;

/// Events held back at most; beyond that the newest are dropped, and the gap they leave is read from the log.
const MAX_HELD: usize = 256;

/// A position in a log, with what arrived too early.
#[derive(Debug, Clone, Default)]
pub struct Cursor<E = Event> {
    seq: Seq,
    held: BTreeMap<Seq, E>,
}

/// What an offered event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It fits: [`Cursor::next`] gives it, and perhaps held ones after it.
    Next,
    /// It, or a later one, was taken before: dropped.
    Repeat,
    /// Events before it are missing: it is held, and the log is to be read from the cursor.
    Gap,
}

impl<E> Cursor<E> {
    /// A cursor of somebody who holds everything up to `seq`.
    pub fn at(seq: Seq) -> Self {
        Self { seq, held: BTreeMap::new() }
    }

    /// The last seq taken.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Takes in one event, live or read.
    pub fn offer(&mut self, seq: Seq, event: E) -> Offered {
        if seq <= self.seq {
            return Offered::Repeat;
        }
        self.held.entry(seq).or_insert(event);
        if self.held.len() > MAX_HELD {
            self.held.pop_last();
        }
        if self.held.contains_key(&(self.seq + 1)) { Offered::Next } else { Offered::Gap }
    }

    /// The next event in order, if it is here.
    #[allow(clippy::should_implement_trait)] // Not an iterator: None means "not yet".
    pub fn next(&mut self) -> Option<E> {
        let event = self.held.remove(&(self.seq + 1))?;
        self.seq += 1;
        Some(event)
    }

    /// Whether something is held that cannot be taken before others have come.
    pub fn has_gap(&self) -> bool {
        let unbroken = self.seq as usize + self.held.len();
        self.held.last_key_value().is_some_and(|(last, _)| *last as usize > unbroken)
    }

    /// Forgets everything: the log is not the one this cursor was made for.
    pub fn reset(&mut self) {
        self.seq = 0;
        self.held.clear();
    }
}

/// Where a client that resumes stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// It gets the events after this seq.
    After(Seq),
    /// Its cursor does not belong to this log: it must drop everything and gets all events.
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(offers: &[Seq]) -> (Vec<Seq>, bool) {
        let mut cursor = Cursor::at(0);
        let mut out = vec![];
        for seq in offers {
            cursor.offer(*seq, *seq);
            while let Some(event) = cursor.next() {
                out.push(event);
            }
        }
        (out, cursor.has_gap())
    }

    #[test]
    fn any_order_with_repeats_becomes_each_once_in_order() {
        assert_eq!(taken(&[1, 2, 3]), (vec![1, 2, 3], false));
        assert_eq!(taken(&[3, 1, 1, 3, 2, 2, 1]), (vec![1, 2, 3], false));
        assert_eq!(taken(&[2, 3]), (vec![], true));
    }

    #[test]
    fn a_gap_behind_an_event_that_fits_is_a_gap() {
        let mut cursor = Cursor::at(0);
        assert_eq!((cursor.offer(1, ()), cursor.has_gap()), (Offered::Next, false));
        assert_eq!((cursor.offer(3, ()), cursor.has_gap()), (Offered::Next, true));
        assert_eq!((cursor.offer(2, ()), cursor.has_gap()), (Offered::Next, false));
    }

    #[test]
    fn what_does_not_fit_into_memory_is_a_gap_and_not_a_loss() {
        let mut cursor = Cursor::at(0);
        for seq in (2..2 + 2 * MAX_HELD as Seq).rev() {
            assert_eq!(cursor.offer(seq, seq), Offered::Gap);
        }
        assert_eq!(cursor.offer(1, 1), Offered::Next);
        let mut last = 0;
        while let Some(seq) = cursor.next() {
            last = seq;
        }
        assert_eq!((last, cursor.seq()), (MAX_HELD as Seq, MAX_HELD as Seq));
        assert_eq!(cursor.offer(last + 1, last + 1), Offered::Next);
    }
}
