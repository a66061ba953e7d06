//! How much one client may ask for, and the node as a whole.
//!
//! Rates are counted by `governor` (GCRA), per connection, visitor and address; connections are counted as they come and
//! go. Every refusal says when to try again. Limits hold on one node.

mod places;
mod rate;
mod ticks;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use conversation::Millis;
use governor::Quota;
use protocol::v1::ErrorCode;

use crate::address::Address;
use crate::limits::places::{Place, Places};
use crate::limits::rate::{KeyedRate, Rate, quota};
use crate::limits::ticks::Ticks;
use crate::refusal::Refusal;
use crate::visitor::VisitorId;

/// When a client may try again where nothing says when there will be room: connections end when people leave.
const FULL_WAIT_MS: u32 = 5_000;

/// All limits of one node. Shared by its connections.
pub struct Limits {
    ticks: Ticks,
    accepts: Rate,
    connects: KeyedRate<Address>,
    new_visitors: KeyedRate<Address>,
    messages: KeyedRate<u64>,
    frames: Quota,
    by_address: Places<Address>,
    by_visitor: Places<u64>,
    /// Visitors are counted by a hash with a random key: 8 bytes each, and nobody can search for a collision.
    hasher: RandomState,
}

/// The rate of one connection's frames. Kept by the connection.
pub struct FrameLimit {
    ticks: Ticks,
    rate: Rate,
}

/// What a welcomed connection holds for as long as it lives, so that it is counted to its visitor and its address.
#[derive(Debug)]
pub struct VisitorPlace {
    _visitor: Place<u64>,
    _address: Place<Address>,
}

impl Limits {
    /// Limits as configured.
    #[must_use]
    pub fn new(limits: &config::Limits, node: &config::Node) -> Self {
        let ticks = Ticks::default();
        let accepts = Quota::per_second(quota::count(node.max_accepts_per_second));
        let connects = quota::per_second(limits.connects_per_address_per_second, limits.connects_per_address_burst);
        let new_visitors =
            quota::per_minute(limits.new_visitors_per_address_per_minute, limits.new_visitors_per_address_burst);
        let messages = quota::per_minute(limits.messages_per_visitor_per_minute, limits.messages_per_visitor_burst);
        Self {
            accepts: Rate::new(accepts, &ticks),
            connects: KeyedRate::new(connects, limits.max_tracked, &ticks),
            new_visitors: KeyedRate::new(new_visitors, limits.max_tracked, &ticks),
            messages: KeyedRate::new(messages, limits.max_tracked, &ticks),
            frames: quota::per_second(limits.frames_per_connection_per_second, limits.frames_per_connection_burst),
            by_address: Places::new(limits.connections_per_address),
            by_visitor: Places::new(limits.connections_per_visitor),
            hasher: RandomState::new(),
            ticks,
        }
    }

    /// A client wants to connect. Its address's own limit comes first, so that one that asks too much takes no share of
    /// what the node can accept.
    ///
    /// # Errors
    /// How long to wait, in milliseconds.
    pub fn admit_connection(&self, address: IpAddr, now: Millis) -> Result<(), Millis> {
        self.ticks.advance(now);
        self.connects.check(&Address::from(address))?;
        self.accepts.check()
    }

    /// A stranger is to become a new visitor.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn admit_new_visitor(&self, address: IpAddr, now: Millis) -> Result<(), Refusal> {
        self.ticks.advance(now);
        self.new_visitors.check(&Address::from(address)).map_err(|wait| {
            let message = "too many new visitors come from this address: wait, or say hello with a token";
            Refusal::new(ErrorCode::RateLimited, message).for_a_while(wait)
        })
    }

    /// A connection is to be welcomed as this visitor's.
    ///
    /// # Errors
    /// `TOO_MANY_CONNECTIONS`.
    pub fn take_place(&self, site: &str, visitor: &VisitorId, address: IpAddr) -> Result<VisitorPlace, Refusal> {
        let full = |message| {
            let refusal = Refusal::new(ErrorCode::TooManyConnections, message);
            Refusal { retry_after_ms: FULL_WAIT_MS, ..refusal }
        };
        let address = self.by_address.take(Address::from(address));
        let address = address.ok_or_else(|| full("this address holds too many connections: close some"))?;
        let visitor = self.by_visitor.take(self.visitor_key(site, visitor));
        let visitor = visitor.ok_or_else(|| full("this visitor holds too many connections: close a tab"))?;
        Ok(VisitorPlace { _visitor: visitor, _address: address })
    }

    /// A visitor sends a message.
    ///
    /// # Errors
    /// How long to wait, in milliseconds.
    pub fn admit_message(&self, site: &str, visitor: &VisitorId, now: Millis) -> Result<(), Millis> {
        self.ticks.advance(now);
        self.messages.check(&self.visitor_key(site, visitor))
    }

    /// The rate of a new connection's frames.
    #[must_use]
    pub fn frame_limit(&self) -> FrameLimit {
        FrameLimit { ticks: self.ticks.clone(), rate: Rate::new(self.frames, &self.ticks) }
    }

    /// Forgets visitors and addresses whose rates are back at rest. To be called every 10 seconds or so; it looks at
    /// each of them, which takes some milliseconds for a hundred thousand.
    pub fn forget_idle(&self, now: Millis) {
        self.ticks.advance(now);
        self.connects.forget_idle();
        self.new_visitors.forget_idle();
        self.messages.forget_idle();
    }

    fn visitor_key(&self, site: &str, visitor: &VisitorId) -> u64 {
        self.hasher.hash_one((site, visitor))
    }
}

impl FrameLimit {
    /// A frame has arrived.
    ///
    /// # Errors
    /// How long to wait, in milliseconds.
    pub fn admit(&mut self, now: Millis) -> Result<(), Millis> {
        self.ticks.advance(now);
        self.rate.check()
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FrameLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameLimit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
