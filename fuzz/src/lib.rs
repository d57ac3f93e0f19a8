//! What hostile bytes must never do, as plain functions that panic when they do it.
//!
//! A target is `fn(&[u8])`. The corpora in `corpus/<target>/` are replayed by the tests of the crate that a target is
//! about; `cargo run --release -- <target> <seconds>` mutates them.

mod pidf;
mod sip_event;
mod sip_invite;
mod sip_message;
#[path = "xmpp/targets.rs"]
pub mod xmpp;

/// One property of the code under test.
pub type Target = fn(&[u8]);

/// Every target and the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("framer", xmpp::framer::run),
    ("jid", xmpp::jid::run),
    ("pidf", pidf::run),
    ("sip_event", sip_event::run),
    ("sip_invite", sip_invite::run),
    ("sip_message", sip_message::run),
    ("tokenizer", xmpp::tokenizer::run),
];
