//! The contract between the roles.
//!
//! The proxy and the gateway know only this crate of each other. [`stanza`] says how authenticated stanzas pass, under
//! credit, with exactly one settlement each; [`control`] says what is watched; [`event`] what the edge tells for the
//! record; [`local`] joins both ends in one process.
//!
//! A link over a network (roles on separate machines) will be another implementation of the same contract and must pass
//! the same tests.

pub mod control;
pub mod event;
pub mod local;
pub mod stanza;

pub use control::{Snapshots, snapshots};
pub use event::{EventInbox, Events, events};
pub use local::{Inbox, Link, LinkEnd, Port, local};
pub use stanza::{Envelope, EnvelopeId, Receipt, Receipts, SendError, Settled, Settlement};
