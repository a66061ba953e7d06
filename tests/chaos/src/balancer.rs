//! What stands in front of the nodes: one port, and connections spread over those that are ready.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use client::Random;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::http;
use crate::wire::{Cut, Wire, refuse};

/// How often each node is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);

/// How long a connection to a node may take to open.
const CONNECT_WITHIN: Duration = Duration::from_millis(1_000);

/// A balancer. Closed when dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    members: Arc<Members>,
    _tasks: JoinSet<()>,
}

/// The nodes behind it, each with a network of its own.
#[derive(Debug)]
struct Members {
    members: Vec<Member>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Member {
    node: SocketAddr,
    is_ready: AtomicBool,
    wire: Arc<Wire>,
}

impl Balancer {
    pub(crate) async fn start(nodes: &[SocketAddr]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the balancer")?;
        let address = listener.local_addr()?;
        let member = |node: &SocketAddr| Member { node: *node, is_ready: AtomicBool::new(false), wire: Wire::new() };
        let members = Arc::new(Members { members: nodes.iter().map(member).collect(), turn: AtomicUsize::new(0) });
        let mut tasks = JoinSet::new();
        for at in 0..nodes.len() {
            tasks.spawn(watch(Arc::clone(&members), at));
        }
        tasks.spawn(accept(listener, Arc::clone(&members)));
        Ok(Self { address, members, _tasks: tasks })
    }

    /// Where visitors connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The network between visitors and one node.
    pub(crate) fn wire(&self, node: usize) -> Option<&Arc<Wire>> {
        self.members.members.get(node).map(|member| &member.wire)
    }

    /// How many nodes are ready.
    pub(crate) fn ready_nodes(&self) -> usize {
        self.members.members.iter().filter(|member| member.is_ready.load(Ordering::Relaxed)).count()
    }

    /// Cuts one connection of a visitor, to any node.
    pub(crate) fn cut_one(&self, how: Cut, random: &mut Random) -> bool {
        let wires = self.members.members.iter().map(|member| &member.wire);
        let all: usize = wires.clone().map(|wire| wire.open_connections()).sum();
        let mut chosen = random.below(all as u64) as usize;
        for wire in wires {
            let open = wire.open_connections();
            if chosen < open {
                return wire.cut_one(how, random);
            }
            chosen -= open;
        }
        false
    }
}

impl Members {
    /// The nodes in the order in which to try them: those that are ready, from the next one on; then the others, because
    /// a balancer that knows no ready node had better be wrong.
    fn order(&self) -> impl Iterator<Item = &Member> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.members.len();
        let from = move |ready: bool| {
            (0..count)
                .filter_map(move |at| self.members.get((first + at) % count))
                .filter(move |member| member.is_ready.load(Ordering::Relaxed) == ready)
        };
        from(true).chain(from(false)).filter(|member| !member.wire.weather().refuses)
    }
}

async fn watch(members: Arc<Members>, at: usize) {
    let Some(member) = members.members.get(at) else { return };
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let ready = timeout(ANSWER_WITHIN, http::is_ready(member.node)).await;
        member.is_ready.store(matches!(ready, Ok(Ok(true))), Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, members: Arc<Members>) {
    loop {
        let Ok((visitor, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let members = Arc::clone(&members);
        tokio::spawn(async move {
            for member in members.order() {
                if let Ok(Ok(node)) = timeout(CONNECT_WITHIN, TcpStream::connect(member.node)).await {
                    return member.wire.carry(visitor, node).await;
                }
            }
            refuse(visitor);
        });
    }
}
