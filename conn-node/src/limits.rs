//! How much one client may ask for, and the node as a whole.
//!
//! Rates are counted by `governor` (GCRA), per connection, visitor and address; connections are counted as they come and
//! go. Every refusal names its error and says when to try again. Limits hold on one node.

mod rate;
mod seats;

use std::hash::{BuildHasher, RandomState};

use governor::Quota;
use governor::clock::{Clock, DefaultClock};
use protocol::v1::ErrorCode;

use crate::address::Address;
use crate::limits::rate::{KeyedRate, Rate, quota};
use crate::limits::seats::Seats;
use crate::refusal::Refusal;
use crate::visitor::VisitorId;

pub use crate::limits::seats::Seat;

/// When a client may try again where nothing says when room will be: connections end when people leave.
const RETRY_FULL_MS: u32 = 5_000;

/// Connections of one address that may be with HTTP at once: a sixteenth of all that the node takes.
const REQUESTS_PER_ADDRESS: usize = 256;

/// All limits of one node. Shared by its connections; `C` is the clock that rates are counted by.
pub struct Limits<C: Clock = DefaultClock> {
    clock: C,
    accepts: Rate<C>,
    connects: KeyedRate<Address, C>,
    new_visitors: KeyedRate<Address, C>,
    messages: KeyedRate<u64, C>,
    frames: Quota,
    requests: Seats<Address>,
    connections: Seats<()>,
    by_address: Seats<Address>,
    by_visitor: Seats<u64>,
    /// Visitors are counted by a hash with a random key: 8 bytes each, and nobody can search for a collision.
    hasher: RandomState,
}

/// The connection's own rate of frames. Kept by the connection.
pub struct FrameRate<C: Clock = DefaultClock>(Rate<C>);

/// What a connection holds while it is open, so that it is counted. Drop it when the connection has ended.
#[derive(Debug)]
pub struct ConnectionSeat {
    _node: Seat<()>,
    _address: Seat<Address>,
}

/// What a welcomed connection holds while it is open, so that it is counted to its visitor.
pub type VisitorSeat = Seat<u64>;

impl<C: Clock + Clone> Limits<C> {
    /// Limits as configured, counted by `clock`.
    pub fn new(node: &config::Node, limits: &config::Limits, clock: C) -> Self {
        let accepts = Quota::per_second(quota::count(node.max_accepts_per_second));
        let connects = quota::per_second(limits.connects_per_address_per_second, limits.connects_per_address_burst);
        let new_visitors =
            quota::per_minute(limits.new_visitors_per_address_per_minute, limits.new_visitors_per_address_burst);
        let messages = quota::per_minute(limits.messages_per_visitor_per_minute, limits.messages_per_visitor_burst);
        Self {
            accepts: Rate::new(accepts, &clock),
            connects: KeyedRate::new(connects, limits.max_tracked, &clock),
            new_visitors: KeyedRate::new(new_visitors, limits.max_tracked, &clock),
            messages: KeyedRate::new(messages, limits.max_tracked, &clock),
            frames: quota::per_second(limits.frames_per_connection_per_second, limits.frames_per_connection_burst),
            requests: Seats::new(REQUESTS_PER_ADDRESS),
            connections: Seats::new(node.max_connections),
            by_address: Seats::new(limits.connections_per_address),
            by_visitor: Seats::new(limits.connections_per_visitor),
            hasher: RandomState::new(),
            clock,
        }
    }

    /// A TCP connection has come that is not a WebSocket yet. `None`: the address holds too many such connections, and
    /// would keep others from being heard at all.
    pub fn arrive(&self, address: Address) -> Option<Seat<Address>> {
        self.requests.take(address)
    }

    /// A client wants to connect. The address's own limits come first, so that one that asks too much takes no share of
    /// what the node can accept.
    ///
    /// # Errors
    /// `RATE_LIMITED` or `TOO_MANY_CONNECTIONS` for the address; `UNAVAILABLE` when the node is at its own limits.
    pub fn connect(&self, address: Address) -> Result<ConnectionSeat, Refusal> {
        self.connects.check(&address).map_err(|wait| {
            Refusal::new(ErrorCode::RateLimited, "this address connects too often; wait").for_a_while(wait)
        })?;
        let Some(address) = self.by_address.take(address) else {
            return Err(full(ErrorCode::TooManyConnections, "this address holds too many connections"));
        };
        let Some(node) = self.connections.take(()) else {
            return Err(full(ErrorCode::Unavailable, "this node holds as many connections as it can"));
        };
        self.accepts.check().map_err(|wait| {
            let message = "this node takes no more new connections in this second; come back";
            Refusal::new(ErrorCode::Unavailable, message).for_a_while(wait)
        })?;
        Ok(ConnectionSeat { _node: node, _address: address })
    }

    /// A stranger is to become a new visitor.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn new_visitor(&self, address: Address) -> Result<(), Refusal> {
        self.new_visitors.check(&address).map_err(|wait| {
            let message = "too many new visitors come from this address; wait, or say hello with a token";
            Refusal::new(ErrorCode::RateLimited, message).for_a_while(wait)
        })
    }

    /// A connection is to be welcomed as this visitor's.
    ///
    /// # Errors
    /// `TOO_MANY_CONNECTIONS`.
    pub fn join(&self, site: &str, visitor: &VisitorId) -> Result<VisitorSeat, Refusal> {
        let seat = self.by_visitor.take(self.visitor_key(site, visitor));
        let message = "this visitor holds too many connections; close a tab";
        seat.ok_or_else(|| full(ErrorCode::TooManyConnections, message))
    }

    /// A visitor sends a message.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn message(&self, site: &str, visitor: &VisitorId) -> Result<(), Refusal> {
        self.messages.check(&self.visitor_key(site, visitor)).map_err(|wait| {
            let message = "this visitor sends messages too fast; send it again after the wait";
            Refusal::new(ErrorCode::RateLimited, message).for_a_while(wait)
        })
    }

    /// The rate of one connection's frames.
    pub fn frame_rate(&self) -> FrameRate<C> {
        FrameRate(Rate::new(self.frames, &self.clock))
    }

    /// Forgets visitors and addresses whose rates are back at rest. To be called every 10 seconds or so; it looks at
    /// each of them, which takes some milliseconds for a hundred thousand.
    pub fn sweep(&self) {
        self.connects.sweep();
        self.new_visitors.sweep();
        self.messages.sweep();
    }

    /// Connections that hold a seat.
    pub fn connections(&self) -> usize {
        self.connections.taken(&())
    }

    fn visitor_key(&self, site: &str, visitor: &VisitorId) -> u64 {
        self.hasher.hash_one((site, visitor))
    }
}

impl<C: Clock> FrameRate<C> {
    /// A frame has arrived.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn check(&self) -> Result<(), Refusal> {
        self.0.check().map_err(|wait| {
            let message = "this connection sends frames too fast; send it again after the wait";
            Refusal::new(ErrorCode::RateLimited, message).for_a_while(wait)
        })
    }
}

impl<C: Clock> std::fmt::Debug for Limits<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").field("connections", &self.connections.taken(&())).finish_non_exhaustive()
    }
}

impl<C: Clock> std::fmt::Debug for FrameRate<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameRate").finish_non_exhaustive()
    }
}

fn full(code: ErrorCode, message: &'static str) -> Refusal {
    Refusal { retry_after_ms: RETRY_FULL_MS, ..Refusal::new(code, message) }
}

#[cfg(test)]
mod tests;
