//! The page of a partner: state per direction, live streams, recent reports, pending invitations, audit.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use policy::role::Act;

use super::{
    Pages, Piece, Section, View, Visitor, audit,
    partners::{STATES, kind_word, method_word, path, requirement_word, state_word},
    reports, streams,
    user::contact_button,
    users,
    view::{Facts, Table, link, segment, small, state, text, time},
    words::{OperationWords, PeopleWords},
};
use crate::api::v1::dto::{Audit, Invitation, Page, Partner, Report, Stream};

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(domain): Path<String>,
) -> Response {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let (inside, caller) = (&pages.inside, &visitor.caller);
    let partner: Partner = match inside.get(caller, &path(&domain)).await {
        Ok(partner) => partner,
        Err(problem) => return visitor.failed(&problem),
    };
    let name = segment(&partner.primary_domain);
    let of_partner = format!("/reports?partner={name}&limit=10");
    let found = tokio::join!(
        inside.get::<Page<Report>>(caller, &of_partner),
        inside.get::<Page<Stream>>(caller, "/streams"),
        inside.get::<Page<Invitation>>(caller, "/invitations"),
    );
    let (reports, streams, invitations) = match found {
        (Ok(reports), Ok(streams), Ok(invitations)) => (reports.items, streams.items, invitations.items),
        (Err(problem), ..) | (_, Err(problem), _) | (_, _, Err(problem)) => return visitor.failed(&problem),
    };
    let own: Vec<_> = streams.into_iter().filter(|stream| stream.partner == partner.primary_domain).collect();
    let domains: Vec<_> = partner.additional_domains.iter().chain([&partner.primary_domain]).collect();
    let is_theirs = |invitation: &&Invitation| {
        invitation.partner.split_once('@').is_some_and(|(_, domain)| domains.iter().any(|of| *of == domain))
    };
    let pending: Vec<_> = invitations.iter().filter(is_theirs).collect();
    let mut sections = vec![
        Section::Table(directions(&visitor, &own, &reports)),
        Section::Facts(settings(&visitor, &partner)),
        Section::Table(streams::table(&visitor, &own, &path(&partner.primary_domain))),
        Section::Table(recent(&visitor, &partner, &reports)),
        Section::Table(invited(&visitor, &pending)),
    ];
    // The audit log is for some roles alone.
    if let Ok(rows) = inside.get::<Page<Audit>>(caller, &format!("/audit?subject={name}&limit=10")).await {
        sections.push(Section::Table(audit::table(&visitor, w.audit, &rows.items)));
    }
    let mut frame = visitor.frame(&partner.display_domain);
    frame.is_live = true;
    let mut view = View::new(frame, partner.description.clone(), sections);
    view.crumbs =
        vec![("/partners".to_owned(), words.partners.to_owned()), (String::new(), partner.display_domain.clone())];
    let standing = partner.state.as_deref().unwrap_or("not_tried");
    let class = STATES.iter().find(|(known, _)| *known == standing).map_or("none", |(_, class)| class);
    let edit = format!("{}/edit", path(&partner.primary_domain));
    view.actions = vec![
        state(class, state_word(words, standing)),
        visitor.link(Act::ChangeConfiguration, &edit, words.edit, &partner.display_domain),
    ];
    view.show()
}

fn directions(visitor: &Visitor, streams: &[Stream], reports: &[Report]) -> Table {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let columns = [w.direction, words.state, w.method, w.streams, w.last_success, w.last_failure];
    let mut table = Table::new("directions", w.by_direction, &columns, "");
    table.columns[3].1 = "n";
    for (direction, word) in [("outbound", words.outbound), ("inbound", words.inbound)] {
        let open: Vec<_> = streams.iter().filter(|stream| stream.direction == direction).collect();
        let last = |is_good: bool| {
            let fits = |report: &&Report| report.direction == direction && (report.result == "ok") == is_good;
            reports.iter().find(fits)
        };
        let (good, bad) = (last(true), last(false));
        let standing = match (open.is_empty(), good, bad) {
            (false, ..) => state("ok", words.state_up),
            (true, Some(good), Some(bad)) if bad.at > good.at => state("bad", words.state_down),
            (true, None, Some(_)) => state("bad", words.state_down),
            (true, Some(_), _) => state("none", words.state_up),
            (true, None, None) => state("none", words.state_not_tried),
        };
        let method = open.first().map_or("–", |stream| method_word(words, &stream.method));
        let when = |report: Option<&Report>| match report {
            Some(report) => vec![time(&report.at), link(format!("/reports/{}", report.id), words.report)],
            None => vec![text(w.never)],
        };
        table.row(vec![
            vec![text(word)],
            vec![standing],
            vec![text(method)],
            vec![text(open.len().to_string())],
            when(good),
            when(bad),
        ]);
    }
    table
}

fn settings(visitor: &Visitor, partner: &Partner) -> Facts {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let methods: Vec<_> = partner.methods.iter().map(|method| method_word(words, method)).collect();
    let yes = |is_so: bool| if is_so { words.yes } else { words.no };
    let limit = partner.connection_limit.map_or_else(|| w.gateway_wide.to_owned(), |limit| limit.to_string());
    let roots = if partner.trust_roots == "system" { w.system_roots } else { w.own_roots };
    let mut permits = vec![text(methods.join(", "))];
    let warnings = partner.warnings.iter().filter_map(|of| super::partners::warning_word(words, &of.code));
    permits.extend(warnings.map(small));
    let row = |name: &str, value: &str| (name.to_owned(), vec![text(value)]);
    let rows = vec![
        row(words.partner_type, kind_word(words, &partner.partner_type)),
        row(words.additional_domains, &none_if_empty(words.none, &partner.additional_domains)),
        row(words.tls_negotiation, requirement_word(words, &partner.tls)),
        row(words.sasl_negotiation, requirement_word(words, &partner.sasl)),
        row(words.dialback_negotiation, yes(partner.dialback)),
        (w.permits.to_owned(), permits),
        row(words.connection_limit, &limit),
        row(words.keep_alive, yes(partner.keep_alive)),
        row(words.proxy_fqdn, partner.proxy_fqdn.as_deref().unwrap_or(w.dns_is_asked)),
        row(words.trust_roots, roots),
        row(words.pins, &none_if_empty(words.none, &partner.pins)),
    ];
    Facts { id: "settings", heading: w.settings.to_owned(), rows, actions: Vec::new() }
}

fn none_if_empty(none: &str, list: &[String]) -> String {
    if list.is_empty() { none.to_owned() } else { list.join(", ") }
}

fn recent(visitor: &Visitor, partner: &Partner, reports: &[Report]) -> Table {
    let w = OperationWords::of(visitor.language);
    let mut table = reports::table(visitor, w.recent_reports, reports);
    table.note = vec![link(format!("/reports?partner={}", segment(&partner.primary_domain)), w.all_reports)];
    table
}

fn invited(visitor: &Visitor, pending: &[&Invitation]) -> Table {
    let (w, people) = (OperationWords::of(visitor.language), PeopleWords::of(visitor.language));
    let mut table = Table::new("pending", w.pending, &[w.from, w.to, w.time, ""], w.no_pending);
    for invitation in pending {
        let button =
            |verb: &str, word: &str| contact_button(visitor, &invitation.internal, &invitation.partner, verb, word);
        table.row(vec![
            vec![text(&invitation.partner)],
            vec![link(users::home(&invitation.internal), &invitation.internal)],
            vec![Piece::Time(invitation.created_at.clone())],
            vec![button("accept", people.accept), button("decline", people.decline), button("block", people.block)],
        ]);
    }
    table
}
