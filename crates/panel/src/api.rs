//! The REST API by version.

use axum::{Router, middleware};

use crate::{Means, access};

pub mod v1;

/// All routes, behind the check of the caller.
pub(crate) fn router(means: Means, own_uid: u32) -> Router {
    Router::new()
        .nest("/api/v1", v1::router())
        .fallback(v1::problem::no_such_resource)
        .method_not_allowed_fallback(v1::problem::no_such_method)
        .with_state(means)
        .layer(middleware::from_fn_with_state(own_uid, access::check))
}
