//! The machine of a connection that we opened: for stanzas of a pair, or to ask an authoritative server about a key.
//!
//! TLS first where the rules want it, then SASL EXTERNAL, then dialback where the row permits it; never plaintext after
//! TLS was begun. Stanzas of the peer are refused, since one connection carries stanzas one way (RFC 6120 §4.5), unless
//! both sides agreed to use it both ways (XEP-0288).

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use lexicon::{Direction, DomainPair, Method, Now, TlsFacts};

use super::{
    core::{Core, Due, Life, Read},
    dialback::{Secret, VerifyRequest},
    error::Condition,
    event::{Input, Output},
    facts::StreamFacts,
    failure::{Stage, StreamFailure},
    rules::{Extensions, PairRules, Refusal, StreamLimits},
};

mod choice;
mod dialback;
mod elements;

/// What an outbound connection is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Stanzas of this pair, from its local to its remote domain.
    Stanzas(DomainPair),
    /// The question whether a key is valid; closed after the answer.
    Verify(VerifyRequest),
}

impl Purpose {
    /// The pair of the stream's headers.
    pub fn pair(&self) -> &DomainPair {
        match self {
            Self::Stanzas(pair) => pair,
            Self::Verify(request) => &request.pair,
        }
    }
}

/// What an outbound stream needs to know.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// What the connection is for.
    pub purpose: Purpose,
    /// Whether SASL may be tried; false after [`Retry::WithoutSasl`](super::Retry::WithoutSasl).
    pub sasl: bool,
    /// To make keys.
    pub secret: Secret,
    /// Bounds.
    pub limits: StreamLimits,
    /// What is spoken beyond the basics.
    pub extensions: Extensions,
}

/// A stream whose connection we opened.
pub struct Outbound {
    config: OutboundConfig,
    core: Core,
    phase: Phase,
    /// Rules of the stream's pair, as of the last answer.
    rules: Option<PairRules>,
    sasl: Sasl,
    asks: VecDeque<(DomainPair, Ask)>,
    /// Pairs whose key is with the peer, and until when an answer is awaited.
    keys: Vec<(DomainPair, Instant)>,
    /// The peer has said that it understands dialback errors.
    errors_offered: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Rules are awaited, for the first header or for that inside TLS.
    Rules,
    /// The peer's header is awaited.
    Header,
    /// Its features.
    Features,
    /// `<proceed/>`.
    Proceed,
    /// SASL's outcome.
    Sasl,
    /// Keys are out, or pairs are authorised.
    Elements,
    /// The answer about a key.
    Verify,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Sasl {
    /// It was not tried.
    Fresh,
    /// The peer's challenge was answered.
    Responded,
    /// The peer refused: its condition and words.
    Refused(Box<str>, Box<str>),
    Done,
}

/// Why the shell was asked for rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ask {
    /// To send a header.
    Header,
    /// To send a key for one more pair.
    Key,
    /// To carry stanzas.
    Authorise(Method),
    /// To carry the peer's too.
    Inverse(Method),
}

impl Outbound {
    /// A stream on a connection made `now`. It first asks for the pair's rules.
    pub fn new(config: OutboundConfig, now: Now) -> Self {
        let mut core = Core::new(Direction::Outbound, config.limits, config.extensions, now);
        let pair = config.purpose.pair().clone();
        core.facts.local = Some(pair.local.clone());
        core.facts.remote = Some(pair.remote.clone());
        let mut stream = Self {
            config,
            core,
            phase: Phase::Rules,
            rules: None,
            sasl: Sasl::Fresh,
            asks: VecDeque::new(),
            keys: Vec::new(),
            errors_offered: false,
        };
        stream.ask(pair, None, Ask::Header);
        stream
    }

    /// Takes an input. All outputs must be taken with [`poll`](Self::poll) before the next one.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Send(pair, stanzas) => self.core.send(now, pair, stanzas),
            Input::AddPair(pair) => self.add_pair(pair),
            Input::Bytes(bytes) => self.core.receive(bytes),
            _ if self.core.life == Life::Closed => {}
            Input::Tls(facts) => self.tls_up(facts),
            Input::TlsFailed(text) => {
                if self.core.handshake {
                    self.core.closed(Some(StreamFailure::TlsHandshake(text.into())));
                }
            }
            Input::PairRules(pair, answer) => self.judged(now, pair, answer),
            Input::Settled(stanzas) => self.core.settled(stanzas),
            Input::ProofOfLife(pair) => self.core.proof_of_life(now, pair),
            Input::KeyStatus(request, status) if self.core.life == Life::Live => {
                self.core.key_status(&self.config.secret, request, status);
            }
            Input::DialbackVerdict(..) | Input::KeyStatus(..) => {}
            Input::Close(None, _) => self.core.close(now),
            Input::Close(Some(condition), text) => self.core.fail(StreamFailure::ClosedHere(condition), text),
            Input::Deadline => self.time(now),
            Input::Disconnected(text) => {
                let failure = StreamFailure::Disconnected { stage: self.core.facts.stage, text: text.into() };
                self.ended(now, failure);
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
        let keys = self.keys.iter().map(|(_, until)| *until).filter(|_| self.core.life == Life::Live);
        self.core.deadline().into_iter().chain(keys).min()
    }

    /// How many more bytes [`Input::Send`] should bring now; zero while no pair is authorised, or too
    /// much is not acknowledged.
    pub fn room(&self) -> usize {
        self.core.send_room()
    }

    /// Stanzas sent that the peer has not acknowledged; none if nothing is acknowledged on this stream, now or any more.
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
                Ok(Some(Read::Header(batch))) => self.header(now, &batch),
                Ok(Some(Read::Elements(batch, index))) => self.elements(now, batch, index),
                Ok(Some(Read::Close)) => self.ended(now, StreamFailure::PeerClosed(self.core.facts.stage)),
                Err(failure) => self.fail(failure),
            }
        }
    }

    /// The peer has ended the stream, in an orderly way or not.
    fn ended(&mut self, now: Now, failure: StreamFailure) {
        let stage = self.core.facts.stage;
        let orderly = matches!(failure, StreamFailure::PeerClosed(_)) && stage == Stage::Open;
        if orderly || self.core.life != Life::Live {
            return self.core.closed_by_peer(now, None);
        }
        // A peer that refused EXTERNAL and then hangs up may still take dialback on a connection without SASL.
        let failure = match std::mem::replace(&mut self.sasl, Sasl::Fresh) {
            Sasl::Refused(name, text) if self.core.facts.authorised.is_empty() => {
                StreamFailure::ExternalRefused { name, text, dialback_left: true }
            }
            _ => failure,
        };
        self.core.closed_by_peer(now, Some(failure));
    }

    fn time(&mut self, now: Now) {
        if self.core.established() {
            self.give_up_keys(now);
        }
        match self.core.due(now) {
            None => {}
            Some(Due::Close) => self.core.close(now),
            Some(Due::Expired) => self.fail(StreamFailure::CertificateExpired),
            Some(Due::Silent) => self.fail(StreamFailure::Timeout(self.core.facts.stage)),
            Some(Due::Over) => self.core.over(),
        }
    }

    fn tls_up(&mut self, facts: TlsFacts) {
        let direct = self.phase == Phase::Rules && !self.core.facts_tls_up();
        if !self.core.handshake && !direct {
            return;
        }
        self.core.facts.tls = Some(facts);
        self.core.facts.stage = Stage::Header;
        if self.core.handshake {
            self.core.handshake = false;
            self.phase = Phase::Rules;
            self.core.restart(false);
            self.ask(self.config.purpose.pair().clone(), None, Ask::Header);
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
        match (ask, answer) {
            (Ask::Header, Ok(rules)) => self.start(rules),
            (Ask::Header, Err(refusal)) => self.refuse(refusal, &pair),
            (Ask::Key, answer) => self.key_judged(now, pair, answer),
            (Ask::Inverse(method), answer) => self.core.inverse_judged(pair, method, answer),
            (Ask::Authorise(method), answer) => self.authorise_judged(now, pair, method, answer),
        }
    }

    fn authorise_judged(&mut self, now: Now, pair: DomainPair, method: Method, answer: Result<PairRules, Refusal>) {
        let failure = match answer {
            Err(refusal) => StreamFailure::Refused(refusal),
            Ok(rules) => {
                let certificate = self.core.certificate(&rules, &pair.remote);
                if rules.permit(method, self.core.facts_tls_up(), certificate) {
                    return self.authorise(now, pair, method);
                }
                StreamFailure::MethodNotPermitted(method)
            }
        };
        self.pair_failed(pair, method, failure);
    }

    fn authorise(&mut self, now: Now, pair: DomainPair, method: Method) {
        self.phase = Phase::Elements;
        self.core.authorise(now, pair.clone(), method);
        let offered = self.core.facts.features.as_ref().is_some_and(|seen| seen.stream_management);
        if offered && self.config.extensions.stream_management {
            self.core.enable_management();
        }
        if self.core.bidi {
            self.ask(pair, Some(method), Ask::Inverse(method));
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
            (Err(refusal), None) if pair == self.config.purpose.pair() => Some(*refusal),
            (_, None) => None,
        };
        let Some(refusal) = refusal else { return };
        self.core.deauthorise(pair);
        if self.core.facts.authorised.is_empty() {
            self.refuse(refusal, pair);
        } else {
            self.core.emit(Output::Deauthorised(pair.clone(), StreamFailure::Refused(refusal)));
        }
    }

    fn refuse(&mut self, refusal: Refusal, pair: &DomainPair) {
        // The peer of a stream that we opened did nothing wrong: it is told that policy ends the stream, not whose.
        self.core.fail(StreamFailure::Refused(refusal), &refusal.wire_text(pair));
    }

    fn fail(&mut self, failure: StreamFailure) {
        let text = failure.wire_text();
        self.core.fail(failure, &text);
    }

    fn protocol(&mut self, condition: Condition, what: &'static str) {
        self.fail(StreamFailure::Protocol(condition, what));
    }
}
