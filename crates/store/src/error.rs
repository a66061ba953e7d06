//! What can go wrong, said so that somebody can act on it.

/// Why an operation was not carried out. After an error from a write its outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is too busy, or cannot write. Retrying later may help.
    #[error("the store did not {what}: {reason}; try again in {retry_after_ms} ms")]
    Unavailable {
        /// What was asked, as "append to shop/v1/1".
        what: String,
        /// Why, and what an operator can do.
        reason: String,
        /// When to try again, in milliseconds from now. A hint.
        retry_after_ms: u32,
    },
    /// Something stored cannot be read. Retrying does not help.
    #[error("{what} is damaged: {reason}; restore it from a backup")]
    Damaged {
        /// What cannot be read.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More bytes than a store must take. Retrying does not help.
    #[error("{what} has {bytes} bytes, the store takes at most {limit}; make it shorter")]
    TooLarge {
        /// What is too large.
        what: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The request contradicts itself: a fault in the caller.
    #[error("the store cannot {what}: {reason}")]
    Invalid {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// When a retry may help, in milliseconds from now. `None`: it does not.
    pub fn retry_after_ms(&self) -> Option<u32> {
        match self {
            Self::Unavailable { retry_after_ms, .. } => Some(*retry_after_ms),
            Self::Damaged { .. } | Self::TooLarge { .. } | Self::Invalid { .. } => None,
        }
    }
}
