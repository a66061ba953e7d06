//! The answer that is being written, put together from deltas.

use conversation::Seq;
use protocol::v1::Delta;

/// An answer that is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Its turn.
    pub turn: Seq,
    /// Which run of the turn.
    pub run: u32,
    /// The text so far.
    pub text: String,
}

/// A delta that cannot follow what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// Text between what is held and the delta is missing.
    Hole,
    /// It starts or ends in the middle of a character of what is held, or says something else there.
    Contradiction,
}

impl Written {
    /// Takes in a delta. Another turn or run starts anew.
    ///
    /// # Errors
    /// It does not fit; nothing changes then, the answer's event will bring the whole text.
    pub fn handle_delta(&mut self, delta: &Delta) -> Result<(), Misfit> {
        let offset = delta.offset as usize;
        let is_same = (self.turn, self.run) == (delta.turn, delta.run);
        let held = if is_same { self.text.len() } else { 0 };
        if offset > held {
            return Err(Misfit::Hole);
        }
        if !is_same {
            *self = Written { turn: delta.turn, run: delta.run, text: String::new() };
        }
        let overlap = self.text.get(offset..).ok_or(Misfit::Contradiction)?;
        match delta.text.strip_prefix(overlap) {
            Some(new) => self.text.push_str(new),
            None if overlap.starts_with(&delta.text) => {}
            None => return Err(Misfit::Contradiction),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(turn: u32, run: u32, offset: u32, text: &str) -> Delta {
        Delta { turn, run, offset, text: text.to_owned() }
    }

    #[test]
    fn pieces_follow_each_other_and_repeats_add_nothing() {
        let mut written = Written::default();
        for piece in
            [delta(1, 1, 0, "茶 "), delta(1, 1, 4, "and"), delta(1, 1, 4, "and"), delta(1, 1, 0, "茶 and more")]
        {
            written.handle_delta(&piece).unwrap();
        }
        assert_eq!(written.text, "茶 and more");
    }

    #[test]
    fn another_run_drops_what_the_earlier_one_wrote() {
        let mut written = Written::default();
        written.handle_delta(&delta(1, 1, 0, "half an ans")).unwrap();
        written.handle_delta(&delta(1, 2, 0, "whole")).unwrap();
        assert_eq!(written, Written { turn: 1, run: 2, text: "whole".to_owned() });
    }

    #[test]
    fn what_does_not_fit_is_told_and_changes_nothing() {
        let mut written = Written::default();
        written.handle_delta(&delta(1, 1, 0, "茶abc")).unwrap();
        let before = written.clone();
        assert_eq!(written.handle_delta(&delta(1, 1, 9, "x")), Err(Misfit::Hole));
        assert_eq!(written.handle_delta(&delta(1, 2, 9, "x")), Err(Misfit::Hole));
        assert_eq!(written.handle_delta(&delta(1, 1, 1, "x")), Err(Misfit::Contradiction));
        assert_eq!(written.handle_delta(&delta(1, 1, 3, "xyz")), Err(Misfit::Contradiction));
        assert_eq!(written, before);
    }
}
