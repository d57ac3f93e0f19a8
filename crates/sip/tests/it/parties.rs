//! Two parties that hold sessions over a network with a virtual clock, each with its own transaction layer.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use lexicon::{Now, Timestamp};
use sip::{
    Flow, FlowId, Layer, Message, Method, NameAddr, Request, Response, Status, Transport, Uri,
    invite::{self, Command, End, Event, Invitation, Payload, SessionId, Sessions, Settings},
    message::datagram,
    transaction::{self, Limits, Output},
};

use crate::network::{Weather, what};

/// Which of the two: romeo or hana.
pub(crate) type Who = usize;
pub(crate) const ROMEO: Who = 0;
pub(crate) const HANA: Who = 1;

/// One party.
pub(crate) struct Party {
    pub(crate) layer: Layer,
    pub(crate) sessions: Sessions,
    /// The session that was offered or opened last.
    pub(crate) session: Option<SessionId>,
    /// What the user learnt, in words.
    pub(crate) events: Vec<String>,
    pub(crate) tickets: Vec<transaction::Ticket>,
    /// What the user answers to an offer; `None` leaves it.
    pub(crate) policy: Option<Command>,
}

/// The two.
pub(crate) struct Talk {
    pub(crate) parties: [Party; 2],
    pub(crate) now: Now,
    start: Instant,
    pub(crate) transport: Transport,
    pub(crate) weather: Weather,
    under_way: BTreeMap<(Instant, u64), (Who, Bytes)>,
    sent: u64,
    /// What each wrote, with the milliseconds since the start.
    pub(crate) wire: Vec<(u64, Who, Bytes)>,
}

pub(crate) fn text(text: &str) -> Payload {
    Payload { fields: Vec::new(), body: Some(("text/plain".to_owned(), Bytes::copy_from_slice(text.as_bytes()))) }
}

impl Talk {
    #[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
    pub(crate) fn new(transport: Transport, settings: [Settings; 2]) -> Self {
        let start = Instant::now();
        let mut seed = 0;
        let parties = settings.map(|settings| {
            seed += 1;
            Party {
                layer: Layer::new(Limits::default(), [seed; 32]),
                sessions: Sessions::new(settings, [seed + 8; 32]),
                session: None,
                events: Vec::new(),
                tickets: Vec::new(),
                policy: Some(Command::Accept(text("answer"))),
            }
        });
        Self {
            parties,
            now: Now { instant: start, wall: Timestamp::from_millis(1_795_422_480_123) },
            start,
            transport,
            weather: Box::new(|| vec![Duration::from_millis(1)]),
            under_way: BTreeMap::new(),
            sent: 0,
            wire: Vec::new(),
        }
    }

    fn flow(&self, who: Who) -> Flow {
        let sent_by = if who == ROMEO { "192.0.2.1:5060" } else { "192.0.2.2:5060" };
        Flow { id: FlowId(1), transport: self.transport, sent_by: sent_by.into() }
    }

    /// Romeo invites Hana.
    pub(crate) fn invite(&mut self) -> SessionId {
        let address = |text: &str| NameAddr::new(Uri::parse(text).unwrap());
        let invitation = Invitation {
            uri: Uri::parse("sip:hana@contoso.example").unwrap(),
            from: address("sip:romeo@fabrikam.example"),
            to: address("sip:hana@contoso.example"),
            call_id: None,
            contact: "<sip:192.0.2.1:5060>".into(),
            routes: Vec::new(),
            payload: text("offer"),
        };
        let id = self.parties[ROMEO].sessions.invite(self.now, invitation).unwrap();
        self.parties[ROMEO].session = Some(id);
        self.drain(ROMEO);
        id
    }

    pub(crate) fn command(&mut self, who: Who, command: Command) {
        let id = self.parties[who].session.unwrap();
        self.tell(who, invite::Input::Command(id, command));
    }

    pub(crate) fn message(&mut self, who: Who, name: u64) {
        let payload = text(&format!("message {name}"));
        self.command(who, Command::Request { name, method: Method::Message, payload });
    }

    pub(crate) fn end(&mut self, who: Who) {
        self.command(who, Command::End(Payload::default()));
    }

    pub(crate) fn tell(&mut self, who: Who, input: invite::Input) {
        let now = self.now;
        self.parties[who].sessions.handle(now, input);
        self.drain(who);
    }

    pub(crate) fn layer(&mut self, who: Who, input: transaction::Input) {
        let now = self.now;
        self.parties[who].layer.handle(now, input);
        while let Some(output) = self.parties[who].layer.poll() {
            let input = match output {
                Output::Transmit { bytes, .. } => {
                    self.transmit(who, bytes);
                    continue;
                }
                Output::Request { id, flow, request } => {
                    let opens = request.method == Method::Invite && request.headers.to().unwrap().tag().is_none();
                    let contact = "<sip:192.0.2.2:5060>".into();
                    if opens {
                        invite::Input::Invited { id, flow, request, contact }
                    } else {
                        invite::Input::Request { id, flow, request }
                    }
                }
                Output::Answer { ticket, answer } => invite::Input::Answer { ticket, answer },
                Output::Provisional { ticket, response } => invite::Input::Provisional { ticket, response },
                Output::Again { ticket, response } => invite::Input::Again { ticket, response },
                Output::Cancelled(id) => invite::Input::Cancelled(id),
                Output::Acknowledged { id, request, .. } => invite::Input::Acknowledged { id, request },
                Output::Abandoned { id, error } => invite::Input::Abandoned { id, error },
            };
            self.tell(who, input);
        }
    }

    fn drain(&mut self, who: Who) {
        while let Some(output) = self.parties[who].sessions.poll() {
            let flow = self.flow(who);
            match output {
                invite::Output::Send { ticket, request, .. } => {
                    self.parties[who].tickets.push(ticket);
                    self.layer(who, transaction::Input::Send { ticket, flow, request });
                }
                invite::Output::SendOnce { request, .. } => {
                    self.layer(who, transaction::Input::SendOnce { flow, request });
                }
                invite::Output::Cancel(ticket) => self.layer(who, transaction::Input::Cancel(ticket)),
                invite::Output::Respond { id, response } => {
                    self.layer(who, transaction::Input::Respond { id, response });
                }
                invite::Output::Event(id, event) => self.event(who, id, event),
            }
        }
    }

    fn event(&mut self, who: Who, id: SessionId, event: Event) {
        let word = word(&event);
        self.parties[who].events.push(word);
        let asked = matches!(event, Event::Offered { .. } | Event::Reoffered(_));
        if let Event::Offered { .. } = event {
            self.parties[who].session = Some(id);
        }
        if let Event::Request { id, request, .. } = event {
            let response = Response::to(&request, Status::OK, "");
            return self.layer(who, transaction::Input::Respond { id, response });
        }
        if let Some(command) = self.parties[who].policy.clone().filter(|_| asked) {
            self.tell(who, invite::Input::Command(id, command));
        }
    }

    fn transmit(&mut self, from: Who, bytes: Bytes) {
        let elapsed = (self.now.instant - self.start).as_millis() as u64;
        self.wire.push((elapsed, from, bytes.clone()));
        for delay in (self.weather)() {
            self.sent += 1;
            self.under_way.insert((self.now.instant + delay, self.sent), (1 - from, bytes.clone()));
        }
    }

    /// Gives a party bytes as if the network had brought them.
    pub(crate) fn bring(&mut self, who: Who, bytes: Bytes) {
        let message = datagram(bytes, &sip::Limits::default()).unwrap().unwrap();
        let flow = self.flow(who);
        self.layer(who, transaction::Input::Received { flow, message });
    }

    /// Lets this much time pass, from event to event.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        loop {
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let deadlines = self.parties.iter().flat_map(|party| [party.layer.deadline(), party.sessions.deadline()]);
            let next = deadlines.chain([arrival]).flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = self.now + next.saturating_duration_since(self.now.instant);
            if arrival == Some(next) {
                let (_, (who, bytes)) = self.under_way.pop_first().unwrap();
                self.bring(who, bytes);
            }
            for who in [ROMEO, HANA] {
                self.layer(who, transaction::Input::Tick);
                self.tell(who, invite::Input::Tick);
            }
        }
        self.now = self.now + end.saturating_duration_since(self.now.instant);
    }

    /// When a party wrote messages of this kind, in milliseconds.
    pub(crate) fn times(&self, who: Who, kind: &str) -> Vec<u64> {
        self.wire.iter().filter(|(_, from, bytes)| *from == who && what(bytes) == kind).map(|(at, ..)| *at).collect()
    }

    /// The last request of this kind that a party wrote.
    pub(crate) fn last(&self, who: Who, kind: &str) -> Request {
        let (.., bytes) = self.wire.iter().rfind(|(_, from, bytes)| *from == who && what(bytes) == kind).unwrap();
        match datagram(bytes.clone(), &sip::Limits::default()).unwrap().unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("{kind} is a request"),
        }
    }

    /// The last response of this status.
    pub(crate) fn answer(&self, who: Who, status: &str) -> Response {
        let (.., bytes) = self.wire.iter().rfind(|(_, from, bytes)| *from == who && what(bytes) == status).unwrap();
        match datagram(bytes.clone(), &sip::Limits::default()).unwrap().unwrap() {
            Message::Response(response) => response,
            Message::Request(_) => panic!("{status} is a response"),
        }
    }

    pub(crate) fn events(&self, who: Who) -> Vec<&str> {
        self.parties[who].events.iter().map(String::as_str).collect()
    }

    /// Nothing is left on either side.
    pub(crate) fn assert_empty(&self) {
        for (who, party) in self.parties.iter().enumerate() {
            assert_eq!((party.sessions.len(), party.layer.sizes()), (0, (0, 0, 0)), "party {who}");
            assert_eq!((party.sessions.deadline(), party.layer.deadline()), (None, None), "party {who}");
        }
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::Offered { .. } => "offered".to_owned(),
        Event::Progress(response) => format!("progress {}", response.status),
        Event::Accepted(_) => "accepted".to_owned(),
        Event::Acknowledged(_) => "acknowledged".to_owned(),
        Event::Request { request, .. } => format!("{}", request.method),
        Event::Answered { name, answer } => format!("answered {name} {}", outcome(answer.as_ref())),
        Event::Reoffered(request) => format!("reoffered by {}", request.method),
        Event::Withdrawn => "withdrawn".to_owned(),
        Event::Reinvited(answer) => format!("reinvited {}", outcome(answer.as_ref())),
        Event::Ended(end) => match end {
            End::Refused(response) => format!("ended: refused {}", response.status),
            End::Bye(_) => "ended: bye".to_owned(),
            End::Failed(error) => format!("ended: {error}"),
            other => format!("ended: {other:?}").to_lowercase(),
        },
    }
}

fn outcome(answer: Result<&Response, &transaction::SendError>) -> String {
    answer.map_or_else(ToString::to_string, |response| response.status.to_string())
}
