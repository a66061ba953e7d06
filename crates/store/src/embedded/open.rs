//! Opening a data folder: lock it, look before touching, say what is wrong.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, ReadableDatabase};

use super::medium::{Boxed, FileMedium, Medium};
use super::overlay::Overlay;
use super::tables::{self, Tables};

/// The name of the data file in its folder.
pub const DATA_FILE: &str = "frontdesk.redb";

/// The name of the file that is locked while a process uses the folder, and that holds its process id.
pub const LOCK_FILE: &str = "frontdesk.lock";

/// A new data file has this name until it is whole.
const NEW_FILE: &str = "frontdesk.redb.new";

/// The version of the layout in [`tables`](super::tables) that this program reads and writes.
const SCHEMA: u64 = 1;

/// Why a data folder cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error(
        "the data file {} is in use by {holder}; stop that process, or choose another data folder",
        file.display()
    )]
    Locked {
        /// The data file.
        file: PathBuf,
        /// Who uses it, as "process 1234".
        holder: String,
    },
    /// It is not as Frontdesk left it.
    #[error(
        "the data file {} is damaged: {reason}; it was left as it is: put a backup in its place, or move it away to start \
         with no conversations",
        file.display()
    )]
    Damaged {
        /// The data file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another version of Frontdesk wrote it.
    #[error(
        "the data file {} has layout {found}, this program knows layout {SCHEMA}; use the version of Frontdesk that wrote it",
        file.display()
    )]
    Schema {
        /// The data file.
        file: PathBuf,
        /// Its layout.
        found: u64,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: check that the disk is there, has space, and that this account may write", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Locks `dir`, makes its data file if there is none, and checks the file if there is one, without changing it.
///
/// The folder stays locked as long as the file returned lives.
pub(super) fn open_folder(dir: &Path, cache_bytes: usize) -> Result<(FileMedium, File), OpenError> {
    make_private_dir(dir).map_err(io_error("make the folder", dir))?;
    let lock = lock(dir)?;
    let file = dir.join(DATA_FILE);
    let medium = FileMedium(file.clone());
    if file.try_exists().map_err(io_error("look for", &file))? {
        check(&medium, &file, cache_bytes)?;
    } else {
        create(dir, &file, cache_bytes)?;
    }
    Ok((medium, lock))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

#[cfg(unix)]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Options for a file that only this account may read: it holds what people wrote.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut file = private_file().open(&path).map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::Locked { file: dir.join(DATA_FILE), holder: holder(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
    }
    // Only a help for whoever is refused; the lock holds without it, also on a full disk.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(id)) => format!("process {id}"),
        _ => "another process".to_owned(),
    }
}

/// Makes the data file under another name first, so that a file of the right name is always whole.
fn create(dir: &Path, file: &Path, cache_bytes: usize) -> Result<(), OpenError> {
    let new = dir.join(NEW_FILE);
    // Left by a process that died right here. Nobody else can be using it: the folder is locked.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &new)(error)),
        _ => {}
    }
    drop(private_file().open(&new).map_err(io_error("make", &new))?);
    let database = open_database(&FileMedium(new.clone()), cache_bytes).map_err(|fault| fault.at(&new))?;
    prepare(&database).map_err(|fault| fault.at(&new))?;
    drop(database);
    fs::rename(&new, file).map_err(io_error("rename", &new))?;
    sync_dir(dir).map_err(io_error("sync", dir))
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens the file over an overlay, verifies all of it, and throws away what redb wrote.
fn check(medium: &FileMedium, file: &Path, cache_bytes: usize) -> Result<(), OpenError> {
    let checked = catch_unwind(AssertUnwindSafe(|| check_over_overlay(medium, cache_bytes)));
    checked.unwrap_or_else(|panic| Err(Fault::Damaged(panic_text(panic.as_ref())))).map_err(|fault| fault.at(file))
}

fn check_over_overlay(medium: &FileMedium, cache_bytes: usize) -> Result<(), Fault> {
    let base = medium.open().map_err(Fault::Io)?;
    if base.len().map_err(Fault::Io)? == 0 {
        return Err(Fault::Damaged("it is empty".to_owned()));
    }
    let overlay = Overlay::new(Boxed(base)).map_err(Fault::Io)?;
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes).set_check_integrity_on_open(true);
    let database = builder.create_with_backend(overlay)?;
    check_schema(&database)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it cannot be read").to_owned()
}

/// Opens for reading and writing.
pub(super) fn open_database(medium: &dyn Medium, cache_bytes: usize) -> Result<Database, Fault> {
    let backend = Boxed(medium.open().map_err(Fault::Io)?);
    Ok(Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)?)
}

/// Opens what can be read, though nothing can be written.
pub(super) fn open_for_reading(medium: &dyn Medium, cache_bytes: usize) -> Result<Database, Fault> {
    let backend = Overlay::new(Boxed(medium.open().map_err(Fault::Io)?)).map_err(Fault::Io)?;
    Ok(Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)?)
}

/// Makes the tables of a new database, or checks that those of an old one are of the known layout.
pub(super) fn prepare(database: &Database) -> Result<(), Fault> {
    let empty = database.begin_read()?.list_tables()?.next().is_none();
    if !empty {
        return check_schema(database);
    }
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    tables.set_schema(SCHEMA)?;
    drop(tables);
    Ok(transaction.commit()?)
}

fn check_schema(database: &Database) -> Result<(), Fault> {
    match tables::schema(&database.begin_read()?)? {
        Some(SCHEMA) => Ok(()),
        Some(found) => Err(Fault::Schema(found)),
        None => Err(Fault::Damaged("it says no layout, so another program wrote it".to_owned())),
    }
}

/// What redb or the system reported, before it is known to whom.
#[derive(Debug)]
pub(super) enum Fault {
    Locked,
    Damaged(String),
    Schema(u64),
    Io(io::Error),
}

impl Fault {
    pub(super) fn at(self, file: &Path) -> OpenError {
        let file = file.to_owned();
        match self {
            Self::Locked => OpenError::Locked { file, holder: "another program".to_owned() },
            Self::Damaged(reason) => OpenError::Damaged { file, reason },
            Self::Schema(found) => OpenError::Schema { file, found },
            Self::Io(source) => OpenError::Io { action: "read or write", path: file, source },
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Locked => f.write_str("another program has locked the data file"),
            Self::Damaged(reason) => f.write_str(reason),
            Self::Schema(found) => write!(f, "the data file has the unknown layout {found}"),
            Self::Io(source) if source.kind() == io::ErrorKind::StorageFull => {
                f.write_str("the disk of the data file is full; make space")
            }
            Self::Io(source) => write!(f, "the data file cannot be read or written: {source}"),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked,
            // redb says so when the first bytes are not its own; a file that was cut short ends before a page does.
            redb::Error::Io(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                Self::Damaged(error.to_string())
            }
            redb::Error::Io(error) => Self::Io(error),
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => Self::Io(io::Error::other(error)),
            error => Self::Damaged(error.to_string()),
        }
    }
}
