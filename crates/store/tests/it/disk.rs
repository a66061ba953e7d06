//! A disk that fills up, fails and loses power.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use store::embedded::Medium;

use crate::Random;

/// How much of a write survives or is lost as one, in bytes.
const SECTOR: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    seen: Vec<u8>,
    /// What is there after a power loss whatever happens.
    synced: Vec<u8>,
    /// What was done since the last sync; a power loss keeps any part of it.
    pending: Vec<Change>,
    /// How many more changes succeed. `None`: all.
    good_for: Option<u64>,
    fault: Fault,
    failures: u64,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

/// How a disk fails once it is no longer good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// Writes find no space; a part of them may be done. What was written can be synced.
    #[default]
    Full,
    /// A sync fails and what it was to sync is dropped, as Linux does.
    SyncFails,
    /// Nothing works any more, reads neither.
    Dead,
    /// A sync panics: what a fault in the code below the store would do.
    Panics,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Fails in the way of `fault` after `changes` more writes and syncs.
    pub(crate) fn fail_after(&self, changes: u64, fault: Fault) {
        let mut state = self.state();
        state.good_for = Some(changes);
        state.fault = fault;
    }

    /// Works again.
    pub(crate) fn mend(&self) {
        self.state().good_for = None;
    }

    /// Nothing is read or written until the answer is dropped.
    pub(crate) fn stop(&self) -> impl Sized + '_ {
        self.state()
    }

    /// How many operations failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.state().failures
    }

    /// The disk as it may be found after a power loss at this moment.
    pub(crate) fn after_power_loss(&self, random: &mut Random) -> Disk {
        let state = self.state();
        let mut bytes = state.synced.clone();
        for change in &state.pending {
            match change {
                Change::SetLen(len) if random.below(2) == 0 => bytes.resize(*len, 0),
                Change::SetLen(_) => {}
                Change::Write { offset, data } => {
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if random.below(2) == 0 {
                            write(&mut bytes, offset + number * SECTOR, sector);
                        }
                    }
                }
            }
        }
        Disk(Arc::new(Mutex::new(State { seen: bytes.clone(), synced: bytes, ..State::default() })))
    }
}

impl State {
    /// Counts one change; whether the disk is still good for it.
    fn is_good(&mut self) -> bool {
        match &mut self.good_for {
            None => true,
            Some(0) => {
                self.failures += 1;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn fails_writes(&self) -> bool {
        matches!(self.fault, Fault::Full | Fault::Dead)
    }

    fn is_dead(&self) -> bool {
        self.fault == Fault::Dead && self.good_for == Some(0)
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl Medium for Disk {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.is_dead() {
            return Err(io::Error::other("the disk is dead"));
        }
        let offset = offset as usize;
        let bytes = state.seen.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.fails_writes() && !state.is_good() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.seen.resize(len as usize, 0);
        state.pending.push(Change::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.fault != Fault::Full && !state.is_good() {
            if state.fault == Fault::Panics {
                drop(state);
                panic!("a fault below the store");
            }
            state.pending.clear();
            return Err(io::Error::other("the sync failed"));
        }
        state.synced = state.seen.clone();
        state.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let good = !state.fails_writes() || state.is_good();
        let data = if good { data } else { &data[..data.len() / 2] };
        write(&mut state.seen, offset as usize, data);
        state.pending.push(Change::Write { offset: offset as usize, data: data.to_vec() });
        if good { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}
