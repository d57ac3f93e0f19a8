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
use lexicon::Timestamp;
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
    /// Where they logged in from.
    origin: String,
    began_at: Timestamp,
    began: Instant,
    seen: Instant,
}

/// A session as its owner sees it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) origin: String,
    pub(crate) began: String,
    pub(crate) seen: String,
    pub(crate) is_this: bool,
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
    pub(crate) fn begin(&self, now: Instant, name: &str, generation: u64, origin: &str) -> String {
        let secret = random();
        let mut live = lock(&self.live);
        live.retain(|_, session| is_alive(now, session));
        if live.len() >= SESSIONS_MAX
            && let Some(oldest) = live.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key)
        {
            live.remove(&oldest);
        }
        let (name, origin, began_at) = (name.to_owned(), origin.to_owned(), net::clock::now().wall);
        let form_token = random();
        let session = Session { name, generation, form_token, origin, began_at, began: now, seen: now };
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

    /// Those of an administrator, the one used last first; `secret` is that of who looks.
    pub(crate) fn of(&self, now: Instant, name: &str, secret: &str) -> Vec<Shown> {
        let (live, this) = (lock(&self.live), hash(secret));
        let mut own: Vec<_> =
            live.iter().filter(|(_, session)| session.name == name && is_alive(now, session)).collect();
        own.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen));
        let shown = own.into_iter().map(|(key, session)| {
            let used = i64::try_from((session.seen - session.began).as_millis()).unwrap_or(i64::MAX);
            let seen = Timestamp::from_millis(session.began_at.as_millis().saturating_add(used));
            let (origin, began) = (session.origin.clone(), session.began_at.to_string());
            Shown { origin, began, seen: seen.to_string(), is_this: *key == this }
        });
        shown.collect()
    }

    /// Ends all sessions of an administrator but that of `secret`.
    pub(crate) fn end_others(&self, name: &str, secret: &str) {
        let this = hash(secret);
        lock(&self.live).retain(|key, session| session.name != name || *key == this);
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
        let secret = sessions.begin(start, "ops1", 3, "192.0.2.7");
        let found = sessions.find(start + IDLE_MAX / 2, &secret).unwrap();
        assert_eq!((found.name.as_str(), found.generation), ("ops1", 3));
        assert!(sessions.find(start + IDLE_MAX, &secret).is_some(), "it was used in between");
        assert!(sessions.find(start + IDLE_MAX * 2, &secret).is_none());
        let secret = sessions.begin(start, "ops1", 3, "192.0.2.7");
        let mut at = start;
        while at < start + LIFE_MAX {
            assert!(sessions.find(at, &secret).is_some());
            at += IDLE_MAX / 2;
        }
        assert!(sessions.find(at, &secret).is_none());
        let secret = sessions.begin(start, "ops1", 3, "192.0.2.7");
        sessions.end(&secret);
        assert!(sessions.find(start, &secret).is_none() && sessions.find(start, "").is_none());
    }

    #[test]
    fn who_signs_out_elsewhere_keeps_this_session_alone() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let here = sessions.begin(start, "ops1", 0, "192.0.2.7");
        let there = sessions.begin(start, "ops1", 0, "192.0.2.8");
        let other = sessions.begin(start, "ops2", 0, "192.0.2.9");
        let shown = sessions.of(start, "ops1", &here);
        assert_eq!(shown.len(), 2);
        let this: Vec<_> = shown.iter().filter(|shown| shown.is_this).map(|shown| shown.origin.as_str()).collect();
        assert_eq!(this, ["192.0.2.7"]);
        sessions.end_others("ops1", &here);
        let is_alive = [&here, &there, &other].map(|secret| sessions.find(start, secret).is_some());
        assert_eq!(is_alive, [true, false, true]);
    }

    #[test]
    fn the_session_idle_for_longest_makes_room() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.begin(start, "ops1", 0, "192.0.2.7");
        for second in 1..=SESSIONS_MAX as u64 {
            sessions.begin(start + Duration::from_millis(second), "ops2", 0, "192.0.2.7");
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
