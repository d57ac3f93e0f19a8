//! Challenging and checking.

use std::{collections::BTreeMap, time::Duration};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use lexicon::Timestamp;
use sha2::Sha256;

use super::{Algorithm, Challenge, Credentials, Used, response, same};
use crate::message::Method;

/// Why credentials do not prove the user.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DigestError {
    /// The algorithm is none of those offered, or qop, cnonce or nc are missing or malformed.
    #[error("the credentials do not answer the challenge")]
    Malformed,
    /// The nonce is not ours, too old, or its count was used before: challenge again with `stale=true`. The proof itself
    /// was right.
    #[error("the nonce is no longer good")]
    Stale,
    /// The proof is wrong.
    #[error("wrong user name or password")]
    Wrong,
}

/// Makes nonces and remembers which counts of them were used.
pub struct Nonces {
    secret: [u8; 32],
    lifetime: Duration,
    used_max: usize,
    made: u32,
    used: BTreeMap<Stamp, Counts>,
    /// No count is known any more for nonces up to this one that are not in `used`.
    forgotten: Option<Stamp>,
}

/// When and as which one a nonce was made: its identity.
type Stamp = (i64, u32);

/// Counts seen: the highest, and which of the 64 below it.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    highest: u32,
    seen: u64,
}

impl Nonces {
    /// Nonces that live for `lifetime`; counts of at most `used_max` of them are remembered. `secret` is random.
    pub fn new(secret: [u8; 32], lifetime: Duration, used_max: usize) -> Self {
        Self { secret, lifetime, used_max: used_max.max(1), made: 0, used: BTreeMap::new(), forgotten: None }
    }

    /// One challenge per algorithm, for one WWW-Authenticate field each, in the order given (RFC 8760 §2.3).
    pub fn challenge(&mut self, now: Timestamp, realm: &str, algorithms: &[Algorithm], stale: bool) -> Vec<Challenge> {
        let one = |algorithm: &Algorithm| {
            self.made = self.made.wrapping_add(1);
            let stamp = (now.as_millis(), self.made);
            let (realm, nonce) = (realm.to_owned(), self.nonce(stamp, realm));
            Challenge { realm, nonce, opaque: None, algorithm: *algorithm, stale }
        };
        algorithms.iter().map(one).collect()
    }

    /// Checks credentials for a request. `ha1` gives the stored hash for an algorithm that the user may use. On success
    /// the nonce count is used up.
    pub fn check(
        &mut self,
        now: Timestamp,
        method: &Method,
        credentials: &Credentials,
        ha1: impl FnOnce(Algorithm) -> Option<String>,
    ) -> Result<(), DigestError> {
        let qop = credentials.qop.as_deref().is_some_and(|qop| qop.eq_ignore_ascii_case("auth"));
        let count = nonce_count(&credentials.nc).filter(|_| qop && !credentials.cnonce.is_empty());
        let (Some(count), Some(algorithm)) = (count, credentials.algorithm) else {
            return Err(DigestError::Malformed);
        };
        let ha1 = ha1(algorithm).ok_or(DigestError::Malformed)?;
        let used = Used { nonce: &credentials.nonce, nc: &credentials.nc, cnonce: &credentials.cnonce };
        let expected = response(algorithm, &ha1, method.as_str(), &credentials.uri, &used);
        if !same(&expected, &credentials.response.to_ascii_lowercase()) {
            return Err(DigestError::Wrong);
        }
        let stamp = self.stamp(credentials).ok_or(DigestError::Stale)?;
        let age = now.as_millis().saturating_sub(stamp.0);
        if age < 0 || u128::from(age.unsigned_abs()) > self.lifetime.as_millis() {
            return Err(DigestError::Stale);
        }
        self.use_up(stamp, count)
    }

    fn nonce(&self, (millis, made): Stamp, realm: &str) -> String {
        let mut bytes = Vec::with_capacity(28);
        bytes.extend_from_slice(&millis.to_be_bytes());
        bytes.extend_from_slice(&made.to_be_bytes());
        let mac = self.mac(&bytes, realm);
        bytes.extend_from_slice(&mac[..16]);
        HEXLOWER.encode(&bytes)
    }

    fn mac(&self, stamp: &[u8], realm: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(stamp);
        mac.update(realm.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The stamp of a nonce that we made for this realm.
    fn stamp(&self, credentials: &Credentials) -> Option<Stamp> {
        let bytes = HEXLOWER.decode(credentials.nonce.as_bytes()).ok().filter(|bytes| bytes.len() == 28)?;
        let millis = i64::from_be_bytes(bytes[..8].try_into().ok()?);
        let made = u32::from_be_bytes(bytes[8..12].try_into().ok()?);
        same(&self.nonce((millis, made), &credentials.realm), &credentials.nonce).then_some((millis, made))
    }

    fn use_up(&mut self, stamp: Stamp, count: u32) -> Result<(), DigestError> {
        let known = self.used.get(&stamp).copied();
        if known.is_none() && self.forgotten.is_some_and(|forgotten| stamp <= forgotten) {
            return Err(DigestError::Stale);
        }
        let mut counts = known.unwrap_or_default();
        if !counts.note(count) {
            return Err(DigestError::Stale);
        }
        self.used.insert(stamp, counts);
        if self.used.len() > self.used_max
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = Some(oldest);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

impl Counts {
    /// Whether `count` is new. Counts may come out of order by less than 64: datagrams overtake one another.
    fn note(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead >= 64 { 0 } else { self.seen << ahead };
            self.seen |= 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let new = behind < 64 && self.seen & 1 << behind == 0;
        if new {
            self.seen |= 1 << behind;
        }
        new
    }
}

/// 8LHEX, not zero.
fn nonce_count(text: &str) -> Option<u32> {
    let fits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { u32::from_str_radix(text, 16).ok().filter(|count| *count > 0) } else { None }
}
