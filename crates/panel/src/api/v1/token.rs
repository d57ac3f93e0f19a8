//! API tokens, and who the caller is.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use data_encoding::HEXLOWER;
use lexicon::Timestamp;
use store::ApiToken;

use super::{
    administrator::role,
    body::{Body, Nothing, Parameters},
    dto::{FieldError, NewToken, Page, Token, TokenMade, WhoAmI},
    problem::Refused,
};
use crate::{Means, access::Caller};

/// Longest name in characters.
const NAME_CHARS_MAX: usize = 64;
/// Days that a token lasts if it is not said, and at most.
const DAYS_DEFAULT: u32 = 90;
const DAYS_MAX: u32 = 3650;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// By it people and programs that look for leaked secrets recognise a token.
const PREFIX: &str = "legation_";

pub(crate) async fn who_am_i(
    Caller { actor, role }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Json<WhoAmI> {
    Json(WhoAmI { who: actor.who, origin: actor.origin, role: role.to_string() })
}

pub(crate) async fn list(
    State(means): State<Means>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Page<Token>>, Refused> {
    let now = net::clock::now().wall;
    let items = means.store.tokens().await?.iter().map(|token| told(token, now)).collect();
    Ok(Json(Page { items, next: None }))
}

pub(crate) async fn add(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<(StatusCode, Json<TokenMade>), Refused> {
    let (new, mut errors) = body.read::<NewToken>();
    let name = new.name.trim();
    check_name(name, &mut errors);
    let days = new.expires_in_days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        let message = format!("{days} was entered; allowed are 1 to {DAYS_MAX} days");
        let (field, code) = ("expires_in_days".to_owned(), "out_of_range".to_owned());
        errors.push(FieldError { field, code, message });
    }
    let role = role(&new.role, &mut errors);
    let (Some(role), true) = (role, errors.is_empty()) else { return Err(Refused::fields(errors)) };
    let now = net::clock::now().wall;
    let secret = format!("{PREFIX}{}", HEXLOWER.encode(&net::entropy::bytes::<32>()));
    let expires_at = Timestamp::from_millis(now.as_millis() + i64::from(days) * DAY_MILLIS);
    let token = means.store.add_token(&actor, name, role, &secret, expires_at).await?;
    Ok((StatusCode::CREATED, Json(TokenMade { token: told(&token, now), secret })))
}

pub(crate) async fn remove(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Path(name): Path<String>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<StatusCode, Refused> {
    means.store.remove_token(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The name of a token or an administrator as entered.
pub(super) fn check_name(name: &str, errors: &mut Vec<FieldError>) {
    let chars = name.chars().count();
    let (code, message) = match chars {
        0 => ("required", "a name is needed".to_owned()),
        _ if chars > NAME_CHARS_MAX || name.chars().any(|c| c.is_control() || c == '/') => {
            let allowed = format!("allowed are {NAME_CHARS_MAX} characters without control characters and slashes");
            ("name_invalid", allowed)
        }
        _ => return,
    };
    errors.push(FieldError { field: "name".to_owned(), code: code.to_owned(), message });
}

fn told(token: &ApiToken, now: Timestamp) -> Token {
    Token {
        name: token.name.clone(),
        role: token.role.to_string(),
        created_by: token.created_by.clone(),
        created_at: token.created_at.to_string(),
        expires_at: token.expires_at.to_string(),
        expired: token.expires_at <= now,
    }
}
