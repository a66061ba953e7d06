//! The open database, and what is done when its medium fails.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, StorageError, TableError};

use super::medium::Medium;
use super::open::{self, Fault};
use super::tables::Tables;
use crate::StoreError;

/// The longest time between two attempts to write to a medium that failed.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Reads run on the caller's thread; all writes come from the one writer thread.
pub(super) struct Engine {
    medium: Box<dyn Medium>,
    cache_bytes: usize,
    first_pause: Duration,
    /// Locked for writing only while the database is closed and opened again.
    mode: RwLock<Mode>,
    trouble: Mutex<Option<Trouble>>,
}

enum Mode {
    Writing(Database),
    /// The medium takes no writes: what redb must write to open it is kept in memory.
    Reading(Database),
    Down,
}

/// Why writes are refused for now.
#[derive(Debug, Clone)]
struct Trouble {
    reason: String,
    damaged: bool,
    pause: Duration,
    retry_at: Instant,
}

/// What happened to a batch of writes.
pub(super) type Written = Result<(), Failure>;

/// Why a batch was not written, or may not have been.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    reason: String,
    damaged: bool,
    retry_after: Duration,
}

impl Failure {
    pub(super) fn explain(&self, what: impl Display) -> StoreError {
        if self.damaged {
            return StoreError::Damaged { what: "the data file".to_owned(), reason: self.reason.clone() };
        }
        let retry_after_ms = u32::try_from(self.retry_after.as_millis()).unwrap_or(u32::MAX);
        StoreError::Unavailable { what: what.to_string(), reason: self.reason.clone(), retry_after_ms }
    }
}

impl Engine {
    pub(super) fn start(medium: Box<dyn Medium>, cache_bytes: usize, first_pause: Duration) -> Result<Self, Fault> {
        let database = open::open_database(medium.as_ref(), cache_bytes)?;
        open::prepare(&database)?;
        let mode = RwLock::new(Mode::Writing(database));
        Ok(Self { medium, cache_bytes, first_pause, mode, trouble: Mutex::new(None) })
    }

    /// Runs `read` on a snapshot of everything that was committed.
    pub(super) fn read<T>(
        &self,
        what: impl Display,
        read: impl FnOnce(&ReadTransaction) -> Result<T, TableError>,
    ) -> Result<T, StoreError> {
        let result = match &*self.mode.read().unwrap_or_else(PoisonError::into_inner) {
            Mode::Writing(database) | Mode::Reading(database) => {
                database.begin_read().map_err(Fault::from).and_then(|transaction| Ok(read(&transaction)?))
            }
            Mode::Down => return Err(self.refusal(Instant::now()).explain(what)),
        };
        result.map_err(|fault| {
            // redb answers nothing more after an I/O error until it is opened again; the writer sees to that.
            let now = Instant::now();
            if self.trouble().is_none() {
                self.note(&fault, now);
            }
            self.refusal(now).explain(what)
        })
    }

    /// Runs `change` in one transaction and makes it durable.
    pub(super) fn write(&self, change: impl FnOnce(&mut Tables<'_>) -> Result<(), StorageError>) -> Written {
        let now = Instant::now();
        if let Some(trouble) = self.trouble() {
            if now < trouble.retry_at {
                return Err(self.refusal(now));
            }
            self.recover(now)?;
        }
        self.commit(change).map_err(|fault| {
            self.note(&fault, now);
            self.reopen();
            self.failure_of(&fault)
        })
    }

    /// Tries to get a failed medium to take writes again, if it is time to.
    pub(super) fn recover_if_due(&self) {
        let now = Instant::now();
        if self.trouble().is_some_and(|trouble| now >= trouble.retry_at) {
            // The failure is kept as trouble, and told to whoever writes next.
            let _ = self.recover(now);
        }
    }

    /// How long until [`Engine::recover_if_due`] has something to do. `None`: nothing is wrong.
    pub(super) fn recovery_in(&self) -> Option<Duration> {
        self.trouble().map(|trouble| trouble.retry_at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn ready(&self) -> Result<(), StoreError> {
        match self.trouble() {
            None => Ok(()),
            Some(_) => Err(self.refusal(Instant::now()).explain("take writes")),
        }
    }

    fn commit(&self, change: impl FnOnce(&mut Tables<'_>) -> Result<(), StorageError>) -> Result<(), Fault> {
        let mode = self.mode.read().unwrap_or_else(PoisonError::into_inner);
        let Mode::Writing(database) = &*mode else {
            return Err(Fault::Io(std::io::Error::other("the data file cannot be written")));
        };
        let transaction = database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        change(&mut tables)?;
        let changed = tables.changed();
        drop(tables);
        if changed {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        Ok(())
    }

    fn recover(&self, now: Instant) -> Written {
        self.reopen();
        match self.commit(|tables| tables.probe()) {
            Ok(()) => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!("the data file takes writes again");
                Ok(())
            }
            Err(fault) => {
                self.note(&fault, now);
                self.reopen();
                Err(self.failure_of(&fault))
            }
        }
    }

    /// Closes the database and opens it again, which repairs what a failed write left; for reading only if need be.
    fn reopen(&self) {
        let mut mode = self.mode.write().unwrap_or_else(PoisonError::into_inner);
        *mode = Mode::Down;
        *mode = match open::open_database(self.medium.as_ref(), self.cache_bytes) {
            Ok(database) => Mode::Writing(database),
            Err(fault) => match open::open_for_reading(self.medium.as_ref(), self.cache_bytes) {
                Ok(database) => Mode::Reading(database),
                Err(_) => {
                    tracing::error!(reason = %fault, "the data file cannot be opened again");
                    Mode::Down
                }
            },
        };
    }

    fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a failure, and when to try again.
    fn note(&self, fault: &Fault, now: Instant) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = trouble.as_ref().map_or(self.first_pause, |trouble| (trouble.pause * 2).min(MAX_PAUSE));
        tracing::error!(reason = %fault, ?pause, "the data file failed; nothing is acknowledged until it takes writes");
        let damaged = matches!(fault, Fault::Damaged(_));
        *trouble = Some(Trouble { reason: fault.to_string(), damaged, pause, retry_at: now + pause });
    }

    fn failure_of(&self, fault: &Fault) -> Failure {
        let retry_after = self.recovery_in().unwrap_or(self.first_pause);
        Failure { reason: fault.to_string(), damaged: matches!(fault, Fault::Damaged(_)), retry_after }
    }

    fn refusal(&self, now: Instant) -> Failure {
        match self.trouble() {
            Some(trouble) => Failure {
                reason: trouble.reason,
                damaged: trouble.damaged,
                retry_after: trouble.retry_at.saturating_duration_since(now),
            },
            None => Failure {
                reason: "the data file is being opened again".to_owned(),
                damaged: false,
                retry_after: self.first_pause,
            },
        }
    }
}
