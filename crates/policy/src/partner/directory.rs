//! Whose domain is whose: each domain belongs to one partner or is internal, never both.

use std::collections::BTreeMap;

use lexicon::Domain;

use super::Partner;
use crate::FieldError;

/// Whom a domain belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// It is one of ours.
    Internal,
    /// It is listed by the partner of this primary domain.
    Partner(Domain),
}

/// Every domain in use, with its owner.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Directory {
    owners: BTreeMap<Domain, Owner>,
}

impl Directory {
    /// Of what is stored. Of two entries for one name the first stands; a store that obeys this module has none.
    pub fn new<'a>(
        internal: impl IntoIterator<Item = &'a Domain>,
        partners: impl IntoIterator<Item = &'a Partner>,
    ) -> Self {
        let mut owners = BTreeMap::new();
        for domain in internal {
            owners.entry(domain.clone()).or_insert(Owner::Internal);
        }
        for partner in partners {
            for domain in partner.domains() {
                owners.entry(domain.clone()).or_insert_with(|| Owner::Partner(partner.primary_domain.clone()));
            }
        }
        Self { owners }
    }

    /// Puts a checked partner in the place of the one with the same primary domain.
    pub fn put(&mut self, partner: &Partner) {
        let owner = Owner::Partner(partner.primary_domain.clone());
        self.owners.retain(|_, known| *known != owner);
        for domain in partner.domains() {
            self.owners.entry(domain.clone()).or_insert_with(|| owner.clone());
        }
    }

    /// Whom `domain` belongs to.
    pub fn owner(&self, domain: &Domain) -> Option<&Owner> {
        self.owners.get(domain)
    }

    /// The internal domains.
    pub fn internal(&self) -> impl Iterator<Item = &Domain> {
        self.owners.iter().filter(|(_, owner)| **owner == Owner::Internal).map(|(domain, _)| domain)
    }

    /// Checks the name of a new internal domain.
    pub fn check_internal(&self, field: &'static str, text: &str) -> Result<Domain, FieldError> {
        let domain = parse(field, text)?;
        match self.owner(&domain) {
            None => Ok(domain),
            Some(Owner::Internal) => {
                Err(FieldError::new(field, "domain_exists", format!("{domain} is already an internal domain")))
            }
            Some(Owner::Partner(primary)) => Err(FieldError::new(
                field,
                "domain_in_use",
                format!("{domain} is a domain of the partner {primary}; remove it there first"),
            )),
        }
    }

    /// Checks that `domain` may be listed by the partner of `primary`.
    pub(super) fn check_partner(
        &self,
        field: &'static str,
        domain: &Domain,
        primary: Option<&Domain>,
    ) -> Result<(), FieldError> {
        match self.owner(domain) {
            None => Ok(()),
            Some(Owner::Partner(owner)) if Some(owner) == primary => Ok(()),
            Some(Owner::Partner(owner)) if owner == domain => {
                Err(FieldError::new(field, "domain_in_use", format!("{domain} is already a partner")))
            }
            Some(Owner::Partner(owner)) => Err(FieldError::new(
                field,
                "domain_in_use",
                format!("{domain} is already a domain of the partner {owner}"),
            )),
            Some(Owner::Internal) => Err(FieldError::new(
                field,
                "domain_is_internal",
                format!("{domain} is an internal domain and cannot be a partner's"),
            )),
        }
    }
}

/// Parses a domain that a person entered into `field`.
pub(super) fn parse(field: &'static str, text: &str) -> Result<Domain, FieldError> {
    let text = text.trim();
    Domain::parse(text).map_err(|error| match error {
        lexicon::DomainError::Empty => FieldError::new(field, "required", error.to_string()),
        _ => FieldError::new(field, "domain_invalid", format!("{text}: {error}")),
    })
}
