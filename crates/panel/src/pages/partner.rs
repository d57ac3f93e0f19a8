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
use crate::api::v1::dto::{Audit, Invitation, Page, Partner, Refusals, Report, Stream};

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
    let refusals: Refusals = match inside.get(caller, &format!("{}/refusals", path(&domain))).await {
        Ok(refusals) => refusals,
        Err(problem) => return visitor.failed(&problem),
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
        Section::Table(refused(&visitor, &refusals)),
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

/// Most frequent first.
fn refused(visitor: &Visitor, refusals: &Refusals) -> Table {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let mut table = Table::new("refusals", w.by_reason, &[w.direction, w.reason, w.count], w.no_refusals);
    table.columns[2].1 = "n";
    if !refusals.since.is_empty() {
        table.note = vec![text(w.since_start), time(&refusals.since)];
    }
    let inbound = refusals.from_partner.iter().map(|counted| (words.inbound, counted));
    let outbound = refusals.to_partner.iter().map(|counted| (words.outbound, counted));
    let mut all: Vec<_> = inbound.chain(outbound).collect();
    all.sort_by_key(|(_, (_, count))| std::cmp::Reverse(**count));
    for (direction, (reason, count)) in all {
        let cell = vec![text(reason_word(w, reason)), small(reason)];
        table.row(vec![vec![text(direction)], cell, vec![text(count.to_string())]]);
    }
    table
}

/// In plain words; a code without them stands for itself.
fn reason_word(w: &'static OperationWords, reason: &str) -> String {
    let word = match reason {
        "uninvited" => w.uninvited,
        "recipient_must_add" => w.recipient_must_add,
        "blocked" => w.blocked,
        "no_access" => w.no_access,
        "no_such_user" => w.no_such_user,
        "service_unavailable" => w.no_such_user_or_blocked,
        "partner_disabled" | "not_a_partner" => w.partner_disabled,
        "not_watching" => w.not_watching,
        other => return other.to_owned(),
    };
    word.to_owned()
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
