//! Streams between servers (RFC 6120 §4–§6, XEP-0178, XEP-0220): who is at the other end, and for which domain pair.
//!
//! [`Inbound`] is the machine of a connection that a partner opened, [`Outbound`] of one that we opened, for stanzas or
//! to verify a dialback key. They have no socket, clock, randomness or policy:
//!
//! 1. The shell feeds [`Input`]s and after each one takes every [`Output`] with `poll` and the bytes with `drain`.
//! 2. [`Output::AskPair`] asks for the partner's rules. The machine reads nothing more before [`Input::PairRules`]
//!    answers; the snapshot is in memory, so the answer follows at once.
//! 3. After [`Output::StartTls`] the shell writes what is drained, makes the handshake and answers [`Input::Tls`] or
//!    [`Input::TlsFailed`]. A certificate's faults are facts, not failures of the handshake.
//! 4. At `deadline` the shell feeds [`Input::Deadline`].
//! 5. After [`Output::Closed`] it writes what is drained and drops the connection. Nothing comes after it.
//!
//! A pair is authorised in the direction of the connection only, unless both sides agree to use it both ways (XEP-0288).
//! Resource binding is not spoken, and stream compression never will be.

pub mod dialback;
pub mod error;
pub mod event;
pub mod external;
pub mod facts;
pub mod failure;
pub mod features;
pub mod header;

pub mod inbound;
pub mod keep_alive;
pub mod outbound;
pub mod rules;
pub mod stanzas;
pub mod starttls;

mod ack;
mod authority;
mod bidi;
mod core;
mod passage;
pub(crate) mod seed;

pub use dialback::{DialbackError, DialbackVerdict, Secret, VerifyRequest};
pub use error::{Condition, StreamError};
pub use event::{Anomaly, Input, KeyStatus, Output};
pub use facts::{Attempt, FeaturesSeen, StreamFacts};
pub use failure::{Fault, Retry, Stage, StreamFailure};
pub use inbound::{Inbound, InboundConfig};
pub use outbound::{Outbound, OutboundConfig, Purpose};
pub use rules::{Extensions, PairRules, Refusal, StreamLimits, TlsUse};
pub use stanzas::{Stanzas, UnsentReason};
