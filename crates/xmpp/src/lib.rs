//! XMPP between servers, without sockets, clocks, randomness or policy (RFC 6120, RFC 6121 and their extensions).

pub mod component;
pub mod identity;
pub mod route;
pub mod stanza;
pub mod stream;
pub mod xml;
