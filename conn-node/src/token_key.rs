//! The key that a node makes for itself when the configuration names none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{Data, Secret};
use sha2::{Digest, Sha256};

use crate::tokens::SigningKey;

/// The key's file in the store's folder: 32 random bytes in base64, readable by its owner alone.
pub const FILE_NAME: &str = "token-key";

const SECRET_BYTES: usize = 32;

/// The node's own key cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// The file cannot be read or written.
    #[error("the key that signs visitors' tokens cannot be kept in {path}")]
    File {
        /// The key's file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds something else. It is left as it is.
    #[error(
        "{path} holds no token key (32 bytes in base64); restore it, or delete it to make a new one, which ends all visitors' tokens"
    )]
    Damaged {
        /// The key's file.
        path: PathBuf,
    },
    /// The operating system gives no random bytes.
    #[error("no random bytes for a key: {0}")]
    Random(getrandom::Error),
}

/// The node's own key: kept beside the store's data, or new at each start where the store is in memory.
///
/// # Errors
/// The key cannot be read, kept or made.
pub fn load_or_make(data: &Data) -> Result<SigningKey, TokenKeyError> {
    match data {
        Data::Memory => Ok(key(&random()?)),
        Data::Folder(folder) => {
            let path = folder.join(FILE_NAME);
            let in_file = |source| TokenKeyError::File { path: path.clone(), source };
            match fs::read_to_string(&path) {
                Ok(text) => read(&text).ok_or_else(|| TokenKeyError::Damaged { path: path.clone() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let secret = random()?;
                    keep(folder, &path, &secret).map_err(in_file)?;
                    Ok(key(&secret))
                }
                Err(error) => Err(in_file(error)),
            }
        }
    }
}

fn random() -> Result<[u8; SECRET_BYTES], TokenKeyError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(TokenKeyError::Random)?;
    Ok(secret)
}

fn read(text: &str) -> Option<SigningKey> {
    let secret = STANDARD.decode(text.trim()).ok()?;
    (secret.len() == SECRET_BYTES).then(|| key(&secret))
}

/// The id is taken from the secret, so that a token of another key is told apart at once.
fn key(secret: &[u8]) -> SigningKey {
    let hash = Sha256::digest(secret);
    let id = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    SigningKey { id, secret: Secret::new(STANDARD.encode(secret)) }
}

/// Writes the file aside and moves it into place, so that a crash leaves a whole key or none.
fn keep(folder: &Path, path: &Path, secret: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let aside = folder.join(format!("{FILE_NAME}.new"));
    let mut file = private(&aside)?;
    file.write_all(STANDARD.encode(secret).as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(folder)?.sync_all()
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Data) {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::Folder(folder.path().join("data"));
        (folder, data)
    }

    #[test]
    fn a_key_in_a_folder_is_the_same_at_the_next_start() {
        let (_folder, data) = folder();

        let (first, second) = (load_or_make(&data).unwrap(), load_or_make(&data).unwrap());

        assert_eq!(first.secret, second.secret);
        assert_eq!(first.id, second.id);
        assert!(first.secret.reveal().len() >= 32);
    }

    #[test]
    fn a_key_in_memory_is_another_at_each_start() {
        let (first, second) = (load_or_make(&Data::Memory).unwrap(), load_or_make(&Data::Memory).unwrap());

        assert_ne!(first.secret, second.secret);
        assert_ne!(first.id, second.id);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, data) = folder();
        load_or_make(&data).unwrap();

        let mode = fs::metadata(folder.path().join("data").join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_as_it_is() {
        let (folder, data) = folder();
        let path = folder.path().join("data").join(FILE_NAME);
        load_or_make(&data).unwrap();
        fs::write(&path, "half a k").unwrap();

        let error = load_or_make(&data).unwrap_err();

        assert!(matches!(error, TokenKeyError::Damaged { .. }));
        assert!(!error.to_string().contains("half a k"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "half a k");
    }
}
