//! Live streams: connections with partners and inner servers.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, Method},
    response::{IntoResponse as _, Redirect, Response},
};
use policy::role::Act;
use serde_json::Value;

use super::{
    Asked, Button, Pages, Piece, Place, Section, View, Visitor,
    partners::method_word,
    view::{Table, small, state, text},
    words::OperationWords,
};
use crate::api::v1::{
    Stopped,
    dto::{Page, Stream},
};

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    match pages.inside.get::<Page<Stream>>(&visitor.caller, "/streams").await {
        Ok(streams) => {
            let table = table(&visitor, &streams.items, "/streams");
            let frame = visitor.frame_at(Place::Monitoring, "/streams", words.streams);
            let mut view = View::new(frame, w.streams_lead, vec![Section::Table(table)]);
            view.done = query.contains_key("saved").then(|| words.done_saved.to_owned());
            view.show()
        }
        Err(problem) => visitor.failed(&problem),
    }
}

/// What happens, for pages that show it.
pub(super) async fn events(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    stopped: Option<Extension<Stopped>>,
    headers: HeaderMap,
) -> Response {
    let stopped = stopped.map(|Extension(stopped)| stopped);
    pages.inside.events(&visitor.caller, headers.get("last-event-id"), stopped).await
}

/// A row for each pair of domains; `back` is the page to come back to after closing one.
pub(super) fn table(visitor: &Visitor, streams: &[Stream], back: &str) -> Table {
    let (words, w) = (visitor.words(), OperationWords::of(visitor.language));
    let columns = [w.pair, w.method, w.certificate, w.days, w.stanzas, words.since, w.peer, ""];
    let mut table = Table::new("streams", w.streams, &columns, w.no_streams);
    table.columns[3].1 = "n";
    table.columns[4].1 = "n";
    for stream in streams {
        let (word, from, to) = match stream.direction.as_str() {
            "inbound" => (words.inbound, &stream.remote, &stream.local),
            _ => (words.outbound, &stream.local, &stream.remote),
        };
        let (certificate, days) = match &stream.certificate {
            Some(shown) => (
                vec![text(&shown.subject), small(&shown.issuer)],
                vec![state(days_class(shown.days_left), shown.days_left.to_string())],
            ),
            None => (vec![text("–")], vec![text("–")]),
        };
        let mut close = Button::new(
            format!("/streams/{}/close", stream.number),
            words.close,
            &format!("{from} → {to}"),
            visitor.refused(Act::Operate),
        );
        close.fields = vec![("back", back.to_owned())];
        table.row(vec![
            vec![text(word), small(format!("{from} → {to}"))],
            security(method_word(words, &stream.method), stream),
            certificate,
            days,
            vec![text(format!("{} / {}", stream.stanzas_in, stream.stanzas_out))],
            vec![Piece::Time(stream.since.clone())],
            vec![text(&stream.peer)],
            vec![Piece::Button(close)],
        ]);
    }
    table
}

/// The method; below it how the connection is encrypted.
fn security(method: &str, stream: &Stream) -> Vec<Piece> {
    let tls = [&stream.tls_version, &stream.cipher].into_iter().flatten().map(small);
    [text(method)].into_iter().chain(tls).collect()
}

/// How urgent it is that a certificate has so many days left.
pub(super) fn days_class(days: i64) -> &'static str {
    match days {
        ..0 => "bad",
        0..14 => "warn",
        _ => "ok",
    }
}

pub(super) async fn close(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<u64>,
    Extension(fields): Extension<super::Fields>,
) -> Response {
    let path = format!("/streams/{number}");
    match pages.inside.ask::<Value>(&visitor.caller, Method::DELETE, &path, None, &()).await {
        Ok(_) => {
            // Only to a page of ours.
            let back = fields.text("back");
            let is_ours = back.starts_with('/') && !back.starts_with("//") && !back.contains('\\');
            Redirect::to(if is_ours { back } else { "/streams" }).into_response()
        }
        Err(problem) => visitor.failed(&problem),
    }
}
