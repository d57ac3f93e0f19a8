//! What the dialogs say: requests to be sent, and events for their conversations.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ::sip::{
    Flow, Method, Request, Response, Status, Transport, Uri,
    invite::{Command, End, Event, Output, Payload, SessionId},
    transaction::{self, SendError, Ticket},
};
use interwork::{diagnostics, first_text, sdp::Description, session::Outcome, typing};
use policy::trunk::Dialect;
use xmpp::stanza::{Condition, StanzaError};

use super::{
    super::{Shard, request::Origin, trunks::literal},
    Dialog, Input, Sessions, Turn,
    opening::knows_no_sessions,
    texts::TEXT,
};

/// How long a dialog that has ended is kept before it is looked at again: something may still be sent in it.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// Contacts of ours that are remembered.
const CONTACTS_MAX: usize = 64;

impl Dialog {
    pub(super) fn new(talk: u64, leg: interwork::session::Leg, origin: Origin) -> Self {
        Self {
            talk,
            leg,
            origin,
            is_lync: false,
            flow: None,
            source: None,
            target: None,
            takes_typing: false,
            has_first: false,
            invite: None,
            is_cancelled: false,
            failure: None,
            offer: None,
            wants_answer: false,
            in_flight: 0,
            is_over: false,
        }
    }
}

impl Sessions {
    /// Notes a dialog as that of its leg.
    pub(super) fn enter(&mut self, id: SessionId, dialog: Dialog) {
        if let Some(talk) = self.talks.get_mut(&dialog.talk) {
            talk.legs.push((dialog.leg, id));
        }
        self.legs.insert(id, dialog);
    }
}

impl Shard {
    pub(super) fn take_dialog_outputs(&mut self) {
        while let Some(output) = self.sessions.dialogs.poll() {
            match output {
                Output::Send { session, ticket, next_hop, request } => {
                    self.send_in(session, ticket, &next_hop, request)
                }
                Output::SendOnce { session, next_hop, request } => match self.way_in(session, &next_hop) {
                    Some(flow) => self.inputs.push_back(transaction::Input::SendOnce { flow, request }),
                    // Its 2xx comes again, and finds a way by then.
                    None => self.counters.sip("ack_unsent"),
                },
                Output::Cancel(ticket) => self.inputs.push_back(transaction::Input::Cancel(ticket)),
                Output::Respond { id, response } => self.respond(id, response),
                Output::Event(id, event) => self.dialog_event(id, event),
            }
        }
    }

    fn send_in(&mut self, id: SessionId, ticket: Ticket, next_hop: &Uri, request: Request) {
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return self.cannot_send_in(ticket) };
        let is_first = request.method == Method::Invite && request.headers.to().is_ok_and(|to| to.tag().is_none());
        if is_first {
            dialog.invite = Some(ticket);
        }
        let origin = dialog.origin.clone();
        let flow = if is_first { None } else { self.way_in(id, next_hop) };
        match (flow, origin) {
            (Some(flow), origin) => {
                if flow.transport.is_reliable() && matches!(origin, Origin::Trunk(_)) {
                    self.sessions.sent.insert(ticket, request.clone());
                }
                self.inputs.push_back(transaction::Input::Send { ticket, flow, request });
            }
            (None, Origin::Trunk(name)) => self.send_by_trunk(ticket, name, request),
            (None, Origin::RegistrarUser) => self.cannot_send_in(ticket),
        }
    }

    fn cannot_send_in(&mut self, ticket: Ticket) {
        let answer = Err(SendError::FlowLost);
        self.sessions.tell(::sip::invite::Input::Answer { ticket, answer });
    }

    /// The way to the other end of a dialog: the connection of its own requests while that lives; else where the dialog
    /// says, if that is its trunk, or the host that the user's requests came from.
    fn way_in(&mut self, id: SessionId, next_hop: &Uri) -> Option<Flow> {
        let dialog = self.sessions.legs.get(&id)?;
        let (own, source, target) = (dialog.flow.clone(), dialog.source, dialog.target);
        if let Some(flow) = own.as_ref().filter(|flow| flow.transport.is_reliable())
            && let Some(flow) = self.flows.flow(flow.id)
        {
            return Some(flow);
        }
        let named = literal(next_hop);
        match dialog.origin.clone() {
            Origin::Trunk(name) => {
                let named = self.flow_to_trunk(&name, named.or(target));
                named.or_else(|| self.flow_to_trunk(&name, target))
            }
            Origin::RegistrarUser => {
                let (flow, source) = own.filter(|flow| !flow.transport.is_reliable()).zip(source)?;
                let same = |at: &SocketAddr| at.ip().to_canonical() == source.ip().to_canonical();
                let port = named.filter(same).map_or(source.port(), |at| at.port());
                self.flows.datagrams_like(&flow, SocketAddr::new(source.ip(), port), self.now.instant)
            }
        }
    }

    fn dialog_event(&mut self, id: SessionId, event: Event) {
        match event {
            Event::Offered { .. } => self.session_offered(id),
            Event::Accepted(response) => self.session_accepted(id, &response),
            Event::Acknowledged(request) => self.session_acknowledged(id, &request),
            Event::Request { id: server, flow, request } => self.session_request(id, server, flow, request),
            Event::Answered { name, answer } => self.request_answered(id, name, answer),
            Event::Reoffered(request) => self.session_reoffered(id, &request),
            Event::Ended(end) => self.session_ended(id, end),
            // We never invite again ourselves, and what is withdrawn needs no answer.
            Event::Progress(_) | Event::Withdrawn | Event::Reinvited(_) => {}
        }
    }

    fn session_accepted(&mut self, id: SessionId, response: &Response) {
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return };
        dialog.invite = None;
        let (talk, leg) = (dialog.talk, dialog.leg);
        match Description::of_response(response) {
            Ok(Some(told)) => {
                dialog.takes_typing = dialog.is_lync || told.accepts(typing::COMPOSING);
                let first_taken = dialog.has_first && first_text::was_taken(&response.headers);
                if let Some(talk) = self.sessions.talks.get_mut(&talk) {
                    talk.thread = response.headers.call_id().ok().map(Box::from);
                }
                self.sessions.give(talk, Input::Established { leg, first_taken }, Turn::Plain);
            }
            Ok(None) | Err(_) => {
                self.counters.sip("session_description");
                self.forgo_sessions(talk);
                self.sessions.command(id, Command::End(Payload::default()));
                let error = StanzaError::new(Condition::NotAcceptable);
                let error = error.with_text("The recipient's system offers no instant messages");
                self.sessions.give(talk, Input::Failed { leg, error }, Turn::Pages);
            }
        }
    }

    fn session_acknowledged(&mut self, id: SessionId, ack: &Request) {
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return };
        let (talk, leg) = (dialog.talk, dialog.leg);
        if std::mem::take(&mut dialog.wants_answer) && !matches!(Description::of_request(ack), Ok(Some(_))) {
            self.counters.sip("session_description");
            self.sessions.command(id, Command::End(Payload::default()));
            let error = StanzaError::new(Condition::NotAcceptable).with_text("The session was not described");
            return self.sessions.give(talk, Input::Failed { leg, error }, Turn::Plain);
        }
        self.sessions.give(talk, Input::Established { leg, first_taken: false }, Turn::Plain);
    }

    /// A text or word of typing has its answer.
    fn request_answered(&mut self, id: SessionId, name: u64, answer: Result<Response, SendError>) {
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return };
        dialog.in_flight = dialog.in_flight.saturating_sub(1);
        let (talk, leg, failure) = (dialog.talk, dialog.leg, dialog.failure.take());
        let outcome = match answer {
            Ok(response) => {
                let error = diagnostics::failure(&response);
                if name == TEXT {
                    Outcome::of_message(response.status, error)
                } else {
                    if response.status == Status::UNSUPPORTED_MEDIA_TYPE {
                        dialog.takes_typing = false;
                    }
                    Outcome::of_typing(response.status, error)
                }
            }
            Err(error) => unanswered(error, failure),
        };
        let input =
            if name == TEXT { Input::Answered { leg, outcome } } else { Input::TypingAnswered { leg, outcome } };
        self.sessions.give(talk, input, Turn::Plain);
        self.sessions.release(id);
    }

    fn session_ended(&mut self, id: SessionId, end: End) {
        let now = self.now.instant;
        let Some(dialog) = self.sessions.legs.get_mut(&id) else { return };
        dialog.is_over = true;
        let (talk, leg, failure) = (dialog.talk, dialog.leg, dialog.failure.take());
        let was_inviting = dialog.invite.take().is_some();
        if let Some(offer) = dialog.offer.take() {
            self.sessions.judged.remove(&offer.invite);
        }
        let mut turn = Turn::Plain;
        let input = match end {
            End::Closed | End::Cancelled => None,
            End::Bye(_) | End::Expired | End::Gone => Some(Input::Ended(leg)),
            End::Refused(response) => {
                if knows_no_sessions(response.status) {
                    self.forgo_sessions(talk);
                    turn = Turn::Pages;
                }
                Some(Input::Failed { leg, error: diagnostics::failure(&response) })
            }
            End::Failed(error) if was_inviting => {
                Some(Input::Failed { leg, error: failure.unwrap_or_else(|| error_of(error)) })
            }
            // An INVITE of theirs that nobody waits for any more.
            End::Failed(_) => None,
            End::Unacknowledged => {
                let error = StanzaError::new(Condition::RemoteServerTimeout);
                Some(Input::Failed { leg, error: error.with_text("The recipient's system does not answer") })
            }
        };
        if let Some(input) = input {
            self.sessions.give(talk, input, turn);
        }
        self.sessions.lingering.push_back((now + LINGER, id));
        self.sessions.release(id);
    }

    fn forgo_sessions(&mut self, talk: u64) {
        let Some(user) = self.sessions.talks.get(&talk).map(|talk| talk.pair.internal.clone()) else { return };
        tracing::info!(%user, "a deployment takes no message sessions; texts go outside of them for a while");
        self.counters.sip("sessions_refused");
        self.sessions.refuses(&user, self.now.instant);
    }

    pub(super) fn is_lync(&self, origin: &Origin) -> bool {
        let Origin::Trunk(name) = origin else { return false };
        self.serving.trunk(name).is_some_and(|trunk| trunk.dialect == Dialect::Lync)
    }

    /// Our Contact where our requests say `host`.
    pub(in crate::shard) fn contact(&mut self, transport: Transport, host: &Arc<str>) -> Arc<str> {
        let contacts = &mut self.sessions.contacts;
        let key = (transport, Arc::clone(host));
        if let Some(contact) = contacts.get(&key) {
            return Arc::clone(contact);
        }
        let contact: Arc<str> = match transport {
            Transport::Udp => format!("<sip:{host}>"),
            Transport::Tcp | Transport::Tls => {
                format!("<sip:{host};transport={}>", transport.as_str().to_ascii_lowercase())
            }
        }
        .into();
        if contacts.len() >= CONTACTS_MAX {
            contacts.clear();
        }
        contacts.insert(key, Arc::clone(&contact));
        contact
    }

    /// Address and port for our descriptions. Nothing is ever received there, so a host by name may be any address.
    pub(super) fn described(&self, host: &str) -> (IpAddr, u16) {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let address = name.trim_matches(['[', ']']).parse().unwrap_or(Ipv4Addr::LOCALHOST.into());
        (address, port.parse().unwrap_or(5060))
    }
}

/// What became of a request without an answer.
fn unanswered(error: SendError, failure: Option<StanzaError>) -> Outcome {
    let told = failure.clone().unwrap_or_else(|| error_of(error));
    match error {
        // It was never sent: there is no dialog.
        SendError::Unsendable => Outcome::NoDialog(told),
        SendError::QueueFull | SendError::Overloaded => Outcome::Refused(told),
        SendError::TimedOut | SendError::FlowLost => Outcome::NoAnswer(told),
    }
}

fn error_of(error: SendError) -> StanzaError {
    let condition = match error {
        SendError::TimedOut => Condition::RemoteServerTimeout,
        SendError::FlowLost => Condition::RecipientUnavailable,
        SendError::QueueFull | SendError::Overloaded => Condition::ResourceConstraint,
        SendError::Unsendable => Condition::InternalServerError,
    };
    StanzaError::new(condition).with_text(error.to_string())
}
