//! Any order of messages, answers, wishes and time, given to a transaction layer with sessions above it: no panic, nothing
//! grows beyond its limit, each INVITE has one final answer, no ACK is answered, each session ends once, and when all are
//! ended nothing remains.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use lexicon::{Now, Timestamp};
use sip::{
    Flow, FlowId, Layer, Message, Method, Name, NameAddr, Request, Response, Status, Transport, Uri,
    invite::{self, Command, Event, Invitation, Payload, SessionId, Sessions, Settings},
    message::datagram,
    transaction::{Input, Limits, Output, SendError, Ticket},
};

/// One input: each byte, with those that it takes after it, is a step.
pub(crate) fn run(data: &[u8]) {
    let mut world = World::new();
    let mut bytes = data.iter().copied().take(400);
    while let Some(step) = bytes.next() {
        world.step(step, &mut || bytes.next().unwrap_or(0));
        world.check_sizes();
    }
    world.finish();
}

const CLIENTS_MAX: usize = 8;
const SERVERS_MAX: usize = 6;
const ANSWERED_MAX: usize = 6;
const SESSIONS_MAX: usize = 4;

struct World {
    now: Now,
    layer: Layer,
    sessions: Sessions,
    /// Sessions that have not ended.
    alive: BTreeSet<SessionId>,
    ended: BTreeSet<SessionId>,
    /// What we sent, to be answered, and on which flow.
    asked: Vec<(Request, u8)>,
    tickets: Vec<Ticket>,
    /// Dialogs that our INVITEs and our answers to INVITEs may have made.
    dialogs: Vec<Parties>,
    /// The final status of each INVITE that is under way, by its topmost Via.
    finals: BTreeMap<String, Option<Status>>,
}

/// What a request of the peer in a dialog says.
#[derive(Clone, Eq, PartialEq)]
struct Parties {
    call_id: String,
    from: String,
    to: String,
}

fn flow(id: u8) -> Flow {
    let transport = if id.is_multiple_of(2) { Transport::Udp } else { Transport::Tcp };
    Flow { id: FlowId(u64::from(id % 2)), transport, sent_by: "192.0.2.2:5060".into() }
}

fn pick<T: Clone>(from: &[T], at: u8) -> Option<T> {
    from.get(usize::from(at) % from.len().max(1)).cloned()
}

fn payload(at: u8) -> Payload {
    let fields = vec![("Subject".to_owned(), format!("a{}", char::from(at)))];
    let body = at.is_multiple_of(2).then(|| ("text/plain".to_owned(), Bytes::from_static(b"hello")));
    Payload { fields, body }
}

impl World {
    #[allow(clippy::disallowed_methods)]
    fn new() -> Self {
        let limits = Limits {
            clients_max: CLIENTS_MAX,
            servers_max: SERVERS_MAX,
            answered_max: ANSWERED_MAX,
            waiting_per_uri_max: 2,
            waiting_max: 4,
        };
        let settings = Settings { sessions_max: SESSIONS_MAX, ..Settings::default() };
        Self {
            now: Now { instant: Instant::now(), wall: Timestamp::from_millis(1_795_422_480_123) },
            layer: Layer::new(limits, [1; 32]),
            sessions: Sessions::new(settings, [2; 32]),
            alive: BTreeSet::new(),
            ended: BTreeSet::new(),
            asked: Vec::new(),
            tickets: Vec::new(),
            dialogs: Vec::new(),
            finals: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: u8, next: &mut impl FnMut() -> u8) {
        match step % 8 {
            0..=2 => self.request(next(), next(), next()),
            3 | 4 => self.response(next(), next(), next()),
            5 => {
                let time = u64::from(next());
                self.pass(Duration::from_millis(time * time * 10));
            }
            6 => self.wish(next(), next()),
            _ => match next() % 8 {
                0..=4 => self.invite(next()),
                5 => self.layer(Input::FlowLost(FlowId(u64::from(next() % 2)))),
                _ => {
                    if let Some(ticket) = pick(&self.tickets, next()) {
                        self.layer(Input::Cancel(ticket));
                    }
                }
            },
        }
    }

    fn request(&mut self, kind: u8, names: u8, more: u8) {
        const METHODS: [&str; 8] = ["INVITE", "INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "UPDATE", "BENOTIFY"];
        let (method, number) = (METHODS[usize::from(kind) % 8], 1 + names / 64);
        let (inside, branch) = (kind & 0x18 != 0, (names >> 2) % 4);
        let dialog = pick(&self.dialogs, more).filter(|_| inside);
        let branch = if dialog.is_some() { format!("in{branch}{method}{number}") } else { branch.to_string() };
        let Parties { call_id, from, to } = dialog.unwrap_or_else(|| Parties {
            call_id: format!("c{}", names % 2),
            from: format!("<sip:romeo@fabrikam.example>;tag=r{}", names % 3),
            to: "<sip:hana@contoso.example>".to_owned(),
        });
        let timer =
            ["", "Supported: timer\r\n", "Session-Expires: 90\r\n", "Supported: timer\r\nSession-Expires: 10\r\n"];
        let text = format!(
            "{method} sip:hana@contoso.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n{}{}\r\n",
            if kind & 0x20 == 0 { "Contact: <sip:romeo@192.0.2.1>\r\n" } else { "" },
            timer[usize::from(kind >> 6)],
        );
        self.received(more / 128, text.into());
    }

    fn received(&mut self, id: u8, bytes: Bytes) {
        let message = datagram(bytes, &sip::Limits::default()).expect("well formed").expect("no keep-alive");
        self.layer(Input::Received { flow: flow(id), message });
    }

    fn response(&mut self, which: u8, status: u8, tag: u8) {
        const CODES: [u16; 16] = [100, 180, 183, 200, 200, 200, 202, 302, 401, 408, 422, 481, 487, 491, 500, 603];
        let Some((request, flow)) = pick(&self.asked, which) else { return };
        let status = Status::new(CODES[usize::from(status) % 16]).expect("a status");
        let mut response = Response::to(&request, status, &format!("t{}", tag % 4));
        let fields = [
            (Name::Contact, "<sip:hana@192.0.2.9>", tag & 0x10),
            (Name::RecordRoute, "<sip:p.example;lr>, <sip:q.example>", tag & 0x20),
            (Name::SessionExpires, "90;refresher=uac", tag & 0x40),
            (Name::MinSe, "3600", tag & 0x80),
        ];
        for (name, value, _) in fields.into_iter().filter(|(.., with)| *with != 0) {
            response.headers.push(name, value).expect("a field");
        }
        let elsewhere = u8::from(tag & 8 != 0);
        self.received(flow + elsewhere, response.to_bytes());
    }

    fn wish(&mut self, which: u8, what: u8) {
        let alive: Vec<_> = self.alive.iter().chain(&self.ended).copied().collect();
        let Some(id) = pick(&alive, which) else { return };
        let payload = payload(what);
        let command = match what % 8 {
            0 => Command::Ring,
            1 | 2 => Command::Accept(payload),
            3 => Command::Refuse(Status::new(300 + u16::from(what)).expect("a status"), payload),
            4 => Command::Request { name: u64::from(what), method: Method::Message, payload },
            5 => Command::Reinvite(payload),
            6 => Command::Request { name: u64::from(what), method: Method::Info, payload },
            _ => Command::End(payload),
        };
        self.tell(invite::Input::Command(id, command));
    }

    fn invite(&mut self, how: u8) {
        let address = |text: &str| NameAddr::new(Uri::parse(text).expect("a URI"));
        let invitation = Invitation {
            uri: Uri::parse("sip:hana@contoso.example").expect("a URI"),
            from: address("sip:romeo@fabrikam.example"),
            to: address("sip:hana@contoso.example"),
            call_id: None,
            contact: "<sip:192.0.2.2:5060>".into(),
            routes: if how.is_multiple_of(2) { Vec::new() } else { vec![address("sip:strict.example")] },
            payload: payload(how),
        };
        if let Ok(id) = self.sessions.invite(self.now, invitation) {
            self.alive.insert(id);
        }
        self.drain();
    }

    fn tell(&mut self, input: invite::Input) {
        self.sessions.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.sessions.poll() {
            match output {
                invite::Output::Send { ticket, request, .. } => {
                    self.tickets.push(ticket);
                    self.layer(Input::Send { ticket, flow: flow((ticket.0 % 2) as u8), request });
                }
                invite::Output::SendOnce { request, .. } => self.layer(Input::SendOnce { flow: flow(0), request }),
                invite::Output::Cancel(ticket) => self.layer(Input::Cancel(ticket)),
                invite::Output::Respond { id, response } => self.layer(Input::Respond { id, response }),
                invite::Output::Event(id, event) => self.event(id, event),
            }
        }
    }

    fn event(&mut self, id: SessionId, event: Event) {
        assert!(!self.ended.contains(&id) || matches!(event, Event::Answered { .. }), "{event:?} after the end");
        match event {
            Event::Offered { .. } => assert!(self.alive.insert(id)),
            Event::Request { id, request, .. } => {
                self.layer(Input::Respond { id, response: Response::to(&request, Status::OK, "") });
            }
            Event::Ended(_) => assert!(self.alive.remove(&id) && self.ended.insert(id), "it ends once"),
            _ => {}
        }
    }

    fn layer(&mut self, input: Input) {
        self.layer.handle(self.now, input);
        while let Some(output) = self.layer.poll() {
            let input = match output {
                Output::Transmit { flow, bytes } => {
                    self.written(flow.0 as u8, bytes);
                    continue;
                }
                Output::Request { id, flow, request } => {
                    if request.method == Method::Invite {
                        self.finals.insert(request.headers.first(Name::Via).unwrap_or("").to_owned(), None);
                    }
                    let opens =
                        request.method == Method::Invite && request.headers.to().is_ok_and(|to| to.tag().is_none());
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
                Output::Abandoned { id, error } => {
                    assert!(matches!(error, SendError::FlowLost | SendError::TimedOut));
                    invite::Input::Abandoned { id, error }
                }
            };
            self.tell(input);
        }
    }

    /// What goes to the network is well formed and lawful.
    fn written(&mut self, flow: u8, bytes: Bytes) {
        match datagram(bytes, &sip::Limits::default()) {
            Ok(Some(Message::Request(request))) => {
                let field = |name| request.headers.first(name).unwrap_or("").to_owned();
                if request.method == Method::Invite && request.headers.to().expect("To").tag().is_none() {
                    let theirs = format!("{};tag=t{}", field(Name::To), self.asked.len() % 2);
                    self.note(field(Name::CallId), theirs, field(Name::From));
                }
                if self.asked.len() < 64 && request.method != Method::Ack {
                    self.asked.push((request, flow));
                }
            }
            Ok(Some(Message::Response(response))) => {
                let method = response.headers.cseq().expect("CSeq").method;
                assert!(!matches!(method, Method::Ack | Method::Benotify), "{method} is never answered");
                let is_tagged = response.headers.to().expect("To").tag().is_some();
                if method == Method::Invite && is_tagged && response.status.class() < 3 {
                    let field = |name| response.headers.first(name).unwrap_or("").to_owned();
                    self.note(field(Name::CallId), field(Name::From), field(Name::To));
                }
                if method == Method::Invite && !response.status.is_provisional() {
                    self.note_final(&response);
                }
            }
            other => panic!("{other:?} was written"),
        }
    }

    fn note(&mut self, call_id: String, from: String, to: String) {
        let parties = Parties { call_id, from, to };
        if self.dialogs.len() < 8 && !self.dialogs.contains(&parties) {
            self.dialogs.push(parties);
        }
    }

    fn note_final(&mut self, response: &Response) {
        // These are the layer's own, for INVITEs that it does not hand up.
        if matches!(response.status, Status::LOOP_DETECTED) || response.headers.retry_after() == Some(16) {
            return;
        }
        let via = response.headers.first(Name::Via).unwrap_or("");
        if let Some(known) = self.finals.get_mut(via) {
            assert!(known.is_none_or(|known| known == response.status), "{known:?} and {}", response.status);
            *known = Some(response.status);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.layer(Input::Tick);
        self.tell(invite::Input::Tick);
    }

    fn check_sizes(&self) {
        let (clients, waiting, servers) = self.layer.sizes();
        assert!(clients <= 2 * CLIENTS_MAX && waiting <= 4, "{clients} clients, {waiting} wait");
        assert!(servers <= SERVERS_MAX + ANSWERED_MAX, "{servers} servers");
        assert!(self.sessions.len() <= SESSIONS_MAX, "{} sessions", self.sessions.len());
    }

    fn finish(&mut self) {
        for id in self.alive.clone() {
            self.tell(invite::Input::Command(id, Command::End(Payload::default())));
        }
        assert!(self.alive.is_empty());
        for _ in 0..200 {
            self.pass(Duration::from_secs(5));
        }
        assert_eq!((self.sessions.len(), self.layer.sizes()), (0, (0, 0, 0)), "something remains");
        assert_eq!((self.sessions.deadline(), self.layer.deadline()), (None, None));
    }
}
