//! Which slot of a Redis Cluster a channel has, and who has the slot:
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

use super::resp::Value;
use crate::remote::address::Address;

/// How many slots a cluster has.
pub(super) const SLOTS: usize = 16_384;

/// Slots that one server has: the first and the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) primary: Address,
}

/// The slot of a channel: of what stands in its first braces, if anything does.
pub(super) fn slot(channel: &str) -> usize {
    let tag = channel.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(channel);
    usize::from(crc16(hashed.as_bytes())) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ (u16::from(*byte) << 8), step))
}

/// Reads the answer to `CLUSTER SLOTS` of `told_by`. A server without a host is there too.
pub(super) fn read_ranges(value: &Value<'_>, told_by: &Address) -> Vec<Range> {
    value.parts().iter().filter_map(|range| read_range(range.parts(), told_by)).collect()
}

fn read_range(parts: &[Value<'_>], told_by: &Address) -> Option<Range> {
    let number = |value: &Value<'_>| usize::try_from(value.integer()?).ok().filter(|slot| *slot < SLOTS);
    let [first, last, primary, ..] = parts else { return None };
    let [host, port, ..] = primary.parts() else { return None };
    let host = match host.text() {
        "" | "?" => told_by.host.clone(),
        host => host.to_owned(),
    };
    let port = u16::try_from(port.integer()?).ok().filter(|port| *port != 0)?;
    Some(Range { first: number(first)?, last: number(last)?, primary: Address { host, port } })
}

#[cfg(test)]
mod tests {
    use super::super::resp;
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // As CLUSTER KEYSLOT says.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{foo}.bar"), slot("foo"));
        assert_eq!(slot("a{foo}{bar}"), slot("foo"));
        assert_eq!(slot("{}foo"), usize::from(crc16(b"{}foo")) % SLOTS);
    }

    #[test]
    fn the_owners_of_slots_are_read() {
        let answer = b"*3\r\n*3\r\n:0\r\n:10\r\n*2\r\n$3\r\none\r\n:1\r\n*4\r\n:11\r\n:16383\r\n*2\r\n$-1\r\n:2\r\n*2\r\n$5\r\nother\r\n:3\r\n\
                       *3\r\n:5\r\n:99999\r\n*2\r\n$3\r\ntwo\r\n:1\r\n";
        let (value, _) = resp::decode(answer).unwrap().unwrap();
        let range =
            |first, last, host: &str, port| Range { first, last, primary: Address { host: host.to_owned(), port } };
        let told_by = Address { host: "asked".to_owned(), port: 9 };
        assert_eq!(read_ranges(&value, &told_by), [range(0, 10, "one", 1), range(11, 16_383, "asked", 2)]);
    }
}
