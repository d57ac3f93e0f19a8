//! What a person wrote about a partner, checked into a [`Partner`] or into every error at once.

use std::fmt;

use lexicon::Domain;

use super::{ADDITIONAL_DOMAINS_MAX, CONNECTION_LIMIT_MIN, Directory, Partner, directory::parse};
use crate::{
    FieldError, FieldWarning,
    form::{self, NegotiationEntered},
};

/// Most connections a partner can be limited to: as many as there can be in all.
const CONNECTION_LIMIT_MAX: u32 = 100_000;

/// A new partner as entered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PartnerDraft {
    /// Its identity.
    pub primary_domain: String,
    /// Everything else; what is left out has its default.
    pub changes: PartnerChanges,
}

/// Changes to a partner as entered. What is `None` stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PartnerChanges {
    /// At most 1,024 characters.
    pub description: Option<String>,
    /// Replaces the whole list.
    pub additional_domains: Option<Vec<String>>,
    /// Added to the list, after a replacement.
    pub add_domains: Vec<String>,
    /// Taken from the list, after a replacement; each must be there.
    pub remove_domains: Vec<String>,
    /// `federated`, `public_verified` or `public_unverified`.
    pub partner_type: Option<String>,
    /// `required`, `optional` or `not_supported`.
    pub tls: Option<String>,
    /// `required`, `optional` or `not_supported`.
    pub sasl: Option<String>,
    /// Whether dialback is supported.
    pub dialback: Option<bool>,
    /// A number from 2, or none for the gateway-wide limit.
    pub connection_limit: Option<Option<i64>>,
    /// Whether keep-alive is enabled.
    pub keep_alive: Option<bool>,
    /// `host` or `host:port`; empty for none.
    pub proxy_fqdn: Option<String>,
    /// `system` or PEM text.
    pub trust_roots: Option<String>,
    /// Replaces the whole list.
    pub pins: Option<Vec<String>>,
    /// Whether the partner is enabled.
    pub enabled: Option<bool>,
}

/// A partner that may be saved, with what to show first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checked {
    /// Valid in every field.
    pub partner: Partner,
    /// To be shown; they do not prevent saving.
    pub warnings: Vec<FieldWarning>,
}

impl PartnerDraft {
    /// Checks every field. `directory` is that of what is stored now.
    pub fn check(&self, directory: &Directory) -> Result<Checked, Vec<FieldError>> {
        let mut form = Form { directory, form: form::Form::default() };
        let primary = form.domain("primary_domain", &self.primary_domain, None);
        // With a bad primary domain the other fields are judged on a stand-in, so that their errors show too.
        let mut partner = Partner::new(primary.clone().unwrap_or_else(stand_in));
        form.fill(&mut partner, &self.changes, primary.as_ref());
        form.finish(partner)
    }
}

impl PartnerChanges {
    /// Checks the changes together with what stays of `stored`. `directory` is that of what is stored now.
    pub fn check(&self, stored: &Partner, directory: &Directory) -> Result<Checked, Vec<FieldError>> {
        let mut form = Form { directory, form: form::Form::default() };
        let mut partner = stored.clone();
        form.fill(&mut partner, self, Some(&stored.primary_domain));
        form.finish(partner)
    }
}

fn stand_in() -> Domain {
    Domain::parse("invalid").expect("a single label of letters is a domain name")
}

/// The checks of one form: reads on after an error.
struct Form<'a> {
    directory: &'a Directory,
    form: form::Form,
}

impl Form<'_> {
    fn fill(&mut self, partner: &mut Partner, changes: &PartnerChanges, primary: Option<&Domain>) {
        if let Some(text) = &changes.description {
            partner.description = self.form.description(text);
        }
        partner.additional_domains =
            self.additional_domains(std::mem::take(&mut partner.additional_domains), changes, primary);
        self.form.word("partner_type", changes.partner_type.as_deref(), &mut partner.partner_type);
        let PartnerChanges { tls, sasl, dialback, .. } = changes;
        let entered = NegotiationEntered { tls: tls.as_deref(), sasl: sasl.as_deref(), dialback: *dialback };
        self.form.negotiation(entered, &mut partner.negotiation);
        if let Some(limit) = changes.connection_limit {
            partner.connection_limit = limit.and_then(|limit| self.connection_limit(limit));
        }
        partner.keep_alive = changes.keep_alive.unwrap_or(partner.keep_alive);
        match changes.proxy_fqdn.as_deref().map(str::trim) {
            None => {}
            Some("") => partner.proxy_fqdn = None,
            Some(text) => match text.parse() {
                Ok(target) => partner.proxy_fqdn = Some(target),
                Err(error) => self.refuse("proxy_fqdn", "host_invalid", format!("{text}: {error}")),
            },
        }
        self.form.trust_roots(changes.trust_roots.as_deref(), &mut partner.trust_roots);
        if let Some(texts) = &changes.pins {
            partner.pins = self.form.pins(texts);
        }
        partner.enabled = changes.enabled.unwrap_or(partner.enabled);
    }

    fn finish(self, partner: Partner) -> Result<Checked, Vec<FieldError>> {
        self.form.finish(()).map(|()| Checked { warnings: partner.warnings(), partner })
    }

    fn refuse(&mut self, field: &'static str, code: &'static str, message: impl fmt::Display) {
        self.form.refuse(field, code, message);
    }

    /// A domain that the partner of `primary` may list.
    fn domain(&mut self, field: &'static str, text: &str, primary: Option<&Domain>) -> Option<Domain> {
        let checked = parse(field, text)
            .and_then(|domain| self.directory.check_partner(field, &domain, primary).map(|()| domain));
        checked.map_err(|error| self.form.errors.push(error)).ok()
    }

    fn additional_domains(
        &mut self,
        stored: Vec<Domain>,
        changes: &PartnerChanges,
        primary: Option<&Domain>,
    ) -> Vec<Domain> {
        const FIELD: &str = "additional_domains";
        let replaced = changes.additional_domains.is_some();
        let mut list = if replaced { Vec::new() } else { stored };
        for text in &changes.remove_domains {
            match parse(FIELD, text) {
                Ok(domain) => match list.iter().position(|listed| *listed == domain) {
                    Some(at) => drop(list.remove(at)),
                    None => self.refuse(FIELD, "domain_not_listed", format!("{domain} is not an additional domain")),
                },
                Err(error) => self.form.errors.push(error),
            }
        }
        let added = changes.additional_domains.iter().flatten().chain(&changes.add_domains);
        for text in added {
            let Some(domain) = self.domain(FIELD, text, primary) else { continue };
            if Some(&domain) == primary {
                self.refuse(FIELD, "domain_repeated", format!("{domain} is the primary domain already"));
            } else if list.contains(&domain) {
                self.refuse(FIELD, "domain_repeated", format!("{domain} is listed twice"));
            } else {
                list.push(domain);
            }
        }
        if list.len() > ADDITIONAL_DOMAINS_MAX {
            let message = format!("{} domains were entered; at most {ADDITIONAL_DOMAINS_MAX} are allowed", list.len());
            self.refuse(FIELD, "too_many", message);
        }
        list
    }

    fn connection_limit(&mut self, limit: i64) -> Option<u32> {
        let checked =
            u32::try_from(limit).ok().filter(|limit| (CONNECTION_LIMIT_MIN..=CONNECTION_LIMIT_MAX).contains(limit));
        if checked.is_none() {
            let message = format!(
                "{limit} was entered; allowed are {CONNECTION_LIMIT_MIN} to {CONNECTION_LIMIT_MAX}, or empty for the \
                 gateway-wide partner_connection_limit"
            );
            self.refuse("connection_limit", "out_of_range", message);
        }
        checked
    }
}
