//! Writes that count only when replicas have them.
//!
//! WAIT holds up everything else on its connection, so it has one of its own; and one WAIT serves all the writes that came
//! together while the one before was waiting. So a write takes at most two waits longer, and how many writes there are per
//! second hardly changes.

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};
use tokio::sync::{mpsc, oneshot};

use super::channel::{ANSWER_TIMEOUT, Channel};
use super::dial::Dial;
use super::trouble::Trouble;
use super::url::Address;

/// How long replicas are waited for, in milliseconds. Twice that, for the writes before and the own, is less than an operation
/// may take, so that the answer can say how many replicas there are.
const WAIT_MS: u32 = 700;

const _: () = assert!(2 * (WAIT_MS as u128) < ANSWER_TIMEOUT.as_millis());

/// The most writes that share one WAIT.
const MOST_WRITES: usize = 256;

/// How many bytes of writes share one WAIT, or a little more.
const MOST_BYTES: usize = 4 << 20;

/// How many writes may wait for their turn.
const QUEUE: usize = 4_096;

/// Sends writes to one primary, and waits for its replicas.
pub(super) struct Writer {
    queue: mpsc::Sender<Write>,
}

struct Write {
    command: Cmd,
    /// Its keys are on their way to this server.
    asking: bool,
    answer: oneshot::Sender<Result<Value, Trouble>>,
}

impl Writer {
    /// Its task ends when the writer is dropped.
    pub(super) fn start(address: Address, dial: Arc<Dial>, replicas: u32) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(Channel::new(address, dial), replicas, waiting));
        Self { queue }
    }

    /// Sends one command; its answer comes when enough replicas have what it wrote.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Trouble> {
        self.write(command, false).await
    }

    /// The same, for keys that are on their way to this server.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        self.write(command, true).await
    }

    async fn write(&self, command: &Cmd, asking: bool) -> Result<Value, Trouble> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Write { command: command.clone(), asking, answer }).map_err(|_| Trouble::NoConnection {
            reason: "too many writes wait for replicas".to_owned(),
            retry_after_ms: 0,
        })?;
        answered.await.unwrap_or_else(|_| Err(Trouble::Unknown { reason: "the store is being closed".to_owned() }))
    }
}

async fn write_all(channel: Channel, replicas: u32, mut waiting: mpsc::Receiver<Write>) {
    while let Some(first) = waiting.recv().await {
        let mut writes = vec![first];
        let mut bytes = 0;
        while writes.len() < MOST_WRITES
            && bytes < MOST_BYTES
            && let Ok(write) = waiting.try_recv()
        {
            bytes += write.command.get_packed_command().len();
            writes.push(write);
        }
        // Who gave up waiting has been told that the outcome is unknown. It need not be written.
        writes.retain(|write| !write.answer.is_closed());
        if !writes.is_empty() {
            write_together(&channel, replicas, writes).await;
        }
    }
}

async fn write_together(channel: &Channel, replicas: u32, writes: Vec<Write>) {
    let mut pipeline = Pipeline::with_capacity(writes.len() + 1);
    for write in &writes {
        if write.asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(write.command.clone());
    }
    pipeline.cmd("WAIT").arg(replicas).arg(WAIT_MS);
    let (mut answers, reached) = match channel.send_all(&pipeline).await {
        Ok(mut answers) => {
            let reached = answers.pop().unwrap_or_else(|| Err(Trouble::nonsense()));
            (answers.into_iter(), reached.and_then(|reached| enough(&reached, replicas)))
        }
        Err(trouble) => (Vec::new().into_iter(), Err(trouble)),
    };
    for write in writes {
        if write.asking {
            answers.next();
        }
        let answer = match (answers.next(), &reached) {
            (Some(Err(refused)), _) => Err(refused),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Trouble::nonsense()),
            (_, Err(trouble)) => Err(trouble.clone()),
        };
        // Who gave up waiting does not read it.
        drop(write.answer.send(answer));
    }
}

fn enough(reached: &Value, replicas: u32) -> Result<(), Trouble> {
    match reached {
        Value::Int(reached) if *reached >= i64::from(replicas) => Ok(()),
        Value::Int(reached) => Err(Trouble::Unknown {
            reason: format!("only {reached} of {replicas} replicas (store.replicas) had it after {WAIT_MS} ms"),
        }),
        _ => Err(Trouble::nonsense()),
    }
}
