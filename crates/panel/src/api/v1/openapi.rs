//! The OpenAPI document of v1 (OpenAPI 3.1): checked in, and compared in a test with what operations and types say.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use super::body::{Nothing, Parameters};

/// `LEGATION_OPENAPI=write cargo test -p panel openapi` writes it.
const DOCUMENT: &str = include_str!("../../../openapi.json");

pub(crate) async fn show(Parameters(Nothing {}): Parameters<Nothing>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod document;
#[cfg(test)]
mod table;
