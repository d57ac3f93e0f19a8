//! Two servers joined by simulated connections and a virtual clock: the shell of the stream machines without I/O.
//!
//! TLS is scripted: each server shows a certificate, and the other judges it by its script.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use lexicon::{
    CertificateFault, CertificateNames, Domain, DomainPair, Method, Now, PeerCertificate, Timestamp, TlsFacts,
    TlsVersion,
};
use xmpp::{
    stanza::{
        StanzaRef,
        build::{Head, iq_result},
    },
    stream::{
        Anomaly, DialbackVerdict, Extensions, Inbound, InboundConfig, Input, KeyStatus, Outbound, OutboundConfig,
        Output, PairRules, Purpose, Refusal, Secret, Stanzas, StreamFailure, StreamLimits, VerifyRequest,
    },
    xml::Batch,
};

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain name")
}

pub(crate) fn pair(local: &str, remote: &str) -> DomainPair {
    DomainPair { local: domain(local), remote: domain(remote) }
}

/// The moment at which every simulation begins. Only the clock can make an `Instant`; its value is never looked at.
#[allow(clippy::disallowed_methods)]
pub(crate) fn start() -> Now {
    Now { instant: Instant::now(), wall: Timestamp::from_millis(1_795_422_480_000) }
}

/// What TLS tells of a peer that shows a certificate for `name`.
pub(crate) fn tls_facts(certificate: &Result<Domain, CertificateFault>) -> TlsFacts {
    let peer = certificate.clone().map(|name| PeerCertificate {
        names: CertificateNames { dns: vec![name.as_ascii().to_owned()], ..CertificateNames::default() },
        subject: String::new(),
        issuer: String::new(),
        not_before: Timestamp::from_millis(0),
        not_after: Timestamp::from_millis(i64::MAX),
        spki_sha256: [0; 32],
    });
    TlsFacts { version: TlsVersion::Tls13, cipher: "scripted".to_owned(), peer }
}

/// One of the two servers.
pub(crate) struct Server {
    pub(crate) domain: Domain,
    pub(crate) rules: PairRules,
    /// What it shows.
    pub(crate) certificate: Result<Domain, CertificateFault>,
    pub(crate) tls_available: bool,
    pub(crate) secret: Secret,
    /// Answers instead of `rules` for some pairs.
    pub(crate) refusals: BTreeMap<DomainPair, Refusal>,
    /// Keys in flight: pair and stream id.
    in_flight: Vec<(DomainPair, Box<str>)>,
}

impl Server {
    pub(crate) fn new(name: &str, rules: PairRules) -> Self {
        Self {
            domain: domain(name),
            rules,
            certificate: Ok(domain(name)),
            tls_available: true,
            secret: Secret::new(&format!("the secret of {name}")),
            refusals: BTreeMap::new(),
            in_flight: Vec::new(),
        }
    }
}

/// One side of a connection.
pub(crate) enum Machine {
    In(Box<Inbound>),
    Out(Box<Outbound>),
}

impl Machine {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        match self {
            Self::In(machine) => machine.handle(now, input),
            Self::Out(machine) => machine.handle(now, input),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        match self {
            Self::In(machine) => machine.poll(),
            Self::Out(machine) => machine.poll(),
        }
    }

    fn drain(&mut self, into: &mut Vec<Bytes>) {
        match self {
            Self::In(machine) => machine.drain(into),
            Self::Out(machine) => machine.drain(into),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::In(machine) => machine.deadline(),
            Self::Out(machine) => machine.deadline(),
        }
    }
}

/// What happened at one end of a connection.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) authorised: Vec<(DomainPair, Method)>,
    pub(crate) inverse: Vec<(DomainPair, Method)>,
    pub(crate) stanzas: Vec<(DomainPair, Batch)>,
    pub(crate) anomalies: Vec<Anomaly>,
    pub(crate) closed: Option<Option<StreamFailure>>,
    pub(crate) unsent: usize,
    /// Stanzas that the peer acknowledged, and those that it never will.
    pub(crate) acked: usize,
    pub(crate) unknown: usize,
    /// Answers to our pings that came here.
    pub(crate) proofs: usize,
    pub(crate) pair_failures: Vec<(DomainPair, StreamFailure)>,
    /// All bytes this end wrote.
    pub(crate) written: Vec<u8>,
    starts_tls: bool,
    /// The verification stream's question came from this end of that connection.
    asked_by: Option<usize>,
}

struct Connection {
    machines: [Machine; 2],
    /// Server of each machine: the opener's first.
    servers: [usize; 2],
    ends: [End; 2],
    /// Bytes on the way to each machine.
    wires: [Vec<u8>; 2],
}

/// The simulation.
pub(crate) struct Pair {
    pub(crate) servers: [Server; 2],
    pub(crate) now: Now,
    pub(crate) limits: StreamLimits,
    pub(crate) extensions: Extensions,
    /// How many bytes one read brings.
    pub(crate) chunk: usize,
    connections: Vec<Connection>,
}

/// The opener of a connection.
pub(crate) const OPENER: usize = 0;
/// Who accepted it.
pub(crate) const ACCEPTOR: usize = 1;

impl Pair {
    pub(crate) fn new(a: Server, b: Server) -> Self {
        let limits = StreamLimits::default();
        Self {
            servers: [a, b],
            now: start(),
            limits,
            extensions: Extensions::default(),
            chunk: usize::MAX,
            connections: Vec::new(),
        }
    }

    /// Server `from` opens a connection for stanzas to the other one.
    pub(crate) fn connect(&mut self, from: usize) -> usize {
        let (local, remote) = (self.servers[from].domain.clone(), self.servers[1 - from].domain.clone());
        self.open(from, Purpose::Stanzas(DomainPair { local, remote }), true)
    }

    pub(crate) fn open(&mut self, from: usize, purpose: Purpose, sasl: bool) -> usize {
        let secret = self.servers[from].secret.clone();
        let opener = Outbound::new(
            OutboundConfig { purpose, sasl, secret, limits: self.limits, extensions: self.extensions },
            self.now,
        );
        let (secret, tls_available) = (self.servers[1 - from].secret.clone(), self.servers[1 - from].tls_available);
        let seed = [self.connections.len() as u8; 32];
        let acceptor = Inbound::new(
            InboundConfig { tls_available, secret, limits: self.limits, extensions: self.extensions },
            seed,
            self.now,
        );
        self.connections.push(Connection {
            machines: [Machine::Out(Box::new(opener)), Machine::In(Box::new(acceptor))],
            servers: [from, 1 - from],
            ends: [End::default(), End::default()],
            wires: [Vec::new(), Vec::new()],
        });
        self.connections.len() - 1
    }

    pub(crate) fn end(&self, connection: usize, side: usize) -> &End {
        &self.connections[connection].ends[side]
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Feeds an input to one machine and lets everything happen that follows.
    pub(crate) fn input(&mut self, connection: usize, side: usize, input: Input<'_>) {
        self.connections[connection].machines[side].handle(self.now, input);
        self.run();
    }

    /// Lets time pass in steps of the next deadline.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let machines = self.connections.iter().flat_map(|connection| &connection.machines);
            let next = machines.filter_map(Machine::deadline).min();
            let Some(next) = next.filter(|next| *next <= until.instant) else { break };
            self.now = self.now + next.duration_since(self.now.instant);
            for connection in 0..self.connections.len() {
                for side in [OPENER, ACCEPTOR] {
                    self.connections[connection].machines[side].handle(self.now, Input::Deadline);
                }
            }
            self.run();
        }
        self.now = until;
    }

    /// Runs until nothing happens any more.
    pub(crate) fn run(&mut self) {
        for _ in 0..100_000 {
            let mut quiet = true;
            for connection in 0..self.connections.len() {
                for side in [OPENER, ACCEPTOR] {
                    quiet &= !self.step(connection, side);
                }
            }
            if quiet {
                return;
            }
        }
        panic!("the simulation does not come to rest");
    }

    /// Takes what one machine wants and brings it what it waits for. Whether anything happened.
    fn step(&mut self, index: usize, side: usize) -> bool {
        let mut happened = false;
        while let Some(output) = self.connections[index].machines[side].poll() {
            happened = true;
            self.output(index, side, output);
        }
        let mut bytes = Vec::new();
        self.connections[index].machines[side].drain(&mut bytes);
        let connection = &mut self.connections[index];
        for bytes in bytes {
            happened = true;
            connection.ends[side].written.extend_from_slice(&bytes);
            connection.wires[1 - side].extend_from_slice(&bytes);
        }
        happened | self.handshake(index) | self.deliver(index, side)
    }

    /// The TLS handshake happens when both ends have come to it and all plaintext has arrived.
    fn handshake(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let ready = connection.ends.iter().all(|end| end.starts_tls) && connection.wires.iter().all(Vec::is_empty);
        if !ready {
            return false;
        }
        for side in [OPENER, ACCEPTOR] {
            let shown = tls_facts(&self.servers[connection.servers[1 - side]].certificate);
            connection.ends[side].starts_tls = false;
            connection.machines[side].handle(self.now, Input::Tls(shown));
        }
        true
    }

    fn deliver(&mut self, index: usize, side: usize) -> bool {
        let connection = &mut self.connections[index];
        if connection.ends[side].starts_tls {
            return false;
        }
        let wire = &mut connection.wires[side];
        let count = wire.len().min(self.chunk);
        if count > 0 {
            let mut bytes: BytesMut = wire.drain(..count).collect::<Vec<_>>().as_slice().into();
            connection.machines[side].handle(self.now, Input::Bytes(&mut bytes));
            assert!(bytes.is_empty(), "all bytes are taken");
            return true;
        }
        if connection.ends[1 - side].closed.is_some() && connection.ends[side].closed.is_none() {
            connection.machines[side].handle(self.now, Input::Disconnected(""));
            return true;
        }
        false
    }

    fn output(&mut self, index: usize, side: usize, output: Output) {
        let us = self.connections[index].servers[side];
        let end = &mut self.connections[index].ends[side];
        match output {
            Output::AskPair { pair, .. } => {
                let answer = self.judge(us, &pair);
                self.connections[index].machines[side].handle(self.now, Input::PairRules(&pair, answer));
            }
            Output::StartTls { .. } => end.starts_tls = true,
            Output::VerifyDialback(request) => {
                let asked = self.open(us, Purpose::Verify(request), true);
                self.connections[asked].ends[OPENER].asked_by = Some(index);
            }
            Output::AskKey(request) => {
                let status = self.key_status(us, &request);
                self.connections[index].machines[side].handle(self.now, Input::KeyStatus(&request, status));
            }
            Output::KeySent(pair, id) => self.servers[us].in_flight.push((pair, id)),
            Output::Authorised(pair, method) => {
                self.servers[us].in_flight.retain(|(known, _)| *known != pair);
                end.authorised.push((pair, method));
            }
            Output::Inverse(pair, method) => end.inverse.push((pair, method)),
            Output::Deauthorised(pair, failure) | Output::PairFailed(pair, failure) => {
                end.pair_failures.push((pair, failure));
            }
            Output::Stanzas(pair, batch) => end.stanzas.push((pair, batch)),
            Output::ProofOfLife(pair) => {
                end.proofs += 1;
                self.prove(us, &pair);
            }
            Output::Acked(stanzas) => end.acked += stanzas,
            Output::DeliveryUnknown(stanzas) => end.unknown += stanzas,
            Output::Unsent(..) => end.unsent += 1,
            Output::Verdict(request, verdict) => {
                let asker = end.asked_by.take().expect("a verification stream was asked for");
                self.verdict(asker, &request.pair, verdict);
            }
            Output::Anomaly(anomaly) => end.anomalies.push(anomaly),
            Output::Closed(failure) => {
                assert!(end.closed.is_none(), "a stream ends once");
                let asker = end.asked_by.take();
                end.closed = Some(failure.clone());
                if let (Some(asker), Some(failure)) = (asker, failure) {
                    let pair = self.pair_of(index);
                    self.verdict(asker, &pair, DialbackVerdict::of_failure(&failure));
                }
            }
        }
    }

    /// What the gateway behind does: answers the pings that came on `connection` by the stream `back`.
    pub(crate) fn answer_pings(&mut self, connection: usize, back: usize) {
        let received = std::mem::take(&mut self.connections[connection].ends[ACCEPTOR].stanzas);
        for (pair, batch) in received {
            for stanza in batch.elements().filter_map(StanzaRef::of) {
                let (Some(from), Some(to)) = (stanza.to(), stanza.from()) else { continue };
                let head = Head { from, to, id: stanza.id() };
                let answer = iq_result(head, |_| {});
                self.input(back, OPENER, Input::Send(&pair, Stanzas::one(answer.element(0).raw().to_owned())));
            }
        }
    }

    /// The partner of server `us` has answered: all streams of that server hear it.
    fn prove(&mut self, us: usize, pair: &DomainPair) {
        for connection in &mut self.connections {
            for side in [OPENER, ACCEPTOR] {
                if connection.servers[side] == us {
                    connection.machines[side].handle(self.now, Input::ProofOfLife(pair));
                }
            }
        }
    }

    fn pair_of(&self, index: usize) -> DomainPair {
        let [opener, acceptor] = self.connections[index].servers;
        DomainPair { local: self.servers[opener].domain.clone(), remote: self.servers[acceptor].domain.clone() }
    }

    fn verdict(&mut self, asker: usize, pair: &DomainPair, verdict: DialbackVerdict) {
        self.connections[asker].machines[ACCEPTOR].handle(self.now, Input::DialbackVerdict(pair, verdict));
    }

    /// The answer of a server's policy.
    pub(crate) fn judge(&self, server: usize, pair: &DomainPair) -> Result<PairRules, Refusal> {
        match self.servers[server].refusals.get(pair) {
            Some(refusal) => Err(*refusal),
            None => Ok(self.servers[server].rules.clone()),
        }
    }

    fn key_status(&self, server: usize, request: &VerifyRequest) -> KeyStatus {
        let server = &self.servers[server];
        let known = server.in_flight.iter().any(|(pair, id)| *pair == request.pair && *id == request.id);
        if request.pair.local != server.domain {
            KeyStatus::HostUnknown
        } else if known {
            KeyStatus::InFlight
        } else {
            KeyStatus::NotIssued
        }
    }
}
