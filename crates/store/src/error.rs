//! Why the store refused or failed. The texts are for operators: one sentence each, with the remedy where there is one.

use std::{io, path::PathBuf};

use lexicon::Domain;
use policy::TrunkName;

use crate::Backend;

/// Who holds a domain that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DomainHolder {
    /// It is one of our internal domains.
    Internal,
    /// It belongs to the partner with this primary domain.
    Partner(Domain),
}

impl std::fmt::Display for DomainHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Internal => f.write_str("is one of our internal domains"),
            Self::Partner(primary) => write!(f, "already belongs to the partner {primary}"),
        }
    }
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// What was asked for is not possible: another request may be.
    Caller,
    /// The database, the disk or the installation.
    Us,
}

/// An error of the store. Nothing was changed when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The row was changed since the caller read it.
    #[error("{what} was changed by someone else in the meantime: load it again and repeat the change")]
    Conflict {
        /// The row, for people.
        what: String,
        /// Its present revision.
        revision: u64,
    },
    /// A row holds what this version cannot read.
    #[error("the database holds {what} that cannot be read: {reason}")]
    Damaged {
        /// The row, for people.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database engine failed.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
    /// An internal domain still has users.
    #[error("{domain} still has {users} users: remove them first")]
    DomainInUse {
        /// The internal domain.
        domain: Domain,
        /// How many users it has.
        users: u64,
    },
    /// A domain has another holder.
    #[error("{domain} {holder}")]
    DomainTaken {
        /// The domain asked for.
        domain: Domain,
        /// Who has it.
        holder: DomainHolder,
    },
    /// Something of that name is there already.
    #[error("{what} exists already")]
    Exists {
        /// The row, for people.
        what: String,
    },
    /// Another process has the database open.
    #[error("the database {} is in use by another legation process: stop it first", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The schema is that of a later version.
    #[error(
        "the database has schema {found}, but this version of legation knows only up to {known}: \
         install the version that wrote it, or a later one"
    )]
    Newer {
        /// Number of the last migration in the database.
        found: i64,
        /// Number of the last migration that this version has.
        known: i64,
    },
    /// A domain has no such backend.
    #[error("{domain} is not served by {backend}: add that backend to the domain first")]
    NoBackend {
        /// The internal domain.
        domain: Domain,
        /// What was asked for.
        backend: Backend,
    },
    /// A domain is to be served by an XMPP server, and none is named.
    #[error("{domain} has no XMPP server: name one, or take xmpp from its backends")]
    NoInnerServer {
        /// The internal domain.
        domain: Domain,
    },
    /// A component needs a secret.
    #[error("{domain} has no secret for its component yet: give one")]
    NoSecret {
        /// The internal domain.
        domain: Domain,
    },
    /// A domain is to be served by a trunk that is not there.
    #[error("{domain} cannot be served by the trunk {trunk}: there is no such trunk; add it first")]
    NoTrunk {
        /// The internal domain.
        domain: Domain,
        /// What was asked for.
        trunk: TrunkName,
    },
    /// The file is something else.
    #[error("{} is not a database of legation", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A trunk still serves a domain.
    #[error("the trunk {trunk} still serves {domain}: change the backends of the domain first")]
    TrunkInUse {
        /// The trunk.
        trunk: TrunkName,
        /// A domain that names it.
        domain: Domain,
    },
    /// There is no such row.
    #[error("there is no {what}")]
    NotFound {
        /// The row, for people.
        what: String,
    },
    /// A domain is on no partner.
    #[error("{domain} is not a domain of a partner")]
    NotAPartner {
        /// The domain.
        domain: Domain,
    },
    /// An address is not in a domain of ours.
    #[error("{domain} is not one of our internal domains")]
    NotInternal {
        /// The domain.
        domain: Domain,
    },
    /// The address has no part before the `@`.
    #[error("{address} is not the address of a user (example: alice@contoso.example)")]
    NotAUser {
        /// The address.
        address: String,
    },
    /// The users of a domain are not accounts.
    #[error("the users of {domain} have no accounts here: the registrar is not among its backends")]
    NotRegistrar {
        /// The internal domain.
        domain: Domain,
    },
    /// A policy is still assigned to users.
    #[error("the access policy {policy} is assigned to {users} users: assign them another first")]
    PolicyInUse {
        /// The policy.
        policy: String,
        /// How many users it is assigned to.
        users: u64,
    },
    /// Others on this machine could read or change the data.
    #[error("{} is open to other users of this machine (mode {mode:04o}): run chmod {remedy} on it", path.display())]
    Permissions {
        /// The database or its directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Permission bits that are right.
        remedy: &'static str,
    },
    /// The operating system refused the file or its directory.
    #[error("{} cannot be opened for writing: {source}", path.display())]
    Unwritable {
        /// The database or its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Conflict { .. }
            | Self::DomainInUse { .. }
            | Self::DomainTaken { .. }
            | Self::Exists { .. }
            | Self::NoBackend { .. }
            | Self::NoInnerServer { .. }
            | Self::NoSecret { .. }
            | Self::NoTrunk { .. }
            | Self::NotAPartner { .. }
            | Self::NotAUser { .. }
            | Self::NotFound { .. }
            | Self::NotInternal { .. }
            | Self::NotRegistrar { .. }
            | Self::PolicyInUse { .. }
            | Self::TrunkInUse { .. } => Fault::Caller,
            Self::Closed
            | Self::Damaged { .. }
            | Self::Database(_)
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::NotADatabase { .. }
            | Self::Permissions { .. }
            | Self::Unwritable { .. } => Fault::Us,
        }
    }

    pub(crate) fn damaged(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Damaged { what: what.into(), reason: reason.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            error => Self::Database(error),
        }
    }
}
