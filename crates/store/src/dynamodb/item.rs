//! What the items of the table look like: keys, attributes, and how numbers are written.
//!
//! | item | `pk` | `sk` | attributes |
//! |---|---|---|---|
//! | event | `c#` conversation | seq, 10 digits | `e` its bytes, `d` due, `w` |
//! | stub, one past the newest event | the same | the same | `d` due, `k` claim, `w` |
//! | tombstone of a forgotten event | the same | the same | `g` when it was forgotten, `t` |
//! | marks (see the module `marks`) | `m#` slot `#` writer | number, 10 digits | `m` the marks, `t` |
//! | a slot that has marks | `slots` | slot `#` writer | `w` |
//! | record | `r#` owner | its key | `b` value, `v` version, `x` expiry, `li` place in the index, `t`, `w` |
//! | bucket of a budget | `b#` key | `-` | `z` level, `a` time, `r` rate, `t`, `w` |
//!
//! Names are one letter because every byte of an item is paid for. `t` is the time to live, in Unix seconds: DynamoDB removes
//! the item some days after it, for nothing. All other times are Unix milliseconds. `w` names the write that made the item
//! what it is, so that a write that is tried twice knows itself.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use conversation::Millis;

/// An item, or a part of one.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";

/// The key of an item.
pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    Item::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// The time to live of something that must be there until `at`.
pub(super) fn ttl(at: Millis) -> AttributeValue {
    number(at.div_ceil(1000))
}

/// The text at `name`.
pub(super) fn text_at<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The number at `name`, if it fits.
pub(super) fn number_at<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The bytes at `name`.
pub(super) fn bytes_at<'i>(item: &'i Item, name: &str) -> Option<&'i [u8]> {
    item.get(name)?.as_b().ok().map(|blob| blob.as_ref())
}
