//! Partners: of our own export, and of `Get-CsXmppAllowedPartner`.

use policy::{Negotiation, Partner, PartnerChanges, PartnerDraft, Requirement};
use serde_json::{Value, json};
use store::ImportStep;

use super::{Basis, Planned, table::Reader};
use crate::api::v1::{
    body::unreadable_roots,
    dto::{FieldError, FieldWarning},
};

/// The row that the original documents with dialback although SASL is required, and the one with exactly its methods
/// (partner-policy §2, decision c).
const ROW_3: Negotiation = Negotiation { tls: Requirement::Optional, sasl: Requirement::Required, dialback: true };

pub(super) fn plan(reader: &mut Reader<'_>, basis: &mut Basis) -> Planned {
    let primary = reader.text(&["primary_domain", "identity", "domain"]).unwrap_or_default();
    let is_ours = reader.text(&["primary_domain"]).is_some();
    let mut changes = changes(reader);
    let before = lexicon::Domain::parse(&primary).ok();
    let before = before.and_then(|domain| basis.snapshot.partner_of(&domain).filter(|p| p.primary_domain == domain));
    let before = before.map(|partner| Partner::clone(partner));
    let (was_row_3, warning) = row_3(&mut changes, before.as_ref(), is_ours);
    let checked = match &before {
        Some(before) => changes.check(before, &basis.directory),
        None => PartnerDraft { primary_domain: primary.clone(), changes }.check(&basis.directory),
    };
    let checked = match checked {
        Ok(checked) => checked,
        Err(errors) => {
            let errors = errors.into_iter().map(FieldError::from).collect();
            return Planned { errors, ..Planned::invalid(primary) };
        }
    };
    let mut warnings: Vec<FieldWarning> = checked.warnings.into_iter().map(Into::into).collect();
    warnings.extend(warning.filter(|_| was_row_3));
    let partner = checked.partner;
    let errors: Vec<_> = unreadable_roots(&partner.trust_roots).into_iter().collect();
    if errors.is_empty() && reader.errors.is_empty() {
        basis.directory.put(&partner);
    }
    Planned {
        subject: partner.primary_domain.as_ascii().to_owned(),
        before: before.as_ref().map(form),
        after: form(&partner),
        warnings,
        errors,
        step: Some(ImportStep::Partner(Box::new(partner))),
    }
}

/// What stands in the row; what does not stays, or has its default.
fn changes(reader: &mut Reader<'_>) -> PartnerChanges {
    PartnerChanges {
        description: reader.text(&["description"]),
        additional_domains: reader.list(&["additional_domains", "additionaldomains"]),
        partner_type: reader.word(&["partner_type", "partnertype"]),
        tls: reader.word(&["tls", "tlsnegotiation"]),
        sasl: reader.word(&["sasl", "saslnegotiation"]),
        dialback: reader.flag(&["dialback", "supportdialbacknegotiation"]),
        connection_limit: reader.number(&["connection_limit", "connectionlimit"]).map(Some),
        keep_alive: reader.flag(&["keep_alive", "enablekeepalive"]),
        proxy_fqdn: reader.text(&["proxy_fqdn", "proxyfqdn"]),
        trust_roots: reader.text(&["trust_roots"]),
        pins: reader.list(&["pins"]),
        enabled: reader.flag(&["enabled"]),
        ..PartnerChanges::default()
    }
}

/// Turns the original's row 3 into row 9; whether it was one, with what to say of it.
fn row_3(changes: &mut PartnerChanges, before: Option<&Partner>, is_ours: bool) -> (bool, Option<FieldWarning>) {
    let stored = before.map(|partner| partner.negotiation).unwrap_or_default();
    let word = |text: &Option<String>, other: Requirement| match text {
        Some(text) => text.parse().ok(),
        None => Some(other),
    };
    let read = word(&changes.tls, stored.tls).zip(word(&changes.sasl, stored.sasl));
    let dialback = changes.dialback.unwrap_or(stored.dialback);
    let is_row_3 = read.is_some_and(|(tls, sasl)| Negotiation { tls, sasl, dialback } == ROW_3);
    if is_ours || !is_row_3 {
        return (false, None);
    }
    changes.sasl = Some(Requirement::Optional.as_str().to_owned());
    let message = "the original used dialback although SASL was required: imported as SASL optional, which permits the \
                   same methods";
    let warning =
        FieldWarning { field: "sasl".to_owned(), code: "imported_as_optional".to_owned(), message: message.to_owned() };
    (true, Some(warning))
}

/// A partner as its changes are told.
fn form(partner: &Partner) -> Value {
    json!({
        "primary_domain": partner.primary_domain.as_ascii(),
        "description": &*partner.description,
        "additional_domains": partner.additional_domains.iter().map(|domain| domain.as_ascii()).collect::<Vec<_>>(),
        "partner_type": partner.partner_type.to_string(),
        "tls": partner.negotiation.tls.as_str(),
        "sasl": partner.negotiation.sasl.as_str(),
        "dialback": partner.negotiation.dialback,
        "connection_limit": partner.connection_limit,
        "keep_alive": partner.keep_alive,
        "proxy_fqdn": partner.proxy_fqdn.as_ref().map(ToString::to_string),
        "trust_roots": partner.trust_roots.as_str(),
        "pins": partner.pins.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "enabled": partner.enabled,
    })
}
