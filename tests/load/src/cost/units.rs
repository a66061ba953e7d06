//! Units and their price.

use std::iter::Sum;
use std::ops::Sub;

use store::dynamodb::Consumed;

/// Dollars for a million write request units, on demand, us-east-1.
pub(super) const WRITE_PRICE: f64 = 0.625;

/// Dollars for a million read request units.
pub(super) const READ_PRICE: f64 = 0.125;

/// Request units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Units {
    pub(super) write: f64,
    pub(super) read: f64,
}

impl From<Consumed> for Units {
    fn from(consumed: Consumed) -> Self {
        Self { write: consumed.write_units, read: consumed.read_units }
    }
}

impl Sub for Units {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { write: self.write - before.write, read: self.read - before.read }
    }
}

impl Sum for Units {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self { write: sum.write + one.write, read: sum.read + one.read })
    }
}

impl Units {
    /// Divided among so many.
    pub(super) fn per(self, n: f64) -> Self {
        Self { write: self.write / n, read: self.read / n }
    }

    /// What a million times as much costs.
    pub(super) fn dollars_per_million(self) -> f64 {
        self.write * WRITE_PRICE + self.read * READ_PRICE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_turns_of_two_writes_and_half_a_read() {
        let million = Units { write: 2e6, read: 0.5e6 };
        assert_eq!(million.per(1e6).dollars_per_million(), 2.0 * 0.625 + 0.5 * 0.125);
    }
}
