//! Wall clock and randomness of the store: ids of rows and the dialback secret.

use std::time::{SystemTime, UNIX_EPOCH};

use lexicon::{RowId, Timestamp};
use policy::settings::Passphrase;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A fresh row id.
pub(crate) fn row_id(now: Timestamp) -> RowId {
    let mut random = [0; 10];
    fill(&mut random);
    RowId::new(now, random)
}

/// A fresh dialback secret of 256 random bits.
pub(crate) fn passphrase() -> Passphrase {
    let mut random = [0; 32];
    fill(&mut random);
    Passphrase::from_random(random)
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}
