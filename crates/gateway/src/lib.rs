//! The gateway: SIP endpoints, components and inner XMPP servers of the internal domains on one side, the link to the
//! partners on the other. Inner servers are beyond a second link, at whose other end a proxy holds their streams.
//!
//! It is the only role that knows users and contacts. It holds both in memory, follows the store by revision, and asks the
//! database nothing on the way of a message; only a first message waits for a write, because what widens the rights of a
//! partner's user must be durable first. Sockets are in `sip`, all decisions in one task per shard.
//!
//! Internal addresses are those of the built-in registrar, of components, and of SIP deployments behind trunks. Presence of
//! registrar users is told to partners' users, and theirs to all SIP users who subscribe; that of users behind trunks is had
//! from their deployments.

mod book;
mod component;
mod counters;
mod message_test;
mod refusals;
mod running;
mod serving;
mod session;
mod shard;
mod sip;
mod trunk;

pub use counters::{Ledger, Snapshot};
pub use message_test::MessageStep;
pub use refusals::PartnerRefusals;
pub use running::{
    Certificates, ConnectedComponent, GatewayConfig, GatewayError, Links, Monitor, Registration, Running, start,
};
pub use session::SessionsStatus;
pub use trunk::{TargetState, TargetStatus, TestStage, TestStep, TrunkConnection, TrunkStatus, TrunkTest};
