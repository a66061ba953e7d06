//! Leases: one of several nodes does something for all, for as long as it says so in time.
//!
//! A lease is a record that expires. Its version is its fencing token: versions of one key only grow, so a write that is
//! made on the condition that the record still has this version (as renewing is) is refused once somebody else has taken
//! the lease. What a holder does to other things must be harmless when it comes late, or carry a fence of its own, as
//! claims on conversations do ([`conversation::Fence`]): a holder that was paused does not know that its time is over.

use bytes::Bytes;
use conversation::Millis;

use crate::{Delete, Key, Put, PutOutcome, Store, StoreError, Version};

/// A lease that this holder has, as far as it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    key: Key,
    holder: Bytes,
    version: Version,
    until: Millis,
}

impl Lease {
    /// Takes the lease at `key` until `until`, if nobody has it. `holder` is for people who look into the store.
    ///
    /// # Errors
    /// The store fails; then it is unknown whether the lease was taken, and nobody has it for at most `until - now`.
    pub async fn take(
        store: &dyn Store,
        key: &Key,
        holder: &str,
        now: Millis,
        until: Millis,
    ) -> Result<Option<Self>, StoreError> {
        let holder = Bytes::copy_from_slice(holder.as_bytes());
        Self::put(store, key, holder, None, now, until).await
    }

    /// Keeps the lease until `until`. `None`: it is lost.
    ///
    /// # Errors
    /// The store fails; the caller has lost the lease at [`Lease::until`] unless it renews it before.
    pub async fn renew(&self, store: &dyn Store, now: Millis, until: Millis) -> Result<Option<Self>, StoreError> {
        Self::put(store, &self.key, self.holder.clone(), Some(self.version), now, until).await
    }

    /// Gives the lease back, so that somebody else need not wait for its end. One that is lost already stays lost.
    ///
    /// # Errors
    /// The store fails; the lease then ends by itself.
    pub async fn give_back(self, store: &dyn Store, now: Millis) -> Result<(), StoreError> {
        let delete = Delete { key: &self.key, expected: Some(self.version), now };
        store.delete(delete).await.map(|_deleted| ())
    }

    /// Until when nobody else can have it.
    pub fn until(&self) -> Millis {
        self.until
    }

    /// The fencing token: larger than that of every holder before.
    pub fn token(&self) -> Version {
        self.version
    }

    async fn put(
        store: &dyn Store,
        key: &Key,
        holder: Bytes,
        expected: Option<Version>,
        now: Millis,
        until: Millis,
    ) -> Result<Option<Self>, StoreError> {
        let value = holder.clone();
        let put = Put { key, expected, value, expires_at: Some(until), listing: None, now };
        Ok(match store.put(put).await? {
            PutOutcome::Stored(version) => Some(Self { key: key.clone(), holder, version, until }),
            PutOutcome::Conflict => None,
        })
    }
}
