//! One connection attempt: what happened step by step, and who can end a failure.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

use super::{Frame, Pages, Visitor, page, probe, view::Step, words::korean};
use crate::api::v1::dto::Report;

#[derive(Template)]
#[template(path = "report.html")]
struct Shown {
    frame: Frame,
    report: Report,
    steps: Vec<Step>,
    is_good: bool,
    local: String,
    remote: String,
    peer: String,
    /// What happened and the remedy in the language of the page, where there is more than the API's English.
    told: Option<(&'static str, &'static str)>,
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    let path = format!("/reports/{}", form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>());
    match pages.inside.get::<Report>(&visitor.caller, &path).await {
        Ok(mut report) => {
            let steps = std::mem::take(&mut report.steps).into_iter();
            let steps = steps.map(|step| probe::step(&visitor, step)).collect();
            let (local, remote) = (report.local.clone().unwrap_or_default(), report.remote.clone().unwrap_or_default());
            let (is_good, peer) = (report.result == "ok", report.peer.clone().unwrap_or_default());
            let told = korean::report(visitor.language, &report.result);
            let frame = visitor.frame(format!("{}: {remote}", visitor.language.words().report));
            page(StatusCode::OK, &Shown { frame, report, steps, is_good, local, remote, peer, told })
        }
        Err(problem) => visitor.failed(&problem),
    }
}
