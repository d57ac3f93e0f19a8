//! The task behind a scripted SIP user: one socket, one transaction layer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use lexicon::{Now, Timestamp};
use sip::{
    Flow, FlowId, Layer, Message, Method, Name, NameAddr, Request, Response, Status, Tokens, Transport, Uri, digest,
    message::{HeaderError, datagram, unquote},
    transaction::{Input, Limits, Output, SendError, ServerId, Ticket},
};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
};

use super::{Order, Outcome, Received};

const ALLOW: &str = "MESSAGE, OPTIONS";
const TEXT: &str = "text/plain;charset=UTF-8";
/// Where time stands still while no transaction has a deadline.
const IDLE: Duration = Duration::from_secs(3600);

/// The addresses of the user.
pub(super) struct Identity {
    pub(super) own: NameAddr,
    pub(super) contact: NameAddr,
    pub(super) registrar: Uri,
    pub(super) gateway: SocketAddr,
}

/// A request under way.
struct Pending {
    order: Order,
    call_id: String,
    cseq: u32,
    had_credentials: bool,
}

pub(super) struct Script {
    socket: UdpSocket,
    sent_by: Arc<str>,
    identity: Identity,
    digest: digest::Client,
    tokens: Tokens,
    inbox: mpsc::Sender<Received>,
    layer: Layer,
    pending: BTreeMap<Ticket, Pending>,
    tickets: u64,
    registration: (String, u32),
    peers: Vec<SocketAddr>,
}

impl Script {
    pub(super) fn new(
        socket: UdpSocket,
        address: SocketAddr,
        identity: Identity,
        digest: digest::Client,
        mut tokens: Tokens,
        inbox: mpsc::Sender<Received>,
    ) -> Self {
        let layer = Layer::new(Limits::default(), tokens.seed());
        let (registration, peers) = ((tokens.make(), 0), vec![identity.gateway]);
        let (sent_by, pending) = (address.to_string().into(), BTreeMap::new());
        Self { socket, sent_by, identity, digest, tokens, inbox, layer, pending, tickets: 0, registration, peers }
    }

    /// Works until nobody gives orders any more.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut scratch = vec![0; 65_535];
        loop {
            let deadline = self.layer.deadline().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                received = self.socket.recv_from(&mut scratch) => {
                    // An error speaks of an earlier datagram, which is repeated.
                    if let Ok((length, source)) = received {
                        self.datagram(Bytes::copy_from_slice(&scratch[..length]), source);
                    }
                }
                order = orders.recv() => match order {
                    Some(order) => self.begin(order),
                    None => return,
                },
                () = tokio::time::sleep_until(deadline.into()) => self.input(Input::Tick),
            }
        }
    }

    /// Numbers of flows are places in the list of peers; the gateway is the first.
    fn flow(&mut self, peer: SocketAddr) -> Flow {
        let place = self.peers.iter().position(|known| *known == peer).unwrap_or_else(|| {
            self.peers.push(peer);
            self.peers.len() - 1
        });
        Flow { id: FlowId(place as u64), transport: Transport::Udp, sent_by: Arc::clone(&self.sent_by) }
    }

    fn datagram(&mut self, bytes: Bytes, source: SocketAddr) {
        let Ok(Some(mut message)) = datagram(bytes, &sip::Limits::default()) else { return };
        let mut target = source;
        if let Message::Request(request) = &mut message {
            let Ok(reply) = request.note_source(source) else { return };
            target = reply;
        }
        let flow = self.flow(target);
        self.input(Input::Received { flow, message });
    }

    fn input(&mut self, input: Input) {
        self.layer.handle(now(), input);
        while let Some(output) = self.layer.poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    let peer = usize::try_from(flow.0).ok().and_then(|place| self.peers.get(place));
                    // A datagram that the socket does not take is lost as on the network.
                    let _lost = peer.map(|peer| self.socket.try_send_to(&bytes, *peer));
                }
                Output::Request { id, request, .. } => self.serve(id, &request),
                Output::Answer { ticket, answer } => self.answered(ticket, answer),
                // It sends no INVITE, and refuses each that comes at once.
                Output::Provisional { .. }
                | Output::Again { .. }
                | Output::Cancelled(_)
                | Output::Acknowledged { .. }
                | Output::Abandoned { .. } => {}
            }
        }
    }

    fn serve(&mut self, id: ServerId, request: &Request) {
        let status = match request.method {
            Method::Options => Status::OK,
            Method::Message => self.receive(request),
            _ => Status::METHOD_NOT_ALLOWED,
        };
        let mut response = Response::to(request, status, &self.tokens.make());
        if response.headers.push(Name::Allow, ALLOW).is_ok() {
            // The layer sends it before anything else is done.
            self.layer.handle(now(), Input::Respond { id, response });
        }
    }

    fn receive(&self, request: &Request) -> Status {
        let Ok(from) = request.headers.from() else { return Status::BAD_REQUEST };
        let from = from.uri.address_of_record();
        let from = format!("{}@{}", from.user_text().unwrap_or_default(), from.host());
        let text = String::from_utf8_lossy(request.body()).into_owned();
        match self.inbox.try_send(Received { from, text }) {
            Ok(()) => Status::OK,
            Err(_) => Status::TEMPORARILY_UNAVAILABLE,
        }
    }

    fn begin(&mut self, order: Order) {
        let (call_id, cseq) = match &order {
            Order::Register { .. } => self.registration.clone(),
            Order::Message { .. } => (self.tokens.make(), 0),
        };
        self.send(Pending { order, call_id, cseq, had_credentials: false });
    }

    /// Sends the request, once more than before: a challenge makes a new request with the next CSeq (RFC 3261 §22.2).
    fn send(&mut self, mut pending: Pending) {
        pending.cseq += 1;
        if matches!(pending.order, Order::Register { .. }) {
            self.registration.1 = pending.cseq;
        }
        match self.request(&mut pending) {
            Ok(request) => {
                self.tickets += 1;
                let (ticket, flow) = (Ticket(self.tickets), self.flow(self.identity.gateway));
                self.pending.insert(ticket, pending);
                self.input(Input::Send { ticket, flow, request });
            }
            Err(_) => finish(pending.order, Status::SERVER_INTERNAL_ERROR, None),
        }
    }

    fn request(&mut self, pending: &mut Pending) -> Result<Request, HeaderError> {
        let own = self.identity.own.clone();
        let from = own.clone().with_tag(&self.tokens.make());
        let (method, uri, to) = match &pending.order {
            Order::Register { .. } => (Method::Register, self.identity.registrar.clone(), own),
            Order::Message { to, .. } => (Method::Message, to.clone(), NameAddr::new(to.clone())),
        };
        let credentials = self.digest.authorize(&method, &uri);
        pending.had_credentials = credentials.is_some();
        let mut request = Request::out_of_dialog(method, uri, &from, &to, &pending.call_id, pending.cseq)?;
        if let Some(credentials) = credentials {
            request.headers.push(Name::Authorization, credentials)?;
        }
        match &pending.order {
            Order::Register { expires, .. } => {
                request.headers.push(Name::Contact, &self.identity.contact)?;
                request.headers.push(Name::Expires, expires)?;
            }
            Order::Message { text, .. } => request.set_body(TEXT, text.clone())?,
        }
        Ok(request)
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Response, SendError>) {
        let Some(pending) = self.pending.remove(&ticket) else { return };
        match answer {
            Ok(response)
                if response.status == Status::UNAUTHORIZED
                    && self.digest.take_challenge(&response, pending.had_credentials) =>
            {
                self.send(pending);
            }
            Ok(response) => finish(pending.order, response.status, Some(&response)),
            Err(error) => finish(pending.order, error.status(), None),
        }
    }
}

fn finish(order: Order, status: Status, response: Option<&Response>) {
    let warning = response.and_then(|response| response.headers.first(Name::Warning)).and_then(|warning| {
        let text = warning.splitn(3, ' ').nth(2)?;
        Some(unquote(text).into_owned())
    });
    let phrase = response.map_or(status.phrase(), Response::phrase).to_owned();
    let done: oneshot::Sender<Outcome> = match order {
        Order::Register { done, .. } | Order::Message { done, .. } => done,
    };
    // Nobody waits any more if the order was given up.
    let _ = done.send(Outcome { status, phrase, warning });
}

fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Now { instant: Instant::now(), wall: Timestamp::from_millis(millis) }
}
