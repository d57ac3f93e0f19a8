//! What lies between our machines and the partner's server: connections, handshakes, policy's answers, and the shell that
//! asks authoritative servers and dials again where a failure says so.

use bytes::{Bytes, BytesMut};
use lexicon::{
    CertificateNames, ChainVerdict, DomainPair, Method, MethodSet, Now, PeerCertificate, Timestamp, TlsFacts,
    TlsVersion,
};
use xmpp::stream::{
    Condition, DialbackVerdict, Extensions, Inbound, InboundConfig, Input, KeyStatus, Outbound, OutboundConfig, Output,
    PairRules, Purpose, Retry, Secret, Stanzas, StreamFailure, StreamLimits, TlsUse, VerifyRequest,
};

use crate::{
    pair::{pair, start},
    stream_rows_oracle::{Certificate, Dialler, Opinion, Peer, Row, Said, Use},
    stream_rows_peer::{Line, Partner, Role, Wish},
};

enum Machine {
    In(Box<Inbound>),
    Out(Box<Outbound>),
}

/// What a connection is for, on our side.
enum Errand {
    Stanzas,
    /// Our question about a key that came on that connection.
    Verify(usize),
    /// The partner's, about a key of ours on that one.
    Asked(usize),
}

struct Connection {
    machine: Machine,
    errand: Errand,
    line: Line,
    in_tls: bool,
    /// Who has come to the handshake.
    ready: (bool, bool),
    closed: Option<Option<StreamFailure>>,
    hung_up: bool,
    to_us: Vec<u8>,
    to_them: Vec<u8>,
}

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) method: Option<Method>,
    pub(crate) said: Said,
    /// Why our side ended; none if it lives, or there was no stream.
    pub(crate) failure: Option<StreamFailure>,
    /// The partner's server holds the stream for open.
    pub(crate) open_there: bool,
    /// Stanzas that arrived at the other end.
    pub(crate) passed: usize,
}

pub(crate) struct World<'a> {
    row: &'a Row,
    partner: Partner,
    pair: DomainPair,
    now: Now,
    connections: Vec<Connection>,
    in_flight: Vec<Box<str>>,
    method: Option<Method>,
    stanzas: usize,
}

/// Plays one case; none if the two do not even come to a stream.
pub(crate) fn play(row: &Row, peer: &Peer, dialler: Dialler, insists: bool) -> Option<Seen> {
    if peer.direct && (peer.tls == Use::NotSupported || peer.opinion == Opinion::Alerts) {
        // Direct TLS that fails: the shell makes no machine.
        return None;
    }
    let mut world = World {
        row,
        partner: Partner::new(*peer, insists),
        pair: pair("contoso.example", "fabrikam.example"),
        now: start(),
        connections: Vec::new(),
        in_flight: Vec::new(),
        method: None,
        stanzas: 0,
    };
    match dialler {
        Dialler::We => world.dial(true),
        Dialler::They => world.accept(Errand::Stanzas, Role::Dials),
    }
    world.run();
    let retry = world.failure(0).is_some_and(|failure| failure.retry() == Retry::WithoutSasl);
    let mut last = 0;
    if dialler == Dialler::We && retry {
        last = world.connections.len();
        world.dial(false);
        world.run();
    }
    Some(world.seen(last))
}

impl World<'_> {
    fn dial(&mut self, sasl: bool) {
        self.open(Purpose::Stanzas(self.pair.clone()), sasl, Errand::Stanzas);
    }

    fn open(&mut self, purpose: Purpose, sasl: bool, errand: Errand) {
        let (secret, limits) = (Secret::new("s3cr3tf0rd14lb4ck"), StreamLimits::default());
        let config = OutboundConfig { purpose, sasl, secret, limits, extensions: Extensions::default() };
        let machine = Machine::Out(Box::new(Outbound::new(config, self.now)));
        self.connect(machine, errand, Role::Accepts);
    }

    fn accept(&mut self, errand: Errand, role: Role) {
        let (secret, limits) = (Secret::new("s3cr3tf0rd14lb4ck"), StreamLimits::default());
        let config = InboundConfig { tls_available: true, secret, limits, extensions: Extensions::default() };
        let seed = [self.connections.len() as u8; 32];
        let machine = Machine::In(Box::new(Inbound::new(config, seed, self.now)));
        self.connect(machine, errand, role);
    }

    fn connect(&mut self, machine: Machine, errand: Errand, role: Role) {
        let in_tls = self.partner.peer.direct;
        let mut line = Line::new(role, in_tls);
        let first = line.begin(&self.partner);
        self.connections.push(Connection {
            machine,
            errand,
            line,
            in_tls,
            ready: (false, false),
            closed: None,
            hung_up: false,
            to_us: Vec::new(),
            to_them: Vec::new(),
        });
        let index = self.connections.len() - 1;
        if in_tls {
            self.input(index, Input::Tls(shown(self.partner.peer.certificate)));
        }
        self.grant(index, first);
    }

    fn input(&mut self, index: usize, input: Input<'_>) {
        match &mut self.connections[index].machine {
            Machine::In(machine) => machine.handle(self.now, input),
            Machine::Out(machine) => machine.handle(self.now, input),
        }
    }

    fn run(&mut self) {
        for _ in 0..1_000 {
            let before = self.connections.len();
            let mut quiet = true;
            for index in 0..before {
                quiet &= !self.step(index);
            }
            if quiet && before == self.connections.len() {
                return;
            }
        }
        panic!("the case does not come to rest");
    }

    /// Whether anything happened on the connection.
    fn step(&mut self, index: usize) -> bool {
        let mut happened = false;
        loop {
            let output = match &mut self.connections[index].machine {
                Machine::In(machine) => machine.poll(),
                Machine::Out(machine) => machine.poll(),
            };
            let Some(output) = output else { break };
            happened = true;
            self.output(index, output);
        }
        let connection = &mut self.connections[index];
        let mut written: Vec<Bytes> = Vec::new();
        match &mut connection.machine {
            Machine::In(machine) => machine.drain(&mut written),
            Machine::Out(machine) => machine.drain(&mut written),
        }
        written.iter().for_each(|bytes| connection.to_them.extend_from_slice(bytes));
        let heard = std::mem::take(&mut connection.to_them);
        if !heard.is_empty() {
            happened = true;
            let wishes = connection.line.hear(&mut self.partner, &heard);
            self.grant(index, wishes);
        }
        let connection = &mut self.connections[index];
        let mut bytes: BytesMut = std::mem::take(&mut connection.to_us).as_slice().into();
        if !bytes.is_empty() {
            happened = true;
            self.input(index, Input::Bytes(&mut bytes));
        } else if connection.ready == (true, true) {
            happened = true;
            connection.ready = (false, false);
            self.handshake(index);
        } else if connection.hung_up && connection.closed.is_none() {
            happened = true;
            self.input(index, Input::Disconnected(""));
        }
        happened
    }

    fn handshake(&mut self, index: usize) {
        if self.partner.peer.opinion == Opinion::Alerts {
            return self.input(index, Input::TlsFailed("alert: bad certificate"));
        }
        self.connections[index].in_tls = true;
        self.input(index, Input::Tls(shown(self.partner.peer.certificate)));
        let wishes = self.connections[index].line.tls_up(&self.partner);
        self.grant(index, wishes);
    }

    /// What the partner's side wants.
    fn grant(&mut self, index: usize, wishes: Vec<Wish>) {
        for wish in wishes {
            let connection = &mut self.connections[index];
            match wish {
                Wish::Send(text) => connection.to_us.extend_from_slice(text.as_bytes()),
                Wish::Tls => connection.ready.1 = true,
                Wish::HangUp => connection.hung_up = true,
                Wish::Ask { id, key } => self.accept(Errand::Asked(index), Role::Asks { id, key }),
                Wish::Answered(valid) => {
                    let Errand::Asked(about) = connection.errand else { panic!("nobody asked on this connection") };
                    let wishes = self.connections[about].line.answered(valid);
                    self.grant(about, wishes);
                }
            }
        }
    }

    /// What our side wants.
    fn output(&mut self, index: usize, output: Output) {
        match output {
            Output::AskPair { pair, .. } => {
                assert_eq!(pair, self.pair);
                let rules = self.rules(self.connections[index].in_tls);
                self.input(index, Input::PairRules(&pair, Ok(rules)));
            }
            Output::StartTls { .. } => self.connections[index].ready.0 = true,
            Output::VerifyDialback(request) => self.open(Purpose::Verify(request), true, Errand::Verify(index)),
            Output::AskKey(request) => {
                let known = self.in_flight.contains(&request.id);
                let status = if known { KeyStatus::InFlight } else { KeyStatus::NotIssued };
                self.input(index, Input::KeyStatus(&request, status));
            }
            Output::KeySent(_, id) => self.in_flight.push(id),
            Output::Authorised(pair, method) => {
                assert!(self.method.is_none(), "one pair, authorised once");
                self.method = Some(method);
                if matches!(self.connections[index].machine, Machine::Out(_)) {
                    let stanza = "<message from='alice@contoso.example' to='bob@fabrikam.example'/>";
                    self.input(index, Input::Send(&pair, Stanzas::one(stanza)));
                }
            }
            Output::Stanzas(pair, batch) => {
                assert_eq!(pair, self.pair);
                self.stanzas += batch.len();
            }
            Output::Verdict(request, verdict) => self.verdict(index, &request, verdict),
            Output::Closed(failure) => {
                if let (Errand::Verify(about), Some(failure)) = (&self.connections[index].errand, &failure) {
                    let verdict = DialbackVerdict::of_failure(failure);
                    let pair = self.pair.clone();
                    self.input(*about, Input::DialbackVerdict(&pair, verdict));
                }
                self.connections[index].closed = Some(failure);
            }
            Output::Anomaly(_) => {}
            other => panic!("nothing of this was asked for: {other:?}"),
        }
    }

    fn verdict(&mut self, index: usize, request: &VerifyRequest, verdict: DialbackVerdict) {
        let Errand::Verify(about) = self.connections[index].errand else { panic!("a verdict that nobody wants") };
        self.input(about, Input::DialbackVerdict(&request.pair, verdict));
    }

    /// What the partner's settings say, and the verdict about what it shows.
    fn rules(&self, in_tls: bool) -> PairRules {
        let certificate: ChainVerdict = match self.partner.peer.certificate {
            // Its chain is good; the machine compares the names.
            Certificate::WrongName | Certificate::Valid if in_tls => Ok(()),
            certificate if in_tls => certificate.fault().map_or(Ok(()), Err),
            _ => Err(lexicon::CertificateFault::Missing),
        };
        let tls = match self.row.tls {
            Use::Required => TlsUse::Required,
            Use::Optional => TlsUse::Optional,
            Use::NotSupported => TlsUse::NotSupported,
        };
        let methods = MethodSet::of(self.row.methods);
        PairRules { tls, methods, dialback: self.row.dialback, certificate, keep_alive: true }
    }

    fn failure(&self, index: usize) -> Option<&StreamFailure> {
        self.connections[index].closed.as_ref().and_then(Option::as_ref)
    }

    fn seen(&self, last: usize) -> Seen {
        let line = &self.connections[last].line;
        let said = match (&line.error, line.ended) {
            (Some(name), true) => Said::Error(Condition::from_name(name).expect("a condition of RFC 6120").as_str()),
            (None, true) => Said::ClosingTag,
            _ => Said::Nothing,
        };
        let stanzas = |connection: &Connection| connection.line.stanzas;
        Seen {
            method: self.method,
            said,
            failure: self.failure(last).cloned(),
            open_there: line.is_open,
            passed: self.stanzas + self.connections.iter().map(stanzas).sum::<usize>(),
        }
    }
}

/// What TLS tells of the partner's certificate.
fn shown(certificate: Certificate) -> TlsFacts {
    let name = if certificate == Certificate::WrongName { "tailspin.example" } else { "fabrikam.example" };
    let peer = PeerCertificate {
        names: CertificateNames { dns: vec![name.to_owned()], ..CertificateNames::default() },
        subject: String::new(),
        issuer: String::new(),
        not_before: Timestamp::from_millis(0),
        not_after: Timestamp::from_millis(if certificate == Certificate::Expired { 1 } else { i64::MAX }),
        spki_sha256: [0; 32],
    };
    let peer = match certificate {
        Certificate::None => Err(lexicon::CertificateFault::Missing),
        _ => Ok(peer),
    };
    TlsFacts { version: TlsVersion::Tls13, cipher: "scripted".to_owned(), peer }
}
