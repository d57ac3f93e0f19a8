//! The product's rules, without I/O, as tables where they are tables (`docs/operator-guide.md`).
//!
//! What a partner may be set to, which methods its negotiation permits, which stanza passes between an internal user
//! and a partner's user, who may use federation at all, and the limits of every setting. Whatever changes something
//! hands in what a person wrote and gets back either the whole valid value or every error at once; nothing is half
//! accepted.
//!
//! This crate knows no clock, socket, database or randomness, and no wire format: what is stored or sent as JSON are
//! types of their own.

pub mod access;
pub mod backend;
pub mod contact;
pub mod diagnosis;
pub mod field;
pub mod inner_server;
pub mod negotiation;
pub mod partner;
pub mod peer;
pub mod role;
pub mod settings;
pub mod snapshot;
pub mod trunk;

mod form;

pub use access::{AccessPolicies, AccessPolicy, PolicyIdentity, PolicyName};
pub use backend::Backend;
pub use contact::Contact;
pub use field::{FieldError, FieldWarning};
pub use inner_server::{InnerServer, InnerServerChanges};
pub use negotiation::{Negotiation, Requirement};
pub use partner::{Directory, Partner, PartnerChanges, PartnerDraft, PartnerType, TrustRoots};
pub use settings::Settings;
pub use snapshot::EdgeSnapshot;
pub use trunk::{Trunk, TrunkChanges, TrunkDraft, TrunkName};
