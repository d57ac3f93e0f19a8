//! The program as its users run it: as a process.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail has failed")]

mod admin;
mod certificates;
mod cli;
mod configuration;
mod demo;
mod deployment;
mod guide;
mod harness;
mod import;
mod init;
mod ops;
mod report;
mod round_trip;
mod start;
