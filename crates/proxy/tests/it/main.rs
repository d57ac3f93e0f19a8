//! The real proxy on loopback, against a second one as the partner's server or against a peer that is not so kind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

mod abuse;
mod acknowledgements;
mod both_ways;
mod certificates;
mod delivery;
mod direct_tls;
mod door;
mod inner;
mod limits;
mod methods;
mod policy_changes;
mod probe;
mod refusals;
mod reports;
mod slow_readers;
mod start;
mod verification;
