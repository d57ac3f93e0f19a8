//! The store against a real database file: each rule a test.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod component;
mod contact;
mod fixture;
mod inspection;
mod migration;
mod opening;
mod partner;
mod report;
mod serving;
mod session;
mod setting;
mod traffic;
mod user;
