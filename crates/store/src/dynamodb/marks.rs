//! Marks: the due index, for a twentieth of a write each.
//!
//! An index in the table would cost a write unit for each due time that is set and one for each that goes. Instead, a **mark**
//! says "look at this conversation at that time", and is never changed or removed: whoever finds it looks at the log, which
//! says the truth. Many marks share one item, as many as fit into one write unit.
//!
//! Time is cut into **slots**, by due time. Each client writes the marks of a slot into a partition of its own, and tells the
//! list of slots once that there are some. So nobody waits for anybody, and whoever looks reads only what is new to it.

use conversation::{ConversationId, Millis, Seq};

use super::item::{Item, bytes_at, text_at};

/// How much time one slot covers, in milliseconds. Longer: fewer items in the list of slots. Shorter: fewer marks in memory.
pub(super) const SLOT_MS: Millis = 30_000;

/// How many bytes of marks fit into one item with its keys and attributes, so that it is one write unit: 1 KB.
pub(super) const MAX_ITEM_BYTES: usize = 940;

/// The partition of the list of slots.
pub(super) const SLOTS: &str = "slots";

/// How long marks stay in the table after their slot. Due times that nobody looked at for so long are lost: a cluster that
/// was off for longer.
pub(super) const KEPT_MS: Millis = 7 * 24 * 60 * 60 * 1000;

/// The number of a slot.
pub(super) type Slot = u64;

/// "Event `seq` of this conversation, or its stub, may be due at `due`."
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) due: Millis,
    pub(super) seq: Seq,
    pub(super) conversation: ConversationId,
}

/// The slot of a due time.
pub(super) fn slot_of(due: Millis) -> Slot {
    due / SLOT_MS
}

/// When a slot is over.
pub(super) fn end_of(slot: Slot) -> Millis {
    slot.saturating_add(1).saturating_mul(SLOT_MS)
}

/// Whose marks of which slot: a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sheet {
    pub(super) slot: Slot,
    pub(super) writer: String,
}

impl Sheet {
    /// Its sort key in the list of slots.
    pub(super) fn name(&self) -> String {
        format!("{:015}#{}", self.slot, self.writer)
    }

    /// Its partition.
    pub(super) fn partition(&self) -> String {
        format!("m#{}", self.name())
    }

    /// Reads an item of the list of slots.
    pub(super) fn parse(item: &Item) -> Option<Self> {
        let (slot, writer) = text_at(item, "sk")?.split_once('#')?;
        Some(Self { slot: slot.parse().ok()?, writer: writer.to_owned() })
    }
}

/// What follows every sheet of slots up to `slot` in the list, and precedes those of the next.
pub(super) fn after_slot(slot: Slot) -> String {
    format!("{slot:015}~")
}

impl Mark {
    /// Appends the stored form: due time within the slot, seq, length of the id, id.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        write_number(out, self.due % SLOT_MS);
        write_number(out, self.seq.into());
        let id = self.conversation.as_str().as_bytes();
        write_number(out, id.len() as u64);
        out.extend_from_slice(id);
    }
}

/// The marks in an item of a sheet. What cannot be read ends the list.
pub(super) fn marks_in(slot: Slot, item: &Item) -> Vec<Mark> {
    let mut left = bytes_at(item, "m").unwrap_or_default();
    let mut marks = Vec::new();
    while let Some(mark) = read_mark(slot, &mut left) {
        marks.push(mark);
    }
    marks
}

fn read_mark(slot: Slot, left: &mut &[u8]) -> Option<Mark> {
    let due = slot.checked_mul(SLOT_MS)?.checked_add(read_number(left)?)?;
    let seq = read_number(left)?.try_into().ok()?;
    let length = read_number(left)?.try_into().ok()?;
    let (id, rest) = left.split_at_checked(length)?;
    *left = rest;
    Some(Mark { due, seq, conversation: ConversationId::parse(std::str::from_utf8(id).ok()?).ok()? })
}

/// Seven bits a byte, the lowest first, as in protobuf.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(left: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = left.split_first()?;
        *left = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::item;
    use super::*;

    #[test]
    fn marks_are_read_as_they_were_written() {
        let marks: Vec<Mark> = [(0, 1), (127, 128), (SLOT_MS - 1, Seq::MAX)]
            .map(|(offset, seq)| Mark {
                due: 59_666_666 * SLOT_MS + offset,
                seq,
                conversation: ConversationId::new("shop", &format!("v{seq}"), seq).unwrap(),
            })
            .into();
        let mut stored = Vec::new();
        marks.iter().for_each(|mark| mark.write_to(&mut stored));
        let item = |stored: &[u8]| Item::from([("m".to_owned(), item::bytes(stored))]);
        assert_eq!(marks_in(59_666_666, &item(&stored)), marks);
        assert_eq!(marks_in(59_666_666, &item(&stored[..stored.len() - 1])), marks[..2], "the last one is cut");
        assert_eq!(marks_in(u64::MAX, &item(&stored)), [], "no such time");
    }

    #[test]
    fn the_list_of_slots_is_in_the_order_of_time() {
        let sheet = |slot| Sheet { slot, writer: "ff".to_owned() };
        let [early, late] = [9, 10].map(|slot| sheet(slot).name());
        assert!(early < after_slot(9) && after_slot(9) < late && late < after_slot(10));
        let item = item::key(SLOTS, sheet(10).name());
        assert_eq!(Sheet::parse(&item), Some(sheet(10)));
        assert_eq!(end_of(slot_of(Millis::MAX)), Millis::MAX, "the last slot never ends");
    }
}
