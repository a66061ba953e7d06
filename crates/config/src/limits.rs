//! How much one client may ask for: `[limits]`.

use crate::ConfigError;
use crate::schema::{count, join, section};

section! {
    /// Bounds for every connection, visitor and address. What goes over is refused with a named error that says when to
    /// come back. An address is one IPv4 address, or one IPv6 /64.
    pub struct Limits {
        /// The longest message of a visitor, in UTF-8 bytes.
        max_text_bytes: usize = count(4_000, 1..=65_536);
        /// The longest frame taken from a client, in bytes.
        max_frame_bytes: usize = count(16_384, 1_024..=1_048_576);
        /// Messages a visitor may send per minute, on all connections together.
        messages_per_visitor_per_minute: u32 = count(20, 1..=60_000);
        /// Messages a visitor may send at once before that rate holds.
        messages_per_visitor_burst: u32 = count(10, 1..=60_000);
        /// Frames a connection may send per second.
        frames_per_connection_per_second: u32 = count(10, 1..=10_000);
        /// Frames a connection may send at once before that rate holds.
        frames_per_connection_burst: u32 = count(40, 1..=10_000);
        /// Connections an address may open per second.
        connects_per_address_per_second: u32 = count(20, 1..=1_000_000);
        /// Connections an address may open at once before that rate holds.
        connects_per_address_burst: u32 = count(100, 1..=1_000_000);
        /// New anonymous visitors that an address may become per minute.
        new_visitors_per_address_per_minute: u32 = count(60, 1..=60_000_000);
        /// New anonymous visitors that an address may become at once before that rate holds.
        new_visitors_per_address_burst: u32 = count(100, 1..=1_000_000);
        /// Connections that a visitor may hold at once, on one node. Tabs count.
        connections_per_visitor: usize = count(10, 1..=10_000);
        /// Connections that an address may hold at once, on one node. Whole offices may share one.
        connections_per_address: usize = count(500, 1..=1_000_000);
        /// Visitors and addresses that each rate above is kept for, one by one. Beyond it they share the rates in groups,
        /// until enough of them have been idle.
        max_tracked: usize = count(200_000, 1_000..=10_000_000);
        /// Events of one conversation. A full one can only be closed.
        events_per_conversation: u32 = count(10_000, 20..=1_000_000);
        /// Conversations that a visitor may begin per day (UTC).
        conversations_per_visitor_per_day: u32 = count(20, 1..=10_000);
        /// Bytes waiting to be written to one connection. More, and the reader counts as slow.
        write_buffer_bytes: usize = count(262_144, 16_384..=16_777_216);
        /// How long a write may make no progress before the connection is closed as slow, in milliseconds.
        slow_reader_ms: u64 = count(10_000, 100..=600_000);
        /// How long a new connection may take to say hello, in milliseconds.
        hello_timeout_ms: u64 = count(10_000, 100..=600_000);
        /// After how long without sending the node sends a ping, in milliseconds. Load balancers cut idle connections
        /// at 60 s. At most half of `silent_ms`.
        keepalive_ms: u64 = count(25_000, 1_000..=600_000);
        /// After how long without a byte from the client a connection counts as dead, in milliseconds.
        silent_ms: u64 = count(60_000, 1_000..=3_600_000);
    }
}

/// What a frame holds besides its text: ids, tags and lengths.
const FRAME_OVERHEAD_BYTES: usize = 256;

impl Limits {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.max_frame_bytes < self.max_text_bytes + FRAME_OVERHEAD_BYTES {
            let reason = format!(
                "must be at least max_text_bytes ({}) and {FRAME_OVERHEAD_BYTES} more, or the longest message could \
                 not be sent",
                self.max_text_bytes
            );
            let error = ConfigError::new(join(path, "max_frame_bytes"), reason);
            return Err(error.with_value(&self.max_frame_bytes.to_string()));
        }
        if self.keepalive_ms > self.silent_ms / 2 {
            let reason = format!(
                "must be at most half of silent_ms ({}), or a healthy connection whose answer to a ping is late would be \
                 closed",
                self.silent_ms
            );
            let error = ConfigError::new(join(path, "keepalive_ms"), reason);
            return Err(error.with_value(&self.keepalive_ms.to_string()));
        }
        Ok(())
    }
}
