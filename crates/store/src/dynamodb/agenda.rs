//! The marks that one client has read and not dealt with yet. No I/O: what was read comes in, what to do goes out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use conversation::Millis;

use super::item::{Item, text_at};
use super::marks::{Mark, Sheet, end_of, marks_in, slot_of};

/// For how long after its end a slot may get marks of a client that takes it for the current one: clocks differ by up to
/// a minute, and a write takes a while.
const OPEN_MS: Millis = 120_000;

/// For how long after its end a slot stays on the list. Longer than any client takes it for the current one.
const LISTED_MS: Millis = 180_000;

/// How long to wait before the second look. Doubles each time.
const FIRST_LOOK_MS: Millis = 250;

/// How many marks are held. More are read when these are dealt with.
const MAX_MARKS: usize = 100_000;

#[derive(Debug)]
pub(super) struct Agenda {
    marks: BTreeMap<Place, Entry>,
    sheets: HashMap<Arc<Sheet>, Reading>,
    given: u64,
    /// For how long a mark whose log says something else is looked at again: the write that it announces may be on its way.
    doubt_ms: Millis,
}

/// The most overdue is first; of those, the one that was read first.
type Place = (Millis, u64);

#[derive(Debug)]
struct Entry {
    mark: Mark,
    sheet: Arc<Sheet>,
    /// When it was first found to be in doubt.
    doubted_at: Option<Millis>,
    look_at: Millis,
}

/// How far a sheet was read.
#[derive(Debug, Default)]
struct Reading {
    /// Changes when a sheet is listed anew.
    listed: Vec<u8>,
    /// `listed` at the time it was last read.
    read: Option<Vec<u8>>,
    /// All items up to this one were read.
    up_to: u64,
    /// Those after it that were read. Items may arrive out of order.
    beyond: BTreeSet<u64>,
    pending: usize,
}

impl Agenda {
    /// Gives a mark in doubt up after `doubt`.
    pub(super) fn new(doubt: Duration) -> Self {
        let doubt_ms = u64::try_from(doubt.as_millis()).unwrap_or(Millis::MAX);
        Self { marks: BTreeMap::new(), sheets: HashMap::new(), given: 0, doubt_ms }
    }

    /// These sheets, and no others, are listed for the slots up to now. With each, how it is listed.
    pub(super) fn handle_list(&mut self, list: Vec<(Sheet, Vec<u8>)>, now: Millis) {
        let mut before = std::mem::take(&mut self.sheets);
        for (sheet, listed) in list {
            let (sheet, mut reading) =
                before.remove_entry(&sheet).unwrap_or_else(|| (Arc::new(sheet), Reading::default()));
            reading.listed = listed;
            self.sheets.insert(sheet, reading);
        }
        // What somebody took off the list meanwhile is dealt with. Later slots are not on it when a clock was set back.
        before.retain(|sheet, reading| sheet.slot > slot_of(now) || reading.pending > 0);
        self.sheets.extend(before);
    }

    /// The sheets that may hold marks that were not read yet, the earliest first, and the number of the item to read after.
    pub(super) fn poll_sheets(&self, now: Millis) -> Vec<(Arc<Sheet>, u64)> {
        if self.marks.len() >= MAX_MARKS {
            return Vec::new();
        }
        let may_have_new = |sheet: &Sheet, reading: &Reading| {
            now < end_of(sheet.slot).saturating_add(OPEN_MS) || reading.read.as_ref() != Some(&reading.listed)
        };
        let mut sheets: Vec<_> = (self.sheets.iter())
            .filter(|(sheet, reading)| may_have_new(sheet, reading))
            .map(|(sheet, reading)| (sheet.clone(), reading.up_to))
            .collect();
        sheets.sort();
        sheets
    }

    /// These items of a sheet were read.
    pub(super) fn handle_items(&mut self, sheet: &Arc<Sheet>, items: &[Item]) {
        for item in items {
            let Some(number) = text_at(item, "sk").and_then(|text| text.parse().ok()) else { continue };
            let Some(reading) = self.sheets.get_mut(sheet) else { return };
            if number <= reading.up_to || !reading.beyond.insert(number) {
                continue;
            }
            for mark in marks_in(sheet.slot, item) {
                reading.pending += 1;
                self.given += 1;
                let entry = Entry { mark, sheet: sheet.clone(), doubted_at: None, look_at: 0 };
                self.marks.insert((entry.mark.due, self.given), entry);
            }
        }
    }

    /// A sheet was read to its end.
    pub(super) fn handle_end(&mut self, sheet: &Arc<Sheet>) {
        let Some(reading) = self.sheets.get_mut(sheet) else { return };
        reading.read = Some(reading.listed.clone());
        while reading.beyond.first().is_some_and(|number| *number == reading.up_to + 1) {
            reading.beyond.pop_first();
            reading.up_to += 1;
        }
    }

    /// The marks to look at now, the most overdue first, at most `limit`.
    pub(super) fn poll_marks(&self, now: Millis, limit: usize) -> Vec<(Place, Mark)> {
        (self.marks.range(..=(now, u64::MAX)))
            .filter(|(_, entry)| entry.look_at <= now || entry.doubted_at.is_some_and(|at| at > now))
            .map(|(place, entry)| (*place, entry.mark.clone()))
            .take(limit)
            .collect()
    }

    /// Nothing is left to do for a mark.
    pub(super) fn handle_done(&mut self, place: Place) {
        let Some(entry) = self.marks.remove(&place) else { return };
        if let Some(reading) = self.sheets.get_mut(&entry.sheet) {
            reading.pending = reading.pending.saturating_sub(1);
        }
    }

    /// The log does not say what a mark says, and may do so soon.
    pub(super) fn handle_doubt(&mut self, place: Place, now: Millis) {
        let Some(entry) = self.marks.get_mut(&place) else { return };
        let passed = now.saturating_sub(*entry.doubted_at.get_or_insert(now));
        if passed >= self.doubt_ms {
            self.handle_done(place);
        } else {
            entry.look_at = now.saturating_add(passed.max(FIRST_LOOK_MS));
        }
    }

    /// The sheets to take off the list, and how they were listed when they were last read: their slot has long ended, and all
    /// is dealt with.
    pub(super) fn poll_finished(&self, now: Millis) -> Vec<(Arc<Sheet>, Vec<u8>)> {
        (self.sheets.iter())
            .filter(|(sheet, reading)| reading.pending == 0 && end_of(sheet.slot).saturating_add(LISTED_MS) < now)
            .filter_map(|(sheet, reading)| Some((sheet.clone(), reading.read.clone()?)))
            .collect()
    }
}
