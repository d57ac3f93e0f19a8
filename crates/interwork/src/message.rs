//! SIP MESSAGE ↔ message stanza (RFC 7572, RFC 3428, "Everyday stanzas" of the gateway's design).
//!
//! Both directions go through [`Text`], the plain text that both sides can show. Deviations from RFC 7572, on purpose:
//!
//! * The type of a stanza made from a MESSAGE is a setting: clients open a pop-up for `normal`.
//! * `<thread/>` does not become a Call-ID: an endpoint may take a second MESSAGE with a known Call-ID and CSeq for a
//!   merged request (RFC 3261 §8.2.2.2). A Call-ID becomes a thread only where the caller has seen it repeat.
//! * The sender's resource is not put into From: it is no GRUU of ours.
//! * A text beyond 1300 bytes is split into numbered parts before it is refused.
//!
//! Typing notifications are in [`typing`](crate::typing), notifications of what became of a message in [`imdn`](crate::imdn).

mod read;
mod sip_side;
mod split;
mod xmpp_side;

#[cfg(test)]
mod tests;

pub use read::{CORRECTION, Reading, Silence, Text, read};
pub use sip_side::{
    BODY_BYTES_MAX, Enclosing, Ids, PAGE_BYTES_MAX, Path, Target, doubt_notice, failure_notice, requests,
};
pub use split::{PARTS_MAX, split};
pub use xmpp_side::{Addresses, Asked, Marks, Opened, marked, open, stanza, text_of};

pub use crate::body::{ACCEPT, BodyError};

/// What a partner's user is told once who sends encrypted messages to a SIP endpoint.
pub const ENCRYPTED_HINT: &str =
    "This contact's device cannot read encrypted messages: please turn encryption off for this conversation.";
