//! An index in one file, so that it is replaced at once and read at once, also from a file system that is read-only.
//!
//! ```text
//! "frontdesk knowledge index\n"  version: u32  CRC-32 of the rest: u32  length of the rest: u64
//! then for every file of tantivy's, and for `frontdesk.json`:  length: u32, name, length: u64, contents
//! ```
//! All numbers are little-endian.

use std::io::Write;
use std::path::Path;
use std::{fs, io};

use crate::error::Error;

/// The file's name in its folder.
pub(crate) const FILE: &str = "knowledge.index";

/// Counts up whenever the format, the schema or the way in which words are cut changes.
const VERSION: u32 = 1;

const MAGIC: &[u8] = b"frontdesk knowledge index\n";
const HEAD: usize = MAGIC.len() + 4 + 4 + 8;

/// A larger file is not opened: it cannot come from the texts that are indexed at most.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// A file in the index: its name and contents.
pub(crate) type Entry = (String, Vec<u8>);

/// Writes the index into `folder`, which is made if it is missing: beside the old one, then in its place.
pub(crate) fn write(folder: &Path, entries: &[Entry]) -> Result<usize, Error> {
    let bytes = to_bytes(entries);
    fs::create_dir_all(folder).map_err(Error::io(folder, "made"))?;
    let path = folder.join(FILE);
    let replace = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".knowledge-").tempfile_in(folder)?;
        file.write_all(&bytes)?;
        set_readable(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    replace().map_err(Error::io(path.clone(), "written"))?;
    Ok(bytes.len())
}

/// A temporary file is its owner's alone; an index is often made by one account and read by another.
#[cfg(unix)]
fn set_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_readable(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Reads the index in `folder`.
pub(crate) fn read(folder: &Path) -> Result<Vec<Entry>, Error> {
    let path = folder.join(FILE);
    let length = fs::metadata(&path).map_err(Error::io(path.clone(), "read"))?.len();
    let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
    if length > MOST_BYTES {
        return Err(damaged(format!("it has {length} bytes, more than the {MOST_BYTES} that any index has")));
    }
    entries(&path, &fs::read(&path).map_err(Error::io(path.clone(), "read"))?)
}

/// What is in an index's `bytes`; `path` is for errors.
pub(crate) fn entries(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>, Error> {
    let damaged = || Error::Damaged { path: path.to_owned(), reason: "its parts do not fit together".to_owned() };
    from_payload(payload(path, bytes)?).ok_or_else(damaged)
}

/// What stands behind the head, if that is right.
fn payload<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(Error::Foreign(path.to_owned())) };
    let damaged = |reason: &str| Error::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let mut rest = rest;
    let head = (take_u32(&mut rest), take_u32(&mut rest), take_u64(&mut rest));
    let (Some(version), Some(sum), Some(length)) = head else { return Err(damaged("it ends in its head")) };
    if version != VERSION {
        return Err(Error::Version { path: path.to_owned(), found: version, expected: VERSION });
    }
    if rest.len() as u64 != length {
        return Err(damaged(&format!("it has {} bytes instead of {length}", rest.len())));
    }
    if crc32fast::hash(rest) != sum {
        return Err(damaged("its check sum is wrong"));
    }
    Ok(rest)
}

fn to_bytes(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    for (name, contents) in entries {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend((contents.len() as u64).to_le_bytes());
        bytes.extend(contents);
    }
    let (sum, length) = (crc32fast::hash(&bytes[HEAD..]), (bytes.len() - HEAD) as u64);
    let head = [MAGIC, &VERSION.to_le_bytes(), &sum.to_le_bytes(), &length.to_le_bytes()].concat();
    bytes[..HEAD].copy_from_slice(&head);
    bytes
}

fn from_payload(mut rest: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let length = take_u32(&mut rest)? as usize;
        let name = String::from_utf8(take(&mut rest, length)?.to_vec()).ok()?;
        let length = usize::try_from(take_u64(&mut rest)?).ok()?;
        entries.push((name, take(&mut rest, length)?.to_vec()));
    }
    Some(entries)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        vec![("a".to_owned(), b"one".to_vec()), ("b.x".to_owned(), Vec::new())]
    }

    #[test]
    fn what_is_written_is_read_and_replaced_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/index");
        write(&folder, &[("old".to_owned(), vec![1; 99])]).unwrap();
        write(&folder, &entries()).unwrap();
        assert_eq!(read(&folder).unwrap(), entries());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<u8>), said: &str) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &entries()).unwrap();
        let path = folder.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(FILE), "{error}");
    }

    #[test]
    fn a_foreign_an_older_and_a_damaged_file_are_told_apart() {
        check(|bytes| bytes[0] = b'x', "is no knowledge index");
        check(Vec::clear, "is no knowledge index");
        check(|bytes| bytes[MAGIC.len()] = 9, "has version 9 of the index, and this program reads 1");
        check(|bytes| bytes.truncate(MAGIC.len() + 3), "it ends in its head");
        check(|bytes| bytes.truncate(bytes.len() - 1), "bytes instead of");
        check(|bytes| bytes[HEAD + 6] ^= 1, "its check sum is wrong");
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let payload = &to_bytes(&entries())[HEAD..];
        assert_eq!(from_payload(payload), Some(entries()));
        for length in 1..payload.len() {
            let cut = from_payload(&payload[..length]);
            assert!(cut.is_none() || cut == Some(entries()[..1].to_vec()), "{length}");
        }
    }
}
