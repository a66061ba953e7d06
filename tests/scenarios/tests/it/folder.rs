//! Data folders that cannot be used: the node says so, does not start, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use conn_node::RunError;
use scenarios::{Setup, Tab};
use store::embedded::{DATA_FILE, EmbeddedStore, OpenError, Options};

/// Every file of a folder with its bytes, but the lock, which names its holder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()));
    named.filter(|(name, _)| !name.ends_with(".lock")).collect()
}

/// Leaves a folder in which a node has kept a conversation.
async fn used_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::on(Arc::new(EmbeddedStore::open(folder.path(), Options::default()).unwrap()));
    let node = setup.start().await;
    Tab::open(&node).await.say("remember this").await;
    node.kill().await;
    folder
}

/// Runs a node on this folder as the program does; it must fail.
async fn failure(folder: &Path) -> RunError {
    let config = Setup::new().with("store.data", folder.display()).config();
    let failure = conn_node::run(config, telemetry::Traces::off(), std::future::pending()).await.unwrap_err();
    assert_ne!(failure.exit_code(), 0);
    failure
}

#[tokio::test]
async fn a_damaged_data_file_is_named_and_left_as_it_is() {
    let folder = used_folder().await;
    let file = folder.path().join(DATA_FILE);
    let good = fs::read(&file).unwrap();
    // The head, the middle, the end, and nothing left.
    let mut head = good.clone();
    head[..64].fill(0xa5);
    let mut middle = good.clone();
    let at = middle.windows(13).position(|bytes| bytes == b"remember this").unwrap();
    middle[at] ^= 1;
    for damaged in [head, middle, good[..good.len() / 2].to_vec(), b"not a database".to_vec(), Vec::new()] {
        fs::write(&file, &damaged).unwrap();
        let before = files(folder.path());

        let failure = failure(folder.path()).await;

        assert!(matches!(failure, RunError::Store(OpenError::Damaged { .. })), "{failure}");
        assert!(failure.to_string().contains(DATA_FILE), "{failure}");
        assert!(before == files(folder.path()), "a file was changed");
    }
}

#[tokio::test]
async fn a_folder_in_use_is_named_and_left_as_it_is() {
    let folder = used_folder().await;
    // Held by a store without a node: nobody writes but whoever should not.
    let store = Arc::new(EmbeddedStore::open(folder.path(), Options::default()).unwrap());
    let before = files(folder.path());

    let failure = failure(folder.path()).await;

    assert!(matches!(failure, RunError::Store(OpenError::Locked { .. })), "{failure}");
    assert!(failure.to_string().contains(&std::process::id().to_string()), "{failure}");
    assert!(before == files(folder.path()), "a file was changed");
    let node = Setup::on(store).start().await;
    assert_eq!(Tab::open(&node).await.say("and this").await, 1, "who holds it goes on");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let node = Setup::new().start().await;
    let config = Setup::new().with("node.listen", node.address()).config();
    let failure = conn_node::run(config, telemetry::Traces::off(), std::future::pending()).await.unwrap_err();
    assert_ne!(failure.exit_code(), 0);
    let message = failure.to_string();
    assert!(message.contains("node.listen") && message.contains(&node.address().to_string()), "{message}");
}
