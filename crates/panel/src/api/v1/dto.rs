//! What crosses the API, both ways: the types of command line and pages. They are separate from those of policy and store,
//! which may change without the contract.

mod administrator;
mod audit;
mod certificate;
mod contact;
mod dns;
mod domain;
mod import;
mod message;
mod partner;
mod policy;
mod probe;
mod problem;
mod refusal;
mod registration;
mod report;
mod setting;
mod status;
mod token;
mod trunk;
mod user;

use serde::{Deserialize, Deserializer, Serialize};

pub use administrator::{Administrator, AdministratorChanges, NewAdministrator, OwnPassword};
pub use audit::{Audit, AuditVerified};
pub use certificate::{Certificate, Certificates, PeerCertificate};
pub use contact::{Contact, ContactPair, Invitation};
pub use dns::{DnsRecord, DnsZone, ListenerSeen, dns_state};
pub use domain::{Domain, DomainChanges, NewDomain, XmppServer, XmppServerChanges};
pub use import::{FieldChange, Import, ImportRow};
pub use message::{MessageStep, MessageTest, NewMessageTest};
pub use partner::{LastAttempt, NewPartner, Partner, PartnerChanged, PartnerChanges, PartnerPage};
pub use policy::{NewPolicy, NewUserPolicy, Policy, PolicyChanged, PolicyChanges, UserPolicy};
pub use probe::{NewProbe, Probe, WorkingRow};
pub use problem::{FieldError, FieldWarning, Problem};
pub use refusal::Refusals;
pub use registration::Registration;
pub use report::{Report, Step};
pub use setting::{Setting, Settings, SettingsChanged};
pub use status::{Component, Listener, Running, Status, Stream};
pub use token::{NewToken, Token, TokenMade, WhoAmI};
pub use trunk::{
    NewTrunk, Trunk, TrunkChanged, TrunkChanges, TrunkConnection, TrunkState, TrunkTarget, TrunkTest, TrunkTestStep,
};
pub use user::{DigestChoice, NewPassword, NewUser, NewUserBackend, User, UserBackend, UserChanges};

/// Part of a list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The value of `after` that gives the next part; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Tells a field that is `null` (to be emptied) from one that is absent (to be left).
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
