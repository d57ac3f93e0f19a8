//! The real proxy on loopback, against a second one as the partner's server or against a peer that is not so kind.

mod harness;

mod abuse;
mod delivery;
mod methods;
mod policy_changes;
mod refusals;
