//! The administrator's way in: the REST API, and the control panel's pages over it.
//!
//! The API (`/api/v1`) is the contract; command line and pages make no change but through it. It is served on a Unix
//! socket in the data directory, where the caller's uid is the credential, and over HTTPS, where a token is; what each
//! caller may do is said by their role (`partner-policy` §6).
//!
//! The pages ([`web`]) are for browsers, after a login. Digest credentials and what is going on in the server come from the binary
//! ([`Means`]), since the panel knows no SIP and no other role.

pub mod api;
pub mod socket;
pub mod web;

mod access;
mod import;
mod pages;
mod password;

use std::{pin::Pin, sync::Arc};

use lexicon::{BareJid, Domain, DomainPair, Report};
use policy::{Partner, TrunkName};
use store::{Credential, Revisions, Serving, Store};

pub use api::v1::dto::{
    Certificates, Component, DigestChoice, DnsRecord, DnsZone, MessageStep, Refusals, Registration, Status, Stream,
    TrunkConnection, TrunkState, TrunkTarget, TrunkTest, TrunkTestStep,
};
pub use socket::{Running, SocketError, start};
pub use web::{Web, WebCertificates, WebError, WebListeners};

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

/// Which certificates are meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateSource {
    /// Those that are shown to partners.
    InUse,
    /// Those in the files, which reading them again would bring into use.
    Files,
}

/// What the server is doing now, told by the binary.
pub trait Live: Send + Sync {
    /// The present state; version and revision are filled in by the panel.
    fn status(&self) -> Answer<'_, Status>;

    /// The components that serve internal domains now.
    fn components(&self) -> Answer<'_, Vec<Component>> {
        Box::pin(async { Vec::new() })
    }

    /// What contact rules and access policies refused of this partner's traffic.
    fn refusals(&self, primary: &Domain) -> Refusals {
        let _ = primary;
        Refusals::default()
    }

    /// What SIP users have registered.
    fn registrations(&self) -> Answer<'_, Vec<Registration>> {
        Box::pin(async { Vec::new() })
    }

    /// The trunks as they stand now.
    fn trunks(&self) -> Answer<'_, Vec<TrunkState>> {
        Box::pin(async { Vec::new() })
    }

    /// Sends one OPTIONS to every target of a trunk; none if it is not known yet.
    fn test_trunk<'a>(&'a self, name: &'a TrunkName) -> Answer<'a, Option<TrunkTest>> {
        let _ = name;
        Box::pin(async { None })
    }

    /// Sends a marked message; each hop that it has passed, up to the answer.
    fn test_message(&self, from: BareJid, to: BareJid, text: String) -> Answer<'_, Vec<MessageStep>> {
        let _ = (from, to, text);
        Box::pin(async { Vec::new() })
    }

    /// What these internal domains need in DNS, and what is there; `partners` are the domains of enabled partners. Or why
    /// nothing can be asked.
    fn dns(&self, serving: Serving, partners: Vec<Domain>) -> Answer<'_, Result<Vec<DnsZone>, String>> {
        let _ = (serving, partners);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The live streams with partners, a row for each pair.
    fn streams(&self) -> Vec<Stream> {
        Vec::new()
    }

    /// Closes the connection with this number; the reason is told to the partner. Whether there is one.
    fn close_stream(&self, number: u64, reason: &str) -> bool {
        let _ = (number, reason);
        false
    }

    /// Our certificates, or why they cannot be read. A server that shows none has none.
    fn certificates(&self, source: CertificateSource) -> Answer<'_, Result<Certificates, String>> {
        let _ = source;
        Box::pin(async { Ok(Certificates::default()) })
    }

    /// Reads the certificate files again; those then in use, or why the old ones stay.
    fn reload_certificates(&self) -> Answer<'_, Result<Certificates, String>> {
        self.certificates(CertificateSource::InUse)
    }

    /// Starts a probe between the domains of `pair` under `settings`, saved or not; its name, or none while too many run.
    fn start_probe(&self, pair: DomainPair, settings: Partner) -> Option<String> {
        let _ = (pair, settings);
        None
    }

    /// How the probe is getting on; none if it is not remembered.
    fn probe(&self, id: &str) -> Option<ProbeState> {
        let _ = id;
        None
    }

    /// Ends the probe; whether it is remembered.
    fn cancel_probe(&self, id: &str) -> bool {
        let _ = id;
        false
    }

    /// Waits until the roles work by what the store held at these revisions.
    fn in_force(&self, of: Revisions) -> Answer<'_, ()>;
}

/// How a probe is getting on.
#[derive(Clone, Debug)]
pub struct ProbeState {
    /// The domains.
    pub pair: DomainPair,
    /// What is known so far.
    pub report: Option<Report>,
    /// Nothing more will be learned.
    pub done: bool,
    /// Somebody has ended it.
    pub cancelled: bool,
}
