//! A conversation that this node holds: the core's [`Live`], with its outputs carried out.
//!
//! A conversation in which nothing happens for a while rests: its connections stay, its log is only in the store, and the
//! next input reads it again. So an idle visitor costs a socket and a position, not the texts of the conversation.
//!
//! There is no task per conversation. Whoever has an input takes the lock, lets the core decide, and carries out what can
//! be done without waiting; what waits (store, function, timer) becomes a task that comes back with the next input.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conversation::{
    Audience, Claim, Command, CommandKey, ConversationId, Event, Fence, Live, Millis, Outcome, Output, Piece, Policy,
    Position, Reply, Rested, Seq,
};
use store::{Append, Appended, SetDue, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::clock;
use crate::hear;
use crate::life;
use crate::node::Node;
use crate::routing;
use crate::survive::survive;
use crate::trace::Trace;
use crate::turn;

/// How many events one read asks for.
pub(crate) const PAGE: usize = 200;

/// One conversation on this node.
#[derive(Debug)]
pub(crate) struct Held {
    id: ConversationId,
    policy: Arc<Policy>,
    inner: Mutex<Inner>,
    changed: Notify,
    touched: AtomicU64,
    /// Whether others may have missed what this node said: the bus refused it.
    unpublished: AtomicBool,
    /// Whether its log was forgotten while it was held here.
    forgotten: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    /// `None`: it rests.
    live: Option<Box<Live>>,
    /// What was known when it went to rest: a connection that has not got the newest event reads it from the store.
    rested: Rested,
    language: Box<str>,
    replies: HashMap<CommandKey, oneshot::Sender<Reply>>,
    next_key: CommandKey,
    run: Option<(u32, AbortHandle)>,
    timer: Option<(Millis, AbortHandle)>,
    listener: Option<AbortHandle>,
    trace: Trace,
}

/// An append on its way.
#[derive(Debug)]
struct Planned {
    event: Arc<Event>,
    due: Option<Millis>,
    fence: Fence,
    previous_at: Millis,
}

impl Inner {
    /// The conversation; one that rested wants its log again.
    fn live(&mut self, policy: &Arc<Policy>) -> &mut Live {
        self.live.get_or_insert_with(|| Box::new(Live::wake(Arc::clone(policy), self.rested)))
    }
}

/// What waits for a conversation ends with it.
impl Drop for Inner {
    fn drop(&mut self) {
        for task in self.listener.iter().chain(self.timer.iter().map(|(_, timer)| timer)) {
            task.abort();
        }
    }
}

impl Held {
    pub(crate) fn new(id: ConversationId, policy: Arc<Policy>, now: Millis) -> Self {
        let inner = Inner {
            live: Some(Box::new(Live::new(Arc::clone(&policy)))),
            rested: Rested::default(),
            language: "".into(),
            replies: HashMap::new(),
            next_key: 0,
            run: None,
            timer: None,
            listener: None,
            trace: Trace::default(),
        };
        Self {
            id,
            policy,
            inner: Mutex::new(inner),
            changed: Notify::new(),
            touched: AtomicU64::new(now),
            unpublished: AtomicBool::new(false),
            forgotten: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self) -> &ConversationId {
        &self.id
    }

    /// Woken when there may be something to pull, or when the node drains.
    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// When it was last needed.
    pub(crate) fn touched(&self) -> Millis {
        self.touched.load(Ordering::Relaxed)
    }

    pub(crate) fn touch(&self, now: Millis) {
        self.touched.store(now, Ordering::Relaxed);
    }

    /// The language that the visitor's client shows.
    pub(crate) fn language(&self) -> String {
        self.lock().language.to_string()
    }

    pub(crate) fn set_language(&self, language: &str) {
        let mut inner = self.lock();
        if &*inner.language != language {
            inner.language = language.into();
        }
    }

    /// Takes the task that listens to other nodes; it ends with the conversation.
    pub(crate) fn keep_listener(&self, listener: AbortHandle) {
        self.lock().listener = Some(listener);
    }

    /// Notes that the bus refused what this node had to say.
    pub(crate) fn note_unpublished(&self) {
        self.unpublished.store(true, Ordering::Relaxed);
    }

    /// Tells the other nodes of the newest event again, if they may have missed it. Whoever lacks those before it sees the
    /// gap.
    pub(crate) fn publish_again(&self, node: &Node) {
        if !self.unpublished.load(Ordering::Relaxed) {
            return;
        }
        if let Some(newest) = self.look(Live::newest) {
            self.unpublished.store(false, Ordering::Relaxed);
            hear::publish(node, self, &newest);
        }
    }

    /// Its log is gone: nothing of it is kept here, and whoever is connected to it has to leave.
    pub(crate) fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether its log was forgotten while it was held here.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// What was known of it when it went to rest; `None`: it does not rest.
    pub(crate) fn rested(&self) -> Option<Rested> {
        let inner = self.lock();
        inner.live.is_none().then_some(inner.rested)
    }

    /// Looks at the conversation; at one that rests as at one of which nothing has been read (see
    /// [`crate::node::Node::load`]).
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Live) -> T) -> T {
        let inner = self.lock();
        match &inner.live {
            Some(live) => look(live),
            None => look(&Live::wake(Arc::clone(&self.policy), inner.rested)),
        }
    }

    /// Has a conversation that rests read its log again.
    pub(crate) fn wake_up(self: &Arc<Self>, node: &Arc<Node>) {
        let mut inner = self.lock();
        if inner.live.is_none() {
            inner.live(&self.policy);
            self.carry_out(node, &mut inner, clock::now());
        }
    }

    /// Whether nothing is under way or owed.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().live.as_ref().is_none_or(|live| live.is_idle())
    }

    /// Whether nothing happens in it, here or on another node.
    pub(crate) fn may_rest(&self) -> bool {
        self.lock().live.as_ref().is_none_or(|live| live.may_rest())
    }

    /// Lets it rest, if nothing is under way or owed.
    pub(crate) fn rest(&self) {
        let mut inner = self.lock();
        if let Some(live) = inner.live.take_if(|live| live.may_rest()) {
            inner.rested = live.rest();
            inner.trace.end();
        }
    }

    /// Waits until `has_come` is true of it.
    pub(crate) async fn wait_until(&self, has_come: impl Fn(&Live) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if self.look(&has_come) {
                return;
            }
            changed.await;
        }
    }

    /// What a connection at `position` has not got yet.
    pub(crate) fn next_piece(&self, position: &mut Position, audience: Audience) -> Option<Piece> {
        let inner = self.lock();
        match &inner.live {
            Some(live) => live.next_piece(position, audience),
            None if position.epoch != inner.rested.epoch => {
                *position = Position { epoch: inner.rested.epoch, ..Position::default() };
                Some(Piece::Reset(inner.rested.head))
            }
            None => (position.seq < inner.rested.head).then_some(Piece::History(position.seq)),
        }
    }

    /// Puts a command; the reply comes when the log says so.
    pub(crate) fn command(self: &Arc<Self>, node: &Arc<Node>, command: Command) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        let now = clock::now();
        self.touch(now);
        let mut inner = self.lock();
        let key = inner.next_key;
        inner.next_key += 1;
        inner.replies.insert(key, sender);
        if matches!(command, Command::Send { .. }) {
            inner.trace.accept(&self.id);
        }
        inner.live(&self.policy).handle_command(now, key, command);
        self.carry_out(node, &mut inner, now);
        receiver
    }

    /// Feeds how a run ended. Its task is let go of first: a handle keeps all of a task's memory, also when it is done.
    pub(crate) fn handle_outcome(self: &Arc<Self>, node: &Arc<Node>, run: u32, outcome: Outcome) {
        self.lock().run.take_if(|(running, _)| *running == run);
        self.handle(node, |live, now| live.handle_outcome(now, run, outcome));
    }

    /// Feeds an input and carries out what follows.
    pub(crate) fn handle(self: &Arc<Self>, node: &Arc<Node>, input: impl FnOnce(&mut Live, Millis)) {
        let now = clock::now();
        let mut inner = self.lock();
        input(inner.live(&self.policy), now);
        self.carry_out(node, &mut inner, now);
    }

    /// Notes something in the trace of the turn; says whether a function is asked now.
    pub(crate) fn trace(&self, note: impl FnOnce(&mut Trace, bool)) {
        let mut inner = self.lock();
        let is_asked = inner.run.is_some();
        note(&mut inner.trace, is_asked);
    }

    /// A lock is never held while waiting, and no input leaves the core half changed, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(self: &Arc<Self>, node: &Arc<Node>, inner: &mut Inner, now: Millis) {
        while let Some(output) = inner.live.as_mut().and_then(|live| live.poll_output()) {
            match output {
                Output::Append { event, due, fence, previous_at } => {
                    let span = inner.trace.append(&event.body);
                    let planned = Planned { event, due, fence, previous_at };
                    let task = move |held: Arc<Self>, node| held.append(node, planned).instrument(span);
                    self.spawn(node, "an append", task, Live::handle_append_failed);
                }
                Output::Release { head, due, claim } => {
                    let task = move |held: Arc<Self>, node| held.release(node, head, due, claim);
                    self.spawn(node, "giving a claim back", task, |_, _| {});
                }
                Output::Read { after } => {
                    let task = move |held: Arc<Self>, node| held.read(node, after);
                    self.spawn(node, "reading a log", task, Live::handle_read_failed);
                }
                Output::Reply { to, reply } => {
                    if let Some(sender) = inner.replies.remove(&to) {
                        // The connection may be gone; its command was carried out all the same.
                        let _ = sender.send(reply);
                    }
                }
                Output::Publish(notice) => hear::publish(node, self, &notice),
                Output::Invoke(invocation) => {
                    let run = invocation.run;
                    let span = inner.trace.invoke(&self.id, invocation.turn, &node.config.functions.ai_name);
                    let turn = turn::run(Arc::clone(node), Arc::clone(self), invocation).instrument(span);
                    let task = tokio::spawn(turn);
                    inner.run = Some((run, task.abort_handle()));
                }
                Output::Cancel { run } => {
                    if let Some((_, task)) = inner.run.take_if(|(running, _)| *running == run) {
                        task.abort();
                    }
                }
                Output::Route => {
                    let span = inner.trace.route(&node.config.functions.routing_name);
                    let task = |held, node| routing::route(node, held).instrument(span);
                    self.spawn(node, "routing", task, |_, _| {});
                }
                Output::Wake => self.changed.notify_waiters(),
            }
        }
        if inner.replies.is_empty() && inner.replies.capacity() > 0 {
            inner.replies = HashMap::new();
        }
        self.set_timer(node, inner, now);
    }

    /// Begins a task that comes back with an input of its own. Should it panic before, the core is told by `fail`.
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        node: &Arc<Node>,
        what: &'static str,
        task: impl FnOnce(Arc<Self>, Arc<Node>) -> F,
        fail: fn(&mut Live, Millis),
    ) {
        let (held, node) = (Arc::clone(self), Arc::clone(node));
        let task = task(Arc::clone(self), Arc::clone(&node));
        tokio::spawn(async move {
            if survive(what, task).await.is_none() {
                held.handle(&node, fail);
            }
        });
    }

    async fn append(self: Arc<Self>, node: Arc<Node>, planned: Planned) {
        let event = &planned.event;
        let started = Instant::now();
        let appended = self.store(&node, &planned).await;
        node.metrics.append.observe(started.elapsed().as_secs_f64() * 1_000.0);
        match appended {
            Ok(Appended::Stored) => {
                node.count(event);
                self.handle(&node, |live, now| live.handle_appended(now));
                self.trace(|trace, is_asked| trace.handle_stored(&event.body, is_asked));
            }
            Ok(Appended::Conflict) => self.handle(&node, |live, now| live.handle_conflict(now)),
            Ok(Appended::Fenced) => {
                node.metrics.fenced.inc();
                tracing::info!(conversation = %self.id, seq = event.seq, "another node has claimed it");
                self.handle(&node, |live, now| live.handle_fenced(now));
            }
            Err(error) => {
                node.metrics.store_errors.with("append").inc();
                tracing::error!(conversation = %self.id, seq = event.seq, %error, "append failed");
                self.handle(&node, |live, now| live.handle_append_failed(now));
            }
        }
    }

    async fn release(self: Arc<Self>, node: Arc<Node>, head: Seq, due: Option<Millis>, claim: Claim) {
        let set_due = SetDue { conversation: &self.id, head, due, fence: Fence::Claimed(claim) };
        if let Err(error) = node.store.set_due(set_due).await {
            node.metrics.store_errors.with("set_due").inc();
            tracing::warn!(conversation = %self.id, %error, "a claim cannot be given back; it ends by itself");
        }
    }

    async fn store(&self, node: &Arc<Node>, planned: &Planned) -> Result<Appended, StoreError> {
        let Planned { event, due, fence, previous_at } = planned;
        if self.is_forgotten() {
            return Ok(Appended::Conflict); // What was under way must not begin it anew.
        }
        if event.seq == 1 {
            // First of all, so that no log is ever without the mark by which it will be found and forgotten.
            life::enlist(node, &self.id).await?;
        }
        let (due, fence, previous_at) = (*due, *fence, *previous_at);
        let append = Append { conversation: &self.id, event, due, fence, previous_at };
        match node.store.append_at(append).await? {
            // It began a log that somebody had erased before this node heard of it.
            Appended::Stored if event.seq == 1 && !life::begins(node, &self.id).await? => Ok(Appended::Conflict),
            appended => Ok(appended),
        }
    }

    async fn read(self: Arc<Self>, node: Arc<Node>, after: u32) {
        let epoch = self.look(Live::epoch);
        match node.store.read(&self.id, after, PAGE).await {
            // Only an empty answer says that the log ends.
            Ok(events) => {
                let more = !events.is_empty();
                self.handle(&node, |live, now| live.handle_read(now, events, more));
                if self.look(Live::epoch) != epoch && !self.is_forgotten() {
                    node.metrics.resets.inc();
                    tracing::error!(conversation = %self.id, "the store lost events that it had acknowledged: clients are reset");
                }
                if let Some(violation) = self.look(|live| live.violation().cloned()) {
                    tracing::error!(conversation = %self.id, %violation, "conversation cannot go on");
                }
            }
            Err(error) => {
                node.metrics.store_errors.with("read").inc();
                tracing::error!(conversation = %self.id, after, %error, "read failed");
                self.handle(&node, |live, now| live.handle_read_failed(now));
            }
        }
    }

    /// One timer task at a time, for the earliest moment the core asked for.
    fn set_timer(self: &Arc<Self>, node: &Arc<Node>, inner: &mut Inner, now: Millis) {
        let wanted = inner.live.as_ref().and_then(|live| live.poll_timeout());
        if inner.timer.as_ref().map(|(at, _)| *at) == wanted {
            return;
        }
        if let Some((_, task)) = inner.timer.take() {
            task.abort();
        }
        if let Some(at) = wanted {
            let (held, node) = (Arc::downgrade(self), Arc::downgrade(node));
            let task = tokio::spawn(async move {
                tokio::time::sleep(clock::until(at, now)).await;
                if let (Some(held), Some(node)) = (held.upgrade(), node.upgrade()) {
                    held.on_timer(&node, at);
                }
            });
            inner.timer = Some((at, task.abort_handle()));
        }
    }

    fn on_timer(self: &Arc<Self>, node: &Arc<Node>, at: Millis) {
        // The wall clock may lag behind the timer's; the core must not be asked again for the same moment at once.
        let now = clock::now().max(at);
        let mut inner = self.lock();
        // This very task is the timer: it must not be aborted by what it does.
        inner.timer.take_if(|(set, _)| *set == at);
        inner.live(&self.policy).handle_timeout(now);
        self.carry_out(node, &mut inner, now);
    }
}
