//! Trunks: the ways to SIP deployments of our own side (RFC 3261, RFC 3263, RFC 5922, RFC 5923).
//!
//! Which requests a trunk may send, and which go to it, is decided in the shard; here are the tasks that wait for the
//! network in its stead, and what can be told of trunks.

mod dial;
mod status;
mod test;

pub(crate) use dial::{DialFailure, Dialler, Found, OwnAddresses, Place, Role, Way, check};
pub use status::{TargetState, TargetStatus, TestStage, TestStep, TrunkConnection, TrunkStatus, TrunkTest};
pub(crate) use test::{options, test};
