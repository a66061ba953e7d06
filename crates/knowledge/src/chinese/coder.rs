//! Bits in as little room as they surprise: an adaptive binary arithmetic coder.
//!
//! Who writes and who reads go by the same chances, which learn from every bit. The writer is in `pack.rs`.

/// How likely a bit is to be set, learned from those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// Of 65,536.
    set: u16,
    /// How many bits it has learned from, up to [`Chance::MOST_LEARNED`].
    learned: u8,
}

impl Chance {
    /// Nothing is known yet.
    pub(super) const EVEN: Self = Self { set: 1 << 15, learned: 0 };

    /// From so many bits on, new ones count no less.
    const MOST_LEARNED: u8 = 127;
    /// No bit is ever sure, of 65,536.
    const LEAST: i32 = 32;

    fn learn(&mut self, bit: bool) {
        let wanted = if bit { 65_535 } else { 0 };
        let set = i32::from(self.set);
        let set = set + (((wanted - set) * SHARES[usize::from(self.learned)]) >> 15);
        self.set = set.clamp(Self::LEAST, 65_535 - Self::LEAST) as u16;
        self.learned = (self.learned + 1).min(Self::MOST_LEARNED);
    }
}

/// Of what is between a chance and a bit, how much it learns, of 32,768: 2/3 of it first, then 2/5, 2/7 … The more it has
/// learned, the less one bit says.
const SHARES: [i32; Chance::MOST_LEARNED as usize + 1] = {
    let mut shares = [0; Chance::MOST_LEARNED as usize + 1];
    let mut learned = 0;
    while learned < shares.len() {
        shares[learned] = (1 << 16) / (2 * learned as i32 + 3);
        learned += 1;
    }
    shares
};

/// The numbers that the bits so far leave: each bit takes a part of them, the larger the likelier it was.
#[derive(Debug)]
pub(super) struct Interval {
    pub(super) low: u32,
    high: u32,
}

impl Interval {
    pub(super) const ALL: Self = Self { low: 0, high: u32::MAX };

    /// The last number of the part in which the bit is set.
    fn split(&self, chance: Chance) -> u32 {
        let width = u64::from(self.high - self.low);
        self.low + ((width * u64::from(chance.set)) >> 16) as u32
    }

    /// Takes the part of the bit, which is set if `is_set` says so of the split, and has the chance learn it.
    pub(super) fn take(&mut self, chance: &mut Chance, is_set: impl FnOnce(u32) -> bool) -> bool {
        let split = self.split(*chance);
        let bit = is_set(split);
        if bit {
            self.high = split;
        } else {
            self.low = split + 1;
        }
        chance.learn(bit);
        bit
    }

    /// The first byte, once all numbers that are left begin with it; it is then done with.
    pub(super) fn settled(&mut self) -> Option<u8> {
        let is_settled = (self.low ^ self.high) >> 24 == 0;
        let byte = (self.high >> 24) as u8;
        if is_settled {
            self.low <<= 8;
            self.high = (self.high << 8) | 0xff;
        }
        is_settled.then_some(byte)
    }
}

/// Writes bits or reads them, so that both are described once.
pub(super) trait Coder {
    /// A writer takes `bit`; a reader passes it over. Both return what the bit is.
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool;
}

/// Reads what a writer wrote.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    interval: Interval,
    /// The number that the writer chose, as far as it is read.
    number: u32,
    rest: &'a [u8],
    /// Whether more was read than there is: it is not what a writer wrote.
    pub(super) is_past_end: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self { interval: Interval::ALL, number: 0, rest: bytes, is_past_end: false };
        (0..4).for_each(|_| reader.read_byte());
        reader
    }

    fn read_byte(&mut self) {
        let byte = self.rest.split_off_first().copied();
        self.is_past_end |= byte.is_none();
        self.number = (self.number << 8) | u32::from(byte.unwrap_or_default());
    }
}

impl Coder for Reader<'_> {
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        let number = self.number;
        let bit = self.interval.take(chance, |split| number <= split);
        while self.interval.settled().is_some() {
            self.read_byte();
        }
        bit
    }
}
