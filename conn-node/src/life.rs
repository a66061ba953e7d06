//! How long conversations live: closed after silence, kept for a while, then forgotten without a trace.
//!
//! Every conversation with a log is listed in its site's index `life`, at the moment at which somebody has to look at it
//! next. The node that holds the lease `life` looks: it closes what has been silent for the site's `close_after_hours`,
//! and forgets what has been closed for its `keep_days`. A holder that was paused and comes late does no harm: it closes by
//! appending at a seq, and what it forgets has been closed for long, which nothing can undo.
//!
//! On request ([`erase`]) all of a visitor's conversations are forgotten at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::Life;
use conversation::{ConversationId, Live, Millis, Notice, State};
use store::{Delete, Index, InvalidKey, Key, Lease, List, Listed, Listing, Put, StoreError, Version};

use crate::clock;
use crate::hear;
use crate::held::Held;
use crate::node::Node;
use crate::visitors::{self, VisitorError};

/// How often the holder of the lease looks, and the others try to get it.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long the lease holds beyond the last look, milliseconds: two looks may fail.
const LEASE_MS: Millis = 35_000;

/// How long one look at a site goes on while there is more to do, milliseconds. Well below [`LEASE_MS`].
const LONGEST_LOOK_MS: Millis = 8_000;

/// Conversations listed at one time.
const BATCH: usize = 100;

/// When a conversation that should end and cannot is looked at again, milliseconds.
const LOOK_AGAIN_MS: Millis = 600_000;

/// How long the site's own close may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

const HOUR_MS: Millis = 3_600_000;
const DAY_MS: Millis = 24 * HOUR_MS;

/// Why something was not forgotten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LifeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The visitor's record cannot be read.
    #[error(transparent)]
    Visitor(#[from] VisitorError),
    /// The task that did it ended early.
    #[error("it was broken off: {0}")]
    Broken(String),
    /// An entry of the index that names no conversation.
    #[error("the entry names no conversation")]
    Nameless,
    /// A name that cannot be one.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

/// What a conversation's life asks for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing was ever said, or it is to be kept for ever: it need not be looked at again.
    Nothing,
    /// Nothing before this time.
    Wait(Millis),
    /// It has been silent since before this time.
    Close(Millis),
    /// It has been kept for long enough.
    Forget,
}

/// What to do with a conversation in this state. The times are of the site.
fn next(state: &State, life: &Life, now: Millis) -> Next {
    if state.head() == 0 {
        return Next::Nothing;
    }
    if state.closed() == 0 {
        let silence = life.close_after_hours.saturating_mul(HOUR_MS);
        let at = state.head_at().saturating_add(silence);
        return if at <= now { Next::Close(now.saturating_sub(silence)) } else { Next::Wait(at) };
    }
    if life.keep_days == 0 {
        return Next::Nothing;
    }
    let at = state.head_at().saturating_add(life.keep_days.saturating_mul(DAY_MS));
    if at <= now { Next::Forget } else { Next::Wait(at) }
}

/// Lists a conversation whose log is about to begin, so that it will be found.
///
/// # Errors
/// The store fails: then nothing may be said in it.
pub(crate) async fn enlist(node: &Node, id: &ConversationId) -> Result<(), StoreError> {
    let now = clock::now();
    let Some(life) = node.life(id.site()) else { return Ok(()) };
    let at = now.saturating_add(life.close_after_hours.saturating_mul(HOUR_MS));
    let invalid = |error: InvalidKey| StoreError::Invalid { what: format!("list {id}"), reason: error.to_string() };
    let (key, index) = (key(id).map_err(invalid)?, index(id.site()).map_err(invalid)?);
    // A conflict says that it is listed already: an append of unknown outcome is tried again.
    let _listed = place(node, &key, &index, None, at, now).await?;
    Ok(())
}

/// Whether a log that has just begun may go on. One whose visitor has been moved on meanwhile is forgotten again: the
/// erasure that did it moves the visitor on before it forgets, so either it or this look finds the log.
///
/// # Errors
/// The store fails: nobody knows.
pub(crate) async fn begins(node: &Arc<Node>, id: &ConversationId) -> Result<bool, StoreError> {
    match visitors::settle(&*node.store, id, clock::now()).await {
        Ok(true) => Ok(true),
        Ok(false) => match forget(node, id).await {
            Ok(()) => Ok(false),
            Err(LifeError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Invalid { what: format!("forget {id}"), reason: error.to_string() }),
        },
        Err(VisitorError::Store(error)) => Err(error),
        Err(error) => Err(StoreError::Invalid { what: format!("begin {id}"), reason: error.to_string() }),
    }
}

/// Looks after all sites, for ever, while this node holds the lease.
pub(crate) async fn control(node: Arc<Node>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut lease = None;
    loop {
        every.tick().await;
        lease = match hold(&node, lease).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%error, "who looks after the life of conversations cannot be found out");
                None
            }
        };
        if lease.is_none() {
            continue;
        }
        for site in node.config.sites.keys() {
            if let Err(error) = look(&node, site).await {
                node.metrics.store_errors.with("life").inc();
                tracing::warn!(site, %error, "the life of its conversations cannot be looked after; it is tried again");
            }
        }
    }
}

async fn hold(node: &Node, lease: Option<Lease>) -> Result<Option<Lease>, LifeError> {
    let now = clock::now();
    let until = now + LEASE_MS;
    if let Some(lease) = lease
        && let Some(renewed) = lease.renew(&*node.store, now, until).await?
    {
        return Ok(Some(renewed));
    }
    let key = Key::new(Key::EVERYBODY, "lease", &["life"])?;
    Ok(Lease::take(&*node.store, &key, &node.config.node.name, now, until).await?)
}

/// Looks at what is listed up to now.
async fn look(node: &Arc<Node>, site: &str) -> Result<(), LifeError> {
    let began = clock::now();
    let index = index(site)?;
    loop {
        let now = clock::now();
        let list = List { index: &index, from: 0, to: now, after: None, limit: BATCH, now };
        let listed = node.store.list(list).await?;
        let is_last = listed.len() < BATCH;
        for listed in listed {
            let looked = match conversation_of(site, &listed.key) {
                Some(id) => look_at(node, &id, &listed, &index).await,
                None => Err(LifeError::Nameless),
            };
            match looked {
                Ok(()) => {}
                Err(LifeError::Store(error @ StoreError::Unavailable { .. })) => return Err(error.into()),
                Err(error) => {
                    // One that cannot be looked at must not stand in the way of all that come after it.
                    tracing::error!(site, entry = %listed.key, %error, "passed over; it is looked at again");
                    let (version, at) = (Some(listed.record.version), now + LOOK_AGAIN_MS);
                    let _placed = place(node, &listed.key, &index, version, at, now).await?;
                }
            }
        }
        // The lease must be renewed in time; what is left comes with the next look.
        if is_last || clock::now().saturating_sub(began) > LONGEST_LOOK_MS {
            return Ok(());
        }
    }
}

async fn look_at(node: &Arc<Node>, id: &ConversationId, listed: &Listed, index: &Index) -> Result<(), LifeError> {
    let now = clock::now();
    let version = Some(listed.record.version);
    let Some(held) = node.load(id).await else {
        // Its log breaks a rule, or the store fails just now.
        let _placed = place(node, &listed.key, index, version, now + LOOK_AGAIN_MS, now).await?;
        return Ok(());
    };
    node.look_again(&held).await;
    let Some(life) = node.life(id.site()) else { return Ok(()) };
    let mut wanted = held.look(|live| next(live.state(), life, now));
    if let Next::Close(before) = wanted {
        close(node, &held, before).await;
        wanted = match held.look(|live| next(live.state(), life, now)) {
            Next::Close(_) => Next::Wait(now + LOOK_AGAIN_MS),
            other => other,
        };
    }
    match wanted {
        Next::Nothing => {
            let _deleted = node.store.delete(Delete { key: &listed.key, expected: version, now }).await?;
        }
        Next::Wait(at) => {
            // A conflict: another node has looked meanwhile.
            let _placed = place(node, &listed.key, index, version, at.max(now + 1), now).await?;
        }
        Next::Forget => {
            node.metrics.ended.with("forgotten").inc();
            visitors::leave(&*node.store, id, now).await?;
            forget(node, id).await?;
        }
        Next::Close(_) => {}
    }
    Ok(())
}

async fn close(node: &Arc<Node>, held: &Arc<Held>, before: Millis) {
    held.handle(node, |live, now| live.handle_idle(now, before));
    let has_come = |live: &Live| live.is_idle() || live.is_store_failing();
    // If it takes longer, the next look sees what has become of it.
    let _in_time = tokio::time::timeout(CLOSE_PATIENCE, held.wait_until(has_come)).await;
    if held.look(|live| live.state().closed() > 0) {
        node.metrics.ended.with("closed").inc();
    }
}

/// Forgets everything that a visitor has said on a site, and says how many conversations that were.
///
/// A number stays for two days, without a name of the visitor's own choosing: the one of the next conversation, so that
/// nothing that is still on its way can be taken for a part of it.
///
/// # Errors
/// The store fails. What was forgotten by then stays forgotten; ask again for the rest.
pub(crate) async fn erase(node: &Arc<Node>, site: &str, visitor: &str) -> Result<u32, LifeError> {
    let now = clock::now();
    let current = visitors::current(&*node.store, site, visitor, now).await?;
    let has_begun = node.store.head(&current).await? > 0;
    // First, so that whoever comes back meanwhile begins another one. Who has said nothing in the newest stays in it.
    let left = visitors::leave_all(&*node.store, &current, has_begun, now).await?;
    let mut erased = 0;
    for ordinal in left.ordinals.clone() {
        let id = ConversationId::new(site, visitor, ordinal).map_err(VisitorError::from)?;
        forget(node, &id).await?;
        node.metrics.ended.with("erased").inc();
        erased += 1;
    }
    visitors::note_forgotten(&*node.store, site, visitor, &left, clock::now()).await?;
    Ok(erased)
}

/// Forgets one conversation: its log, its listing, and what nodes hold of it.
async fn forget(node: &Arc<Node>, id: &ConversationId) -> Result<(), LifeError> {
    let now = clock::now();
    node.store.forget(id, now).await?;
    if let Some(held) = node.conversations.held(id) {
        let_go(node, &held);
    }
    hear::publish_once(node, id, &Notice::Forgotten);
    // Last: while it is listed, somebody who finds it half forgotten goes on.
    let _deleted = node.store.delete(Delete { key: &key(id)?, expected: None, now }).await?;
    tracing::debug!(conversation = %id, "forgotten");
    Ok(())
}

/// Another node has forgotten it.
pub(crate) fn heard_forgotten(node: &Arc<Node>, held: &Arc<Held>) {
    tracing::debug!(conversation = %held.id(), node = node.config.node.name, "forgotten by another node");
    let_go(node, held);
}

/// Its log is gone: whoever is connected leaves, and reading that there is nothing ends what runs for it.
fn let_go(node: &Arc<Node>, held: &Arc<Held>) {
    held.forget();
    if held.rested().is_none() {
        held.handle(node, Live::handle_refresh);
    }
}

async fn place(
    node: &Node,
    key: &Key,
    index: &Index,
    expected: Option<Version>,
    at: Millis,
    now: Millis,
) -> Result<store::PutOutcome, StoreError> {
    let listing = Some(Listing { index, position: at });
    node.store.put(Put { key, expected, value: Bytes::new(), expires_at: None, listing, now }).await
}

fn index(site: &str) -> Result<Index, InvalidKey> {
    Index::new(site, "life")
}

fn key(id: &ConversationId) -> Result<Key, InvalidKey> {
    Key::new(id.site(), "life", &[id.visitor(), &id.ordinal().to_string()])
}

fn conversation_of(site: &str, key: &Key) -> Option<ConversationId> {
    let (visitor, ordinal) = key.as_str().strip_prefix(site)?.strip_prefix("/life/")?.split_once('/')?;
    ConversationId::new(site, visitor, ordinal.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use conversation::{Body, ClosedBy, Event, MessageId};

    use super::*;

    fn life(keep_days: u64) -> Life {
        let text = format!(
            "[sites.shop]\nname = \"Shop\"\norigins = []\nlife = {{ close_after_hours = 2, keep_days = {keep_days} }}"
        );
        config::Config::parse(&text, []).unwrap().sites.remove("shop").unwrap().life
    }

    const SAID_AT: Millis = 1_000 * DAY_MS;

    fn said() -> State {
        let mut state = State::default();
        let body = Body::VisitorMessage { id: MessageId([1; 16]), text: "hello".into() };
        state.apply(&Event { seq: 1, at: SAID_AT, body }).unwrap();
        state
    }

    fn closed() -> State {
        let mut state = said();
        state.apply(&Event { seq: 2, at: SAID_AT, body: Body::Closed { by: ClosedBy::Visitor } }).unwrap();
        state
    }

    #[test]
    fn silence_closes_and_time_forgets() {
        let at = SAID_AT + 2 * HOUR_MS;
        assert_eq!(next(&said(), &life(3), at - 1), Next::Wait(at));
        assert_eq!(next(&said(), &life(3), at), Next::Close(SAID_AT));
        let at = SAID_AT + 3 * DAY_MS;
        assert_eq!(next(&closed(), &life(3), at - 1), Next::Wait(at));
        assert_eq!(next(&closed(), &life(3), at), Next::Forget);
    }

    #[test]
    fn what_is_kept_for_ever_and_what_never_began_is_not_looked_at_again() {
        assert_eq!(next(&closed(), &life(0), Millis::MAX), Next::Nothing);
        assert_eq!(next(&State::default(), &life(3), Millis::MAX), Next::Nothing);
    }

    #[test]
    fn a_key_of_the_index_leads_back_to_its_conversation() {
        let id = ConversationId::new("shop", "a_x-y_z", 7).unwrap();
        assert_eq!(conversation_of("shop", &key(&id).unwrap()), Some(id));
        for other in ["shop/life/a_x", "shop/other/a_x/7", "shop2/life/a_x/7", "shop/life/a_x/0/1"] {
            assert_eq!(Key::parse(other).ok().and_then(|key| conversation_of("shop", &key)), None, "{other}");
        }
    }
}
