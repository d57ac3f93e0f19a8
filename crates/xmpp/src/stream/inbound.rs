//! The machine of a connection that a partner opened.
//!
//! It answers headers, offers what the rules permit, takes SASL EXTERNAL and dialback keys, answers questions about our
//! own keys, and lets stanzas of authorised pairs pass. It sends stanzas only where both sides agreed to use the connection
//! both ways (XEP-0288; else one connection carries stanzas one way, RFC 6120 §4.5).

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use lexicon::{Direction, Domain, DomainPair, Method, Now, TlsFacts};

use super::{
    core::{Core, Due, Life, Read},
    dialback::Secret,
    error::Condition,
    event::{Input, Output},
    facts::StreamFacts,
    failure::{Stage, StreamFailure},
    features::Offer,
    header::{Address, Header},
    rules::{Extensions, PairRules, Refusal, StreamLimits},
    seed::StreamIds,
};

mod dialback;
mod elements;
mod external;
mod setup;

/// How many bytes one read may bring.
const READ_BYTES_MAX: usize = 64 << 10;

/// What an inbound stream needs to know.
#[derive(Clone, Debug)]
pub struct InboundConfig {
    /// Whether we have a certificate, so that TLS can be offered.
    pub tls_available: bool,
    /// To recompute keys that others ask after.
    pub secret: Secret,
    /// Bounds.
    pub limits: StreamLimits,
    /// What is spoken beyond the basics.
    pub extensions: Extensions,
}

/// A stream whose connection the peer opened.
pub struct Inbound {
    config: InboundConfig,
    core: Core,
    ids: StreamIds,
    phase: Phase,
    /// The pair of the headers; a restarted stream must name it again.
    local: Option<Domain>,
    remote: Option<Domain>,
    /// The header that is being answered.
    header: Option<Header>,
    /// What the rules let us offer on the current stream.
    offer: Offer,
    /// Rules of the header's pair, as of the current header.
    rules: Option<PairRules>,
    sasl: Sasl,
    asks: VecDeque<(DomainPair, Ask)>,
    /// Pairs whose key is being verified.
    verifying: Vec<DomainPair>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// A header is awaited or being answered.
    Header,
    /// Elements are read.
    Elements,
    /// The shell makes the TLS handshake.
    Handshake,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sasl {
    /// So many attempts have failed.
    Failed(u8),
    /// `<success/>` is sent.
    Done,
}

/// Why the shell was asked for rules.
#[derive(Debug)]
enum Ask {
    Header,
    External,
    /// To use an authorised pair the other way too.
    Inverse(Method),
    Key(Box<str>),
    KeyValid,
}

impl Inbound {
    /// A stream accepted `now`; `seed` is 32 random bytes, from which the stream ids are made.
    pub fn new(config: InboundConfig, seed: [u8; 32], now: Now) -> Self {
        Self {
            core: Core::new(Direction::Inbound, config.limits, config.extensions, now),
            config,
            ids: StreamIds::new(seed),
            phase: Phase::Header,
            local: None,
            remote: None,
            header: None,
            offer: Offer::default(),
            rules: None,
            sasl: Sasl::Failed(0),
            asks: VecDeque::new(),
            verifying: Vec::new(),
        }
    }

    /// Takes an input. All outputs must be taken with [`poll`](Self::poll) before the next one.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.core.life == Life::Closed {
            if let Input::Bytes(bytes) = input {
                bytes.clear();
            }
            return;
        }
        match input {
            Input::Bytes(bytes) => self.core.receive(bytes),
            Input::Tls(facts) => self.tls_up(facts),
            Input::TlsFailed(text) => {
                if self.core.handshake {
                    self.core.closed(Some(StreamFailure::TlsHandshake(text.into())));
                }
            }
            Input::PairRules(pair, answer) => self.judged(now, pair, answer),
            Input::DialbackVerdict(pair, verdict) if self.core.life == Life::Live => self.verified(pair, verdict),
            Input::KeyStatus(request, status) if self.core.life == Life::Live => {
                self.core.key_status(&self.config.secret, request, status);
            }
            Input::Settled(stanzas) => self.core.settled(stanzas),
            Input::ProofOfLife(pair) => self.core.proof_of_life(now, pair),
            Input::DialbackVerdict(..) | Input::KeyStatus(..) => {}
            Input::Send(pair, stanzas) => self.core.send(now, pair, stanzas),
            Input::AddPair(pair) => self.core.emit(Output::PairFailed(pair, StreamFailure::PairNotTaken)),
            Input::Close(None, _) => self.core.close(now),
            Input::Close(Some(condition), text) => {
                self.answer_header();
                self.core.fail(StreamFailure::ClosedHere(condition), text);
            }
            Input::Deadline => self.time(now),
            Input::Disconnected(text) => {
                let failure = StreamFailure::Disconnected { stage: self.core.facts.stage, text: text.into() };
                let orderly = self.core.facts.stage == Stage::Closing || self.served_keys_only();
                self.core.closed((!orderly).then_some(failure));
            }
        }
        self.read(now);
        self.core.tick(now);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.core.poll()
    }

    /// Moves the bytes to write to the end of `into`.
    pub fn drain(&mut self, into: &mut Vec<Bytes>) {
        self.core.drain(into);
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    /// How many more bytes of input are useful now; stop reading at zero.
    pub fn room(&self) -> usize {
        let reads = self.core.life != Life::Closed && self.asks.is_empty() && self.core.write_room() > 0;
        if reads && !self.core.handshake { READ_BYTES_MAX } else { 0 }
    }

    /// How many more bytes [`Input::Send`] should bring now; zero unless the stream carries stanzas both ways.
    pub fn send_room(&self) -> usize {
        self.core.send_room()
    }

    /// Stanzas sent that the peer has not acknowledged; none if nothing is acknowledged on this stream.
    pub fn unacked(&self) -> Option<u64> {
        self.core.sent.unacked()
    }

    /// What has happened so far.
    pub fn facts(&self) -> &StreamFacts {
        &self.core.facts
    }

    fn read(&mut self, now: Now) {
        while self.core.life != Life::Closed && self.asks.is_empty() && !self.core.handshake {
            match self.core.read() {
                Ok(None) => return,
                Ok(Some(Read::Header(batch))) => self.header(&batch),
                Ok(Some(Read::Elements(batch, index))) => self.elements(now, batch, index),
                Ok(Some(Read::Close)) => {
                    let early = self.core.facts.authorised.is_empty() && !self.served_keys_only();
                    let stage = self.core.facts.stage;
                    let failure = early && self.core.life == Life::Live;
                    self.core.closed_by_peer(now, failure.then_some(StreamFailure::PeerClosed(stage)));
                }
                Err(failure) => self.fail(failure),
            }
        }
    }

    fn time(&mut self, now: Now) {
        match self.core.due(now) {
            None => {}
            Some(Due::Close) => self.core.close(now),
            Some(Due::Expired) => self.fail(StreamFailure::CertificateExpired),
            Some(Due::Silent) if self.served_keys_only() => self.core.close(now),
            Some(Due::Silent) => self.fail(StreamFailure::Timeout(self.core.facts.stage)),
            Some(Due::Over) => self.core.over(),
        }
    }

    /// A stream on which a peer only asked after keys has done its work without a pair.
    fn served_keys_only(&self) -> bool {
        self.core.facts.keys_asked > 0 && self.core.facts.authorised.is_empty() && self.verifying.is_empty()
    }

    fn tls_up(&mut self, facts: TlsFacts) {
        let direct = self.phase == Phase::Header && self.header.is_none() && !self.core.facts_tls_up();
        if self.core.handshake || direct {
            self.core.handshake = false;
            self.core.facts.tls = Some(facts);
            self.core.facts.stage = Stage::Header;
            self.core.restart(false);
            self.phase = Phase::Header;
            self.offer = Offer::default();
            self.rules = None;
            // Everything learnt in plaintext is forgotten (RFC 6120 §5.4.3.3).
            self.core.bidi = false;
            self.verifying.clear();
            self.core.questions.clear();
            self.core.facts.keys_asked = 0;
        }
    }

    /// Lets the partner's stanzas of the pair pass; ours too, where both ways are agreed and the rules say so again.
    fn authorise(&mut self, now: Now, pair: DomainPair, method: Method) {
        self.core.authorise(now, pair.clone(), method);
        if self.core.bidi {
            self.ask(pair, Some(method), Ask::Inverse(method));
        }
    }

    fn ask(&mut self, pair: DomainPair, method: Option<Method>, ask: Ask) {
        let inverse = matches!(ask, Ask::Inverse(_));
        self.core.emit(Output::AskPair { pair: pair.clone(), method, inverse });
        self.asks.push_back((pair, ask));
    }

    fn judged(&mut self, now: Now, pair: &DomainPair, answer: Result<PairRules, Refusal>) {
        self.core.take_keep_alive(&answer);
        let Some(index) = self.asks.iter().position(|(asked, _)| asked == pair) else {
            return self.judged_again(pair, answer);
        };
        let Some((pair, ask)) = self.asks.remove(index).filter(|_| self.core.life == Life::Live) else { return };
        match ask {
            Ask::Header => self.header_judged(now, pair, answer),
            Ask::External => self.external_judged(&pair, answer),
            Ask::Inverse(method) => self.core.inverse_judged(pair, method, answer),
            Ask::Key(key) => self.key_judged(pair, key, answer),
            Ask::KeyValid => self.key_valid_judged(now, pair, answer),
        }
    }

    /// The rules of a live pair have changed.
    fn judged_again(&mut self, pair: &DomainPair, answer: Result<PairRules, Refusal>) {
        let refusal = match (&answer, self.core.method_of(pair)) {
            (Ok(rules), Some(method)) => {
                let certificate = self.core.certificate(rules, &pair.remote);
                let permitted = rules.permit(method, self.core.facts_tls_up(), certificate);
                if permitted { None } else { Some(Refusal::RulesChanged) }
            }
            (Err(refusal), Some(_)) => Some(*refusal),
            // Before anything is authorised the header's pair decides; what is offered is judged again when it is used.
            (Err(refusal), None) if self.names(pair) && self.core.facts.authorised.is_empty() => Some(*refusal),
            (_, None) => None,
        };
        let Some(refusal) = refusal else { return };
        self.core.deauthorise(pair);
        if self.core.facts.authorised.is_empty() && self.verifying.is_empty() {
            self.refuse(refusal, pair);
        } else {
            self.core.emit(Output::Deauthorised(pair.clone(), StreamFailure::Refused(refusal)));
        }
    }

    fn names(&self, pair: &DomainPair) -> bool {
        self.local.as_ref() == Some(&pair.local) && self.remote.as_ref() == Some(&pair.remote)
    }

    fn refuse(&mut self, refusal: Refusal, pair: &DomainPair) {
        if let (Condition::HostUnknown, Some(header)) = (refusal.condition(), &mut self.header) {
            header.to = Address::Absent;
        }
        self.answer_header();
        self.core.fail(StreamFailure::Refused(refusal), &refusal.wire_text(pair));
    }

    /// Ends the stream; a header that was not answered yet is answered first (RFC 6120 §4.9.1.2).
    fn fail(&mut self, failure: StreamFailure) {
        self.answer_header();
        let text = failure.wire_text();
        self.core.fail(failure, &text);
    }

    fn protocol(&mut self, condition: Condition, what: &'static str) {
        self.fail(StreamFailure::Protocol(condition, what));
    }
}
