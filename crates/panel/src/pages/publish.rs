//! What partners must find for an internal domain: lines in DNS, a certificate with its name, ports that answer. Each is
//! looked at now.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};

use super::{
    Pages, Section, View, Visitor, Words,
    domains::{frame, resource},
    view::{Facts, Piece, Table, link, segment, small, state, text},
    words::InsideWords,
};
use crate::api::v1::dto::{Certificates, DnsZone, Page, dns_state};

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    let w = InsideWords::of(visitor.language);
    let zones =
        match pages.inside.get::<Page<DnsZone>>(&visitor.caller, &format!("/dns?domain={}", segment(&name))).await {
            Ok(zones) => zones.items,
            Err(problem) => return visitor.failed(&problem),
        };
    let certificates = pages.inside.get::<Certificates>(&visitor.caller, "/certificates").await.unwrap_or_default();
    let title = Words::fill(w.publish_for, &[&name]);
    let mut sections = Vec::new();
    for zone in zones.iter().filter(|zone| zone.domain == name) {
        sections.push(Section::Table(zone_table(&visitor, zone)));
        sections.push(Section::Facts(certificate_facts(&visitor, &zone.domain, &certificates)));
        sections.push(Section::Table(port_table(&visitor, zone)));
    }
    let mut view = View::new(frame(&visitor, title.clone()), w.publish_lead, sections);
    view.crumbs = vec![("/domains".to_owned(), visitor.words().domains_and_trunks.to_owned()), (String::new(), title)];
    view.actions = vec![link(format!("{}/publish", resource(&name)), w.check_now)];
    view.show()
}

/// The lines of a domain, and what stands in DNS now.
pub(super) fn zone_table(visitor: &Visitor, zone: &DnsZone) -> Table {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let mut table = Table::new("zone", &zone.domain, &[w.line, w.purpose, w.seen_now], words.none);
    table.note = zone.notes.iter().map(|note| Piece::English(note.clone())).collect();
    for record in &zone.records {
        let (class, word) = match record.state.as_str() {
            dns_state::PRESENT => ("ok", w.dns_ok),
            dns_state::ABSENT if record.needed => ("bad", w.dns_missing),
            dns_state::ABSENT => ("none", w.dns_missing),
            dns_state::DIFFERS => ("warn", w.dns_differs),
            _ => ("none", w.dns_unknown),
        };
        let mut seen = vec![state(class, word)];
        seen.extend(record.found.iter().map(small));
        seen.extend(record.note.clone().map(Piece::English));
        let mut purpose = vec![Piece::English(record.purpose.clone())];
        if !record.needed {
            purpose.push(Piece::Badge("", w.optional.to_owned()));
        }
        let line = format!("{}. 3600 IN {} {}", record.name.trim_end_matches('.'), record.kind, record.value);
        table.row(vec![vec![Piece::Code(line)], purpose, seen]);
    }
    table
}

/// What partners and clients connect to, and whether it answers.
pub(super) fn port_table(visitor: &Visitor, zone: &DnsZone) -> Table {
    let (words, w) = (visitor.words(), InsideWords::of(visitor.language));
    let mut table = Table::new("ports", w.ports, &[w.purpose, words.address, words.state], words.none);
    table.note = vec![text(w.ports_note)];
    for port in &zone.ports {
        let (class, word) = match port.state.as_str() {
            "open" => ("ok", w.port_open),
            "closed" => ("bad", w.port_closed),
            _ => ("none", w.dns_unknown),
        };
        let purpose = match port.name.as_str() {
            "xmpp" => w.port_xmpp,
            "inner" => w.port_inner,
            _ => w.port_sip,
        };
        let mut seen = vec![state(class, word)];
        seen.extend(port.note.clone().map(Piece::English));
        let address = vec![Piece::Code(port.address.clone()), small(port.transport.to_uppercase())];
        table.row(vec![vec![text(purpose)], address, seen]);
    }
    table
}

/// Whether a certificate of ours names the domain, and how long.
pub(super) fn cover(visitor: &Visitor, domain: &str, certificates: &Certificates) -> Piece {
    let w = InsideWords::of(visitor.language);
    let of_domain = certificates.items.iter().filter(|of| of.domains.iter().any(|name| name == domain));
    match of_domain.map(|of| of.days_left).max() {
        Some(days) => {
            let class = if days < 14 { "warn" } else { "ok" };
            state(class, Words::fill(w.covered, &[&days.to_string()]))
        }
        None => state("none", w.not_covered),
    }
}

/// The names that partners look for in our certificate (RFC 6125), and whether they are there.
fn certificate_facts(visitor: &Visitor, domain: &str, certificates: &Certificates) -> Facts {
    let w = InsideWords::of(visitor.language);
    let rows = vec![(domain.to_owned(), vec![cover(visitor, domain, certificates)])];
    let actions = vec![link("/certificates", visitor.words().certificates)];
    Facts { id: "certificate", heading: w.certificate_names.to_owned(), rows, actions }
}
