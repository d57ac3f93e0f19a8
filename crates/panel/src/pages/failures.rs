//! How often a login may fail.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures for a name, and from an address, before a pause.
const FAILURES_OF_NAME_MAX: u32 = 5;
const FAILURES_OF_ADDRESS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_secs(300);
/// Names and addresses that are remembered for their failures.
const FAILED_MAX: usize = 10_000;

/// Whose failures are counted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Failing {
    Name(String),
    Address(IpAddr),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<Failing, (u32, Instant)>>);

impl Failures {
    /// Whether another attempt is allowed.
    pub(crate) fn may_try(&self, now: Instant, name: &str, address: IpAddr) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let below = |failing: Failing, max: u32| {
            failures.get(&failing).is_none_or(|(count, last)| *count < max || now >= *last + PAUSE)
        };
        below(Failing::Name(name.to_owned()), FAILURES_OF_NAME_MAX)
            && below(Failing::Address(address), FAILURES_OF_ADDRESS_MAX)
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self, now: Instant, name: &str, address: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Failing::Name(name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn failures_make_a_pause_and_a_success_forgets_those_of_the_name() {
        let (failures, start) = (Failures::default(), Instant::now());
        for _ in 0..FAILURES_OF_NAME_MAX {
            assert!(failures.may_try(start, "ops1", HERE));
            failures.failed(start, "ops1", HERE);
        }
        assert!(!failures.may_try(start, "ops1", HERE) && failures.may_try(start, "ops2", HERE));
        assert!(failures.may_try(start + PAUSE, "ops1", HERE));
        failures.succeeded("ops1");
        assert!(failures.may_try(start, "ops1", HERE));
        for number in 0..FAILURES_OF_ADDRESS_MAX {
            failures.failed(start, &format!("x{number}"), HERE);
        }
        assert!(!failures.may_try(start, "ops3", HERE));
    }
}
