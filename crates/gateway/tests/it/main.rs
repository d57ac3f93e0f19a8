//! The gateway on loopback sockets, with scripted SIP endpoints and components and a scripted other end of the link.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod authority;
mod bot;
mod component_limits;
mod components;
mod contact_rules;
mod discovery;
mod from_partners;
mod from_users;
mod hostile;
mod inner;
mod pager_typing;
mod partner;
mod party;
mod pbx;
mod phone;
mod receipts;
mod registration;
mod scene;
mod sessions;
mod sessions_hostile;
mod sessions_lync;
mod sessions_opened;
mod trunk_presence;
mod trunk_tls;
mod trunks;
