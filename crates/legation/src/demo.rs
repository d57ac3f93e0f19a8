//! The scripted ends of `legation demo`: they speak the protocols by the same cores as the server, from the other side.

pub mod sip_user;
