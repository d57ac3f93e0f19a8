//! Live streams: listed, and closed with a reason.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;

use super::{
    body::{Nothing, Parameters},
    dto::{Page, Stream},
    problem::Refused,
};
use crate::{Means, access::Caller};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Stream>>, Refused> {
    Ok(Json(Page { items: means.live.streams(), next: None }))
}

/// Why a stream is closed.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Closing {
    /// Told to the partner; without one the stream is closed without a word.
    reason: String,
}

pub(crate) async fn close(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Path(number): Path<u64>,
    Parameters(Closing { reason }): Parameters<Closing>,
) -> Result<StatusCode, Refused> {
    if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        let message = format!("allowed are {REASON_CHARS_MAX} characters without control characters");
        return Err(Refused::field("reason", "too_long", message));
    }
    let missing = || Refused::not_found(&format!("stream {number}"));
    let pairs: Vec<_> = means.live.streams().into_iter().filter(|stream| stream.number == number).collect();
    let partner = pairs.first().map(|stream| stream.partner.clone());
    means.live.close_stream(number, &reason).then_some(()).ok_or_else(missing)?;
    let what = json!({ "stream": number, "reason": reason });
    means.store.record(&actor, "stream.closed", partner.as_deref().unwrap_or_default(), what).await?;
    Ok(StatusCode::NO_CONTENT)
}
