//! The administrator's way in: the REST API, and later the control panel's pages over it.
//!
//! The API (`/api/v1`) is the contract; command line and pages make no change but through it. It is served on a Unix
//! socket in the data directory, where the caller's uid is the credential (`partner-policy` §6): root and the server's own
//! user administer, nobody else.
//!
//! HTTPS, login and pages are not here yet. Digest credentials and what is going on in the server come from the binary
//! ([`Means`]), since the panel knows no SIP and no other role.

pub mod api;
pub mod socket;

mod access;

use std::{pin::Pin, sync::Arc};

use lexicon::BareJid;
use store::{Credential, Revisions, Store};

pub use api::v1::dto::{DigestChoice, Status, Stream};
pub use socket::{Running, SocketError, start};

/// What the panel is given by the binary.
#[derive(Clone)]
pub struct Means {
    /// Where everything is kept.
    pub store: Store,
    /// Makes the digest credentials of a user's password (RFC 8760): one per algorithm.
    pub credentials: fn(&BareJid, &str, DigestChoice) -> Vec<Credential>,
    /// What the server is doing.
    pub live: Arc<dyn Live>,
}

/// What [`Live`] answers in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the server is doing now, told by the binary.
pub trait Live: Send + Sync {
    /// The present state; version and revision are filled in by the panel.
    fn status(&self) -> Answer<'_, Status>;

    /// The live streams with partners, a row for each pair.
    fn streams(&self) -> Vec<Stream> {
        Vec::new()
    }

    /// Closes the connection with this number; the reason is told to the partner. Whether there is one.
    fn close_stream(&self, number: u64, reason: &str) -> bool {
        let _ = (number, reason);
        false
    }

    /// Waits until the roles work by what the store held at these revisions.
    fn in_force(&self, of: Revisions) -> Answer<'_, ()>;
}
