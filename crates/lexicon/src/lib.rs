//! The product's words as types.
//!
//! Every other crate speaks of domains, addresses, domain pairs, methods and certificates with the types made here, so a
//! value that is not valid cannot be carried around. This crate decides nothing: no policy, no protocol, no clock.
//!
//! The words are those of `docs/lexicon.md`.

pub mod certificate;
pub mod domain;
pub mod id;
pub mod jid;
pub mod method;
pub mod pair;
pub mod report;
pub mod time;

pub use certificate::{CertificateFault, CertificateNames, ChainVerdict, PeerCertificate, TlsFacts, TlsVersion};
pub use domain::{Domain, DomainError};
pub use id::{RowId, StreamId};
pub use jid::{BareJid, Jid, JidError, JidRef};
pub use method::{Method, MethodSet};
pub use pair::{Direction, DomainPair};
pub use report::Report;
pub use time::{NotATime, Now, Timestamp};
