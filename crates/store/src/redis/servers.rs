//! All servers of a store, and which of them has which key.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout};

use super::channel::Channel;
use super::dial::Dial;
use super::map::SlotMap;
use super::script::Call;
use super::trouble::{Refusal, Trouble};
use super::url::{Address, Target};
use super::writer::Writer;

/// How often one command is sent on to another server.
const MOST_REDIRECTS: usize = 8;

/// How long a command waits whose keys are on their way from one server to another.
const MOVING_PAUSE: Duration = Duration::from_millis(20);

/// How often the map is asked for, at most.
const MAP_PAUSE: Duration = Duration::from_millis(100);

/// How long one server may take to tell the map before another one is asked.
const MAP_TIMEOUT: Duration = Duration::from_millis(500);

/// The servers. One Redis is a cluster of one, whose map is known.
pub(super) struct Servers {
    dial: Arc<Dial>,
    seeds: Vec<Address>,
    is_cluster: bool,
    replicas: u32,
    map: RwLock<Arc<SlotMap>>,
    links: RwLock<HashMap<Address, Arc<Link>>>,
    /// When the map was asked for last.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

/// What leads to one server.
struct Link {
    channel: Channel,
    /// Present if writes wait for replicas.
    writer: Option<Writer>,
}

/// Whether a command's answer waits for replicas, if the store is to wait for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does not: a read, or a write whose loss costs nothing but a repetition.
    Plain,
    /// It does.
    Replicated,
}

/// A command, and the slot of its keys.
pub(super) struct Placed {
    pub(super) slot: u16,
    pub(super) command: Cmd,
}

impl Servers {
    pub(super) fn new(target: &Target, dial: Dial, replicas: u32) -> Self {
        let map = if target.is_cluster { SlotMap::default() } else { SlotMap::of_one(&target.addresses) };
        Self {
            dial: Arc::new(dial),
            seeds: target.addresses.clone(),
            is_cluster: target.is_cluster,
            replicas,
            map: RwLock::new(Arc::new(map)),
            links: RwLock::default(),
            asked: tokio::sync::Mutex::new(None),
        }
    }

    /// Runs a script where its keys are, as one atomic step.
    pub(super) async fn call(&self, slot: u16, call: &Call, kind: Kind) -> Result<Value, Trouble> {
        match self.send(slot, &call.by_hash(), kind).await {
            // It has not run: the server is new, or was restarted, or its scripts were flushed.
            Err(Trouble::Refused(refusal)) if refusal.code == "NOSCRIPT" => {
                self.send(slot, &call.by_source(), kind).await
            }
            answer => answer,
        }
    }

    /// Sends a command to the server that has its keys. Sends it again only if a server said that it did not carry it out.
    pub(super) async fn send(&self, slot: u16, command: &Cmd, kind: Kind) -> Result<Value, Trouble> {
        let mut to = self.primary_of(slot).await?;
        let mut asking = false;
        let mut redirects = 0;
        while redirects < MOST_REDIRECTS {
            redirects += 1;
            let link = self.link(&to);
            let answer = if asking { link.ask(command, kind).await } else { link.send(command, kind).await };
            asking = false;
            match answer {
                Err(Trouble::Refused(refusal)) if self.is_cluster => match Redirect::read(&refusal, &to) {
                    Some(Redirect::Moved(address)) => {
                        self.renew_map(&to).await;
                        to = address;
                    }
                    Some(Redirect::Ask(address)) => {
                        asking = true;
                        to = address;
                    }
                    // Some of its keys have moved, some have not. It ends with the move, or with the caller's patience.
                    Some(Redirect::Wait) => {
                        tokio::time::sleep(MOVING_PAUSE).await;
                        to = self.primary_of(slot).await?;
                        redirects = 0;
                    }
                    None => return Err(Trouble::Refused(refusal)),
                },
                // Nothing was sent, and another server may have taken over.
                Err(trouble @ Trouble::NoConnection { .. }) if self.is_cluster => {
                    self.renew_map(&to).await;
                    match self.map().primary_of(slot) {
                        Some(primary) if *primary != to => to = primary.clone(),
                        _ => return Err(trouble),
                    }
                }
                answer => return answer,
            }
        }
        Err(Trouble::NoConnection {
            reason: "the cluster's servers send each other's keys around".to_owned(),
            retry_after_ms: 0,
        })
    }

    /// Sends many commands, together for each server; each has its own answer, in their order.
    pub(super) async fn send_each(&self, commands: &[Placed]) -> Vec<Result<Value, Trouble>> {
        let mut answers: Vec<Option<Result<Value, Trouble>>> = vec![None; commands.len()];
        let mut groups: HashMap<Address, Vec<usize>> = HashMap::new();
        for (index, placed) in commands.iter().enumerate() {
            match self.primary_of(placed.slot).await {
                Ok(address) => groups.entry(address).or_default().push(index),
                Err(trouble) => answers[index] = Some(Err(trouble)),
            }
        }
        let groups = groups.iter().map(|(address, indices)| self.send_group(address, commands, indices));
        for (index, answer) in join_all(groups).await.into_iter().flatten() {
            answers[index] = Some(answer);
        }
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(Trouble::nonsense()))).collect()
    }

    async fn send_group(
        &self,
        address: &Address,
        commands: &[Placed],
        indices: &[usize],
    ) -> Vec<(usize, Result<Value, Trouble>)> {
        let mut pipeline = Pipeline::with_capacity(indices.len());
        for index in indices {
            pipeline.add_command(commands[*index].command.clone());
        }
        let answers = match self.link(address).channel.send_all(&pipeline).await {
            Ok(answers) => answers,
            Err(trouble) => vec![Err(trouble); indices.len()],
        };
        let mut checked = Vec::with_capacity(indices.len());
        for (index, answer) in indices.iter().zip(answers) {
            let placed = &commands[*index];
            let elsewhere = match &answer {
                Err(Trouble::Refused(refusal)) => Redirect::read(refusal, address).is_some(),
                Err(Trouble::NoConnection { .. }) => true,
                _ => false,
            };
            // One by one: this is rare, and each finds the way on its own.
            let answer = match elsewhere && self.is_cluster {
                true => self.send(placed.slot, &placed.command, Kind::Plain).await,
                false => answer,
            };
            checked.push((*index, answer));
        }
        checked
    }

    /// The slots of one key for each primary, chosen from `slots`.
    ///
    /// # Errors
    /// Nobody tells the map.
    pub(super) async fn one_of_each(&self, slots: impl Iterator<Item = u16>) -> Result<Vec<u16>, Trouble> {
        let mut chosen: HashMap<Address, u16> = HashMap::new();
        for slot in slots {
            chosen.entry(self.primary_of(slot).await?).or_insert(slot);
        }
        Ok(chosen.into_values().collect())
    }

    async fn primary_of(&self, slot: u16) -> Result<Address, Trouble> {
        if let Some(primary) = self.map().primary_of(slot) {
            return Ok(primary.clone());
        }
        let trouble = self.renew_map_from_any().await;
        match self.map().primary_of(slot) {
            Some(primary) => Ok(primary.clone()),
            None => Err(trouble.unwrap_or_else(|| Trouble::NoConnection {
                reason: format!("no primary of the cluster serves slot {slot}; see CLUSTER INFO"),
                retry_after_ms: 0,
            })),
        }
    }

    /// Asks for the map again, but not the server that was just found wanting, if another one answers.
    async fn renew_map(&self, wanting: &Address) {
        self.renew(Some(wanting)).await;
    }

    async fn renew_map_from_any(&self) -> Option<Trouble> {
        self.renew(None).await
    }

    /// `None`: the map is new, or almost.
    async fn renew(&self, wanting: Option<&Address>) -> Option<Trouble> {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < MAP_PAUSE) {
            return None;
        }
        let mut last = None;
        for address in self.candidates(wanting) {
            match timeout(MAP_TIMEOUT, self.link(&address).channel.send(redis::cmd("CLUSTER").arg("SLOTS"))).await {
                Ok(Ok(value)) => match SlotMap::read(&value, &address) {
                    Some(map) => {
                        self.adopt(map);
                        *asked = Some(Instant::now());
                        return None;
                    }
                    None => last = Some(Trouble::nonsense()),
                },
                Ok(Err(trouble)) => last = Some(trouble),
                Err(_) => {}
            }
        }
        *asked = Some(Instant::now());
        last
    }

    /// Whom to ask for the map: all that are known, in a random order, so that one that is wrong is not asked every time.
    fn candidates(&self, wanting: Option<&Address>) -> Vec<Address> {
        let mut known: Vec<Address> = self.map().servers().cloned().collect();
        known.extend(self.seeds.iter().filter(|seed| !self.map().servers().any(|server| server == *seed)).cloned());
        let start = rand::random_range(0..known.len().max(1));
        known.rotate_left(start);
        known.sort_by_key(|address| Some(address) == wanting);
        known
    }

    fn adopt(&self, map: SlotMap) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.retain(|address, _| self.seeds.contains(address) || map.servers().any(|server| server == address));
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
    }

    fn map(&self) -> Arc<SlotMap> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn link(&self, address: &Address) -> Arc<Link> {
        if let Some(link) = self.links.read().unwrap_or_else(PoisonError::into_inner).get(address) {
            return link.clone();
        }
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.entry(address.clone()).or_insert_with(|| Arc::new(self.new_link(address))).clone()
    }

    fn new_link(&self, address: &Address) -> Link {
        let channel = Channel::new(address.clone(), self.dial.clone());
        let writer = (self.replicas > 0).then(|| Writer::start(address.clone(), self.dial.clone(), self.replicas));
        Link { channel, writer }
    }
}

impl Link {
    async fn send(&self, command: &Cmd, kind: Kind) -> Result<Value, Trouble> {
        match (&self.writer, kind) {
            (Some(writer), Kind::Replicated) => writer.send(command).await,
            _ => self.channel.send(command).await,
        }
    }

    /// Sends a command to the server that keys are moving to.
    async fn ask(&self, command: &Cmd, kind: Kind) -> Result<Value, Trouble> {
        match (&self.writer, kind) {
            (Some(writer), Kind::Replicated) => writer.ask(command).await,
            _ => {
                let mut pipeline = Pipeline::with_capacity(2);
                pipeline.cmd("ASKING").add_command(command.clone());
                self.channel.send_all(&pipeline).await?.pop().unwrap_or_else(|| Err(Trouble::nonsense()))
            }
        }
    }
}

/// Where a cluster says a command must go instead. It has not been carried out.
enum Redirect {
    Moved(Address),
    Ask(Address),
    Wait,
}

impl Redirect {
    fn read(refusal: &Refusal, from: &Address) -> Option<Self> {
        let address = || {
            let (_slot, address) = refusal.detail.split_once(' ')?;
            let (host, port) = address.rsplit_once(':')?;
            // No host means: the one that was asked.
            let host = if host.is_empty() { &from.host } else { host.trim_matches(['[', ']']) };
            Some(Address { host: host.to_owned(), port: port.parse().ok()? })
        };
        match refusal.code.as_str() {
            "MOVED" => address().map(Self::Moved),
            "ASK" => address().map(Self::Ask),
            "TRYAGAIN" => Some(Self::Wait),
            _ => None,
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("seeds", &self.seeds)
            .field("is_cluster", &self.is_cluster)
            .finish_non_exhaustive()
    }
}
