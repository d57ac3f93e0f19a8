//! Sessions of browsers, and how often a login may fail.
//!
//! A session is known by 256 random bits in a `__Host-` cookie, of which only a hash is kept here. It ends after
//! [`IDLE_MAX`] without a request, after [`LIFE_MAX`] in any case, when the administrator is changed, and when the server
//! stops.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The cookie.
pub(crate) const COOKIE: &str = "__Host-legation";
const IDLE_MAX: Duration = Duration::from_secs(30 * 60);
const LIFE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Sessions at a time; beyond it the one idle for longest goes.
const SESSIONS_MAX: usize = 1000;
/// Failures for a name, and from an address, before a pause.
const FAILURES_OF_NAME_MAX: u32 = 5;
const FAILURES_OF_ADDRESS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_secs(300);
/// Names and addresses that are remembered for their failures.
const FAILED_MAX: usize = 10_000;

/// Who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// Of the administrator when they logged in.
    pub(crate) generation: u64,
    /// What every form of theirs must bring back.
    pub(crate) form_token: String,
    began: Instant,
    seen: Instant,
}

type Hash = [u8; 32];

/// Whose failures are counted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Failing {
    Name(String),
    Address(IpAddr),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<Hash, Session>>,
    failures: Mutex<HashMap<Failing, (u32, Instant)>>,
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret).into()
}

fn random() -> String {
    HEXLOWER.encode(&net::entropy::bytes::<32>())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    /// Begins a session; its secret, for the cookie.
    pub(crate) fn begin(&self, now: Instant, name: &str, generation: u64) -> String {
        let secret = random();
        let mut live = lock(&self.live);
        live.retain(|_, session| is_alive(now, session));
        if live.len() >= SESSIONS_MAX
            && let Some(oldest) = live.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key)
        {
            live.remove(&oldest);
        }
        let session = Session { name: name.to_owned(), generation, form_token: random(), began: now, seen: now };
        live.insert(hash(&secret), session);
        secret
    }

    /// The session of this secret, which has been used now.
    pub(crate) fn find(&self, now: Instant, secret: &str) -> Option<Session> {
        let mut live = lock(&self.live);
        let session = live.get_mut(&hash(secret)).filter(|session| is_alive(now, session))?;
        session.seen = now;
        Some(session.clone())
    }

    /// Ends a session.
    pub(crate) fn end(&self, secret: &str) {
        lock(&self.live).remove(&hash(secret));
    }

    /// Whether another attempt is allowed.
    pub(crate) fn may_try(&self, now: Instant, name: &str, address: IpAddr) -> bool {
        let failures = lock(&self.failures);
        let below = |failing: Failing, max: u32| {
            failures.get(&failing).is_none_or(|(count, last)| *count < max || now >= *last + PAUSE)
        };
        below(Failing::Name(name.to_owned()), FAILURES_OF_NAME_MAX)
            && below(Failing::Address(address), FAILURES_OF_ADDRESS_MAX)
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self, now: Instant, name: &str, address: IpAddr) {
        let mut failures = lock(&self.failures);
        if failures.len() >= FAILED_MAX {
            failures.retain(|_, (_, last)| now < *last + PAUSE);
        }
        for failing in [Failing::Name(name.to_owned()), Failing::Address(address)] {
            if failures.len() < FAILED_MAX || failures.contains_key(&failing) {
                let (count, last) = failures.entry(failing).or_insert((0, now));
                *count = if now >= *last + PAUSE { 1 } else { count.saturating_add(1) };
                *last = now;
            }
        }
    }

    /// An attempt has succeeded.
    pub(crate) fn succeeded(&self, name: &str) {
        lock(&self.failures).remove(&Failing::Name(name.to_owned()));
    }
}

fn is_alive(now: Instant, session: &Session) -> bool {
    now < session.seen + IDLE_MAX && now < session.began + LIFE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_session_ends_when_it_is_idle_or_old_or_ended() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let secret = sessions.begin(start, "ops1", 3);
        let found = sessions.find(start + IDLE_MAX / 2, &secret).unwrap();
        assert_eq!((found.name.as_str(), found.generation), ("ops1", 3));
        assert!(sessions.find(start + IDLE_MAX, &secret).is_some(), "it was used in between");
        assert!(sessions.find(start + IDLE_MAX * 2, &secret).is_none());
        let secret = sessions.begin(start, "ops1", 3);
        let mut at = start;
        while at < start + LIFE_MAX {
            assert!(sessions.find(at, &secret).is_some());
            at += IDLE_MAX / 2;
        }
        assert!(sessions.find(at, &secret).is_none());
        let secret = sessions.begin(start, "ops1", 3);
        sessions.end(&secret);
        assert!(sessions.find(start, &secret).is_none() && sessions.find(start, "").is_none());
    }

    #[test]
    fn the_session_idle_for_longest_makes_room() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.begin(start, "ops1", 0);
        for second in 1..=SESSIONS_MAX as u64 {
            sessions.begin(start + Duration::from_millis(second), "ops2", 0);
        }
        assert!(sessions.find(start, &first).is_none());
        assert_eq!(lock(&sessions.live).len(), SESSIONS_MAX);
    }

    #[test]
    fn failures_make_a_pause_and_a_success_forgets_those_of_the_name() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        for _ in 0..FAILURES_OF_NAME_MAX {
            assert!(sessions.may_try(start, "ops1", HERE));
            sessions.failed(start, "ops1", HERE);
        }
        assert!(!sessions.may_try(start, "ops1", HERE) && sessions.may_try(start, "ops2", HERE));
        assert!(sessions.may_try(start + PAUSE, "ops1", HERE));
        sessions.succeeded("ops1");
        assert!(sessions.may_try(start, "ops1", HERE));
        for number in 0..FAILURES_OF_ADDRESS_MAX {
            sessions.failed(start, &format!("x{number}"), HERE);
        }
        assert!(!sessions.may_try(start, "ops3", HERE));
    }
}
