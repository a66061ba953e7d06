//! The edge to the search library, which panics over bytes that it did not write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::Error;

/// Runs `read` over the index from `path`. A panic in it is damage: the check sum tells accidents, and not a file that
/// somebody made so. The panic's message goes where the program sends those of all panics.
pub(crate) fn without_panic<T>(path: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Nothing that a panic may leave half changed is used again: an index is read-only, and its parts are made per call.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let reason = "its check sum is right, but the search cannot read its parts".to_owned();
        Err(Error::Damaged { path: path.to_owned(), reason })
    })
}
