//! Contacts: a column `internal` and a column `partner`. Each row is an administrator's entry.

use lexicon::BareJid;
use serde_json::json;
use store::ImportStep;

use super::{Basis, Planned, table::Reader};
use crate::api::v1::body::address;

pub(super) fn plan(reader: &mut Reader<'_>, basis: &mut Basis) -> Planned {
    let mut side = |column: &str| {
        let text = reader.text(&[column]).unwrap_or_default();
        (address(column, &text, &mut reader.errors), text)
    };
    let ((internal, first), (partner, second)) = (side("internal"), side("partner"));
    let subject = format!("{first} {second}");
    let (Some(internal), Some(partner)) = (internal, partner) else { return Planned::invalid(subject) };
    check(reader, basis, &internal, &partner);
    let before = basis.contacts.get(&(internal.clone(), partner.clone())).copied();
    let after = before.unwrap_or_default().add();
    if reader.errors.is_empty() {
        basis.contacts.insert((internal.clone(), partner.clone()), after);
    }
    Planned {
        subject: format!("{internal} {partner}"),
        before: before.filter(|state| !state.is_stranger()).map(|state| json!({ "added": state.added })),
        after: json!({ "added": after.added }),
        step: Some(ImportStep::Contact(internal, partner)),
        ..Planned::default()
    }
}

/// The one is a user of ours, the other of a partner.
fn check(reader: &mut Reader<'_>, basis: &Basis, internal: &BareJid, partner: &BareJid) {
    let (inside, outside) = (internal.domain(), partner.domain());
    if !basis.snapshot.is_internal(inside) {
        reader.refuse("internal", "not_internal", format!("{inside} is not one of our internal domains"));
    } else if basis.registrar_only.contains(inside) && basis.accounts.binary_search(internal).is_err() {
        reader.refuse("internal", "no_such_user", format!("there is no user {internal}"));
    }
    if basis.snapshot.partner_of(outside).is_none() {
        reader.refuse("partner", "not_a_partner", format!("{outside} is not a domain of a partner"));
    }
}
