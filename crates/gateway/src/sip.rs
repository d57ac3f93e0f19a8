//! SIP on sockets: listeners, connections, and the table of flows.
//!
//! Reading and framing happen in the tasks of this module; what they read goes through one bounded channel to the shard,
//! which owns the table of flows and writes without waiting. When the shard is slow the sockets are read slower.

pub(crate) mod flows;
pub(crate) mod outbox;
pub(crate) mod penalty;
pub(crate) mod seats;
pub(crate) mod stream;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::{net::SocketAddr, sync::Arc};

use ::sip::{
    FlowId, Message, Transport,
    message::{Defect, Frame, StreamFramer},
};
use bytes::Bytes;
use lexicon::{Domain, Timestamp};
use net::tls::PeerChain;

use self::{outbox::Outbox, stream::Ending};
use crate::trunk::{DialFailure, Found, Place};

/// What the tasks of this module, and those that dial, tell the shard.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A datagram was read.
    Datagram {
        /// Which of the UDP sockets.
        socket: usize,
        source: SocketAddr,
        message: Result<Message, Box<Defect>>,
    },
    /// A connection was accepted.
    Opened { flow: FlowId, connection: Box<Connection> },
    /// A frame was read from it.
    Frame { flow: FlowId, frame: Frame },
    /// It has ended; `defect` if its bytes could not be framed, `reason` if the other end did not just close it.
    Closed { flow: FlowId, defect: Option<Box<Defect>>, reason: Option<Ending> },
    /// A connection to a trunk was opened, or could not be.
    Dialled { place: Place, outcome: Result<(FlowId, Box<Connection>), DialFailure> },
    /// The addresses of a trunk's targets.
    Resolved { trunk: policy::TrunkName, made: u64, found: Vec<Found> },
}

/// A connection as the shard keeps it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    /// Our host and port for the Via of requests.
    pub(crate) sent_by: Arc<str>,
    /// To its writing task; dropping it ends the connection.
    pub(crate) outbox: Outbox,
    /// Of its other end; none without TLS.
    pub(crate) identity: Option<Identity>,
    /// Whether we opened it.
    pub(crate) outgoing: bool,
    pub(crate) since: Timestamp,
}

/// What the other end of a connection has shown in its handshake.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) chain: PeerChain,
    /// RFC 5922 §7.1; whether anybody vouches for them is judged apart.
    pub(crate) names: Vec<Domain>,
}

/// The answer to a keep-alive on a stream.
pub(crate) const PONG: Bytes = Bytes::from_static(StreamFramer::PONG);

/// Arrivals that wait for the shard at most.
pub(crate) const ARRIVALS_MAX: usize = 1024;
