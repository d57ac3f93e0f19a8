//! Our certificates: names covered and needed, and days left.

use axum::{
    Extension,
    extract::{Query, State},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use policy::role::Act;

use super::{
    Asked, Notice, Pages, Piece, Place, Section, View, Visitor, Words,
    streams::days_class,
    view::{Table, small, state, text},
    words::SecurityWords,
};
use crate::api::v1::dto::Certificates;

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<Asked>,
) -> Response {
    match pages.inside.get::<Certificates>(&visitor.caller, "/certificates").await {
        Ok(certificates) => {
            let mut view = view(&visitor, &certificates);
            let w = SecurityWords::of(visitor.language);
            view.done = query.contains_key("reloaded").then(|| w.reloaded.to_owned());
            view.show()
        }
        Err(problem) => visitor.failed(&problem),
    }
}

pub(super) fn table(visitor: &Visitor, certificates: &Certificates) -> Table {
    let (words, w) = (visitor.words(), SecurityWords::of(visitor.language));
    let columns = [w.names, w.for_domains, w.issuer, w.days_left, w.ends];
    let mut table = Table::new("certificates", words.certificates, &columns, w.no_certificates);
    table.columns[3].1 = "n";
    table.note = certificates.warnings.iter().map(|warning| Piece::English(warning.clone())).collect();
    for one in &certificates.items {
        table.row(vec![
            vec![text(one.names.join(", ")), small(&one.certificate)],
            vec![text(one.domains.join(", "))],
            vec![text(&one.issuer)],
            vec![state(days_class(one.days_left), one.days_left.to_string())],
            vec![Piece::Time(one.not_after.clone())],
        ]);
    }
    table
}

fn view(visitor: &Visitor, certificates: &Certificates) -> View {
    let w = SecurityWords::of(visitor.language);
    let frame = visitor.frame_at(Place::Security, "/certificates", visitor.words().certificates);
    let mut view = View::new(frame, w.certificates_lead, vec![Section::Table(table(visitor, certificates))]);
    view.actions = vec![visitor.button(Act::ReloadCertificates, "/certificates/reload", w.reload, "")];
    if !certificates.domains_without.is_empty() {
        let fact = Words::fill(w.without, &[&certificates.domains_without.join(", ")]);
        view.notice = Some(Notice { class: "warn", fact, why: String::new() });
    }
    view
}

pub(super) async fn reload(State(pages): State<Pages>, Extension(visitor): Extension<Visitor>) -> Response {
    let path = "/certificates/reload";
    match pages.inside.ask::<Certificates>(&visitor.caller, Method::POST, path, None, &()).await {
        Ok(_) => Redirect::to("/certificates?reloaded=1").into_response(),
        Err(problem) => visitor.failed(&problem),
    }
}
