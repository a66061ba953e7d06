//! A client that arrives: where it comes from, and whether there is room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderMap, Response};
use protocol::v1::ErrorCode;

use crate::address::{Address, client_address};
use crate::limits::{ConnectionSeat, Seat};
use crate::node::Node;
use crate::refusal::Refusal;

/// Where proxies say whom they speak for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What the handshake tells about a client.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The client's address, behind trusted proxies.
    pub(crate) address: Address,
    /// The page's origin as it came, alone: [`crate::origin::check`] reads it once the site is known.
    pub(crate) origin: HeaderMap,
}

/// Too many connections of one address are still with HTTP.
pub(crate) struct Crowded;

/// Room for a connection before its first request. A trusted proxy speaks for many and needs no seat.
pub(crate) fn arrive(node: &Node, peer: SocketAddr) -> Result<Option<Seat<Address>>, Crowded> {
    let peer = peer.ip().to_canonical();
    if node.config.node.trusted_proxies.iter().any(|net| net.contains(&peer)) {
        return Ok(None);
    }
    node.limits.arrive(Address::from(peer)).map(Some).ok_or(Crowded)
}

/// The client's address, behind trusted proxies.
pub(crate) fn address(node: &Node, peer: SocketAddr, headers: &HeaderMap) -> Address {
    let forwarded = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    client_address(peer.ip(), forwarded, &node.config.node.trusted_proxies)
}

/// Counts a connection for as long as it lives.
pub(crate) struct Open {
    node: Arc<Node>,
    _seat: ConnectionSeat,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.node.metrics.connections.dec();
    }
}

/// Bounds that hold for everybody; those of visitors and sites come with the greeting.
pub(crate) fn admit(node: &Arc<Node>, address: Address) -> Result<Open, Box<Response<Body>>> {
    if node.drain.is_draining() {
        let draining = Refusal::new(ErrorCode::Draining, "this node is about to stop; connect again after the wait");
        let wait = Duration::from_millis(node.drain.retry_after_ms());
        return Err(Box::new(draining.for_a_while(wait).into_response()));
    }
    let seat = node.limits.connect(address).map_err(|refusal| {
        node.metrics.refusals.with(refusal.name()).inc();
        Box::new(refusal.into_response())
    })?;
    node.metrics.connections.inc();
    node.metrics.accepted.inc();
    Ok(Open { node: Arc::clone(node), _seat: seat })
}
