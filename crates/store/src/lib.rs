//! What an administrator has set and what traffic must not forget, in one database.
//!
//! Rules kept here (architecture.md, "Types, versions, errors"):
//!
//! * Every write is one transaction that first updates the single `head` row: revision and audit hash. So writes are
//!   serialised on any engine, and a reader who knows a revision can ask what came after it.
//! * Every administrative write carries an [`Actor`] and makes its audit row in the same transaction; each row's hash
//!   covers the row before it. A request that changes nothing writes nothing.
//! * What widens a partner's rights because of traffic ([`Store::contact_written`] and its kin) is durable when its
//!   future resolves; such writes are grouped into shared transactions.
//! * The rules of a partner are in `policy`; only what needs the other rows is enforced here: a domain is on at most one
//!   partner and never an internal domain.
//! * Rows and the types of `policy` are joined by `TryFrom`; a row that cannot be read is an error, never a default.
//!
//! No stanza waits for a read: gateway and proxy hold what they need in memory and follow [`Store::revisions`].

pub mod access;
pub mod administrator;
pub mod audit;
pub mod component;
pub mod contact;
pub mod domain;
pub mod import;
pub mod inner_server;
pub mod inspection;
pub mod invitation;
pub mod partner;
pub mod report;
pub mod serving;
mod setup;
pub mod token;
pub mod trunk;
pub mod user;

mod actor;
mod entropy;
mod error;
mod head;
mod last;
mod migration;
mod session;
mod setting;
mod snapshot;
mod sqlite;
mod traffic;

pub use access::StoredPolicy;
pub use actor::Actor;
pub use administrator::{Administrator, AdministratorChanges};
pub use audit::{AuditFilter, AuditRow};
pub use component::Component;
pub use contact::{Contact, ContactFilter, Step};
pub use domain::{InternalDomain, Service};
pub use error::{DomainHolder, Fault, StoreError};
pub use head::Revisions;
pub use import::ImportStep;
pub use inspection::{Inspection, inspect};
pub use invitation::{Invitation, InvitationOutcome};
pub use last::LastOfPartners;
pub use partner::StoredPartner;
pub use policy::Backend;
pub use report::{LastReports, ReportFilter};
pub use serving::Serving;
pub use session::{Living, PanelSession};
pub use setting::StoredSettings;
pub use snapshot::Edge;
pub use sqlite::Store;
pub use token::ApiToken;
pub use trunk::StoredTrunk;
pub use user::{Credential, User};
