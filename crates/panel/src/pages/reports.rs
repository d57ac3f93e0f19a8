//! Reports of connection attempts, filtered; what is in the filter is in the URL.

use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};

use super::{
    Asked, Pages, Piece, Place, Section, View, Visitor, asked,
    view::{Field, Kind, Search, Table, link, segment, small, state, text},
    words::{OperationWords, korean},
};
use crate::api::v1::dto::{Page, Report};

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let filters: Vec<_> = ["partner", "outcome", "direction"]
        .into_iter()
        .map(|name| (name, asked(&query, name).trim()))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", segment(value)))
        .collect();
    let with = |more: String| filters.iter().cloned().chain([more]).collect::<Vec<_>>().join("&");
    let after = asked(&query, "after");
    let rest = if after.is_empty() { "limit=50".to_owned() } else { format!("after={}", segment(after)) };
    let reports: Page<Report> = match pages.inside.get(&visitor.caller, &format!("/reports?{}", with(rest))).await {
        Ok(reports) => reports,
        Err(problem) => return visitor.failed(&problem),
    };
    let any = |rest: &[(&str, &str)]| {
        let all = [("", w.any)].into_iter().chain(rest.iter().copied());
        Kind::Select(all.map(|(value, name)| (value.to_owned(), name.to_owned())).collect())
    };
    let outcomes = any(&[("success", w.success), ("failure", w.failure)]);
    let directions = any(&[("outbound", words.outbound), ("inbound", words.inbound)]);
    let search = Search {
        action: "/reports",
        label: w.filter.to_owned(),
        fields: vec![
            Field::new("partner", w.partner, Kind::Text, asked(&query, "partner")),
            Field::new("outcome", w.outcome, outcomes, asked(&query, "outcome")),
            Field::new("direction", w.direction, directions, asked(&query, "direction")),
        ],
        word: w.filter,
        result: Vec::new(),
    };
    let mut table = table(&visitor, words.reports, &reports.items);
    table.next = reports.next.map(|next| format!("/reports?{}", with(format!("after={}", segment(&next)))));
    table.next_word = words.next;
    let frame = visitor.frame_at(Place::Monitoring, "/reports", words.reports);
    View::new(frame, w.reports_lead, vec![Section::Search(search), Section::Table(table)]).show()
}

pub(super) fn table(visitor: &Visitor, heading: &str, reports: &[Report]) -> Table {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let mut table = Table::new("reports", heading, &[w.partner, w.direction, w.result, w.time], w.no_reports);
    for report in reports {
        let remote = report.remote.clone().or_else(|| report.peer.clone()).unwrap_or_default();
        let direction = if report.direction == "inbound" { words.inbound } else { words.outbound };
        let result = match report.result.as_str() {
            "ok" => state("ok", w.authorised),
            _ => state("bad", w.failed),
        };
        table.row(vec![
            vec![link(format!("/reports/{}", report.id), remote), small(report.local.clone().unwrap_or_default())],
            vec![text(direction)],
            vec![result, summary(visitor, report)],
            vec![Piece::Time(report.at.clone())],
        ]);
    }
    table
}

fn summary(visitor: &Visitor, report: &Report) -> Piece {
    match korean::report(visitor.language, &report.result) {
        Some((what, _)) => small(what),
        None => Piece::English(report.summary.clone()),
    }
}
