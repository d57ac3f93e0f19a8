//! The gateway: SIP endpoints and components of the internal domains on one side, the link to the partners on the other.
//!
//! It is the only role that knows users and contacts. It holds both in memory, follows the store by revision, and asks the
//! database nothing on the way of a message; only a first message waits for a write, because what widens the rights of a
//! partner's user must be durable first. Sockets are in `sip`, all decisions in one task per shard.
//!
//! This is the part with the built-in registrar and components. Trunks, TLS, presence of SIP users and sessions are left
//! out.

mod book;
mod component;
mod counters;
mod running;
mod serving;
mod shard;
mod sip;
mod trunk;

pub use counters::{Ledger, Snapshot};
pub use running::{ConnectedComponent, GatewayConfig, GatewayError, Monitor, Registration, Running, start};
pub use trunk::{TargetState, TargetStatus, TestStage, TestStep, TrunkConnection, TrunkStatus, TrunkTest};
