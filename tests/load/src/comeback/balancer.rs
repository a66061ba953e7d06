//! Which node a new connection goes to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use client::Address;

/// A balancer without sockets: it only says where to connect.
#[derive(Debug)]
pub(super) struct Balancer {
    /// The first one goes away.
    nodes: Vec<Address>,
    next: AtomicUsize,
    /// From when on the first one is known to be gone.
    gone_at: Mutex<Option<Instant>>,
}

impl Balancer {
    pub(super) fn new(nodes: Vec<Address>) -> Self {
        Self { nodes, next: AtomicUsize::new(0), gone_at: Mutex::new(None) }
    }

    /// The next node in turn, of those that are taken for alive: its number and its address.
    pub(super) fn choose(&self) -> (usize, Address) {
        let alive = usize::from(self.is_first_gone())..self.nodes.len();
        let number = alive.start + self.next.fetch_add(1, Ordering::Relaxed) % alive.len();
        (number, self.nodes[number].clone())
    }

    /// The first node, while it is there.
    pub(super) fn first(&self) -> Option<(usize, Address)> {
        (!self.is_first_gone()).then(|| (0, self.nodes[0].clone()))
    }

    /// The nodes that stay.
    pub(super) fn staying(&self) -> &[Address] {
        &self.nodes[1..]
    }

    /// The first node is known to be gone from `at` on.
    pub(super) fn first_goes_away(&self, at: Instant) {
        *self.gone_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    fn is_first_gone(&self) -> bool {
        let gone_at = *self.gone_at.lock().unwrap_or_else(PoisonError::into_inner);
        gone_at.is_some_and(|at| Instant::now() >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_take_turns_and_the_one_that_is_gone_gets_nobody() {
        let address = |port| Address::of(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let balancer = Balancer::new((1..=3).map(address).collect());
        let three = |balancer: &Balancer| [(); 3].map(|()| balancer.choose().0);
        assert_eq!(three(&balancer), [0, 1, 2]);
        balancer.first_goes_away(Instant::now());
        assert!(three(&balancer).iter().all(|number| *number > 0));
        assert!(balancer.first().is_none());
    }
}
