//! SIP on sockets: listeners, connections, and the table of flows.
//!
//! Reading and framing happen in the tasks of this module; what they read goes through one bounded channel to the shard,
//! which owns the table of flows and writes without waiting. When the shard is slow the sockets are read slower.

pub(crate) mod flows;
pub(crate) mod penalty;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::{net::SocketAddr, sync::Arc};

use ::sip::{
    FlowId, Message,
    message::{Defect, Frame, StreamFramer},
};
use bytes::Bytes;
use tokio::sync::mpsc;

/// What the tasks of this module tell the shard.
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
    Opened { flow: FlowId, connection: Connection },
    /// A frame was read from it.
    Frame { flow: FlowId, frame: Frame },
    /// It has ended; `defect` if its bytes could not be framed.
    Closed { flow: FlowId, defect: Option<Box<Defect>> },
}

/// A connection as the shard keeps it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) sent_by: Arc<str>,
    /// To its writing task; dropping it ends the connection.
    pub(crate) outbox: mpsc::Sender<Bytes>,
}

/// The answer to a keep-alive on a stream.
pub(crate) const PONG: Bytes = Bytes::from_static(StreamFramer::PONG);

/// Arrivals that wait for the shard at most.
pub(crate) const ARRIVALS_MAX: usize = 1024;
