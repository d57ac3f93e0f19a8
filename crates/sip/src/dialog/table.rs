//! Finding a dialog by what a request says.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::message::Request;

/// What belongs to dialogs, by Call-ID and our own tag. Keys are hashed with a secret: small, compared in place, and none
/// of a peer's making.
#[derive(Debug)]
pub struct Dialogs<T> {
    dialogs_max: usize,
    secret: Sha256,
    by_key: BTreeMap<[u8; 16], T>,
}

impl<T> Dialogs<T> {
    /// An empty table for at most `dialogs_max`. `seed` is secret.
    pub fn new(dialogs_max: usize, seed: [u8; 32]) -> Self {
        Self { dialogs_max, secret: Sha256::new_with_prefix(seed), by_key: BTreeMap::new() }
    }

    fn key(&self, call_id: &str, local_tag: &str) -> [u8; 16] {
        let mut hash = self.secret.clone();
        hash.update(u64::try_from(call_id.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(call_id);
        hash.update(local_tag);
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        key
    }

    /// Enters a value; gives it back if there is no room. What stood there goes.
    pub fn insert(&mut self, call_id: &str, local_tag: &str, value: T) -> Result<(), T> {
        let key = self.key(call_id, local_tag);
        if self.by_key.len() >= self.dialogs_max && !self.by_key.contains_key(&key) {
            return Err(value);
        }
        self.by_key.insert(key, value);
        Ok(())
    }

    /// What belongs to a request of the peer: one whose To has our tag.
    pub fn find(&self, request: &Request) -> Option<&T> {
        self.by_key.get(&self.key_of(request)?)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, request: &Request) -> Option<&mut T> {
        let key = self.key_of(request)?;
        self.by_key.get_mut(&key)
    }

    fn key_of(&self, request: &Request) -> Option<[u8; 16]> {
        let to = request.headers.to().ok()?;
        Some(self.key(request.headers.call_id().ok()?, to.tag()?))
    }

    /// Takes a value out.
    pub fn remove(&mut self, call_id: &str, local_tag: &str) -> Option<T> {
        let key = self.key(call_id, local_tag);
        self.by_key.remove(&key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
