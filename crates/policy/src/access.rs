//! Which internal users may use XMPP federation.
//!
//! A policy belongs to a site (an internal domain), is assigned to users, or is the global one, which always exists; the
//! closest one replaces the others, nothing is merged. A user without access is, to a partner, as if the user did not
//! exist.

use std::{collections::BTreeMap, fmt, sync::Arc};

use lexicon::{BareJid, Domain};

use crate::{FieldWarning, Partner};

mod changes;
mod identity;

pub use changes::{Checked, PolicyChanges, PolicyDraft};
pub use identity::{PolicyIdentity, PolicyIdentityError, PolicyName, PolicyNameError, Scope};

/// Most partners that a policy lists.
pub const PARTNERS_MAX: usize = 1024;

/// What users of one scope may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessPolicy {
    /// Which one it is, and whose.
    pub identity: PolicyIdentity,
    /// Federation at all.
    pub enable_federation_access: bool,
    /// Federation with XMPP partners; effective only with the first.
    pub enable_xmpp_access: bool,
    /// Primary domains of the partners it is for; empty: all. One that is no partner any more stays listed, so that the
    /// policy never comes to be for all by a partner's removal.
    pub partners: Vec<Domain>,
}

impl AccessPolicy {
    /// The global policy out of the box: everything, since the list of partners is closed.
    pub fn global() -> Self {
        Self { enable_federation_access: true, enable_xmpp_access: true, ..Self::new(PolicyIdentity::Global) }
    }

    /// A new one: nothing, until it is said.
    pub fn new(identity: PolicyIdentity) -> Self {
        Self { identity, enable_federation_access: false, enable_xmpp_access: false, partners: Vec::new() }
    }

    /// Whether its users may exchange stanzas with `partner`.
    pub fn judge(&self, partner: &Partner) -> Result<(), Denial> {
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

    /// What to know about it.
    pub fn warnings(&self) -> Vec<FieldWarning> {
        let is_void = self.enable_xmpp_access && !self.enable_federation_access;
        let message = "XMPP access takes effect only together with federation access, which is off";
        is_void.then(|| FieldWarning::new("enable_xmpp_access", "no_effect", message)).into_iter().collect()
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
        write!(f, "the policy {} {what}", self.policy.identity)
    }
}

/// All policies, by scope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessPolicies {
    global: AccessPolicy,
    sites: BTreeMap<Domain, AccessPolicy>,
    users: BTreeMap<BareJid, Arc<AccessPolicy>>,
}

impl Default for AccessPolicies {
    fn default() -> Self {
        Self::new([], [])
    }
}

impl AccessPolicies {
    /// Of `policies`, and of user policies by the users they are assigned to. Without a global one it is that out of the
    /// box; an assignment to a policy that is not there counts for nothing.
    pub fn new(
        policies: impl IntoIterator<Item = AccessPolicy>,
        assigned: impl IntoIterator<Item = (BareJid, PolicyName)>,
    ) -> Self {
        let (mut global, mut sites, mut named) = (AccessPolicy::global(), BTreeMap::new(), BTreeMap::new());
        for policy in policies {
            match &policy.identity {
                PolicyIdentity::Global => global = policy,
                PolicyIdentity::Site(domain) => drop(sites.insert(domain.clone(), policy)),
                PolicyIdentity::User(name) => drop(named.insert(name.clone(), Arc::new(policy))),
            }
        }
        let assigned = assigned.into_iter().filter_map(|(user, name)| Some((user, Arc::clone(named.get(&name)?))));
        Self { global, sites, users: assigned.collect() }
    }

    /// The policy that counts for `user`: the closest one alone.
    pub fn effective(&self, user: &BareJid) -> &AccessPolicy {
        match self.users.get(user) {
            Some(policy) => policy,
            None => self.sites.get(user.domain()).unwrap_or(&self.global),
        }
    }

    /// Whether `user` may exchange stanzas with `partner`.
    pub fn judge(&self, user: &BareJid, partner: &Partner) -> Decision<'_> {
        let policy = self.effective(user);
        Decision { policy, verdict: policy.judge(partner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(identity: &str, federation: bool, xmpp: bool, partners: &[&str]) -> AccessPolicy {
        AccessPolicy {
            identity: identity.parse().unwrap(),
            enable_federation_access: federation,
            enable_xmpp_access: xmpp,
            partners: partners.iter().map(|name| Domain::parse(name).unwrap()).collect(),
        }
    }

    fn partner() -> Partner {
        Partner::new(Domain::parse("fabrikam.example").unwrap())
    }

    fn user(text: &str) -> BareJid {
        BareJid::parse(text).unwrap()
    }

    #[test]
    fn everybody_has_access_out_of_the_box() {
        let policies = AccessPolicies::default();
        assert_eq!(policies.judge(&user("romeo@contoso.example"), &partner()).verdict, Ok(()));
    }

    #[test]
    fn xmpp_access_is_effective_only_with_federation_access() {
        for (federation, xmpp, partners, verdict, warnings) in [
            (true, true, &[][..], Ok(()), 0),
            (true, false, &[], Err(Denial::Xmpp), 0),
            (false, true, &[], Err(Denial::Federation), 1),
            (false, false, &[], Err(Denial::Federation), 0),
            (true, true, &["fabrikam.example"], Ok(()), 0),
            (true, true, &["litware.example"], Err(Denial::Partner), 0),
        ] {
            let policy = policy("global", federation, xmpp, partners);
            assert_eq!((policy.judge(&partner()), policy.warnings().len()), (verdict, warnings));
        }
    }

    #[test]
    fn the_closest_policy_replaces_the_others() {
        let policies = AccessPolicies::new(
            [
                policy("user:VIP", true, true, &[]),
                policy("global", false, true, &[]),
                policy("site:contoso.example", true, true, &["litware.example"]),
            ],
            [
                (user("romeo@contoso.example"), "VIP".parse().unwrap()),
                (user("paris@contoso.example"), "gone".parse().unwrap()),
            ],
        );
        for (address, allowed, reason) in [
            ("romeo@contoso.example", true, "the policy user:VIP permits XMPP federation with this partner"),
            ("tybalt@contoso.example", false, "the policy site:contoso.example does not list this partner"),
            ("paris@contoso.example", false, "the policy site:contoso.example does not list this partner"),
            ("tybalt@it.contoso.example", false, "the policy global does not enable federation"),
        ] {
            let decision = policies.judge(&user(address), &partner());
            assert_eq!((decision.is_allowed(), decision.to_string().as_str()), (allowed, reason));
        }
    }
}
