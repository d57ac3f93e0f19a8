//! The one place that reads the clock for the protocol machines.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lexicon::{Now, Timestamp};

/// The moment of this call.
pub fn now() -> Now {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Now { instant: Instant::now(), wall: Timestamp::from_millis(millis) }
}
