//! Which internal users may use XMPP federation.
//!
//! A policy is assigned to a user, to a site (an internal domain) or globally; the closest one replaces the others,
//! nothing is merged. The global one always exists. A user without access is, to a partner, as if the user did not
//! exist.

use std::{collections::BTreeMap, fmt};

use lexicon::{BareJid, Domain};

use crate::Partner;

/// What users of one scope may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessPolicy {
    /// For people.
    pub name: String,
    /// Federation at all.
    pub enable_federation_access: bool,
    /// Federation with XMPP partners; effective only with the first.
    pub enable_xmpp_access: bool,
    /// Primary domains of the partners it is for; empty: all.
    pub partners: Vec<Domain>,
}

impl AccessPolicy {
    /// The global policy out of the box: everything, since the list of partners is closed.
    pub fn global() -> Self {
        Self {
            name: "Global".to_owned(),
            enable_federation_access: true,
            enable_xmpp_access: true,
            partners: Vec::new(),
        }
    }

    fn judge(&self, partner: &Partner) -> Result<(), Denial> {
        if !self.enable_federation_access {
            Err(Denial::Federation)
        } else if !self.enable_xmpp_access {
            Err(Denial::Xmpp)
        } else if !self.partners.is_empty() && !self.partners.contains(&partner.primary_domain) {
            Err(Denial::Partner)
        } else {
            Ok(())
        }
    }
}

/// Where the policy that decided is assigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// To everybody.
    Global,
    /// To an internal domain.
    Site,
    /// To one user.
    User,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Global => "global",
            Self::Site => "site",
            Self::User => "user",
        })
    }
}

/// Why a user has no access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denial {
    /// Federation is off.
    Federation,
    /// XMPP federation is off.
    Xmpp,
    /// The policy lists partners, and this one is not among them.
    Partner,
}

/// Whether a user may exchange stanzas with a partner, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision<'a> {
    /// The policy that decided.
    pub policy: &'a AccessPolicy,
    /// Where it is assigned.
    pub scope: Scope,
    /// The decision.
    pub verdict: Result<(), Denial>,
}

impl Decision<'_> {
    /// Whether the user has access.
    pub fn is_allowed(&self) -> bool {
        self.verdict.is_ok()
    }
}

/// The reason, for administrators.
impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.verdict {
            Ok(()) => "permits XMPP federation with this partner",
            Err(Denial::Federation) => "does not enable federation",
            Err(Denial::Xmpp) => "does not enable XMPP federation",
            Err(Denial::Partner) => "does not list this partner",
        };
        write!(f, "the {} policy {:?} {what}", self.scope, self.policy.name)
    }
}

/// All policies, by scope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessPolicies {
    /// Cannot be removed, only reset.
    pub global: AccessPolicy,
    /// By internal domain.
    pub sites: BTreeMap<Domain, AccessPolicy>,
    /// By user.
    pub users: BTreeMap<BareJid, AccessPolicy>,
}

impl Default for AccessPolicies {
    fn default() -> Self {
        Self { global: AccessPolicy::global(), sites: BTreeMap::new(), users: BTreeMap::new() }
    }
}

impl AccessPolicies {
    /// The policy that counts for `user`: the closest one alone.
    pub fn effective(&self, user: &BareJid) -> (Scope, &AccessPolicy) {
        if let Some(policy) = self.users.get(user) {
            (Scope::User, policy)
        } else if let Some(policy) = self.sites.get(user.domain()) {
            (Scope::Site, policy)
        } else {
            (Scope::Global, &self.global)
        }
    }

    /// Whether `user` may exchange stanzas with `partner`.
    pub fn judge(&self, user: &BareJid, partner: &Partner) -> Decision<'_> {
        let (scope, policy) = self.effective(user);
        Decision { policy, scope, verdict: policy.judge(partner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, federation: bool, xmpp: bool, partners: &[&str]) -> AccessPolicy {
        AccessPolicy {
            name: name.to_owned(),
            enable_federation_access: federation,
            enable_xmpp_access: xmpp,
            partners: partners.iter().map(|name| Domain::parse(name).unwrap()).collect(),
        }
    }

    fn partner() -> Partner {
        Partner::new(Domain::parse("fabrikam.example").unwrap())
    }

    #[test]
    fn everybody_has_access_out_of_the_box() {
        let policies = AccessPolicies::default();
        let decision = policies.judge(&BareJid::parse("romeo@contoso.example").unwrap(), &partner()).verdict;
        assert_eq!(decision, Ok(()));
    }

    #[test]
    fn xmpp_access_is_effective_only_with_federation_access() {
        for (federation, xmpp, partners, verdict) in [
            (true, true, &[][..], Ok(())),
            (true, false, &[], Err(Denial::Xmpp)),
            (false, true, &[], Err(Denial::Federation)),
            (false, false, &[], Err(Denial::Federation)),
            (true, true, &["fabrikam.example"], Ok(())),
            (true, true, &["litware.example"], Err(Denial::Partner)),
        ] {
            assert_eq!(policy("p", federation, xmpp, partners).judge(&partner()), verdict);
        }
    }

    #[test]
    fn the_closest_policy_replaces_the_others() {
        let policies = AccessPolicies {
            global: policy("Global", false, true, &[]),
            sites: [(Domain::parse("contoso.example").unwrap(), policy("Contoso", true, true, &["litware.example"]))]
                .into(),
            users: [(BareJid::parse("romeo@contoso.example").unwrap(), policy("VIP", true, true, &[]))].into(),
        };
        for (user, allowed, reason) in [
            ("romeo@contoso.example", true, "the user policy \"VIP\" permits XMPP federation with this partner"),
            ("tybalt@contoso.example", false, "the site policy \"Contoso\" does not list this partner"),
            ("tybalt@it.contoso.example", false, "the global policy \"Global\" does not enable federation"),
        ] {
            let user = BareJid::parse(user).unwrap();
            let decision = policies.judge(&user, &partner());
            assert_eq!((decision.is_allowed(), decision.to_string().as_str()), (allowed, reason));
        }
    }
}
