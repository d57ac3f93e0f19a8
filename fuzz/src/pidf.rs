//! Any body as a presence document: no panic, what is read is bounded, and what is written of it reads the same.

use interwork::presence::{Endpoint, read, write};
use sip::Uri;

/// One input.
pub(crate) fn run(data: &[u8]) {
    let (Ok(endpoints), Ok(user)) = (read(data), Uri::parse("sip:juliet@example.com")) else { return };
    assert!(endpoints.len() <= 32 && endpoints.iter().all(|endpoint| endpoint.notes.len() <= 8));
    if endpoints.is_empty() {
        return;
    }
    let again = read(write(&user, &endpoints).as_bytes()).unwrap_or_default();
    // An activity of the person is that of all tuples without one, and a priority counts for those who are there.
    let told = |all: &[Endpoint]| all.iter().map(|one| (one.is_available, one.notes.clone())).collect::<Vec<_>>();
    assert_eq!(told(&again), told(&endpoints));
}
