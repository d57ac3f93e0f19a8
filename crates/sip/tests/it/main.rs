//! The crate from outside: the messages of RFC 4475, streams cut anywhere, and two transaction layers joined by a network
//! that loses and repeats.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bytes;
mod corpus;
mod invites;
mod network;
mod parties;
mod sessions;
mod torture;
mod transactions;
