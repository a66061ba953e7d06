//! One connection that many share, and that comes back by itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout};

use super::dial::{Connection, Dial};
use super::trouble::{Refusal, Trouble};
use super::url::Address;

/// How long an answer is waited for.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long a server that could not be reached is left alone, at first. Doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long it is left alone at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection to one server. It is made when it is needed, and again, for ever, when it broke.
///
/// While a server cannot be reached, what is asked of it fails at once; every now and then one asker tries to connect.
pub(super) struct Channel {
    address: Address,
    dial: Arc<Dial>,
    state: Mutex<State>,
    connecting: tokio::sync::Mutex<()>,
}

enum State {
    /// Nobody has asked yet, or the connection broke.
    Idle,
    Up {
        connection: Connection,
        /// Tells this connection from those before.
        number: u64,
    },
    Down {
        trouble: Trouble,
        until: Instant,
        failures: u32,
    },
}

impl Channel {
    pub(super) fn new(address: Address, dial: Arc<Dial>) -> Self {
        Self { address, dial, state: Mutex::new(State::Idle), connecting: tokio::sync::Mutex::new(()) }
    }

    /// Sends one command. Never twice.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Trouble> {
        let (mut connection, number) = self.connection().await?;
        let answer = timeout(ANSWER_TIMEOUT, connection.commands.send_packed_command(command)).await;
        self.checked(answer, number).and_then(|value| self.accepted(value, number))
    }

    /// Sends commands together. The answer of each is its own, in their order.
    pub(super) async fn send_all(&self, pipeline: &Pipeline) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let (mut connection, number) = self.connection().await?;
        let answers =
            timeout(ANSWER_TIMEOUT, connection.commands.send_packed_commands(pipeline, 0, pipeline.len())).await;
        let answers = self.checked(answers, number)?;
        if answers.len() != pipeline.len() {
            return Err(Trouble::nonsense());
        }
        Ok(answers.into_iter().map(|value| self.accepted(value, number)).collect())
    }

    async fn connection(&self) -> Result<(Connection, u64), Trouble> {
        if let Some(known) = self.known() {
            return known;
        }
        let _only_one = self.connecting.lock().await;
        // Somebody else may have tried in the meantime.
        if let Some(known) = self.known() {
            return known;
        }
        match self.dial.connect(&self.address).await {
            Ok(connection) => {
                let number = rand::random();
                *self.state() = State::Up { connection: connection.clone(), number };
                Ok((connection, number))
            }
            Err(trouble) => Err(self.went_down(trouble)),
        }
    }

    /// The connection, or why there is none for now. `None`: it is time to connect.
    fn known(&self) -> Option<Result<(Connection, u64), Trouble>> {
        match &*self.state() {
            State::Up { connection, .. } if connection.is_closed() => None,
            State::Up { connection, number } => Some(Ok((connection.clone(), *number))),
            State::Down { trouble, until, .. } => {
                let left = until.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| Err(trouble.clone().not_before(left)))
            }
            State::Idle => None,
        }
    }

    fn went_down(&self, trouble: Trouble) -> Trouble {
        let mut state = self.state();
        let failures = if let State::Down { failures, .. } = &*state { failures.saturating_add(1) } else { 0 };
        let pause = pause_after(failures);
        if failures == 0 {
            tracing::warn!(server = %self.address, ?trouble, "no connection to Redis");
        }
        *state = State::Down { trouble: trouble.clone(), until: Instant::now() + pause, failures };
        trouble.not_before(pause)
    }

    /// Gives a connection up that broke, or that has not answered: one whose other end is gone without a word would never.
    fn checked<T>(
        &self,
        answer: Result<Result<T, RedisError>, tokio::time::error::Elapsed>,
        number: u64,
    ) -> Result<T, Trouble> {
        let trouble = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Trouble::broken(&self.address.to_string(), &error),
            Err(_) => Trouble::Unknown {
                reason: format!("Redis at {} gave no answer within {ANSWER_TIMEOUT:?}", self.address),
            },
        };
        if matches!(trouble, Trouble::Unknown { .. }) {
            self.give_up(number);
        }
        Err(trouble)
    }

    fn accepted(&self, value: Value, number: u64) -> Result<Value, Trouble> {
        let Value::ServerError(error) = value else { return Ok(value) };
        let refusal = Refusal::from_server(&error);
        if refusal.ends_connection() {
            self.give_up(number);
        }
        Err(Trouble::Refused(refusal))
    }

    fn give_up(&self, number: u64) {
        let mut state = self.state();
        if matches!(&*state, State::Up { number: current, .. } if *current == number) {
            *state = State::Idle;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.address)
    }
}

/// Half of it is fixed, half of it random, so that nodes that lost the same server do not come back together.
fn pause_after(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for failures in [0, 1, 5, 10, u32::MAX] {
            let pause = pause_after(failures);
            assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
        assert!(pause_after(20) >= LONGEST_PAUSE / 2);
    }
}
