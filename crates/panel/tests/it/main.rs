//! API v1 over a real Unix socket, against a real store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contact;
mod domain;
mod fixture;
mod https;
mod import;
mod pages;
mod partner;
mod places;
mod policy;
mod probe;
mod report;
mod request;
mod roles;
mod rows;
mod setting;
mod trunk;
mod user;
