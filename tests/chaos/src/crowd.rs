//! All visitors, and how they come to rest.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use client::Random;
use conversation::{Audience, ConversationId};
use protocol::Subprotocol;
use protocol::event_for;
use protocol::v1::Event;
use store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout_at};

use crate::record::TabRecord;
use crate::verify::{self, History, Rules};
use crate::visitor::{Life, Phase, Progress, SITE, lock};

/// How often the store is read again while visitors come to rest.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many visitors' tabs a crowd has.
const TABS_OF_TEN: [usize; 10] = [1, 1, 1, 2, 1, 1, 2, 1, 2, 3];

/// All visitors. They leave when it is dropped.
pub(crate) struct Crowd {
    phase: watch::Sender<Phase>,
    visitors: Vec<Vec<LiveTab>>,
}

/// The crowd at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Unix time, seconds.
    pub(crate) at_s: u64,
    pub(crate) tabs: usize,
    pub(crate) connected_tabs: usize,
    /// Visitors who wait for an answer.
    pub(crate) turns_under_way: usize,
}

struct LiveTab {
    name: String,
    progress: watch::Receiver<Progress>,
    record: Arc<Mutex<TabRecord>>,
    task: JoinHandle<()>,
}

impl Crowd {
    /// Starts visitors; of ten, four have more than one tab.
    pub(crate) fn start(count: usize, balancer: SocketAddr, random: &mut Random) -> Self {
        let (phase, watched) = watch::channel(Phase::Talk);
        let mut start_one = |visitor: usize| {
            let tabs = TABS_OF_TEN[visitor % TABS_OF_TEN.len()];
            let mut live: Vec<LiveTab> = Vec::new();
            for tab in 0..tabs {
                let (progress, seen) = watch::channel(Progress::default());
                let life = Life {
                    name: format!("visitor {visitor}, tab {tab}"),
                    balancer,
                    subprotocol: Subprotocol::ALL[(visitor / 2 + tab) % 2],
                    random: random.fork(),
                    phase: watched.clone(),
                    progress,
                    record: Arc::default(),
                    asks_for_person: visitor % 7 == 6,
                    closes: tabs == 1 || visitor % 2 == 1,
                };
                let (name, record) = (life.name.clone(), Arc::clone(&life.record));
                let task = match live.first() {
                    None => tokio::spawn(life.live(String::new())),
                    Some(first) => tokio::spawn(life.join(first.progress.clone())),
                };
                live.push(LiveTab { name, progress: seen, record, task });
            }
            live
        };
        Self { visitors: (0..count).map(&mut start_one).collect(), phase }
    }

    /// Looks at the crowd every second, for ever.
    pub(crate) async fn watch(&self, seen: &mut Vec<Glance>) {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            let tabs = || self.visitors.iter().flatten().map(|tab| tab.progress.borrow());
            let turns = self.visitors.iter().filter_map(|tabs| tabs.first());
            seen.push(Glance {
                at_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
                connected_tabs: tabs().filter(|progress| progress.is_open).count(),
                tabs: tabs().count(),
                turns_under_way: turns.filter(|tab| tab.progress.borrow().open_turn > 0).count(),
            });
        }
    }

    /// Nobody says anything new from here on.
    pub(crate) fn listen(&self) {
        self.phase.send_replace(Phase::Listen);
    }

    /// Waits until everything that was said is acknowledged and answered; at most until `end`.
    pub(crate) async fn settle(&self, end: Instant) {
        for tab in self.visitors.iter().flatten() {
            let mut progress = tab.progress.clone();
            // Who is not settled in time is found by what it lacks.
            let _ = timeout_at(end, progress.wait_for(Progress::is_settled)).await;
        }
    }

    /// Reads everybody's logs until everybody holds what the store holds; at most until `end`, and at least once.
    pub(crate) async fn compare(
        &self,
        store: &dyn Store,
        rules: Rules,
        end: Instant,
    ) -> anyhow::Result<(Vec<History>, Vec<String>)> {
        loop {
            let mut histories = Vec::new();
            for tabs in &self.visitors {
                histories.push(history(store, tabs).await?);
            }
            let wrong: Vec<String> = histories.iter().flat_map(|history| verify::wrong(history, rules)).collect();
            if wrong.is_empty() || Instant::now() >= end {
                return Ok((histories, wrong));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Who still waits for what.
    pub(crate) fn unsettled(&self) -> Vec<String> {
        let waits = |tab: &LiveTab| {
            let progress = tab.progress.borrow();
            let Progress { is_open, unacknowledged, open_turn, conversation, held, .. } = &*progress;
            (!progress.is_settled()).then(|| {
                let connected = if *is_open { "is connected" } else { "has no connection" };
                let visitor = lock(&tab.record).visitor.clone();
                format!(
                    "{} ({visitor}/{conversation}) {connected}, holds {held} events, waits for {unacknowledged} acks and \
                     for the answer to turn {open_turn} (0: none)",
                    tab.name
                )
            })
        };
        self.visitors.iter().flatten().filter_map(waits).collect()
    }

    /// Everybody leaves.
    pub(crate) async fn leave(self) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Leave);
        for tab in self.visitors.into_iter().flatten() {
            tab.task.await.context("a tab panicked")?;
        }
        Ok(())
    }
}

/// What became of one visitor: the logs first, then what the tabs hold, which may only be more.
async fn history(store: &dyn Store, tabs: &[LiveTab]) -> anyhow::Result<History> {
    let visitor = tabs.first().map(|tab| lock(&tab.record).visitor.clone()).unwrap_or_default();
    let newest = tabs.iter().map(|tab| lock(&tab.record).conversation).max().unwrap_or(0);
    let mut logs = BTreeMap::new();
    if !visitor.is_empty() {
        // One more than is known: nobody may have written where nobody is.
        for ordinal in 1..=newest + 1 {
            let id = ConversationId::new(SITE, &visitor, ordinal)?;
            logs.insert(ordinal, read(store, &id).await?);
        }
    }
    let tabs = tabs.iter().map(|tab| (tab.name.clone(), lock(&tab.record).clone())).collect();
    Ok(History { visitor, logs, tabs })
}

/// A log as its visitor is to see it.
async fn read(store: &dyn Store, id: &ConversationId) -> anyhow::Result<Vec<Event>> {
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(0, |event: &Event| event.seq);
        let page = store.read(id, after, 1_000).await.with_context(|| format!("{id} cannot be read"))?;
        if page.is_empty() {
            return Ok(log);
        }
        log.extend(page.iter().map(|event| event_for(event, Audience::Visitor)));
    }
}
