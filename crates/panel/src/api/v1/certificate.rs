//! The server's own certificates: those in use, those in the files, and reading the files again.

use axum::{Json, extract::State};

use super::{
    body::{Nothing, Parameters},
    dto::Certificates,
    problem::Refused,
};
use crate::{CertificateSource, Means, access::Caller};

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Certificates>, Refused> {
    told(means.live.certificates(CertificateSource::InUse).await)
}

pub(crate) async fn check(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Certificates>, Refused> {
    told(means.live.certificates(CertificateSource::Files).await)
}

pub(crate) async fn reload(
    State(means): State<Means>,
    _: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Certificates>, Refused> {
    told(means.live.reload_certificates().await)
}

fn told(answer: Result<Certificates, String>) -> Result<Json<Certificates>, Refused> {
    answer.map(Json).map_err(|reason| Refused::field("certificates", "unusable", reason))
}
