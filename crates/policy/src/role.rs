//! Who may administer what: four roles, one table.

use std::{fmt, str::FromStr};

/// What an administrator is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Everything.
    Administrator,
    /// Users, their contacts and which policy they have.
    UserAdministrator,
    /// Looks, and runs probes of partners.
    HelpDesk,
    /// Looks, also at the audit log.
    Viewer,
}

/// A text is none of the roles.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are administrator, user_administrator, help_desk and viewer")]
pub struct RoleError;

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Administrator, Self::UserAdministrator, Self::HelpDesk, Self::Viewer];

    /// The word used in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::UserAdministrator => "user_administrator",
            Self::HelpDesk => "help_desk",
            Self::Viewer => "viewer",
        }
    }

    /// Whether the role may do this.
    pub const fn may(self, act: Act) -> bool {
        match act {
            Act::ReadConfiguration | Act::ReadPeople | Act::ReadOperation | Act::ReadCertificates | Act::OwnAccount => {
                true
            }
            Act::ChangeConfiguration | Act::Operate | Act::ReloadCertificates | Act::Administer => {
                matches!(self, Self::Administrator)
            }
            Act::ChangePeople => matches!(self, Self::Administrator | Self::UserAdministrator),
            Act::ProbePartner => matches!(self, Self::Administrator | Self::HelpDesk),
            Act::Audit => matches!(self, Self::Administrator | Self::Viewer),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

/// What somebody wants to do, as far as roles differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// Look at partners, settings, policies, domains, trunks.
    ReadConfiguration,
    /// Change or import them.
    ChangeConfiguration,
    /// Look at registrar users, contacts, assignments of policies.
    ReadPeople,
    /// Change them.
    ChangePeople,
    /// Look at streams, reports, probes.
    ReadOperation,
    /// Run a probe of a partner.
    ProbePartner,
    /// Close streams, test trunks, probe any domain.
    Operate,
    /// Look at certificates.
    ReadCertificates,
    /// Read their files again.
    ReloadCertificates,
    /// Make and take back what others log in with.
    Administer,
    /// Look at what one is oneself.
    OwnAccount,
    /// Read the audit log, and export.
    Audit,
}

impl Act {
    /// The roles that may do it.
    pub fn roles(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| role.may(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// partner-policy §6, column by column.
    #[test]
    fn each_role_may_what_its_line_says() {
        let all = "administrator user_administrator help_desk viewer";
        for (act, roles) in [
            (Act::ReadConfiguration, all),
            (Act::ChangeConfiguration, "administrator"),
            (Act::ReadPeople, all),
            (Act::ChangePeople, "administrator user_administrator"),
            (Act::ReadOperation, all),
            (Act::ProbePartner, "administrator help_desk"),
            (Act::Operate, "administrator"),
            (Act::ReadCertificates, all),
            (Act::ReloadCertificates, "administrator"),
            (Act::Administer, "administrator"),
            (Act::OwnAccount, all),
            (Act::Audit, "administrator viewer"),
        ] {
            let may: Vec<_> = act.roles().map(Role::as_str).collect();
            assert_eq!(may.join(" "), roles, "{act:?}");
        }
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(RoleError));
    }
}
