//! Sessions of browsers: a secret of 256 random bits in a `__Host-` cookie. They outlive a restart of the server.
//!
//! A session ends after [`IDLE_MAX`] without a request, after [`LIFE_MAX`] in any case, and when the administrator is
//! changed. That it is used is noted once in [`NOTED_EVERY`].

use std::time::Duration;

use data_encoding::HEXLOWER;
use lexicon::Timestamp;
use policy::role::Role;
use sha2::{Digest as _, Sha256};
use store::{Administrator, Living, PanelSession, Store, StoreError};

/// The cookie.
pub(crate) const COOKIE: &str = "__Host-legation";
const IDLE_MAX: Duration = Duration::from_secs(30 * 60);
const LIFE_MAX: Duration = Duration::from_secs(12 * 3600);
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// Sessions at a time; beyond it the one idle for longest goes.
const SESSIONS_MAX: u32 = 1000;

/// Who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// What every form of theirs must bring back.
    pub(crate) form_token: String,
}

/// Begins a session; its secret, for the cookie.
pub(crate) async fn begin(store: &Store, account: &Administrator, origin: &str) -> Result<String, StoreError> {
    let secret = HEXLOWER.encode(&net::entropy::bytes::<32>());
    store.begin_session(account, &secret, origin, living(now()), SESSIONS_MAX).await?;
    Ok(secret)
}

/// The session of this secret, which has been used now.
pub(crate) async fn find(store: &Store, secret: &str) -> Result<Option<Session>, StoreError> {
    let now = now();
    let Some(found) = store.session(secret, living(now)).await? else { return Ok(None) };
    if found.seen_at <= before(now, NOTED_EVERY) {
        store.see_session(secret).await?;
    }
    Ok(Some(Session { name: found.name, role: found.role, form_token: form_token(secret) }))
}

/// Those of an administrator, the one used last first.
pub(crate) async fn of(store: &Store, name: &str) -> Result<Vec<PanelSession>, StoreError> {
    store.sessions_of(name, living(now())).await
}

/// A text that only this session knows: of the secret, which no page shows, it tells nothing.
pub(crate) fn form_token(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("form {secret}")))
}

fn now() -> Timestamp {
    net::clock::now().wall
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(age_ms))
}

fn living(now: Timestamp) -> Living {
    Living { began_after: before(now, LIFE_MAX), seen_after: before(now, IDLE_MAX) }
}
