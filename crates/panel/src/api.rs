//! The REST API by version, and the ways in.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
};
use tokio::time::timeout;

use crate::{Means, access, pages};

pub mod v1;

/// A change is in force within this time (partner-policy §1); its answer waits no longer.
const IN_FORCE_TIMEOUT: Duration = Duration::from_secs(1);

/// All routes for callers on the Unix socket.
pub(crate) fn for_socket(means: Means, own_uid: u32) -> Router {
    routes(means).layer(middleware::from_fn_with_state(own_uid, access::by_uid))
}

/// All routes for callers over HTTPS, and the pages.
pub(crate) fn for_web(means: Means) -> Router {
    let api = routes(means.clone()).layer(middleware::from_fn_with_state(means.clone(), access::by_token));
    pages::router(means.clone(), routes(means)).fallback_service(api).layer(middleware::map_response(kept_by_nobody))
}

fn routes(means: Means) -> Router {
    Router::new()
        .nest("/api/v1", v1::router())
        .fallback(v1::problem::no_such_resource)
        .method_not_allowed_fallback(v1::problem::no_such_method)
        .layer(middleware::from_fn_with_state(means.clone(), answer_in_force))
        .with_state(means)
}

/// Holds the answer to a change until the roles work by it, so that who was answered can rely on it.
async fn answer_in_force(State(means): State<Means>, request: Request, next: Next) -> Response {
    let changes = !request.method().is_safe();
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        let revisions = *means.store.topics().borrow();
        if timeout(IN_FORCE_TIMEOUT, means.live.in_force(revisions)).await.is_err() {
            tracing::warn!("a change was stored and is not in force yet");
        }
    }
    response
}

/// No cache keeps an answer, and no browser takes it for something else.
async fn kept_by_nobody(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
