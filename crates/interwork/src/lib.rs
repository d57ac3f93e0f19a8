//! XMPP ↔ SIP mapping.
//!
//! Addresses, errors, messages, message sessions and presence of one protocol as those of the other: RFC 7247, RFC 7572, RFC 7573,
//! RFC 8048 and RFC 3428 with the decisions of this product. Pure: what it needs to know about endpoints and settings comes in as
//! arguments.

mod body;
pub mod cpim;
pub mod diagnostics;
pub mod discovery;
mod document;
pub mod error;
pub mod first_text;
pub mod imdn;
pub mod message;
pub mod presence;
pub mod sdp;
pub mod session;
pub mod subscription;
pub mod typing;
pub mod uri;
