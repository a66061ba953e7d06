//! Which server of a cluster has which slots.

use std::collections::HashSet;

use redis::Value;

use super::keys::SLOTS;
use super::url::Address;

/// What CLUSTER SLOTS tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// First slot, last slot, primary.
    ranges: Vec<(u16, u16, Address)>,
    replicas: Vec<Address>,
}

impl SlotMap {
    /// The map of one server, which has everything.
    pub(super) fn of_one(addresses: &[Address]) -> Self {
        let ranges = addresses.iter().map(|address| (0, SLOTS - 1, address.clone())).collect();
        Self { ranges, replicas: Vec::new() }
    }

    /// Reads the answer to CLUSTER SLOTS of the server `asked`. `None`: it is no such answer.
    pub(super) fn read(answer: &Value, asked: &Address) -> Option<Self> {
        let Value::Array(entries) = answer else { return None };
        let mut map = Self::default();
        for entry in entries {
            let Value::Array(parts) = entry else { return None };
            let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = parts.as_slice() else { return None };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            map.ranges.push((first, last, server(primary, asked)?));
            map.replicas.extend(replicas.iter().filter_map(|replica| server(replica, asked)));
        }
        Some(map)
    }

    /// Who serves a slot.
    pub(super) fn primary_of(&self, slot: u16) -> Option<&Address> {
        self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(_, _, primary)| primary)
    }

    /// All servers, each once.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Address> {
        let mut seen = HashSet::new();
        let primaries = self.ranges.iter().map(|(_, _, primary)| primary);
        primaries.chain(&self.replicas).filter(move |address| seen.insert(*address))
    }
}

/// A server that does not know its own address has an empty one: it is the one that was asked.
fn server(value: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(parts) = value else { return None };
    let [host, Value::Int(port), ..] = parts.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        Value::SimpleString(host) if !host.is_empty() => host.clone(),
        Value::BulkString(_) | Value::SimpleString(_) | Value::Nil => asked.host.clone(),
        _ => return None,
    };
    Some(Address { host, port: u16::try_from(*port).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn a_map_is_read_as_redis_tells_it() {
        let range = |first, last, servers: &[(&str, i64)]| {
            let servers =
                servers.iter().map(|(host, port)| Value::Array(vec![text(host), Value::Int(*port), text("id")]));
            Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(servers).collect())
        };
        let answer = Value::Array(vec![range(0, 99, &[("", 1), ("b", 2)]), range(100, 16_383, &[("b", 2), ("c", 3)])]);
        let map = SlotMap::read(&answer, &address("a", 9)).unwrap();
        assert_eq!((map.primary_of(99), map.primary_of(100)), (Some(&address("a", 1)), Some(&address("b", 2))));
        let servers: Vec<_> = map.servers().cloned().collect();
        assert_eq!(servers, [address("a", 1), address("b", 2), address("c", 3)]);
        assert_eq!(SlotMap::read(&Value::Array(vec![]), &address("a", 9)).unwrap().primary_of(0), None);
        assert_eq!(SlotMap::read(&Value::Nil, &address("a", 9)), None);
    }
}
