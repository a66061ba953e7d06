//! One server: the connection to it, again and again.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::address::Address;
use super::interest::{Confirmation, Interest};
use super::outgoing::Command;
use super::socket::Socket;
use super::wire::{Door, Heard, Opened, Refusal, Wire};
use super::{ANSWER_TIMEOUT, backoff};
use crate::hub::Hub;

/// How long connecting and being let in may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a server is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// After so many heartbeats without an answer the server may be ill; [`Watcher::handle_doubt`].
const DOUBTFUL: u32 = 2;

/// After so many heartbeats without an answer the connection is given up.
const LOST: u32 = 5;

/// How much is kept encoded, in bytes. More waits in the queue, whose bytes are bounded.
const OUTPUT_BYTES: usize = 64 << 10;

/// How much is read at once, in bytes.
const INPUT_BYTES: usize = 16 << 10;

/// Who must know when something is wrong with a server.
pub(crate) trait Watcher: Send + Sync + 'static {
    /// The server is away, or does not answer, or has ended a subscription.
    fn handle_doubt(&self);

    /// The server has refused a command because another one has its slot.
    fn handle_moved(&self, slot: u16, to: Address, command: Command);
}

/// Where nobody needs to know.
pub(crate) struct NoWatcher;

impl Watcher for NoWatcher {
    fn handle_doubt(&self) {}

    fn handle_moved(&self, _slot: u16, _to: Address, _command: Command) {}
}

/// One server. Dropping it ends the connection.
pub(crate) struct Link {
    interest: Arc<Interest>,
    task: AbortHandle,
}

impl Link {
    /// Connects to one of `addresses`, for ever.
    pub(crate) fn start<D: Door>(door: D, addresses: Vec<Address>, hub: Arc<Hub>, watcher: impl Watcher) -> Self {
        let interest = Arc::new(Interest::default());
        let connection = Connection { interest: interest.clone(), hub, watcher };
        let task = tokio::spawn(connection.run(door, addresses)).abort_handle();
        Self { interest, task }
    }

    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Asks the server for an answer, for a second at most.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let (sender, answer) = oneshot::channel();
        self.interest.outgoing().push(Command::Probe(sender))?;
        match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.interest.outgoing().closed().unwrap_or_else(|| "the connection ended".to_owned())),
            Err(_) => Err("the server does not answer".to_owned()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.interest.close("the bus was shut down", std::iter::empty());
    }
}

struct Connection<T> {
    interest: Arc<Interest>,
    hub: Arc<Hub>,
    watcher: T,
}

impl<T: Watcher> Connection<T> {
    async fn run<D: Door>(self, door: D, mut addresses: Vec<Address>) {
        let mut attempt = 0;
        for turn in 0.. {
            let Some(address) = addresses.get(turn % addresses.len().max(1)).cloned() else { return };
            let opened = timeout(CONNECT_TIMEOUT, door.open(&address)).await;
            let mut used = None;
            let reason = match opened.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
                Ok(mut opened) => {
                    tracing::debug!(server = %address, "connected to the bus");
                    let new = |other: &Address| !addresses.contains(other);
                    let others: Vec<_> = std::mem::take(&mut opened.others).into_iter().filter(new).collect();
                    addresses.extend(others);
                    let Opened { socket, mut wire, input, .. } = opened;
                    let mut pulse = Pulse::default();
                    let reason = self.serve(socket, input, &mut wire, &mut pulse).await;
                    used = Some(wire);
                    // A server that lets in and closes at once must not be asked without a pause.
                    attempt = if pulse.has_answered() { 0 } else { attempt };
                    reason
                }
                Err(reason) => reason,
            };
            match attempt {
                0 => tracing::warn!(server = %address, reason, "the bus cannot be reached"),
                _ => tracing::debug!(server = %address, reason, attempt, "the bus cannot be reached yet"),
            }
            let unanswered = used.into_iter().flat_map(Wire::unanswered);
            self.interest.close(&format!("{address}: {reason}"), unanswered);
            self.watcher.handle_doubt();
            sleep(backoff(attempt)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Returns why the connection ended.
    async fn serve<W: Wire>(&self, socket: Socket, mut input: BytesMut, wire: &mut W, pulse: &mut Pulse) -> String {
        let (mut reader, mut writer) = tokio::io::split(socket);
        let mut output = Output::default();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for command in self.interest.open() {
            wire.encode(command, &mut output.bytes);
        }
        loop {
            if let Err(reason) = self.hear(wire, &mut input) {
                return reason;
            }
            self.fill(wire, &mut output);
            if self.interest.outgoing().is_broken() {
                return "it takes nothing any more".to_owned();
            }
            let went_on = tokio::select! {
                read = read(&mut reader, &mut input) => read,
                written = output.write(&mut writer), if output.waits() => written,
                () = self.interest.outgoing().filled(), if output.bytes.len() < OUTPUT_BYTES => Ok(()),
                _ = heartbeat.tick() => self.beat(pulse),
            };
            if let Err(reason) = went_on {
                return reason;
            }
        }
    }

    fn fill(&self, wire: &mut impl Wire, output: &mut Output) {
        while output.bytes.len() < OUTPUT_BYTES {
            let Some(command) = self.interest.outgoing().pop() else { break };
            wire.encode(command, &mut output.bytes);
        }
        wire.end_batch(&mut output.bytes);
    }

    fn beat(&self, pulse: &mut Pulse) -> Result<(), String> {
        self.interest.retry();
        self.interest.outgoing().send_kept();
        match pulse.beat() {
            0 => {}
            LOST.. => return Err(format!("it has not answered for {} s", HEARTBEAT.as_secs() * u64::from(LOST))),
            DOUBTFUL => self.watcher.handle_doubt(),
            _ => {}
        }
        if pulse.expected.is_none() {
            let (sender, answer) = oneshot::channel();
            pulse.expected = self.interest.outgoing().push(Command::Probe(sender)).ok().map(|()| answer);
        }
        Ok(())
    }

    fn hear(&self, wire: &mut impl Wire, input: &mut BytesMut) -> Result<(), String> {
        while let Some(heard) = wire.decode(input)? {
            match heard {
                Heard::Message(topic, payload) => self.hub.publish(&topic, &payload),
                Heard::Subscribed(topic, ticket) => {
                    if self.interest.confirm(&topic, ticket) {
                        self.hub.lag(&topic);
                    }
                }
                Heard::Refused { command, reason, why } => self.refuse(command, &reason, why),
                Heard::Ended(topic) => {
                    self.interest.lose(&topic);
                    self.watcher.handle_doubt();
                }
                Heard::Other => {}
            }
        }
        Ok(())
    }

    fn refuse(&self, command: Command, reason: &str, why: Refusal) {
        match why {
            Refusal::Final => tracing::warn!(reason, "the bus refused a command"),
            _ => tracing::debug!(reason, "the bus refused a command"),
        }
        if let Command::Subscribe(topic, ticket) = &command {
            self.interest.refuse(topic, *ticket, reason);
        }
        match why {
            Refusal::Moved(slot, to) => self.watcher.handle_moved(slot, to, command),
            Refusal::Later => {
                self.interest.outgoing().keep(command);
                self.watcher.handle_doubt();
            }
            Refusal::Final => {}
        }
    }
}

/// Whether the server answers.
#[derive(Default)]
struct Pulse {
    expected: Option<oneshot::Receiver<()>>,
    missed: u32,
    answered: bool,
}

impl Pulse {
    fn has_answered(&mut self) -> bool {
        self.answered || self.expected.as_mut().is_some_and(|answer| answer.try_recv().is_ok())
    }

    /// How many heartbeats the last question has waited for its answer.
    fn beat(&mut self) -> u32 {
        match self.expected.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Err(oneshot::error::TryRecvError::Empty)) => self.missed += 1,
            Some(answer) => {
                self.answered |= answer.is_ok();
                (self.expected, self.missed) = (None, 0);
            }
            None => self.missed += u32::from(self.answered),
        }
        self.missed
    }
}

/// What is encoded and not yet written.
#[derive(Default)]
struct Output {
    bytes: BytesMut,
    /// TLS may still hold something back.
    unflushed: bool,
}

impl Output {
    fn waits(&self) -> bool {
        self.unflushed || !self.bytes.is_empty()
    }

    /// Writes some. Giving up loses nothing.
    async fn write(&mut self, writer: &mut WriteHalf<Socket>) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write: {error}");
        if !self.bytes.is_empty() {
            writer.write_buf(&mut self.bytes).await.map_err(failed)?;
            self.unflushed = true;
        }
        if self.bytes.is_empty() {
            writer.flush().await.map_err(failed)?;
            self.unflushed = false;
            if self.bytes.capacity() > 4 * OUTPUT_BYTES {
                self.bytes = BytesMut::new();
            }
        }
        Ok(())
    }
}

/// Reads some. Giving up loses nothing.
async fn read(reader: &mut ReadHalf<Socket>, input: &mut BytesMut) -> Result<(), String> {
    if input.is_empty() && input.capacity() > 16 * INPUT_BYTES {
        *input = BytesMut::new();
    }
    input.reserve(INPUT_BYTES);
    match reader.read_buf(input).await {
        Ok(0) => Err("it closed the connection".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot read: {error}")),
    }
}

/// Waits for a server's confirmation, for a second at most.
///
/// # Errors
/// Why the subscription does not stand.
pub(crate) async fn confirmed(asked: Result<Option<Confirmation>, String>) -> Result<(), String> {
    let Some(confirmation) = asked? else { return Ok(()) };
    match timeout(ANSWER_TIMEOUT, confirmation).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("the subscription moved to another server".to_owned()),
        Err(_) => Err("the server does not answer".to_owned()),
    }
}
