//! Sessions that an INVITE opens and a BYE ends (RFC 3261 §13–15), with session timers (RFC 4028).
//!
//! [`Sessions`] stands between the transaction layer and who holds conversations. It knows the rules and no meaning: bodies
//! are bytes, and what a request inside a session says is not looked at.
//!
//! **How it is driven.** What [`crate::transaction::Layer`] hands up goes in:
//!
//! | the layer's output | goes in as |
//! |---|---|
//! | `Request` with a tag in To, or any in-dialog method | [`Input::Request`] |
//! | `Request` INVITE without a tag in To, that is to be taken | [`Input::Invited`] |
//! | `Answer`, `Provisional`, `Again` whose ticket [`SessionId::of`] knows | [`Input::Answer`], [`Input::Provisional`], [`Input::Again`] |
//! | `Cancelled`, `Acknowledged`, `Abandoned` | the inputs of the same names |
//!
//! What the user wants goes in by [`Sessions::invite`] and [`Input::Command`]. Outputs are polled after each input:
//! `Send`, `SendOnce`, `Cancel` and `Respond` are given to the layer as they are (the shell chooses the flow: the one the
//! session came on, or that to `next_hop`), [`Event`]s are for the user. [`Input::Tick`] is due at
//! [`Sessions::deadline`].
//!
//! **A session we open.** [`Sessions::invite`] → `Send`; then [`Event::Progress`] any number of times; then
//! [`Event::Accepted`], or [`Event::Ended`]. Each 2xx is acknowledged and repeated ones again; other branches of a fork are
//! acknowledged and ended by BYE. 422 is asked again with a longer interval.
//!
//! **A session others open.** [`Input::Invited`] → [`Event::Offered`]; the user answers by [`Command::Ring`],
//! [`Command::Accept`] or [`Command::Refuse`]. The 2xx is repeated until the ACK (§13.3.1.4), which is
//! [`Event::Acknowledged`]; without it the session is ended by BYE after 32 s. Requests may be sent in it at once.
//!
//! **Inside.** [`Command::Request`] sends MESSAGE, INFO or any other method and ends in one [`Event::Answered`]; requests of
//! the peer come as [`Event::Request`] and are answered straight to the layer, `Response::to(&request, …)`. They keep
//! their order only if the user sends one after the other. [`Command::Reinvite`] ends in [`Event::Reinvited`] unless the
//! session ends before; glare waits and tries again (§14.1). A re-INVITE, or an UPDATE with a body, of the peer is
//! [`Event::Reoffered`] and answered by `Accept` or `Refuse` like the first. Refreshing is done here.
//!
//! **The end.** Whatever ends a session, and that may be [`Command::End`], there is exactly one [`Event::Ended`]. After it the
//! id means nothing to the user, except that each request that was in flight still has its [`Event::Answered`]. BYE, CANCEL
//! or a refusal is sent as the state demands, and what comes late is answered here.
//!
//! Authentication, who may call whom, `Require` and SDP are judged before or above ([`crate::uas`] helps), and so is
//! whether a request in a session came from where the session is: here the tags alone decide. `Require: timer` can be
//! promised. The tickets of sessions are never withdrawn: each wants its answer.
//!
//! Left out: reliable provisional answers, early media, and credentials inside a dialog.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    dialog::DialogError,
    message::{Method, NameAddr, Request, Response, Status, Uri},
    transaction::{Flow, SendError, ServerId, Ticket},
};

mod commands;
mod interval;
mod outgoing;
mod received;
mod session;
mod table;

use session::Context;
pub use table::Sessions;

/// The name of a session.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(u32);

/// Tickets of sessions have this bit; others must not.
const TICKET_BIT: u64 = 1 << 63;
/// How many tickets a session has before they come again.
const TICKETS_PER_SESSION: u64 = 1 << 24;

impl SessionId {
    /// The session that has sent the request of this ticket. Tickets that the user makes are below 2⁶³.
    pub fn of(Ticket(ticket): Ticket) -> Option<Self> {
        let number = (ticket & !TICKET_BIT) / TICKETS_PER_SESSION;
        u32::try_from(number).ok().filter(|_| ticket & TICKET_BIT != 0).map(Self)
    }

    fn ticket(self, number: u32) -> Ticket {
        Ticket(TICKET_BIT + u64::from(self.0) * TICKETS_PER_SESSION + u64::from(number) % TICKETS_PER_SESSION)
    }
}

/// How sessions are held.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sessions at most. Beyond it: 503, or [`InviteError::TooMany`].
    pub sessions_max: usize,
    /// What we say in Allow.
    pub allow: String,
    /// The interval that we ask for, in seconds; `None` to leave it to the peer.
    pub interval_seconds: Option<u32>,
    /// The least interval that we accept, in seconds: 90 or more (RFC 4028 §4).
    pub interval_seconds_min: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sessions_max: 10_000,
            allow: "INVITE, ACK, CANCEL, BYE, UPDATE, MESSAGE, INFO, OPTIONS".to_owned(),
            interval_seconds: Some(1800),
            interval_seconds_min: 90,
        }
    }
}

/// What a message of ours carries besides what the dialog needs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Payload {
    /// Header fields, name and value. One that holds a control character is left out.
    pub fields: Vec<(String, String)>,
    /// Content-Type and body.
    pub body: Option<(String, Bytes)>,
}

/// An INVITE to be sent.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The Request-URI.
    pub uri: Uri,
    /// From; its tag is made here.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID; one is made if there is none.
    pub call_id: Option<String>,
    /// Our Contact, with angle brackets: where the peer's requests reach us.
    pub contact: Arc<str>,
    /// The route set to begin with: an outbound proxy.
    pub routes: Vec<NameAddr>,
    /// Body and further fields.
    pub payload: Payload,
}

/// Why no session was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InviteError {
    /// There is no room for another session.
    #[error("too many sessions are open")]
    TooMany,
    /// The invitation cannot be written.
    #[error(transparent)]
    Unwritable(#[from] DialogError),
}

/// What the user wants of a session.
#[derive(Clone, Debug)]
pub enum Command {
    /// Answer 180 to the INVITE that was offered.
    Ring,
    /// Answer 200 to the INVITE or UPDATE that was offered last.
    Accept(Payload),
    /// Refuse it with this status (300 to 699). The first INVITE's refusal ends the session.
    Refuse(Status, Payload),
    /// Send a request. The name comes back with its end.
    Request {
        /// The user's name for it.
        name: u64,
        /// MESSAGE, INFO or another that is no INVITE, UPDATE, ACK, CANCEL or BYE.
        method: Method,
        /// Body and further fields.
        payload: Payload,
    },
    /// Offer the peer another session description.
    Reinvite(Payload),
    /// End the session: CANCEL, 480 or BYE. `payload` is for BYE (Reason, ms-diagnostics).
    End(Payload),
}

/// What goes in.
#[derive(Debug)]
pub enum Input {
    /// An INVITE that opens a session.
    Invited {
        /// Its name.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
        /// Our Contact, with angle brackets.
        contact: Arc<str>,
    },
    /// Any other request that claims to be in a dialog.
    Request {
        /// Its name.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// As the layer's.
    Cancelled(ServerId),
    /// As the layer's.
    Acknowledged {
        /// The INVITE.
        id: ServerId,
        /// The ACK.
        request: Request,
    },
    /// As the layer's.
    Abandoned {
        /// The INVITE.
        id: ServerId,
        /// Why.
        error: SendError,
    },
    /// As the layer's.
    Answer {
        /// Its name.
        ticket: Ticket,
        /// How it ended.
        answer: Result<Response, SendError>,
    },
    /// As the layer's.
    Provisional {
        /// Its name.
        ticket: Ticket,
        /// The response.
        response: Response,
    },
    /// As the layer's.
    Again {
        /// Its name.
        ticket: Ticket,
        /// The response.
        response: Response,
    },
    /// What the user wants.
    Command(SessionId, Command),
    /// Time has passed.
    Tick,
}

/// What comes out.
#[derive(Debug)]
pub enum Output {
    /// Send a request: the layer's `Send`.
    Send {
        /// Whose it is.
        session: SessionId,
        /// Its name.
        ticket: Ticket,
        /// Where it goes first by its route set.
        next_hop: Uri,
        /// The request.
        request: Request,
    },
    /// Send an ACK: the layer's `SendOnce`.
    SendOnce {
        /// Whose it is.
        session: SessionId,
        /// Where it goes first by its route set.
        next_hop: Uri,
        /// The request.
        request: Request,
    },
    /// The layer's `Cancel`.
    Cancel(Ticket),
    /// The layer's `Respond`.
    Respond {
        /// The request.
        id: ServerId,
        /// The answer.
        response: Response,
    },
    /// Something for the user.
    Event(SessionId, Event),
}

/// What the user learns.
#[derive(Debug)]
pub enum Event {
    /// Somebody wants a session.
    Offered {
        /// Where the INVITE came from.
        flow: Flow,
        /// The INVITE.
        request: Request,
    },
    /// A provisional answer to our INVITE, 100 among them.
    Progress(Response),
    /// The session stands: our INVITE was answered by this 2xx.
    Accepted(Response),
    /// The session stands: our 2xx was acknowledged by this ACK.
    Acknowledged(Request),
    /// A request in the session, to be answered by the user through the layer.
    Request {
        /// Its name.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// How a request of [`Command::Request`] ended.
    Answered {
        /// The user's name for it.
        name: u64,
        /// Its final response, or why there is none.
        answer: Result<Response, SendError>,
    },
    /// The peer offers another session description.
    Reoffered(Request),
    /// It has taken that back; there is nothing to answer.
    Withdrawn,
    /// How [`Command::Reinvite`] ended. The session stands as it was, or as the 2xx says.
    Reinvited(Result<Response, SendError>),
    /// The session is over.
    Ended(End),
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// By [`Command::End`] or [`Command::Refuse`].
    Closed,
    /// By the peer's BYE.
    Bye(Box<Request>),
    /// The peer has cancelled its INVITE.
    Cancelled,
    /// Our INVITE was refused.
    Refused(Box<Response>),
    /// Our INVITE was not answered; or the peer's cannot be any more.
    Failed(SendError),
    /// Our 2xx was never acknowledged.
    Unacknowledged,
    /// Nobody refreshed the session (RFC 4028 §10).
    Expired,
    /// The peer does not know the session, or does not answer in it (§12.2.1.2).
    Gone,
}

/// What was refused or dropped, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Commands for sessions that are not there, or that do not fit their state.
    pub commands_dropped: u64,
    /// Other branches of forked INVITEs that were ended.
    pub forks_ended: u64,
    /// INVITEs refused because there were too many sessions.
    pub invitations_refused: u64,
    /// Requests for dialogs that are not there.
    pub requests_unknown: u64,
    /// Requests that came after later ones.
    pub requests_out_of_order: u64,
    /// Answers, ACKs and CANCELs that belong to no session any more.
    pub strays: u64,
    /// Messages of ours that could not be written.
    pub unwritable: u64,
}
