//! Transactions (RFC 3261 §17): each request is answered once and handed up once, however often the network repeats it.
//!
//! [`Layer`] holds all transactions of a shard without tasks or timers of their own: messages, answers and the passing of
//! time go in by [`Layer::handle`], what is to be sent and done comes out of [`Layer::poll`]. Flows are named, never
//! opened here. The rules of RFC 4320 for requests other than INVITE hold: no provisional answer before 3.5 s and then
//! 100 alone, never 408, late answers dropped. A MESSAGE waits while another to the same URI is in flight (RFC 3428 §8).
//!
//! INVITE follows RFC 3261 §17.1.1 and §17.2.1 as RFC 6026 corrects them. The layer acknowledges refusals and sends 100
//! after 200 ms; 2xx and their ACKs pass through it, and who repeats them is the user ([`crate::invite`]). CANCEL is made
//! and answered here (§9). The same request on a second path is answered 482 (§8.2.2.2), a request beyond the limits 503
//! with Retry-After.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::message::{Message, Request, Response, Status};

mod client;
mod keys;
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
    /// Send a request of ours. Its Via is added here. One [`Output::Answer`] follows, unless it is withdrawn; for INVITE
    /// any number of [`Output::Provisional`] come before it, and further 2xx after it as [`Output::Again`].
    Send {
        /// Its name.
        ticket: Ticket,
        /// The flow to use.
        flow: Flow,
        /// The request, without Via.
        request: Request,
    },
    /// Send a request outside transactions: the ACK to a 2xx (§13.2.2.4). Its Via is added here; nothing comes of it.
    SendOnce {
        /// The flow to use.
        flow: Flow,
        /// The request, without Via.
        request: Request,
    },
    /// Cancel an INVITE of ours (§9.1): CANCEL goes out once a provisional answer has come. The end is still told: 487, or
    /// a 2xx that crossed it, or [`SendError::TimedOut`] after 32 s.
    Cancel(Ticket),
    /// Answer a request that came up. Only the first final answer counts; an INVITE may have provisional ones before, and
    /// its 2xx is sent again each time that it is given again.
    Respond {
        /// Its name.
        id: ServerId,
        /// The answer.
        response: Response,
    },
    /// Nobody waits for the answer any more: a queued request is not sent, one in flight is left to end in silence. An
    /// INVITE, whose 2xx somebody has to acknowledge, is cancelled instead.
    Withdraw(Ticket),
    /// The flow is gone; requests in flight on it fail.
    FlowLost(FlowId),
    /// The other end of the flow is taken for dead: requests in flight or waiting on it fail as if it were gone, while
    /// what was received on it can still be answered.
    Abandon(FlowId),
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
    /// A new request: answer it by [`Input::Respond`] within 32 s, an INVITE within 180 s. BENOTIFY is not answered.
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
    /// An INVITE of ours is under way.
    Provisional {
        /// Its name.
        ticket: Ticket,
        /// The response, 100 to 199.
        response: Response,
    },
    /// Another 2xx to an accepted INVITE of ours: the first one repeated, because its ACK got lost, or that of another
    /// branch of a fork. Each is to be acknowledged.
    Again {
        /// The name of the INVITE.
        ticket: Ticket,
        /// The response.
        response: Response,
    },
    /// An INVITE that came up is not wanted any more: answer it 487. The CANCEL has its answer.
    Cancelled(ServerId),
    /// The ACK to our 2xx. It comes again when the 2xx was repeated.
    Acknowledged {
        /// The INVITE.
        id: ServerId,
        /// Where the ACK came from.
        flow: Flow,
        /// The ACK, which may have a body.
        request: Request,
    },
    /// An INVITE that came up needs no answer any more: its flow ended, or it rang for 180 s and was answered 480.
    Abandoned {
        /// The INVITE.
        id: ServerId,
        /// Which of the two.
        error: SendError,
    },
}

/// Why a request of ours has no final response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendError {
    /// Timers B and F: no final response within 32 s; for an INVITE that rang, 32 s after its CANCEL.
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
    /// The request cannot be sent by this layer: ACK, CANCEL, or a flow whose sent-by is no host.
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
