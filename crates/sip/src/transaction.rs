//! Transactions (RFC 3261 §17): each request is answered once and handed up once, however often the network repeats it.
//!
//! [`Layer`] holds all transactions of a shard without tasks or timers of their own: messages, answers and the passing of
//! time go in by [`Layer::handle`], what is to be sent and done comes out of [`Layer::poll`]. Flows are named, never
//! opened here. The rules of RFC 4320 for requests other than INVITE hold: no provisional answer before 3.5 s and then
//! 100 alone, never 408, late answers dropped. A MESSAGE waits while another to the same URI is in flight (RFC 3428 §8).
//!
//! An INVITE can be refused: its final answer is repeated until the ACK comes. Client INVITE transactions are left out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::message::{Message, Request, Response, Status};

mod client;
mod layer;
mod queue;
mod server;
mod timers;

pub use layer::{Counters, Layer, Limits};

/// Round-trip estimate (§17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions (§17.1.2.2).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network (§17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H and J: 64·T1.
pub const TRANSACTION_LIFE: Duration = Duration::from_secs(32);

/// What carries a flow.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// Datagrams: messages get lost and repeated.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
}

impl Transport {
    /// Whether nothing need be retransmitted.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The word in Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// The name of a flow: a connection, or a pair of local socket and remote address. The shell gives the numbers out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FlowId(pub u64);

/// A flow as the layer needs to know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flow {
    /// Its name.
    pub id: FlowId,
    /// What carries it.
    pub transport: Transport,
    /// Our host and port on it, for the Via of requests: `192.0.2.1:5060`.
    pub sent_by: Arc<str>,
}

/// The name of a request that was received, until its transaction ends.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerId(u64);

/// The name that the sender gives a request of its own. Not to be used twice while the request is under way.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// What goes in.
#[derive(Debug)]
pub enum Input {
    /// A message came. The source of a request has been noted in its Via ([`Request::note_source`]); `flow` is where its
    /// answer goes.
    Received {
        /// The flow.
        flow: Flow,
        /// The message.
        message: Message,
    },
    /// Send a request of ours. Its Via is added here. One [`Output::Answer`] follows, unless it is withdrawn.
    Send {
        /// Its name.
        ticket: Ticket,
        /// The flow to use.
        flow: Flow,
        /// The request, without Via.
        request: Request,
    },
    /// Answer a request that came up. Only the first final answer counts.
    Respond {
        /// Its name.
        id: ServerId,
        /// The answer.
        response: Response,
    },
    /// Nobody waits for the answer any more: a queued request is not sent, one in flight is left to end in silence.
    Withdraw(Ticket),
    /// The flow is gone; requests in flight on it fail.
    FlowLost(FlowId),
    /// Time has passed.
    Tick,
}

/// What comes out.
#[derive(Debug)]
pub enum Output {
    /// Write these bytes to the flow.
    Transmit {
        /// The flow.
        flow: FlowId,
        /// A whole message.
        bytes: Bytes,
    },
    /// A new request: answer it by [`Input::Respond`] within 32 s. BENOTIFY is not answered.
    Request {
        /// Its name.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// The end of a request of ours.
    Answer {
        /// Its name.
        ticket: Ticket,
        /// The final response, or why there is none.
        answer: Result<Response, SendError>,
    },
}

/// Why a request of ours has no final response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendError {
    /// Timer F: no final response within 32 s.
    #[error("no answer came in time")]
    TimedOut,
    /// The flow ended.
    #[error("the connection ended")]
    FlowLost,
    /// Too many MESSAGE requests wait for this URI, or in all.
    #[error("too many messages wait for this address")]
    QueueFull,
    /// Too many requests are in flight.
    #[error("too many requests are in flight")]
    Overloaded,
    /// The request cannot be sent by this layer: INVITE, ACK, or a flow whose sent-by is no host.
    #[error("the request cannot be sent")]
    Unsendable,
}

impl SendError {
    /// The status that it stands for (§8.1.3.1): time-out 408, transport 503.
    pub fn status(self) -> Status {
        match self {
            Self::TimedOut => Status::REQUEST_TIMEOUT,
            Self::FlowLost => Status::SERVICE_UNAVAILABLE,
            Self::QueueFull | Self::Overloaded => Status::TEMPORARILY_UNAVAILABLE,
            Self::Unsendable => Status::SERVER_INTERNAL_ERROR,
        }
    }
}
