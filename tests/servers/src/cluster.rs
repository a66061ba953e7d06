//! A Redis Cluster.

use anyhow::{Context, Result, ensure};

use crate::patience;
use crate::port;
use crate::redis::{RedisOptions, RedisServer};

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

/// How a [`RedisCluster`] runs.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// How long a node may be silent before the others replace it, in milliseconds (`cluster-node-timeout`). Default:
    /// 1,000. A fail-over takes this long and about a second more.
    pub node_timeout_ms: u64,
    /// For each node.
    pub node: RedisOptions,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { node_timeout_ms: 1_000, node: RedisOptions::default() }
    }
}

/// Three primaries and three replicas. Nodes 0, 1 and 2 start as primaries, node `n + 3` as the replica of `n`.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one with the default options and waits until every node says that all is well.
    ///
    /// # Errors
    /// A node does not start, or they do not become a cluster.
    pub fn start() -> Result<Self> {
        Self::start_with(&ClusterOptions::default())
    }

    /// [`RedisCluster::start`] with other options.
    ///
    /// # Errors
    /// A node does not start, or they do not become a cluster.
    pub fn start_with(options: &ClusterOptions) -> Result<Self> {
        let nodes = (0..2 * PRIMARIES).map(|_| start_node(options)).collect::<Result<Vec<_>>>()?;
        let cluster = Self { nodes };
        cluster.give_slots()?;
        cluster.introduce()?;
        cluster.give_replicas()?;
        cluster.wait_until_ok()?;
        Ok(cluster)
    }

    /// `redis-cluster://` with the addresses of all six.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// Its processes, to kill, freeze or ask.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The number of the node that is the primary of `key` now, as a node that answers says.
    ///
    /// # Errors
    /// None answers, or they do not know.
    pub fn primary_of(&self, key: &str) -> Result<usize> {
        patience::until("somebody knows the key's primary", || {
            Ok(self.nodes.iter().find_map(|node| self.primary_told_by(node, key).ok().flatten()))
        })
    }

    fn primary_told_by(&self, node: &RedisServer, key: &str) -> Result<Option<usize>> {
        let slot = node.command(&["CLUSTER", "KEYSLOT", key])?.integer();
        let ranges = node.command(&["CLUSTER", "SLOTS"])?;
        let holds = |range: &&crate::Reply| match range.array() {
            [from, to, ..] => (from.integer()..=to.integer()).contains(&slot),
            _ => false,
        };
        let range = ranges.array().iter().find(holds).context("the slot has no primary")?;
        let port = range.array().get(2).and_then(|primary| primary.array().get(1)).map_or(0, crate::Reply::integer);
        Ok(self.nodes.iter().position(|node| i64::from(node.port()) == port))
    }

    /// Kills (`kill -9`) the node that is the primary of `key` now, and returns its number.
    ///
    /// # Errors
    /// Nobody knows which it is.
    pub fn kill_primary_of(&self, key: &str) -> Result<usize> {
        let primary = self.primary_of(key)?;
        self.nodes[primary].kill()?;
        Ok(primary)
    }

    /// Waits until every node answers, knows all slots served, and every replica has what its primary has.
    ///
    /// # Errors
    /// It did not happen within 30 s.
    pub fn wait_until_ok(&self) -> Result<()> {
        patience::until("every node says that the cluster is well", || {
            for node in &self.nodes {
                ensure!(is_well(node)?, "the node on port {} does not", node.port());
            }
            Ok(Some(()))
        })
    }

    /// Waits until the nodes that answer serve all slots, though some are dead or frozen: after a fail-over.
    ///
    /// # Errors
    /// It did not happen within 30 s.
    pub fn wait_until_served(&self) -> Result<()> {
        patience::until("the nodes that answer serve all slots", || {
            let answering: Vec<_> = self.nodes.iter().filter(|node| node.command(&["PING"]).is_ok()).collect();
            ensure!(!answering.is_empty(), "no node answers");
            for node in &answering {
                ensure!(cluster_info(node, "cluster_state")? == "ok", "port {} says that it is not", node.port());
                let known = node.command(&["CLUSTER", "NODES"])?;
                let serve = |port: u16| answering.iter().any(|node| node.port() == port);
                ensure!(primaries(known.text()).all(serve), "port {} does not know of the loss", node.port());
            }
            Ok(Some(()))
        })
    }

    fn give_slots(&self) -> Result<()> {
        for (n, node) in self.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()])?;
            if n < PRIMARIES {
                let (from, to) = (n * SLOTS / PRIMARIES, (n + 1) * SLOTS / PRIMARIES - 1);
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()])?;
            }
        }
        Ok(())
    }

    fn introduce(&self) -> Result<()> {
        let [first, others @ ..] = self.nodes.as_slice() else { return Ok(()) };
        for node in others {
            let bus_port = node.command(&["CONFIG", "GET", "cluster-port"])?;
            let bus_port = bus_port.array().get(1).context("Redis tells its cluster port")?.text().to_owned();
            first.command(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), &bus_port])?;
        }
        patience::until("every node knows the others", || {
            for node in &self.nodes {
                ensure!(cluster_info(node, "cluster_known_nodes")? == self.nodes.len().to_string());
                ensure!(!node.command(&["CLUSTER", "NODES"])?.text().contains("handshake"));
            }
            Ok(Some(()))
        })
    }

    fn give_replicas(&self) -> Result<()> {
        let (primaries, replicas) = self.nodes.split_at(PRIMARIES);
        for (primary, replica) in primaries.iter().zip(replicas) {
            let name = primary.command(&["CLUSTER", "MYID"])?;
            replica.command(&["CLUSTER", "REPLICATE", name.text()])?;
        }
        Ok(())
    }
}

fn start_node(options: &ClusterOptions) -> Result<RedisServer> {
    let mut node = options.node.clone();
    let own = [
        ("cluster-enabled", "yes".to_owned()),
        ("cluster-node-timeout", options.node_timeout_ms.to_string()),
        ("cluster-port", port::free()?.to_string()),
        // A replica stays with its primary, so that every primary has one.
        ("cluster-allow-replica-migration", "no".to_owned()),
        // By default a replica whose link was down for long does not take over.
        ("cluster-replica-validity-factor", "0".to_owned()),
    ];
    node.settings.extend(own.map(|(name, value)| (name.to_owned(), value)));
    RedisServer::start(node)
}

fn is_well(node: &RedisServer) -> Result<bool> {
    let is_linked = node.info("role")? == "master" || node.info("master_link_status")? == "up";
    let nodes = node.command(&["CLUSTER", "NODES"])?;
    let replicas = nodes.text().lines().filter(|line| line.contains("slave")).count();
    let knows_all = replicas == PRIMARIES && !nodes.text().contains("fail") && !nodes.text().contains("disconnected");
    Ok(is_linked && knows_all && cluster_info(node, "cluster_state")? == "ok")
}

fn cluster_info(node: &RedisServer, field: &str) -> Result<String> {
    let info = node.command(&["CLUSTER", "INFO"])?;
    let value = info.text().lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(value.unwrap_or_default().to_owned())
}

/// The ports of those that have slots, in the answer to CLUSTER NODES. A line's second word is `address:port@bus-port`;
/// slots follow the eighth word.
fn primaries(nodes: &str) -> impl Iterator<Item = u16> {
    let has_slots = |line: &&str| line.split(' ').count() > 8;
    nodes
        .lines()
        .filter(has_slots)
        .filter_map(|line| line.split(' ').nth(1)?.split_once(':')?.1.split('@').next()?.parse().ok())
}
