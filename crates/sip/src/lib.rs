//! The SIP half of the gateway without a socket, a clock or randomness: messages, transactions, dialogs, sessions, digest,
//! bindings.
//!
//! Every byte that leaves is made by [`message`], every retransmission is absorbed by [`transaction::Layer`]; [`uas`] says
//! what a request is refused for before its meaning is looked at, [`dialog`] and [`invite`] hold what an INVITE opens,
//! [`digest`] proves users and [`registrar`] knows where they are (RFC 3261, RFC 3428, RFC 3581, RFC 4028, RFC 4320, RFC
//! 6026, RFC 8760). Methods and headers that this crate does not know are kept as they came.
//!
//! What answers a request means is decided above: this crate knows no partner, no contact and no policy.

pub mod dialog;
pub mod digest;
pub mod event;
pub mod identity;
pub mod invite;
pub mod message;
pub mod publication;
pub mod registrar;
pub mod token;
pub mod transaction;
pub mod uas;

pub use message::{
    CSeq, Contacts, Defect, FieldError, Headers, Limits, MediaType, Message, Method, Name, NameAddr, Params, Request,
    Response, Status, Uri, Via,
};
pub use token::Tokens;
pub use transaction::{Flow, FlowId, Layer, Transport};
