//! Words and their frequencies, packed into less than half of what gzip makes of them, and read as quickly.
//!
//! Words that begin alike share their beginning: the list is a tree of characters, each node with whether the word may go on,
//! whether it may end, its frequency if so, and what may come next, in order. Each of these is coded by chances that learn
//! from what came before (`coder.rs`). `data/README.md` says how the file is made.

use super::coder::{Chance, Coder, Reader};

/// The most characters that a word has.
pub(super) const LONGEST: usize = 16;

/// A character's number is its place in the alphabet, of so many bits.
pub(super) const CHARACTER_BITS: u32 = 14;

/// Kinds of numbers, each with chances of its own: [`PLAIN`], and frequencies by place and whether the word may go on.
const KINDS: usize = 1 + 2 * 6;

/// Counts, and the distance from one character of the alphabet to the next.
pub(super) const PLAIN: usize = 0;

/// The kind of a frequency.
pub(super) fn frequency(place: usize, goes_on: bool) -> usize {
    1 + 2 * place.min(5) + usize::from(goes_on)
}

/// How likely what is, by where it is. A place is the number of characters up to here.
pub(super) struct Model {
    /// Whether a word begins with the character.
    pub(super) begins: Chance,
    /// Whether a word goes on, and, if it does, whether it may also end here; by place.
    pub(super) goes_on: [Chance; 8],
    pub(super) ends: [Chance; 8],
    /// Whether another character may come next; by place, and how many there were.
    more: [[Chance; 32]; 4],
    /// A bit of a character, by place and the bits before it.
    characters: [Vec<Chance>; 3],
    /// The length of a number, a bit by those before it; and its digits.
    lengths: [[Chance; 32]; KINDS],
    digits: Vec<[[Chance; 16]; 32]>,
}

impl Model {
    pub(super) fn new() -> Self {
        let characters = || vec![Chance::EVEN; 1 << CHARACTER_BITS];
        Self {
            begins: Chance::EVEN,
            goes_on: [Chance::EVEN; 8],
            ends: [Chance::EVEN; 8],
            more: [[Chance::EVEN; 32]; 4],
            characters: [characters(), characters(), characters()],
            lengths: [[Chance::EVEN; 32]; KINDS],
            digits: vec![[[Chance::EVEN; 16]; 32]; KINDS],
        }
    }

    /// Whether there is another character after the first `count` that may come next.
    pub(super) fn more(&mut self, coder: &mut impl Coder, place: usize, count: usize, more: bool) -> bool {
        coder.bit(&mut self.more[place.min(3)][count.min(31)], more)
    }

    /// A character that may come next, the number of the one `before` it being less.
    pub(super) fn character(
        &mut self,
        coder: &mut impl Coder,
        place: usize,
        before: Option<usize>,
        character: usize,
    ) -> usize {
        let chances = &mut self.characters[place.clamp(1, 3) - 1];
        let least = before.map(|before| before | (1 << CHARACTER_BITS));
        let mut known = 1;
        for shift in (0..CHARACTER_BITS).rev() {
            // Where all bits so far are those of the character before, none that it has set is missing.
            let must_be_set = least.is_some_and(|least| least >> shift == (known << 1) | 1);
            let bit = must_be_set || coder.bit(&mut chances[known], (character >> shift) & 1 == 1);
            known = (known << 1) | usize::from(bit);
        }
        known ^ (1 << CHARACTER_BITS)
    }

    /// A number from 1 on.
    pub(super) fn number(&mut self, coder: &mut impl Coder, kind: usize, number: u32) -> u32 {
        let length = number.max(1).ilog2();
        let mut known = 1;
        for shift in (0..5).rev() {
            let bit = coder.bit(&mut self.lengths[kind][known], (length >> shift) & 1 == 1);
            known = (known << 1) | usize::from(bit);
        }
        let length = known & 31;
        let chances = &mut self.digits[kind][length];
        let mut read = 1;
        for shift in (0..length).rev() {
            // The three highest digits go by those before them; of the others one is as likely as the next.
            let chance = &mut chances[if length - shift <= 3 { read as usize } else { 15 }];
            read = (read << 1) | u32::from(coder.bit(chance, (number >> shift) & 1 == 1));
        }
        read
    }
}

/// Gives every word and its frequency to `each`, in order.
///
/// Nothing: `packed` is not what was packed. What `each` got until then means nothing.
pub(super) fn read(packed: &[u8], each: impl FnMut(&str, u32)) -> Option<()> {
    let mut coder = Reader::new(packed);
    let mut model = Model::new();
    let words = model.number(&mut coder, PLAIN, 1);
    let alphabet = alphabet(&mut model, &mut coder)?;
    let mut reading = Reading { coder, model, alphabet, word: String::new(), words: 0, each };
    for character in 0..reading.alphabet.len() {
        if reading.coder.bit(&mut reading.model.begins, false) {
            reading.node(1, character)?;
        }
    }
    (reading.words == words && !reading.coder.is_past_end).then_some(())
}

fn alphabet(model: &mut Model, coder: &mut Reader<'_>) -> Option<Vec<char>> {
    let count = model.number(coder, PLAIN, 1);
    let mut last = 0_u32;
    let mut next = || {
        last = last.checked_add(model.number(coder, PLAIN, 1))?;
        char::from_u32(last)
    };
    (count <= 1 << CHARACTER_BITS).then(|| (0..count).map(|_| next()).collect())?
}

struct Reading<'a, E> {
    coder: Reader<'a>,
    model: Model,
    alphabet: Vec<char>,
    /// The characters up to here.
    word: String,
    /// How many were read.
    words: u32,
    each: E,
}

impl<E: FnMut(&str, u32)> Reading<'_, E> {
    /// Reads what begins with the word so far and `character`, its last at `place`.
    fn node(&mut self, place: usize, character: usize) -> Option<()> {
        let Self { coder, model, .. } = self;
        if coder.is_past_end || place > LONGEST {
            return None;
        }
        let length = self.word.len();
        self.word.push(*self.alphabet.get(character)?);
        let goes_on = coder.bit(&mut model.goes_on[place.min(7)], false);
        let ends = !goes_on || coder.bit(&mut model.ends[place.min(7)], false);
        if ends {
            let frequency = model.number(coder, frequency(place, goes_on), 1);
            self.words = self.words.checked_add(1)?;
            (self.each)(&self.word, frequency);
        }
        if goes_on {
            self.next_characters(place)?;
        }
        self.word.truncate(length);
        Some(())
    }

    fn next_characters(&mut self, place: usize) -> Option<()> {
        let mut before = None;
        for count in 0.. {
            let Self { coder, model, .. } = self;
            if count > 0 && !model.more(coder, place, count, false) {
                break;
            }
            let character = model.character(coder, place, before, 0);
            if before.is_some_and(|before| before >= character) {
                return None;
            }
            before = Some(character);
            self.node(place + 1, character)?;
        }
        Some(())
    }
}
