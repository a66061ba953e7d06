//! The servers of a Redis Cluster, and which of them has which slot.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::slots::{Range, SLOTS, read_ranges, slot};
use super::wire::{Introduced, RedisDoor, channel};
use crate::Topic;
use crate::hub::Hub;
use crate::remote::ANSWER_TIMEOUT;
use crate::remote::address::Address;
use crate::remote::link::{Link, Watcher};
use crate::remote::outgoing::Command;

/// How often the cluster is asked who has which slot while nothing seems wrong.
const CALM: Duration = Duration::from_secs(10);

/// How often while something does: a server is away, or has refused something.
const ALARM: Duration = Duration::from_millis(250);

/// So many times in a row at least: a fail-over takes seconds, and its first signs come before its end.
const ALARM_ROUNDS: u32 = 20;

/// How long a server that lost its slots may still answer what it was told before.
const RETIREMENT: Duration = Duration::from_secs(10);

/// A Redis Cluster. Dropping it ends the connections.
pub(super) struct Watched {
    cluster: Arc<Cluster>,
    task: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Deref for Watched {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

/// Its servers.
pub(super) struct Cluster {
    door: RedisDoor,
    seeds: Vec<Address>,
    hub: Arc<Hub>,
    map: RwLock<Map>,
    doubt: Notify,
}

/// Who has which slot. Holds a link to every server that has one.
struct Map {
    slots: Vec<Option<Arc<Link>>>,
    links: HashMap<Address, Arc<Link>>,
    /// Servers that have none any more, and since when.
    retired: Vec<(Instant, Arc<Link>)>,
}

impl Cluster {
    pub(super) fn start(door: RedisDoor, seeds: Vec<Address>, hub: Arc<Hub>) -> Watched {
        let map = RwLock::new(Map { slots: vec![None; SLOTS], links: HashMap::new(), retired: Vec::new() });
        let cluster = Arc::new(Self { door, seeds, hub, map, doubt: Notify::new() });
        let task = tokio::spawn(watch(cluster.clone())).abort_handle();
        Watched { cluster, task }
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the server of `topic`, while the topic cannot move to another.
    ///
    /// # Errors
    /// Nobody has its slot; what `act` says.
    pub(super) fn with_link<T>(
        &self,
        topic: &Topic,
        act: impl FnOnce(&Link) -> Result<T, String>,
    ) -> Result<T, String> {
        match &self.read().slots[slot(&channel(topic))] {
            Some(link) => act(link),
            None => Err("no server of the cluster is known to have its slot".to_owned()),
        }
    }

    pub(super) fn leave(&self, topic: &Topic) {
        if let Some(link) = &self.read().slots[slot(&channel(topic))] {
            link.interest().leave(topic, &self.hub);
        }
    }

    /// Asks every server that has slots for an answer.
    ///
    /// # Errors
    /// A slot has no server; why one does not answer.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let links: Vec<_> = {
            let map = self.read();
            if map.slots.iter().any(Option::is_none) {
                return Err("the cluster has not told yet who has which slot, or some slots have no server".to_owned());
            }
            map.links.values().cloned().collect()
        };
        let mut asked = JoinSet::new();
        for link in links {
            asked.spawn(async move { link.ready().await });
        }
        asked.join_all().await.into_iter().collect()
    }

    /// Takes note of who has which slots. Topics go with their slots.
    fn apply(self: &Arc<Self>, ranges: &[Range]) {
        let mut map = self.write();
        let mut slots = map.slots.clone();
        for range in ranges {
            let link = self.link(&mut map, &range.primary);
            slots[range.first..=range.last.max(range.first)].fill(Some(link));
        }
        let is_same = |(old, new): (&Option<Arc<Link>>, &Option<Arc<Link>>)| match (old, new) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if map.retired.is_empty() && map.slots.iter().zip(&slots).all(is_same) {
            return;
        }
        self.settle(&mut map, slots);
    }

    /// Gives every topic, and every message that is kept, to the server that has its slot. Ends the connections to servers
    /// that have had none for long.
    fn settle(&self, map: &mut Map, slots: Vec<Option<Arc<Link>>>) {
        let owner = |topic: &Topic| slots[slot(&channel(topic))].as_ref();
        for link in map.links.values().chain(map.retired.iter().map(|(_, link)| link)) {
            let moves = |topic: &Topic| !owner(topic).is_some_and(|owner| Arc::ptr_eq(owner, link));
            for topic in link.interest().give_up(moves) {
                if let Some(owner) = owner(&topic) {
                    owner.interest().adopt(&topic);
                }
            }
            for command in link.interest().outgoing().take_kept(moves) {
                if let Command::Publish { topic, .. } = &command
                    && let Some(owner) = owner(topic)
                {
                    owner.interest().outgoing().keep(command);
                }
            }
        }
        let serves = |link: &Arc<Link>| slots.iter().flatten().any(|owner| Arc::ptr_eq(owner, link));
        map.retired.retain(|(since, _)| since.elapsed() < RETIREMENT);
        let retired: Vec<_> = map.links.extract_if(|_, link| !serves(link)).collect();
        map.retired.extend(retired.into_iter().map(|(_, link)| (Instant::now(), link)));
        map.slots = slots;
    }

    fn link(self: &Arc<Self>, map: &mut Map, address: &Address) -> Arc<Link> {
        let start = || {
            let watcher = SlotWatcher(Arc::downgrade(self));
            Arc::new(Link::start(self.door.clone(), vec![address.clone()], self.hub.clone(), watcher))
        };
        map.links.entry(address.clone()).or_insert_with(start).clone()
    }

    fn is_alarmed(&self) -> bool {
        let map = self.read();
        let is_away = |link: &Arc<Link>| link.interest().outgoing().closed().is_some();
        map.slots.iter().any(Option::is_none) || map.links.values().any(is_away)
    }

    /// Asks servers, one after the other and in any order, until one says who has which slots.
    async fn ask(&self) -> Option<Vec<Range>> {
        let mut servers: Vec<_> = self.read().links.keys().cloned().collect();
        servers.extend(self.seeds.iter().filter(|seed| !servers.contains(seed)).cloned().collect::<Vec<_>>());
        servers.shuffle(&mut rand::rng());
        for server in servers {
            let answer = timeout(ANSWER_TIMEOUT, ask_one(&self.door, &server)).await;
            match answer.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
                Ok(ranges) if ranges.is_empty() => {
                    tracing::debug!(%server, "a Redis knows of no slots; is it a cluster's?");
                }
                Ok(ranges) => return Some(ranges),
                Err(reason) => tracing::debug!(%server, reason, "a Redis does not say who has which slots"),
            }
        }
        None
    }
}

async fn ask_one(door: &RedisDoor, server: &Address) -> Result<Vec<Range>, String> {
    let mut redis = Introduced::new(door, server).await?;
    redis.ask(&[b"CLUSTER", b"SLOTS"], |answer| read_ranges(answer, server)).await
}

/// Asks again and again who has which slots.
async fn watch(cluster: Arc<Cluster>) {
    let mut alarm = ALARM_ROUNDS;
    loop {
        if let Some(ranges) = cluster.ask().await {
            cluster.apply(&ranges);
        }
        alarm = alarm.saturating_sub(1);
        if alarm > 0 || cluster.is_alarmed() {
            sleep(ALARM.mul_f64(0.5 + rand::random::<f64>())).await;
        } else if timeout(CALM, cluster.doubt.notified()).await.is_ok() {
            alarm = ALARM_ROUNDS;
        }
    }
}

struct SlotWatcher(Weak<Cluster>);

impl Watcher for SlotWatcher {
    fn handle_doubt(&self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.doubt.notify_one();
        }
    }

    fn handle_moved(&self, slot: u16, to: Address, command: Command) {
        let Some(cluster) = self.0.upgrade() else { return };
        let mut map = cluster.write();
        let link = cluster.link(&mut map, &to);
        let mut slots = map.slots.clone();
        slots[usize::from(slot)] = Some(link.clone());
        cluster.settle(&mut map, slots);
        drop(map);
        // It is sent at once, or when that server can be reached.
        link.interest().outgoing().keep(command);
        link.interest().outgoing().send_kept();
        cluster.doubt.notify_one();
    }
}
