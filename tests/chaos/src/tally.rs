//! How many of what happened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by name, and what went wrong on the way.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    counts: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&self, what: &'static str, count: u64) {
        *self.counted().counts.entry(what).or_default() += count;
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        self.counted().counts.get(what).copied().unwrap_or(0)
    }

    /// Something that must not happen has happened.
    pub(crate) fn wrong(&self, what: String) {
        self.counted().wrong.push(what);
    }

    /// Takes out what must not have happened.
    pub(crate) fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.counted().wrong)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counted().counts {
            writeln!(f, "{count:>9}  {what}")?;
        }
        Ok(())
    }
}
