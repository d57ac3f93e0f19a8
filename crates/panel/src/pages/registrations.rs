//! What SIP users have registered.

use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};

use super::{
    Asked, Pages, Piece, Place, Section, View, Visitor, asked,
    view::{Field, Kind, Search, Table, segment, small, state, text},
    words::OperationWords,
};
use crate::api::v1::dto::{Page, Registration};

const ROWS: usize = 100;

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let (q, after) = (asked(&query, "q").trim(), asked(&query, "after"));
    let path = format!("/registrations?limit={ROWS}&q={}&after={}", segment(q), segment(after));
    let found: Page<Registration> = match pages.inside.get(&visitor.caller, &path).await {
        Ok(found) => found,
        Err(problem) => return visitor.failed(&problem),
    };
    let columns = [words.address, w.endpoint, w.transport, w.peer, w.valid_for];
    let empty = if q.is_empty() { w.nobody_registered } else { w.no_registrations };
    let mut table = Table::new("registrations", words.registrations, &columns, empty);
    table.columns[4].1 = "n";
    for registration in &found.items {
        let href = format!("/users/{}", segment(&registration.user));
        let mut endpoint = vec![text(&registration.contact)];
        if registration.unreachable {
            endpoint.push(state("bad", w.does_not_answer));
        }
        table.row(vec![
            vec![Piece::Link { href, text: registration.user.clone() }],
            endpoint,
            vec![text(&registration.transport)],
            vec![small(&registration.source)],
            vec![text(registration.expires_in_seconds.to_string())],
        ]);
    }
    table.next = found.next.map(|next| format!("/registrations?q={}&after={}", segment(q), segment(&next)));
    table.next_word = words.next;
    let search = Search {
        action: "/registrations",
        label: words.search.to_owned(),
        fields: vec![Field::new("q", words.search, Kind::Text, q)],
        word: words.search,
        result: Vec::new(),
    };
    let frame = visitor.frame_at(Place::Monitoring, "/registrations", words.registrations);
    View::new(frame, w.registrations_lead, vec![Section::Search(search), Section::Table(table)]).show()
}
