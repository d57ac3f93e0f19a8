//! Two transaction layers, a client's and a server's, joined by a network with a virtual clock.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use lexicon::{Now, Timestamp};
use sip::{
    Flow, FlowId, Layer, Message, Method, NameAddr, Request, Response, Status, Transport, Uri,
    message::datagram,
    transaction::{Input, Limits, Output, SendError, ServerId, Ticket},
};

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What the network does to each message: answers how often and after which delays it arrives.
pub(crate) type Weather = Box<dyn FnMut() -> Vec<Duration>>;

/// The pair.
pub(crate) struct Pair {
    pub(crate) client: Layer,
    pub(crate) server: Layer,
    pub(crate) now: Now,
    pub(crate) transport: Transport,
    weather: Weather,
    under_way: BTreeMap<(Instant, u64), (Side, Bytes)>,
    sent: u64,
    start: Instant,
    /// What each side wrote, with the milliseconds since the start.
    pub(crate) log: Vec<(u64, Side, String)>,
    /// The same as bytes.
    pub(crate) wire: Vec<(Side, Bytes)>,
    /// Requests handed up at the server and not yet answered.
    pub(crate) requests: VecDeque<(ServerId, Request)>,
    /// All requests ever handed up, by Call-ID.
    pub(crate) delivered: Vec<String>,
    /// Ends at the client.
    pub(crate) answers: Vec<(Ticket, Result<Response, SendError>)>,
    /// What either side was told of INVITEs besides.
    pub(crate) invites: Vec<(Side, Output)>,
    /// The server's answer to each request; `None` leaves it in `requests`.
    pub(crate) policy: fn(&Request) -> Option<Status>,
}

/// The first start line word(s) of a message: `MESSAGE` or `200`.
pub(crate) fn what(bytes: &Bytes) -> String {
    let line = String::from_utf8_lossy(bytes);
    let mut words = line.split(' ');
    let first = words.next().unwrap_or("").to_owned();
    if first == "SIP/2.0" { words.next().unwrap_or("").to_owned() } else { first }
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
    pub(crate) fn new(transport: Transport, limits: Limits) -> Self {
        let start = Instant::now();
        Self {
            client: Layer::new(limits, [1; 32]),
            server: Layer::new(limits, [2; 32]),
            now: Now { instant: start, wall: Timestamp::from_millis(1_795_422_480_123) },
            transport,
            weather: Box::new(|| vec![Duration::from_millis(1)]),
            under_way: BTreeMap::new(),
            sent: 0,
            start,
            log: Vec::new(),
            wire: Vec::new(),
            requests: VecDeque::new(),
            delivered: Vec::new(),
            answers: Vec::new(),
            invites: Vec::new(),
            policy: |_| Some(Status::OK),
        }
    }

    pub(crate) fn weather(mut self, weather: impl FnMut() -> Vec<Duration> + 'static) -> Self {
        self.weather = Box::new(weather);
        self
    }

    pub(crate) fn flow(&self, side: Side) -> Flow {
        let sent_by = if side == Side::Client { "192.0.2.1:5060" } else { "192.0.2.2:5060" };
        Flow { id: FlowId(1), transport: self.transport, sent_by: sent_by.into() }
    }

    fn layer(&mut self, side: Side) -> &mut Layer {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }

    pub(crate) fn input(&mut self, side: Side, input: Input) {
        let now = self.now;
        self.layer(side).handle(now, input);
        while let Some(output) = self.layer(side).poll() {
            match output {
                Output::Transmit { bytes, .. } => self.transmit(side, bytes),
                Output::Request { id, request, .. } => {
                    self.delivered.push(request.headers.call_id().unwrap().to_owned());
                    self.requests.push_back((id, request));
                }
                Output::Answer { ticket, answer } => self.answers.push((ticket, answer)),
                other => self.invites.push((side, other)),
            }
        }
        if side == Side::Server {
            self.serve();
        }
    }

    fn serve(&mut self) {
        for _ in 0..self.requests.len() {
            let Some((id, request)) = self.requests.pop_front() else { return };
            match (self.policy)(&request) {
                Some(status) => self.answer(id, &request, status),
                None => self.requests.push_back((id, request)),
            }
        }
    }

    pub(crate) fn answer(&mut self, id: ServerId, request: &Request, status: Status) {
        self.input(Side::Server, Input::Respond { id, response: Response::to(request, status, "b") });
    }

    fn transmit(&mut self, from: Side, bytes: Bytes) {
        let elapsed = self.now.instant - self.start;
        self.log.push((elapsed.as_millis() as u64, from, what(&bytes)));
        self.wire.push((from, bytes.clone()));
        let to = if from == Side::Client { Side::Server } else { Side::Client };
        for delay in (self.weather)() {
            self.sent += 1;
            self.under_way.insert((self.now.instant + delay, self.sent), (to, bytes.clone()));
        }
    }

    /// Gives a side bytes as if the network had brought them.
    pub(crate) fn bring(&mut self, side: Side, bytes: Bytes) {
        self.bring_on(FlowId(1), side, bytes);
    }

    /// The same on a flow of its own.
    pub(crate) fn bring_on(&mut self, id: FlowId, side: Side, bytes: Bytes) {
        let message: Message = datagram(bytes, &sip::Limits::default()).unwrap().unwrap();
        let flow = Flow { id, ..self.flow(side) };
        self.input(side, Input::Received { flow, message });
    }

    /// The last message of this kind that a side wrote.
    pub(crate) fn last(&self, from: Side, kind: &str) -> Message {
        let (_, bytes) = self.wire.iter().rfind(|(side, bytes)| *side == from && what(bytes) == kind).unwrap();
        datagram(bytes.clone(), &sip::Limits::default()).unwrap().unwrap()
    }

    pub(crate) fn send(&mut self, ticket: u64, request: Request) {
        let flow = self.flow(Side::Client);
        self.input(Side::Client, Input::Send { ticket: Ticket(ticket), flow, request });
    }

    /// Lets this much time pass, from event to event.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        loop {
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let next = [arrival, self.client.deadline(), self.server.deadline()].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.advance(next);
            if arrival == Some(next) {
                let (_, (side, bytes)) = self.under_way.pop_first().unwrap();
                self.bring(side, bytes);
            }
            for side in [Side::Client, Side::Server] {
                if self.layer(side).deadline().is_some_and(|at| at <= self.now.instant) {
                    self.input(side, Input::Tick);
                }
            }
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Instant) {
        self.now = self.now + to.saturating_duration_since(self.now.instant);
    }

    /// When this side wrote messages of this kind, in milliseconds.
    pub(crate) fn times(&self, side: Side, kind: &str) -> Vec<u64> {
        self.log.iter().filter(|(_, from, what)| *from == side && what == kind).map(|(at, ..)| *at).collect()
    }
}

/// A request of a method to a user, with a Call-ID.
pub(crate) fn request(method: Method, user: &str, call_id: &str) -> Request {
    let uri = Uri::sip(Some(user), "contoso.example", None).unwrap();
    let from = NameAddr::new(Uri::parse("sip:romeo@fabrikam.example").unwrap()).with_tag("a");
    Request::out_of_dialog(method, uri.clone(), &from, &NameAddr::new(uri), call_id, 1).unwrap()
}
