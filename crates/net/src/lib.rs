//! Means of talking to the outside: sockets, TLS, names, randomness, the clock.
//!
//! Everything here says *what was found*, never what may be done with it: a certificate that does not hold is a verdict,
//! not an end of the handshake; an address that is not allowed is an error with its own word. Which of it a partner may
//! use is decided by the roles with `policy`.
//!
//! Left out on purpose: XMPP, SIP, partners.

pub mod batch_io;
pub mod clock;
pub mod dial;
pub mod dns;
pub mod entropy;
pub mod listen;
pub mod tls;
