//! A site's intents from a file: trained from a `.toml`, or as `ai intents train` wrote them.

use std::path::Path;

#[cfg(any(test, feature = "preparing"))]
use intent::Intents;
use intent::Model;

/// The intents in `path`.
///
/// # Errors
/// The file cannot be read, or what is wrong in it.
pub(crate) fn load(path: &Path) -> Result<Model, String> {
    let named = |error: String| format!("{}: {error}", path.display());
    match path.extension().is_some_and(|extension| extension == "toml") {
        true => trained(path),
        false => {
            let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
            Model::read(&bytes).map_err(|error| named(error.to_string()))
        }
    }
}

#[cfg(feature = "preparing")]
fn trained(path: &Path) -> Result<Model, String> {
    Ok(Model::train(&read(path)?).model)
}

#[cfg(not(feature = "preparing"))]
fn trained(path: &Path) -> Result<Model, String> {
    let path = path.display();
    Err(format!(
        "{path} would have to be trained, which the program for Lambda cannot; name a model made with `ai intents train`"
    ))
}

/// The intents that a `.toml` declares.
///
/// # Errors
/// The file cannot be read, or what is wrong in it.
#[cfg(feature = "preparing")]
pub(crate) fn read(path: &Path) -> Result<Intents, String> {
    let named = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    Intents::parse(&text).map_err(|error| named(error.to_string()))
}

/// Three intents of a shop, for tests.
#[cfg(test)]
pub(crate) fn shop() -> Model {
    Model::train(&Intents::parse(include_str!("intents/shop.toml")).unwrap()).model
}
