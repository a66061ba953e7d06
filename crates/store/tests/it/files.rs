//! Files that are locked, damaged or not ours: the store says so, does not start, and changes nothing.

use std::fs;
use std::path::Path;

use store::Appended;
use store::embedded::{DATA_FILE, EmbeddedStore, LOCK_FILE, OpenError, Options};
use tempfile::TempDir;

use crate::{Random, append, conversation, event, log};

const EVENTS: u32 = 200;

fn open(dir: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(dir, Options::default())
}

async fn fill(store: &EmbeddedStore) {
    for seq in 1..=EVENTS {
        let outcome = append(store, &conversation(1), &event(seq, &format!("event {seq}"))).await;
        assert_eq!(outcome, Ok(Appended::Stored));
    }
}

/// The bytes of a data file with [`EVENTS`] events, closed well.
async fn data_file() -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    fill(&store).await;
    drop(store);
    fs::read(dir.path().join(DATA_FILE)).unwrap()
}

/// A folder with this data file.
fn folder(bytes: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(DATA_FILE), bytes).unwrap();
    dir
}

/// The error of opening a folder with this data file, which must be the same afterwards.
fn refusal(bytes: &[u8]) -> Option<OpenError> {
    let dir = folder(bytes);
    let error = open(dir.path()).err()?;
    assert!(fs::read(dir.path().join(DATA_FILE)).unwrap() == bytes, "the file was changed: {error}");
    Some(error)
}

#[tokio::test]
async fn a_folder_in_use_says_by_whom_and_what_to_do() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    let file = dir.path().join(DATA_FILE);
    let expected = format!(
        "the data file {} is in use by process {}; stop that process, or choose another data folder",
        file.display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    drop(store);
    assert!(open(dir.path()).is_ok(), "a lock ends with its holder");
}

#[tokio::test]
async fn a_lock_file_left_by_a_process_that_died_is_no_lock() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(LOCK_FILE), "4242\n").unwrap();
    assert!(open(dir.path()).is_ok());
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_refused_and_left_as_it_is() {
    let bytes = data_file().await;
    for len in [0, 1, 8, 9, 100, 320, 4096, 8192, bytes.len() / 2, bytes.len() - 4096, bytes.len() - 1] {
        let error = refusal(&bytes[..len]).unwrap_or_else(|| panic!("{len} bytes were taken for a data file"));
        assert!(matches!(error, OpenError::Damaged { .. }), "{len} bytes: {error}");
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    for bytes in [b"hello, this is a text".to_vec(), vec![0; 10_000], vec![0xff; 10_000]] {
        let error = refusal(&bytes).expect("it was taken for a data file");
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_file_with_wrong_bytes_is_refused_or_they_do_not_matter() {
    let bytes = data_file().await;
    let mut refused = 0;
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut damaged = bytes.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            damaged[at] ^= 1 << random.below(8);
        }
        match refusal(&damaged) {
            Some(error) => {
                assert!(matches!(error, OpenError::Damaged { .. }), "seed {seed}: {error}");
                refused += 1;
            }
            None => {
                let dir = folder(&damaged);
                let log = log(&open(dir.path()).unwrap(), &conversation(1)).await;
                let expected: Vec<_> = (1..=EVENTS).map(|seq| event(seq, &format!("event {seq}"))).collect();
                assert!(log == expected, "seed {seed}: damage was not seen");
            }
        }
    }
    assert!(refused > 10, "only {refused} were refused: nothing was tried out");
}

#[tokio::test]
async fn a_process_that_was_killed_leaves_all_it_acknowledged() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    fill(&store).await;
    // What the file holds now is what it would hold if the process were killed here.
    let copy = folder(&fs::read(dir.path().join(DATA_FILE)).unwrap());
    assert_eq!(log(&open(copy.path()).unwrap(), &conversation(1)).await.len(), EVENTS as usize);
}

#[tokio::test]
async fn a_process_that_was_killed_while_making_its_file_is_no_obstacle() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("frontdesk.redb.new"), b"half a").unwrap();
    fill(&open(dir.path()).unwrap()).await;
    assert_eq!(log(&open(dir.path()).unwrap(), &conversation(1)).await.len(), EVENTS as usize);
    assert!(!dir.path().join("frontdesk.redb.new").exists());
}

#[tokio::test]
async fn a_layout_of_the_future_is_refused_and_left_as_it_is() {
    let dir = folder(&data_file().await);
    let file = dir.path().join(DATA_FILE);
    let database = redb::Database::open(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    transaction.open_table(meta).unwrap().insert("schema", 7).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = refusal(&fs::read(&file).unwrap()).expect("layout 7 was taken for the known one");
    assert!(matches!(error, OpenError::Schema { found: 7, .. }), "{error}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(DATA_FILE);
    let database = redb::Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<&str, &str>::new("theirs")).unwrap().insert("a", "b").unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = refusal(&fs::read(&file).unwrap()).expect("it was taken for a data file");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_says_which() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("data")).unwrap_err();
    assert!(matches!(&error, OpenError::Io { path, .. } if *path == file.join("data")), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_people_wrote_is_readable_by_this_account_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let store = open(&data).unwrap();
    fill(&store).await;
    for (path, mode) in [(data.clone(), 0o700), (data.join(DATA_FILE), 0o600), (data.join(LOCK_FILE), 0o600)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
}
