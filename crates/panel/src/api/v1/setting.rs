//! Gateway-wide settings: show, and change several at once.

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use policy::Settings as Record;
use serde_json::{Map, Value};
use store::StoreError;

use super::{
    body::{Body, Expected, Nothing, Parameters, Try, etag},
    dto::{FieldError, Setting, Settings, SettingsChanged},
    problem::Refused,
};
use crate::{Means, access::Caller};

/// How often an unconditional change is repeated on what somebody else has just changed.
const ATTEMPTS_MAX: u32 = 5;

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<(HeaderMap, Json<Settings>), Refused> {
    let stored = means.store.settings().await?;
    let items = stored.settings.list().map(Setting::from).collect();
    Ok((etag(stored.revision), Json(Settings { items, revision: stored.revision })))
}

pub(crate) async fn show(State(means): State<Means>, Path(name): Path<String>) -> Result<Json<Setting>, Refused> {
    let settings = means.store.settings().await?.settings;
    find(&settings, &name).map(Json).ok_or_else(|| Refused::not_found(&format!("setting {name}")))
}

pub(crate) async fn set(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Try { dry_run }): Parameters<Try>,
    Expected(expected): Expected,
    body: Body,
) -> Result<(HeaderMap, Json<SettingsChanged>), Refused> {
    let fields = body.into_fields();
    let mut attempt = 1;
    loop {
        let before = means.store.settings().await?;
        let settings = changed(before.settings, &fields)?;
        let answer = |revision| {
            let items = fields.keys().filter_map(|name| find(&settings, name)).collect();
            (etag(revision), Json(SettingsChanged { items, revision, dry_run }))
        };
        if dry_run {
            return Ok(answer(before.revision));
        }
        // Without a condition of the caller's, the change is still based on what was read a moment ago.
        let based_on = expected.unwrap_or(before.revision);
        match means.store.set_settings(&actor, Some(based_on), &settings).await {
            Ok(stored) => return Ok(answer(stored.revision)),
            Err(StoreError::Conflict { .. }) if expected.is_none() && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The settings with all fields set, or every error.
fn changed(mut settings: Record, fields: &Map<String, Value>) -> Result<Record, Refused> {
    let errors: Vec<_> = fields.iter().filter_map(|(name, value)| apply(&mut settings, name, value).err()).collect();
    if errors.is_empty() { Ok(settings) } else { Err(Refused::fields(errors)) }
}

fn apply(settings: &mut Record, name: &str, value: &Value) -> Result<(), FieldError> {
    let refuse = |code: &str, message: String| FieldError { field: name.to_owned(), code: code.to_owned(), message };
    let text = match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(refuse("wrong_type", "a number, a flag or a text is needed".to_owned())),
    };
    settings.set(name, &text).map_err(|error| refuse(error.code, error.message))
}

fn find(settings: &Record, name: &str) -> Option<Setting> {
    settings.list().find(|(setting, _)| setting.name == name).map(Setting::from)
}
