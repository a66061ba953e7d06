//! How much of what was said last stands in a text: a suffix automaton, which tells it letter by letter in constant time.
//! (Blumer et al., 1985.)

/// All substrings of some texts.
#[derive(Debug)]
pub(crate) struct Substrings {
    states: Vec<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// The longest substring of the state, in letters.
    length: u32,
    /// The state of the longest suffix that stands elsewhere too. The first state has none.
    link: Option<u32>,
    /// Sorted by letter.
    next: Vec<(char, u32)>,
}

/// The longest suffix of what was read that is a substring.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Suffix {
    state: u32,
    /// In letters.
    pub(crate) length: u32,
}

impl Substrings {
    /// Of `texts`, each for itself: no substring reaches from one into the next.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a [char]>) -> Self {
        let mut substrings = Self { states: vec![State::default()] };
        for text in texts {
            let mut last = 0;
            for letter in text {
                last = substrings.extend(last, *letter);
            }
        }
        substrings
    }

    /// Reads one more letter.
    pub(crate) fn advance(&self, mut suffix: Suffix, letter: char) -> Suffix {
        loop {
            if let Some(state) = self.at(suffix.state).to(letter) {
                return Suffix { state, length: suffix.length + 1 };
            }
            match self.at(suffix.state).link {
                Some(link) => suffix = Suffix { state: link, length: self.at(link).length },
                None => return Suffix::default(),
            }
        }
    }

    fn extend(&mut self, last: u32, letter: char) -> u32 {
        if let Some(to) = self.at(last).to(letter) {
            // Another text began alike.
            return if self.at(to).length == self.at(last).length + 1 { to } else { self.split(last, to, letter) };
        }
        let new = self.add(State { length: self.at(last).length + 1, link: Some(0), next: Vec::new() });
        let mut at = Some(last);
        while let Some(state) = at
            && self.at(state).to(letter).is_none()
        {
            self.at_mut(state).set(letter, new);
            at = self.at(state).link;
        }
        if let Some(state) = at
            && let Some(to) = self.at(state).to(letter)
        {
            let is_next = self.at(to).length == self.at(state).length + 1;
            let link = if is_next { to } else { self.split(state, to, letter) };
            self.at_mut(new).link = Some(link);
        }
        new
    }

    /// Makes a state of its own for the substrings of `to` that are no longer than those of `from` and `letter`.
    fn split(&mut self, from: u32, to: u32, letter: char) -> u32 {
        let length = self.at(from).length + 1;
        let copy = self.add(State { length, ..self.at(to).clone() });
        self.at_mut(to).link = Some(copy);
        let mut at = Some(from);
        while let Some(state) = at
            && self.at(state).to(letter) == Some(to)
        {
            self.at_mut(state).set(letter, copy);
            at = self.at(state).link;
        }
        copy
    }

    fn add(&mut self, state: State) -> u32 {
        self.states.push(state);
        self.states.len() as u32 - 1
    }

    fn at(&self, state: u32) -> &State {
        &self.states[state as usize]
    }

    fn at_mut(&mut self, state: u32) -> &mut State {
        &mut self.states[state as usize]
    }
}

impl State {
    fn to(&self, letter: char) -> Option<u32> {
        self.next.binary_search_by_key(&letter, |(letter, _)| *letter).ok().map(|at| self.next[at].1)
    }

    fn set(&mut self, letter: char, to: u32) {
        match self.next.binary_search_by_key(&letter, |(letter, _)| *letter) {
            Ok(at) => self.next[at].1 = to,
            Err(at) => self.next.insert(at, (letter, to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The longest suffix of `read` that stands in one of `texts`.
    fn longest(texts: &[Vec<char>], read: &[char]) -> usize {
        let stands = |suffix: &[char]| {
            texts.iter().any(|text| suffix.is_empty() || text.windows(suffix.len()).any(|part| part == suffix))
        };
        (0..=read.len()).rev().find(|length| stands(&read[read.len() - length..])).unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_the_longest_suffix_that_stands_in_a_text(
            texts in prop::collection::vec("[abc]{0,12}", 1..4),
            read in "[abcd]{0,30}",
        ) {
            let texts: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
            let substrings = Substrings::of(texts.iter().map(Vec::as_slice));
            let read: Vec<char> = read.chars().collect();
            let mut suffix = Suffix::default();
            for (at, letter) in read.iter().enumerate() {
                suffix = substrings.advance(suffix, *letter);
                prop_assert_eq!(suffix.length as usize, longest(&texts, &read[..=at]));
            }
        }
    }
}
