//! A file that can be opened as a database without being changed.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use redb::{BackendError, StorageBackend};

/// How much is copied when one byte of it is written, in bytes: redb's page size.
const BLOCK: u64 = 4096;

/// Reads from `base`, and keeps every write in memory, so that `base` never changes.
///
/// redb writes when it opens a file: it repairs what a crash left, and marks the file as open. Over an overlay it can do
/// both to a file that must not be touched: one that may be damaged, or one on a full disk.
pub(super) struct Overlay<B> {
    base: B,
    written: Mutex<Written>,
}

struct Written {
    len: u64,
    /// How much of the base still shows.
    base_len: u64,
    /// By block number.
    blocks: HashMap<u64, Box<[u8]>>,
}

impl<B: StorageBackend> Overlay<B> {
    /// An overlay without any changes yet.
    pub(super) fn new(base: B) -> io::Result<Self> {
        let len = base.len()?;
        let written = Mutex::new(Written { len, base_len: len, blocks: HashMap::new() });
        Ok(Self { base, written })
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One block of the first `base_len` bytes of the base; beyond them all is zero.
    fn base_block(&self, base_len: u64, number: u64) -> io::Result<Box<[u8]>> {
        let mut block = vec![0; BLOCK as usize].into_boxed_slice();
        let start = number * BLOCK;
        let here = base_len.saturating_sub(start).min(BLOCK) as usize;
        if here > 0 {
            self.base.read(start, &mut block[..here])?;
        }
        Ok(block)
    }
}

/// The part of `offset..offset + len` that lies in each block: block number, start in the block, length.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + len as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let (number, start) = (at / BLOCK, at % BLOCK);
        let here = (BLOCK - start).min(end - at);
        at += here;
        (here > 0).then_some((number, start as usize, here as usize))
    })
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if written.blocks.is_empty() && written.len == written.base_len {
            return self.base.read(offset, out);
        }
        let mut done = 0;
        for (number, start, len) in pieces(offset, out.len()) {
            let target = &mut out[done..done + len];
            match written.blocks.get(&number) {
                Some(block) => target.copy_from_slice(&block[start..start + len]),
                None => target.copy_from_slice(&self.base_block(written.base_len, number)?[start..start + len]),
            }
            done += len;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        if len < written.len {
            // What is cut off must read as zero if the file grows again.
            written.base_len = written.base_len.min(len);
            written.blocks.retain(|number, _| number * BLOCK < len);
            if let Some(last) = written.blocks.get_mut(&(len / BLOCK)) {
                last[(len % BLOCK) as usize..].fill(0);
            }
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let mut done = 0;
        for (number, start, len) in pieces(offset, data.len()) {
            if !written.blocks.contains_key(&number) {
                let block = self.base_block(written.base_len, number)?;
                written.blocks.insert(number, block);
            }
            if let Some(block) = written.blocks.get_mut(&number) {
                block[start..start + len].copy_from_slice(&data[done..done + len]);
            }
            done += len;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.base.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.base.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.base.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.base.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.base.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.base.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.base.query_lock_range(start, end)
    }
}

impl<B> fmt::Debug for Overlay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Overlay")
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    fn base() -> InMemoryBackend {
        let base = InMemoryBackend::new();
        base.set_len(10_000).unwrap();
        base.write(0, &[7; 10_000]).unwrap();
        base
    }

    fn bytes(backend: &impl StorageBackend) -> Vec<u8> {
        let mut out = vec![0; backend.len().unwrap() as usize];
        backend.read(0, &mut out).unwrap();
        out
    }

    #[test]
    fn writes_are_read_back_and_never_reach_the_base() {
        let overlay = Overlay::new(base()).unwrap();
        overlay.write(4_000, &[1; 5_000]).unwrap();
        let expected = [vec![7; 4_000], vec![1; 5_000], vec![7; 1_000]].concat();
        assert_eq!(bytes(&overlay), expected);
        assert_eq!(bytes(&overlay.base), vec![7; 10_000]);
    }

    #[test]
    fn what_was_cut_off_reads_as_zero_when_the_file_grows_again() {
        for cut in [0, 1, 4_096, 5_000, 9_999] {
            let overlay = Overlay::new(base()).unwrap();
            overlay.write(4_500, &[1; 100]).unwrap();
            overlay.set_len(cut as u64).unwrap();
            overlay.set_len(12_000).unwrap();
            let read = bytes(&overlay);
            assert!(read[..cut].iter().all(|byte| *byte != 0), "{cut}");
            assert!(read[cut..].iter().all(|byte| *byte == 0), "{cut}");
        }
    }

    #[test]
    fn reading_beyond_the_end_is_an_error() {
        let overlay = Overlay::new(base()).unwrap();
        assert!(overlay.read(9_999, &mut [0; 2]).is_err());
    }
}
