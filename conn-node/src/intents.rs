//! The intents of the sites, read at the start.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use config::ConfigError;
use intent::{MAX_FILE_BYTES, Model};

/// The intents of one site. Those that have to be trained are there a little after the start: nobody waits for them.
pub(crate) type Intents = Arc<OnceLock<Model>>;

/// Reads files once, however many sites name them.
#[derive(Debug, Default)]
pub(crate) struct IntentFiles {
    read: HashMap<PathBuf, Intents>,
}

impl IntentFiles {
    /// The intents in the file that the site `key` names. A `.toml` is checked now and trained in the background, any other
    /// file is a trained one.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub(crate) fn open(&mut self, key: &str, path: &Path) -> Result<Intents, ConfigError> {
        if let Some(intents) = self.read.get(path) {
            return Ok(Arc::clone(intents));
        }
        let intents = read(path).map_err(|reason| {
            ConfigError::new(format!("sites.{key}.intents"), reason)
                .with_value(&format!("{:?}", path.display().to_string()))
        })?;
        self.read.insert(path.to_owned(), Arc::clone(&intents));
        Ok(intents)
    }
}

fn read(path: &Path) -> Result<Intents, String> {
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES as u64 {
        return Err(format!("has {length} bytes, and {MAX_FILE_BYTES} are the most"));
    }
    if path.extension().is_some_and(|extension| extension == "toml") {
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let intents = intent::Intents::parse(&text).map_err(|error| error.to_string())?;
        Ok(train(intents))
    } else {
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let model = Model::read(&bytes).map_err(|error| error.to_string())?;
        Ok(Arc::new(OnceLock::from(model)))
    }
}

fn unreadable(error: std::io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Training takes from milliseconds to seconds; until it is done, the site's own words are all that the node has.
fn train(intents: intent::Intents) -> Intents {
    let trained = Intents::default();
    let later = Arc::clone(&trained);
    tokio::task::spawn_blocking(move || drop(later.set(Model::train(&intents).model)));
    trained
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(name: &str, content: &[u8]) -> Result<Intents, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        IntentFiles::default().open("shop", &path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_broken_file_is_an_error_of_the_configuration_that_names_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let missing = IntentFiles::default().open("shop", &folder.path().join("intents.toml")).unwrap_err().to_string();
        assert!(missing.contains("sites.shop.intents") && missing.contains("cannot be read"), "{missing}");
        let toml = opened("intents.toml", b"[a\n").unwrap_err();
        assert!(toml.contains("sites.shop.intents") && toml.contains("not readable as TOML"), "{toml}");
        let trained = opened("intents.bin", b"hello").unwrap_err();
        assert!(trained.contains("ai intents train"), "{trained}");
    }

    #[tokio::test]
    async fn a_file_that_two_sites_name_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("intents.toml");
        let of = |key: &str| {
            let examples = (0..8).map(|at| format!("\"{key} number {at}\"")).collect::<Vec<_>>().join(", ");
            format!("[intents.{key}]\ntitle.en = \"{key}\"\nreply.en = \"{key}\"\nexamples.en = [{examples}]\n")
        };
        std::fs::write(&path, of("tea") + &of("teapot")).unwrap();
        let mut files = IntentFiles::default();

        let (first, second) = (files.open("shop", &path).unwrap(), files.open("other", &path).unwrap());

        assert!(Arc::ptr_eq(&first, &second));
    }
}
