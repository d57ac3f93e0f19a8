//! What the server is doing.

use axum::{Json, extract::State};

use super::{
    body::{Nothing, Parameters},
    dto::Status,
    problem::Refused,
};
use crate::Means;

pub(crate) async fn show(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Status>, Refused> {
    let revision = *means.store.revisions().borrow();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Json(Status { version, revision, ..means.live.status().await }))
}
