//! The names of keys, and in which slot of a cluster they are.

use conversation::ConversationId;

use crate::{Index, Key};

/// In how many buckets conversations are. Part of the layout: another number would find nothing.
pub(super) const BUCKETS: u8 = u8::MAX;

/// How many slots a Redis Cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// The position of an entry in a listing, in hexadecimal digits, so that text order is number order.
const POSITION_DIGITS: usize = 16;

/// What all names begin with.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: Box<str>,
}

/// The keys of one bucket and of one conversation in it, all in one slot.
#[derive(Debug)]
pub(super) struct ConversationKeys {
    pub(super) slot: u16,
    pub(super) log: String,
    pub(super) due: String,
    pub(super) claims: String,
}

/// The due index and the claims of one bucket.
#[derive(Debug)]
pub(super) struct BucketKeys {
    pub(super) slot: u16,
    pub(super) due: String,
    pub(super) claims: String,
}

/// The keys of one owner, all in one slot.
#[derive(Debug)]
pub(super) struct OwnerKeys {
    pub(super) slot: u16,
    tag: String,
}

impl Names {
    /// Names that begin with `prefix`, which has no braces.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    pub(super) fn conversation(&self, conversation: &ConversationId) -> ConversationKeys {
        let bucket = bucket(conversation);
        let BucketKeys { slot, due, claims } = self.bucket(bucket);
        let log = format!("{}:{{b{bucket:02x}}}:log:{}", self.prefix, conversation.as_str());
        ConversationKeys { slot, log, due, claims }
    }

    pub(super) fn bucket(&self, bucket: u8) -> BucketKeys {
        let tag = format!("b{bucket:02x}");
        let due = format!("{}:{{{tag}}}:due", self.prefix);
        let claims = format!("{}:{{{tag}}}:claims", self.prefix);
        BucketKeys { slot: slot(&tag), due, claims }
    }

    /// A key of `bucket` that never exists.
    pub(super) fn nothing(&self, bucket: u8) -> String {
        format!("{}:{{b{bucket:02x}}}:nothing", self.prefix)
    }

    pub(super) fn owner(&self, owner: &str) -> OwnerKeys {
        let tag = format!("o:{owner}");
        OwnerKeys { slot: slot(&tag), tag: format!("{}:{{{tag}}}", self.prefix) }
    }
}

impl OwnerKeys {
    pub(super) fn record(&self, key: &str) -> String {
        format!("{}:record:{key}", self.tag)
    }

    pub(super) fn budget(&self, key: &Key) -> String {
        format!("{}:budget:{key}", self.tag)
    }

    /// The newest version given to one of the owner's records.
    pub(super) fn version(&self) -> String {
        format!("{}:version", self.tag)
    }

    /// All the owner's indexes, in one ordered set.
    pub(super) fn listings(&self) -> String {
        format!("{}:listings", self.tag)
    }

    /// Those entries of the listings that will expire.
    pub(super) fn expiring(&self) -> String {
        format!("{}:expiring", self.tag)
    }
}

/// All buckets.
pub(super) fn buckets() -> impl Iterator<Item = u8> {
    0..=BUCKETS
}

/// Where a conversation is, for ever.
fn bucket(conversation: &ConversationId) -> u8 {
    let [_, low] = crc16(conversation.as_str().as_bytes()).to_be_bytes();
    low
}

/// The slot of every key with the hash tag `tag`, as Redis Cluster's specification counts it.
fn slot(tag: &str) -> u16 {
    crc16(tag.as_bytes()) % SLOTS
}

/// CRC-16/XMODEM: polynomial 0x1021, starts at 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    })
}

/// One entry of an owner's listings: the index, the position, the record's key. Names of indexes have no `/`.
pub(super) fn listing(index: &Index, position: u64, key: &str) -> String {
    format!("{}{position:0POSITION_DIGITS$x}/{key}", index_prefix(index))
}

/// Where a listing of the positions from `from` to `to` begins and ends, as ZRANGEBYLEX takes it; or begins after an entry.
pub(super) fn listing_range(index: &Index, from: u64, to: u64, after: Option<&str>) -> (String, String) {
    let prefix = index_prefix(index);
    let first = match after {
        Some(after) => format!("({after}"),
        None => format!("[{prefix}{:0POSITION_DIGITS$x}/", from),
    };
    // '0' follows '/', and keys begin after the '/'.
    (first, format!("({prefix}{to:0POSITION_DIGITS$x}0"))
}

/// The position and the record's key of an entry.
pub(super) fn parse_listing(entry: &str) -> Option<(u64, &str)> {
    let (_, rest) = entry.split_once('/')?;
    let (position, key) = rest.split_once('/')?;
    Some((u64::from_str_radix(position, 16).ok()?, key))
}

fn index_prefix(index: &Index) -> String {
    let name = index.as_str().get(index.owner().len() + 1..).unwrap_or_default();
    format!("{name}/")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of CRC-16/XMODEM");
        assert_eq!(slot("foo"), 12_182, "as `CLUSTER KEYSLOT foo` says");
    }

    #[test]
    fn the_layout_never_changes_by_mistake() {
        let keys = Names::new("fd").conversation(&ConversationId::new("shop", "v", 1).unwrap());
        assert_eq!(keys.log, "fd:{bf1}:log:shop/v/1");
        assert_eq!((keys.due.as_str(), keys.claims.as_str()), ("fd:{bf1}:due", "fd:{bf1}:claims"));
        let owner = Names::new("fd").owner("shop");
        assert_eq!(owner.record("shop/agent/ana"), "fd:{o:shop}:record:shop/agent/ana");
    }

    #[test]
    fn buckets_are_spread_over_a_cluster_of_any_size() {
        let names = Names::new("fd");
        let slots: HashSet<u16> = buckets().map(|bucket| names.bucket(bucket).slot).collect();
        assert_eq!(slots.len(), 256);
        for primaries in [3, 6, 12, 24] {
            let mut shares = vec![0_u32; primaries];
            for slot in &slots {
                shares[usize::from(*slot) * primaries / usize::from(SLOTS)] += 1;
            }
            let even = 256 / primaries as u32;
            assert!(shares.iter().all(|share| (even * 2 / 3..=even * 3 / 2).contains(share)), "{shares:?}");
        }
    }

    #[test]
    fn conversations_are_spread_over_the_buckets() {
        let mut shares = [0_u32; 256];
        for visitor in 0..25_600 {
            shares[usize::from(bucket(&ConversationId::new("shop", &format!("v{visitor}"), 1).unwrap()))] += 1;
        }
        assert!(shares.iter().all(|share| (50..200).contains(share)), "{shares:?}");
    }

    #[test]
    fn text_order_of_listings_is_the_order_of_positions_and_then_of_keys() {
        let index = Index::new("shop", "inbox").unwrap();
        let entries: Vec<String> = [(0, "z"), (9, "a"), (9, "b"), (256, "a"), (1 << 40, "a"), (u64::MAX, "a")]
            .map(|(position, key)| listing(&index, position, key))
            .to_vec();
        assert!(entries.is_sorted());
        assert_eq!(parse_listing(&entries[3]), Some((256, "a")));
    }
}
