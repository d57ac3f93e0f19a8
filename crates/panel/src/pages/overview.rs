//! Overview: what needs attention first, then figures that lead somewhere.

use std::collections::BTreeMap;

use axum::{Extension, extract::State, response::Response};

use super::{
    Pages, Piece, Place, Section, View, Visitor, Words, partners, reports,
    streams::days_class,
    view::{Figure, Table, link, state, text, time},
    words::OperationWords,
};
use crate::api::v1::dto::{Certificates, Page, Partner, PartnerPage, Problem, Report, Status, Trunk};

/// Certificates with fewer days left are shown.
const EXPIRY_DAYS: i64 = 30;

/// Partners of one state that are shown; their number leads to the others.
const SHOWN_MAX: usize = 20;

/// What the page is made from.
struct Now {
    status: Status,
    /// Down and degraded, as many as are shown.
    partners: Vec<Partner>,
    counts: BTreeMap<String, u64>,
    trunks: Vec<Trunk>,
    certificates: Certificates,
    failures: Vec<Report>,
}

pub(super) async fn show(State(pages): State<Pages>, Extension(visitor): Extension<Visitor>) -> Response {
    let now = match read(&pages, &visitor).await {
        Ok(now) => now,
        Err(problem) => return visitor.failed(&problem),
    };
    let w = OperationWords::of(visitor.language);
    let sections = vec![
        Section::Figures(figures(&visitor, &now)),
        Section::Table(attention(&visitor, &now)),
        Section::Table(certificates(&visitor, &now)),
        Section::Table(reports::table(&visitor, w.last_failures, &now.failures)),
        Section::Table(refusals(&visitor, &now.status)),
    ];
    View::new(visitor.frame_at(Place::Overview, "", visitor.words().overview), "", sections).show()
}

async fn read(pages: &Pages, visitor: &Visitor) -> Result<Now, Problem> {
    let (inside, caller) = (&pages.inside, &visitor.caller);
    let failures: Page<Report> = inside.get(caller, "/reports?outcome=failure&limit=5").await?;
    let trunks: Page<Trunk> = inside.get(caller, "/trunks").await?;
    let down: PartnerPage = inside.get(caller, &format!("/partners?state=down&limit={SHOWN_MAX}")).await?;
    let degraded: PartnerPage = inside.get(caller, &format!("/partners?state=degraded&limit={SHOWN_MAX}")).await?;
    Ok(Now {
        status: inside.get(caller, "/status").await?,
        partners: down.items.into_iter().chain(degraded.items).collect(),
        counts: down.counts,
        trunks: trunks.items,
        // Files that cannot be read are told on their own page.
        certificates: inside.get(caller, "/certificates").await.unwrap_or_default(),
        failures: failures.items,
    })
}

fn figures(visitor: &Visitor, now: &Now) -> Vec<Figure> {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let of_state = |word: &str| now.counts.get(word).copied().unwrap_or_default();
    let states = partners::STATES.iter().filter(|(word, _)| of_state(word) > 0).map(|(word, _)| {
        let told = format!("{} {}", of_state(word), partners::state_word(words, word));
        link(format!("/partners?state={word}"), told)
    });
    let of_direction = |word: &str| now.status.streams.iter().filter(|stream| stream.direction == word).count();
    let split =
        Words::fill(w.streams_split, &[&of_direction("outbound").to_string(), &of_direction("inbound").to_string()]);
    let refused: u64 = reasons(&now.status).map(|(_, count)| count).sum();
    let figure = |name: &str, number: String, split: Vec<Piece>| Figure { name: name.to_owned(), number, split };
    vec![
        figure(w.partners, now.counts.values().sum::<u64>().to_string(), states.collect()),
        figure(w.streams, now.status.streams.len().to_string(), vec![link("/streams", split)]),
        figure(w.messages, now.status.messages_per_minute.to_string(), Vec::new()),
        figure(visitor.words().registrations, now.status.registrations.to_string(), Vec::new()),
        figure(w.sessions, now.status.message_sessions.to_string(), Vec::new()),
        figure(w.refusals, refused.to_string(), vec![text(w.since_start), time(&now.status.started_at)]),
    ]
}

/// Everything that somebody should do something about, worst first.
fn attention(visitor: &Visitor, now: &Now) -> Table {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let mut table = Table::new("attention", w.attention, &[w.place, words.state, w.why, w.what_to_do], w.nothing);
    for (wanted, class, word) in [("down", "bad", words.state_down), ("degraded", "warn", words.state_degraded)] {
        for partner in now.partners.iter().filter(|partner| partner.state.as_deref() == Some(wanted)) {
            let failure = partner.last_failure.clone().unwrap_or_default();
            table.row(vec![
                vec![link(partners::path(&partner.primary_domain), &partner.display_domain)],
                vec![state(class, word)],
                vec![Piece::Code(failure.result), time(failure.at)],
                vec![link(format!("/reports/{}", failure.report), w.see_report)],
            ]);
        }
    }
    for stream in now.status.streams.iter().filter(|stream| stream.method == "tcp_dialback" && stream.leg == "partner")
    {
        table.row(vec![
            vec![link(partners::path(&stream.partner), &stream.partner)],
            vec![state("bad", w.plaintext)],
            vec![text(w.plaintext_now)],
            vec![link(format!("{}/edit", partners::path(&stream.partner)), w.test_tls)],
        ]);
    }
    for trunk in now.trunks.iter().filter(|trunk| trunk.enabled) {
        for target in trunk.target_states.iter().flatten().filter(|target| target.state == "down") {
            let place = target.address.as_ref().unwrap_or(&target.target);
            let error = target.last_error.clone().unwrap_or_default();
            table.row(vec![
                vec![text(&trunk.name)],
                vec![state("bad", words.state_down)],
                vec![text(Words::fill(w.trunk_down, &[place, &error]))],
                vec![link("/domains", w.test_trunk)],
            ]);
        }
    }
    for ours in now.certificates.items.iter().filter(|ours| ours.days_left < 14) {
        table.row(vec![
            vec![text(ours.names.join(", "))],
            vec![state(days_class(ours.days_left), w.certificate)],
            vec![text(Words::fill(w.days_left, &[&ours.days_left.to_string()]))],
            vec![link("/certificates", w.renew)],
        ]);
    }
    for warning in &now.status.warnings {
        table.row(vec![
            vec![text("Legation")],
            vec![state("warn", w.warning)],
            vec![Piece::English(warning.clone())],
            vec![text("–")],
        ]);
    }
    table
}

fn certificates(visitor: &Visitor, now: &Now) -> Table {
    let w = OperationWords::of(visitor.language);
    let columns = [w.certificate, w.whose, w.days];
    let mut table = Table::new("certificates", w.certificates, &columns, w.no_certificates);
    table.columns[2].1 = "n";
    let ours = now.certificates.items.iter().map(|ours| (ours.days_left, ours.names.join(", "), w.ours));
    let of_partners = now.status.streams.iter().filter_map(|stream| {
        stream.certificate.as_ref().map(|shown| (shown.days_left, stream.remote.clone(), w.of_partner))
    });
    let mut all: Vec<_> = ours.chain(of_partners).filter(|(days, ..)| *days < EXPIRY_DAYS).collect();
    all.sort();
    all.dedup();
    for (days, name, whose) in all {
        table.row(vec![vec![text(name)], vec![text(whose)], vec![state(days_class(days), days.to_string())]]);
    }
    table
}

/// What was refused or dropped, by the names of the counters.
fn reasons(status: &Status) -> impl Iterator<Item = (&str, u64)> {
    let is_reason = |name: &str| name.contains(".dropped.") || name.contains("connections_refused.");
    status
        .ledger
        .iter()
        .filter(move |(name, count)| is_reason(name) && **count > 0)
        .map(|(name, n)| (name.as_str(), *n))
}

fn refusals(visitor: &Visitor, status: &Status) -> Table {
    let w = OperationWords::of(visitor.language);
    let mut table = Table::new("refusals", w.by_reason, &[w.reason, w.count], w.no_refusals);
    table.columns[1].1 = "n";
    let mut all: Vec<_> = reasons(status).collect();
    all.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    for (name, count) in all.into_iter().take(10) {
        table.row(vec![vec![Piece::Code(name.to_owned())], vec![text(count.to_string())]]);
    }
    table
}
