//! Delivery of a text to the endpoints of an internal user, or to the trunk that serves the address.
//!
//! All registered contacts get it in parallel, each as one or more requests in order. The first contact that took it
//! makes it delivered; if none did, the best of their answers counts (RFC 3261 §16.7 step 6). A contact that does not
//! answer is skipped until it registers again. Nothing is stored for a user without contacts.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use ::sip::{
    Flow, Method, NameAddr, Request, Response, Status, Uri,
    invite::SessionId,
    registrar::Binding,
    transaction::{self, Input, Ticket},
};
use interwork::{
    error::{self, Answer},
    message::{self, Enclosing, Ids, Path, Target, Text},
    uri,
};
use lexicon::{BareJid, Jid};
use link::Receipt;
use policy::TrunkName;
use store::Backend;
use tokio::sync::mpsc;
use xmpp::stanza::{Condition, StanzaError};

use super::{Shard, memory::Pair, request::Incoming, test_message::TestEvent};
use crate::component::Outgoing;

/// Deliveries under way at most; beyond it the link is not read.
const DELIVERIES_MAX: usize = 8192;

/// Who waits for the end of a delivery.
#[derive(Debug)]
pub(super) enum Sender {
    /// The link, for a partner's user.
    Partner(Receipt),
    /// An internal user.
    User(Box<Incoming>),
    /// A component.
    Component(Box<Outgoing>),
    /// Who tests whether the recipient is reached.
    Test(mpsc::Sender<TestEvent>),
    /// Nobody: a notice of ours.
    Nobody,
}

/// How a delivery, or its attempt at one contact, ended.
#[derive(Clone, Debug)]
enum Ended {
    Taken,
    /// No contact is registered.
    Offline,
    /// A final response that is no success.
    Answered(Status, String),
    /// Not tried, or without an answer.
    Refused(StanzaError),
}

#[derive(Debug)]
struct Delivery {
    /// None once its end was told.
    sender: Option<Sender>,
    to: BareJid,
    branches: Vec<Branch>,
    open: usize,
    best: Option<Ended>,
    deadline: Option<Instant>,
}

/// The attempt at one contact.
#[derive(Debug)]
struct Branch {
    contact: Uri,
    /// Whether it is a contact that a user has registered.
    registered: bool,
    /// Requests that were not answered yet, in order.
    waiting: Vec<Ticket>,
    ended: bool,
}

/// A place that a text goes to.
struct Destination {
    /// The Request-URI.
    contact: Uri,
    way: Way,
    path: Path,
}

pub(super) enum Way {
    Flow(Flow),
    Trunk(TrunkName),
}

/// All deliveries under way.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    made: u64,
    by_number: HashMap<u64, Delivery>,
    tickets: HashMap<Ticket, (u64, usize)>,
    deadlines: BTreeSet<(Instant, u64)>,
}

impl Deliveries {
    pub(super) fn has_room(&self) -> bool {
        self.by_number.len() < DELIVERIES_MAX
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}

impl Shard {
    /// Delivers `text` to the endpoints of `to`, or to the one that its resource names as a public GRUU.
    pub(super) fn deliver(&mut self, sender: Sender, from: &BareJid, to: &Jid, text: &Text, deadline: Option<Instant>) {
        if let Some(sender) = self.converse(sender, from, to, text, deadline, false) {
            self.page(sender, from, to, text, deadline, None);
        }
    }

    /// The same outside of sessions; with a Message-ID the endpoints are asked to tell what becomes of it.
    pub(super) fn page(
        &mut self,
        sender: Sender,
        from: &BareJid,
        to: &Jid,
        text: &Text,
        deadline: Option<Instant>,
        message_id: Option<&str>,
    ) {
        let (from, recipient) = match (uri::to_sip(from), uri::to_sip(to.bare())) {
            (Ok(from), Ok(to)) => (from, to),
            (Err(error), _) | (_, Err(error)) => {
                let error = StanzaError::new(Condition::JidMalformed).with_text(error.to_string());
                return self.finish(sender, Ended::Refused(error));
            }
        };
        let number = self.deliveries.next();
        let (mut branches, mut best) = (Vec::new(), None);
        for Destination { contact, way, path } in self.destinations(to, &recipient) {
            let enclosing = message_id.map(|message_id| Enclosing { message_id, at: self.now.wall });
            let target = Target { uri: &contact, from: &from, to: &recipient, path, enclosing };
            let host = to.domain().as_ascii();
            let tokens = &mut self.tokens;
            let ids = || Ids { call_id: format!("{}@{host}", tokens.make()), tag: tokens.make() };
            match message::requests(text, target, ids) {
                Ok(requests) => {
                    let waiting = self.launch(number, branches.len(), &way, requests);
                    let registered = matches!(way, Way::Flow(_));
                    branches.push(Branch { contact, registered, waiting, ended: false });
                }
                Err(error) => best = better(best, Ended::Refused(error)),
            }
        }
        if branches.is_empty() {
            return self.finish(sender, best.unwrap_or(Ended::Offline));
        }
        if let Some(at) = deadline {
            self.deliveries.deadlines.insert((at, number));
        }
        let open = branches.len();
        let delivery = Delivery { sender: Some(sender), to: to.bare().clone(), branches, open, best, deadline };
        self.deliveries.by_number.insert(number, delivery);
    }

    fn launch(&mut self, number: u64, branch: usize, way: &Way, requests: Vec<Request>) -> Vec<Ticket> {
        let mut tickets = Vec::with_capacity(requests.len());
        for request in requests {
            let ticket = Ticket(self.deliveries.next());
            self.deliveries.tickets.insert(ticket, (number, branch));
            self.send_to(ticket, way, request);
            tickets.push(ticket);
        }
        tickets
    }

    /// Requests with what is no text for the endpoints of an internal user, in the name of the partner's user. One that cannot
    /// be sent ends at once, so whoever waits for the tickets notes them before [`send_to`](Self::send_to).
    pub(super) fn documents(
        &mut self,
        pair: &Pair,
        to: &Jid,
        content_type: &str,
        body: &str,
    ) -> Vec<(Ticket, Way, Request)> {
        let (Ok(from), Ok(recipient)) = (uri::to_sip(&pair.partner), uri::to_sip(&pair.internal)) else {
            return Vec::new();
        };
        let (mut documents, to_field) = (Vec::new(), NameAddr::new(recipient.clone()));
        for Destination { contact, way, .. } in self.destinations(to, &recipient) {
            let call_id = format!("{}@{}", self.tokens.make(), to.domain().as_ascii());
            let from = NameAddr::new(from.clone()).with_tag(&self.tokens.make());
            let request = Request::out_of_dialog(Method::Message, contact, &from, &to_field, &call_id, 1);
            let written = request.and_then(|mut request| {
                request.set_body(content_type, body.to_owned())?;
                Ok(request)
            });
            let Ok(request) = written else { continue };
            documents.push((self.next_ticket(), way, request));
        }
        documents
    }

    pub(super) fn send_to(&mut self, ticket: Ticket, way: &Way, request: Request) {
        match way {
            Way::Flow(flow) => self.inputs.push_back(Input::Send { ticket, flow: flow.clone(), request }),
            Way::Trunk(name) => self.send_by_trunk(ticket, name.clone(), request),
        }
    }

    /// A ticket for a request of ours.
    pub(super) fn next_ticket(&mut self) -> Ticket {
        Ticket(self.deliveries.next())
    }

    /// A request of a delivery could not be sent.
    pub(super) fn fail_ticket(&mut self, ticket: Ticket, error: StanzaError) {
        if self.notified(ticket, None) || self.subscribed(ticket, None) || self.typing_answered(ticket, None) {
            return;
        }
        if SessionId::of(ticket).is_some() {
            return self.session_unsent(ticket, error);
        }
        if let Some((number, branch)) = self.deliveries.tickets.remove(&ticket) {
            self.end_branch(number, branch, Ended::Refused(error));
        }
    }

    /// Where the texts for an address go: to the trunk that serves it, else to all contacts that can be tried.
    fn destinations(&mut self, to: &Jid, recipient: &Uri) -> Vec<Destination> {
        if let Some(Backend::Trunk(name)) = self.serving.backend_of(to.bare()) {
            let safe = self.serving.trunk(name).is_some_and(|trunk| trunk.congestion_safe);
            let path = if safe { Path::CongestionSafe } else { Path::Any };
            return vec![Destination { contact: recipient.clone(), way: Way::Trunk(name.clone()), path }];
        }
        let registered = |(contact, flow): (Uri, Flow)| {
            let path = if flow.transport.is_reliable() { Path::CongestionSafe } else { Path::Any };
            Destination { contact, way: Way::Flow(flow), path }
        };
        self.reachable(to).into_iter().map(registered).collect()
    }

    /// The contacts of a user that can be tried, with the flow to each.
    pub(super) fn reachable(&mut self, to: &Jid) -> Vec<(Uri, Flow)> {
        let now = self.now.instant;
        let bindings = self.registrar.bindings(now, &to.bare().to_string());
        let answering = bindings.into_iter().filter(|binding| !binding.is_unreachable);
        let mut candidates: Vec<Binding> = answering.cloned().collect();
        let named = |binding: &Binding| binding.contact.gr().as_deref().is_some_and(|gr| to.resource() == Some(gr));
        if candidates.iter().any(named) {
            candidates.retain(named);
        }
        let way = |binding: Binding| {
            let flow = self.way_to(&binding)?;
            Some((binding.contact, flow))
        };
        candidates.into_iter().filter_map(way).collect()
    }

    /// A connection is used as long as it lives. A datagram goes to the contact's own port if the REGISTER came from its
    /// host, else back to where the REGISTER came from: there is a NAT between.
    fn way_to(&mut self, binding: &Binding) -> Option<Flow> {
        if binding.flow.transport.is_reliable() {
            return self.flows.flow(binding.flow.id);
        }
        let host = binding.contact.host().trim_matches(['[', ']']);
        let mut remote = binding.source;
        if host.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical() == remote.ip().to_canonical()) {
            remote.set_port(binding.contact.port().unwrap_or(5060));
        }
        self.flows.datagrams_like(&binding.flow, remote, self.now.instant)
    }

    /// A request of a delivery has ended.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Result<Response, transaction::SendError>) {
        if self.probe_answered(ticket, &answer) {
            return;
        }
        self.note_progress(ticket);
        let Some(answer) = self.trunk_answered(ticket, answer) else { return };
        if self.notified(ticket, answer.as_ref().ok().map(|response| response.status)) {
            return;
        }
        if self.subscribed(ticket, answer.as_ref().ok()) || self.typing_answered(ticket, answer.as_ref().ok()) {
            return;
        }
        if SessionId::of(ticket).is_some() {
            return self.session_answered(ticket, answer);
        }
        let Some((number, branch)) = self.deliveries.tickets.remove(&ticket) else { return };
        let recipient = self.deliveries.by_number.get(&number).map(|delivery| delivery.to.clone());
        if let (Some(user), Ok(response)) = (recipient, &answer) {
            self.note_accept(&user, response);
        }
        let Some(delivery) = self.deliveries.by_number.get_mut(&number) else { return };
        let Some(attempt) = delivery.branches.get_mut(branch) else { return };
        attempt.waiting.retain(|waiting| *waiting != ticket);
        let ended = match answer {
            Ok(response) if response.status.is_success() => {
                if !attempt.waiting.is_empty() {
                    return;
                }
                Ended::Taken
            }
            Ok(response) => Ended::Answered(response.status, response.phrase().to_owned()),
            Err(error) => {
                let is_silent = matches!(error, transaction::SendError::TimedOut | transaction::SendError::FlowLost);
                if is_silent && attempt.registered {
                    self.registrar.mark_unreachable(&delivery.to.to_string(), &attempt.contact);
                    self.counters.sip("contact_unreachable");
                }
                without_answer(error)
            }
        };
        self.end_branch(number, branch, ended);
    }

    fn end_branch(&mut self, number: u64, branch: usize, ended: Ended) {
        let Some(delivery) = self.deliveries.by_number.get_mut(&number) else { return };
        let attempt = &mut delivery.branches[branch];
        if std::mem::replace(&mut attempt.ended, true) {
            return;
        }
        let mut withdrawn = Vec::new();
        for ticket in attempt.waiting.drain(..) {
            self.deliveries.tickets.remove(&ticket);
            withdrawn.push(ticket);
        }
        delivery.open -= 1;
        delivery.best = better(delivery.best.take(), ended);
        let taken = matches!(delivery.best, Some(Ended::Taken));
        let (sender, best) = (delivery.sender.take_if(|_| taken || delivery.open == 0), delivery.best.clone());
        if delivery.open == 0 {
            self.forget(number);
        }
        withdrawn.into_iter().for_each(|ticket| self.withdraw(ticket));
        if let (Some(sender), Some(best)) = (sender, best) {
            self.finish(sender, best);
        }
    }

    fn forget(&mut self, number: u64) -> Option<Delivery> {
        let delivery = self.deliveries.by_number.remove(&number)?;
        if let Some(at) = delivery.deadline {
            self.deliveries.deadlines.remove(&(at, number));
        }
        Some(delivery)
    }

    /// Ends deliveries whose envelope must not be delivered any more.
    pub(super) fn expire_deliveries(&mut self) {
        while let Some((at, number)) = self.deliveries.deadlines.first().copied() {
            if at > self.now.instant {
                return;
            }
            self.deliveries.deadlines.pop_first();
            let Some(delivery) = self.forget(number) else { continue };
            for ticket in delivery.branches.into_iter().flat_map(|branch| branch.waiting) {
                self.deliveries.tickets.remove(&ticket);
                self.withdraw(ticket);
            }
            if let Some(sender) = delivery.sender {
                let text = "The recipient's device did not answer in time";
                let error = StanzaError::new(Condition::RemoteServerTimeout).with_text(text);
                self.finish(sender, Ended::Refused(error));
            }
        }
    }

    /// Tells the sender what became of a text in a session.
    pub(super) fn end_text(&mut self, sender: Sender, result: Result<(), StanzaError>) {
        self.finish(sender, result.map_or_else(Ended::Refused, |()| Ended::Taken));
    }

    /// Tells the sender.
    fn finish(&mut self, sender: Sender, ended: Ended) {
        match sender {
            Sender::Partner(receipt) => match ended {
                Ended::Taken => {
                    self.counters.from_partners.delivered();
                    receipt.done();
                }
                ended => {
                    self.counters.from_partners.answered();
                    receipt.refuse(to_partner(ended));
                }
            },
            Sender::User(incoming) => {
                match ended {
                    Ended::Taken => self.counters.from_users.delivered(),
                    _ => self.counters.from_users.answered(),
                }
                self.answer(&incoming, to_user(ended), &[]);
            }
            Sender::Component(outgoing) => match ended {
                Ended::Taken => outgoing.delivered(&self.counters),
                ended => outgoing.refused(&to_partner(ended), &self.counters),
            },
            Sender::Test(told) => {
                let event = match ended {
                    Ended::Taken => TestEvent::Delivered,
                    ended => TestEvent::Failed(to_partner(ended)),
                };
                let _ = told.try_send(event);
            }
            Sender::Nobody => {
                if !matches!(ended, Ended::Taken) {
                    self.counters.sip("notice_lost");
                }
            }
        }
    }
}

/// What stands for a final response that never came.
fn without_answer(error: transaction::SendError) -> Ended {
    let condition = match error {
        transaction::SendError::TimedOut => Condition::RemoteServerTimeout,
        transaction::SendError::FlowLost => Condition::RecipientUnavailable,
        transaction::SendError::QueueFull | transaction::SendError::Overloaded => Condition::ResourceConstraint,
        transaction::SendError::Unsendable => Condition::InternalServerError,
    };
    Ended::Refused(StanzaError::new(condition).with_text(error.to_string()))
}

/// The better of two ends (RFC 3261 §16.7 step 6): success, then 6xx, then the lowest class; the first of its class.
fn better(best: Option<Ended>, other: Ended) -> Option<Ended> {
    let rank = |ended: &Ended| match ended {
        Ended::Taken => 0,
        Ended::Answered(status, _) if status.class() == 6 => 1,
        Ended::Answered(status, _) => status.class(),
        Ended::Refused(_) => 4,
        Ended::Offline => 7,
    };
    match best {
        Some(best) if rank(&best) <= rank(&other) => Some(best),
        _ => Some(other),
    }
}

fn to_partner(ended: Ended) -> StanzaError {
    match ended {
        Ended::Refused(error) => error,
        Ended::Answered(status, phrase) => error::to_xmpp(status, &phrase),
        Ended::Offline | Ended::Taken => {
            StanzaError::new(Condition::RecipientUnavailable).with_text("The recipient is not signed in")
        }
    }
}

/// What an internal sender is answered: that of the recipient's endpoint, without challenges and 408, and 503 as 500 (RFC
/// 3261 §16.7 step 6).
fn to_user(ended: Ended) -> Answer {
    match ended {
        Ended::Taken => Answer::new(Status::OK),
        Ended::Offline => Answer::new(Status::TEMPORARILY_UNAVAILABLE).with_text("The recipient is not signed in"),
        Ended::Refused(error) => {
            let addressed = error::Addressed::Bare;
            error::to_sip(&error, addressed, error::Origin::Ours)
        }
        Ended::Answered(status, phrase) => {
            let status = match status {
                Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED => Status::FORBIDDEN,
                Status::REQUEST_TIMEOUT => Status::TEMPORARILY_UNAVAILABLE,
                // Where an endpoint redirects to is not followed.
                status if status.class() == 3 => Status::TEMPORARILY_UNAVAILABLE,
                Status::SERVICE_UNAVAILABLE => Status::SERVER_INTERNAL_ERROR,
                status => status,
            };
            Answer::new(status).with_text(&phrase)
        }
    }
}
