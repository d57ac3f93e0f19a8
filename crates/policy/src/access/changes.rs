//! What a person wrote about a policy, checked into an [`AccessPolicy`] or into every error at once.

use lexicon::Domain;

use super::{AccessPolicy, PARTNERS_MAX, PolicyIdentity};
use crate::{FieldError, FieldWarning, form::Form};

/// A new policy as entered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyDraft {
    /// `site:DOMAIN` or `user:NAME`.
    pub identity: String,
    /// Everything else; what is left out has its default.
    pub changes: PolicyChanges,
}

/// Changes to a policy as entered. What is `None` stays; a list replaces the whole list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyChanges {
    /// Federation at all.
    pub enable_federation_access: Option<bool>,
    /// Federation with XMPP partners.
    pub enable_xmpp_access: Option<bool>,
    /// Primary domains of partners; empty: all.
    pub partners: Option<Vec<String>>,
}

/// A policy that may be saved, with what to show first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checked {
    /// Valid in every field.
    pub policy: AccessPolicy,
    /// To be shown; they do not prevent saving.
    pub warnings: Vec<FieldWarning>,
}

impl PolicyDraft {
    /// Checks every field; `is_partner` says of a domain whether it is the primary domain of one. Whether there is such a
    /// site, and no such policy yet, is for the store to say.
    pub fn check(&self, is_partner: impl Fn(&Domain) -> bool) -> Result<Checked, Vec<FieldError>> {
        let mut form = Form::default();
        let identity = self.identity.parse::<PolicyIdentity>();
        match &identity {
            Err(_) if self.identity.trim().is_empty() => {
                form.refuse("identity", "required", "a policy is site:DOMAIN or user:NAME");
            }
            Err(error) => form.refuse("identity", "identity_invalid", error),
            Ok(PolicyIdentity::Global) => {
                form.refuse("identity", "not_allowed", "there is always one global policy: change it");
            }
            Ok(_) => {}
        }
        // With a bad identity the other fields are judged all the same, so that their errors show too.
        let mut policy = AccessPolicy::new(identity.unwrap_or(PolicyIdentity::Global));
        fill(&mut form, &mut policy, &self.changes, is_partner);
        form.finish(()).map(|()| Checked { warnings: policy.warnings(), policy })
    }
}

impl PolicyChanges {
    /// Checks the changes together with what stays of `stored`. A partner that is gone may stay listed, but not be added.
    pub fn check(
        &self,
        stored: &AccessPolicy,
        is_partner: impl Fn(&Domain) -> bool,
    ) -> Result<Checked, Vec<FieldError>> {
        let (mut form, mut policy) = (Form::default(), stored.clone());
        fill(&mut form, &mut policy, self, |domain| stored.partners.contains(domain) || is_partner(domain));
        form.finish(()).map(|()| Checked { warnings: policy.warnings(), policy })
    }
}

fn fill(form: &mut Form, policy: &mut AccessPolicy, changes: &PolicyChanges, is_partner: impl Fn(&Domain) -> bool) {
    policy.enable_federation_access = changes.enable_federation_access.unwrap_or(policy.enable_federation_access);
    policy.enable_xmpp_access = changes.enable_xmpp_access.unwrap_or(policy.enable_xmpp_access);
    let Some(texts) = &changes.partners else { return };
    let listed: Vec<Domain> = form.list("partners", "domain_invalid", texts, PARTNERS_MAX);
    for domain in listed.iter().filter(|domain| !is_partner(domain)) {
        form.refuse("partners", "not_a_partner", format!("{domain} is not the primary domain of a partner"));
    }
    policy.partners = listed;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(identity: &str, partners: &[&str]) -> PolicyDraft {
        let partners = Some(partners.iter().map(|text| (*text).to_owned()).collect());
        PolicyDraft { identity: identity.to_owned(), changes: PolicyChanges { partners, ..PolicyChanges::default() } }
    }

    fn is_partner(domain: &Domain) -> bool {
        domain.as_ascii() == "fabrikam.example"
    }

    #[test]
    fn every_error_is_told_at_once() {
        for (identity, partners, told) in [
            ("user:Sales", &["Fabrikam.example."][..], &[][..]),
            (
                "",
                &["litware.example", "a b"],
                &["identity required", "partners domain_invalid", "partners not_a_partner"],
            ),
            ("global", &[], &["identity not_allowed"]),
            ("Sales", &["fabrikam.example", "fabrikam.example"], &["identity identity_invalid", "partners repeated"]),
        ] {
            let errors = draft(identity, partners).check(is_partner).err().unwrap_or_default();
            let codes: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect();
            assert_eq!(codes, told, "{identity} {partners:?}");
        }
    }

    #[test]
    fn a_new_policy_gives_nothing_that_was_not_said() {
        let policy = draft("user:Sales", &[]).check(is_partner).unwrap().policy;
        assert!(!policy.enable_federation_access && !policy.enable_xmpp_access && policy.partners.is_empty());
    }

    #[test]
    fn a_partner_that_is_gone_may_stay_but_not_be_added() {
        let mut stored = draft("user:Sales", &[]).check(is_partner).unwrap().policy;
        stored.partners = vec![Domain::parse("litware.example").unwrap()];
        assert!(draft("", &["litware.example", "fabrikam.example"]).changes.check(&stored, is_partner).is_ok());
        assert!(draft("", &["proseware.example"]).changes.check(&stored, is_partner).is_err());
    }
}
