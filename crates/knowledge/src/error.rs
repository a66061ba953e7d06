//! What can go wrong with a site's knowledge.

use std::io;
use std::path::PathBuf;

/// Why texts could not be indexed, or an index not be opened or searched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder or file cannot be read or written.
    #[error("{path} cannot be {what}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What was tried: `read`, `written` …
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder in which there is nothing to index.
    #[error("{0} has no text to index: Markdown (.md), HTML (.html, .htm) or text (.txt) is expected in it")]
    Empty(PathBuf),
    /// `synonyms.toml` cannot be understood.
    #[error("{path}: {reason}")]
    Synonyms {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// A file that is no index of ours.
    #[error("{0} is no knowledge index; make one with `ai knowledge index`")]
    Foreign(PathBuf),
    /// An index that another version wrote.
    #[error(
        "{path} has version {found} of the index, and this program reads {expected}; make it anew with `ai knowledge index`"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// An index whose bytes are not those that were written.
    #[error("{path} is damaged: {reason}; make it anew with `ai knowledge index`")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// An option out of its bounds.
    #[error("{option} is {value}, and must be {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The search library failed.
    #[error("the index cannot be {what}")]
    Index {
        /// What was tried.
        what: &'static str,
        /// What tantivy said.
        source: tantivy::TantivyError,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, what, source }
    }

    pub(crate) fn index<E: Into<tantivy::TantivyError>>(what: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Index { what, source: source.into() }
    }
}
