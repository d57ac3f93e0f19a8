//! What both machines are built on: reading frame by frame, writing, ending.
//!
//! Reading stops while an answer of the shell is awaited and goes on where it stopped, so that the result does not depend
//! on how the bytes were cut.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use lexicon::{CertificateFault, Direction, Domain, DomainPair, Method, Now};

mod due;

pub(super) use due::Due;

use super::{
    ack::{self, Received, Sent},
    dialback::VerifyRequest,
    error::{self, Condition},
    event::{Anomaly, Output},
    facts::StreamFacts,
    failure::{Stage, StreamFailure},
    header,
    keep_alive::Liveness,
    passage::Spelled,
    rules::{Extensions, PairRules, Refusal, StreamLimits},
    stanzas::{Stanzas, UnsentReason},
};
use crate::{
    identity::certificate_names,
    xml::{Batch, Frame, Framer, Framing, Limits, XmlError, XmlWriter},
};

/// Whether the stream still lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Life {
    /// Yes.
    Live,
    /// The peer's closing tag is in; until then the shell may settle what came before it, so that the peer learns of it.
    Finishing(Instant),
    /// Our closing tag is out; until then the peer may finish (RFC 6120 §4.4).
    Closing(Instant),
    /// Nothing happens any more.
    Closed,
}

/// What was read.
pub(super) enum Read {
    Header(Batch),
    /// Elements from an index on.
    Elements(Batch, usize),
    Close,
}

pub(super) struct Core {
    pub(super) limits: StreamLimits,
    pub(super) facts: StreamFacts,
    pub(super) life: Life,
    /// Between `StartTls` and its answer: neither plaintext nor XML may be written.
    pub(super) handshake: bool,
    framer: Framer,
    arrived: BytesMut,
    unread: Option<(Batch, usize)>,
    /// Nothing of a restarted stream has come yet: white space left over from the stream before is passed over.
    restarted: bool,
    /// Bytes read since the last header while nobody is authorised.
    unauthenticated: usize,
    context: &'static [(&'static str, &'static str)],
    header_sent: bool,
    writes: Vec<Bytes>,
    write_bytes: usize,
    outputs: VecDeque<Output>,
    established_by: Instant,
    established: bool,
    /// The last stanza, or the moment the stream was established.
    active_at: Instant,
    /// The certificate on which a pair relies ends (RFC 6120 §13.7.2.3).
    expires_at: Option<Instant>,
    /// What the peer says it accepts (XEP-0478).
    peer_stanza_bytes_max: Option<u64>,
    pub(super) liveness: Liveness,
    /// Something was written, or arrived, during this input.
    wrote: bool,
    heard: bool,
    pub(super) last: Option<Spelled>,
    pub(super) extensions: Extensions,
    /// Stanzas both ways are agreed.
    pub(super) bidi: bool,
    pub(super) received: Received,
    pub(super) sent: Sent,
    /// Questions about keys of ours that wait for the shell.
    pub(super) questions: Vec<VerifyRequest>,
}

impl Core {
    pub(super) fn new(direction: Direction, limits: StreamLimits, extensions: Extensions, now: Now) -> Self {
        Self {
            facts: StreamFacts::new(direction),
            life: Life::Live,
            handshake: false,
            framer: Framer::new(Limits::unauthenticated(limits.unauthenticated_bytes_max)),
            arrived: BytesMut::new(),
            unread: None,
            restarted: false,
            unauthenticated: 0,
            context: header::WITH_DIALBACK,
            header_sent: false,
            writes: Vec::new(),
            write_bytes: 0,
            outputs: VecDeque::new(),
            established_by: now.instant + limits.establishment_timeout,
            established: false,
            active_at: now.instant,
            expires_at: None,
            peer_stanza_bytes_max: None,
            liveness: Liveness::new(now),
            wrote: false,
            heard: false,
            last: None,
            extensions,
            bidi: false,
            received: Received::default(),
            sent: Sent::default(),
            questions: Vec::new(),
            limits,
        }
    }

    // Reading.

    pub(super) fn receive(&mut self, bytes: &mut BytesMut) {
        if self.life == Life::Closed || self.handshake {
            bytes.clear();
        } else {
            self.heard |= !bytes.is_empty();
            self.arrived.unsplit(bytes.split());
        }
    }

    /// The next thing to act on; none when more bytes are needed.
    pub(super) fn read(&mut self) -> Result<Option<Read>, StreamFailure> {
        if let Some((batch, index)) = self.unread.take() {
            return Ok(Some(Read::Elements(batch, index)));
        }
        if self.restarted {
            let space = self.arrived.len() - self.arrived.trim_ascii_start().len();
            self.arrived.advance(space);
            self.restarted = self.arrived.is_empty();
        }
        loop {
            let before = self.arrived.len();
            let frame = self.framer.next(&mut self.arrived).map_err(StreamFailure::from);
            self.unauthenticated += before - self.arrived.len();
            let read = match frame? {
                None => {
                    // An idle stream owns no buffer.
                    self.arrived = BytesMut::new();
                    return Ok(None);
                }
                Some(Frame::Whitespace) => None,
                Some(Frame::Header(batch)) => Some(Read::Header(batch)),
                Some(Frame::Elements(batch)) => Some(Read::Elements(batch, 0)),
                Some(Frame::Close) => Some(Read::Close),
            };
            if !self.established && self.unauthenticated > self.limits.unauthenticated_bytes_max {
                let text = "too many bytes before authorisation";
                return Err(StreamFailure::Protocol(Condition::PolicyViolation, text));
            }
            if read.is_some() {
                return Ok(read);
            }
        }
    }

    /// The rest of a batch, to be read later.
    pub(super) fn put_back(&mut self, batch: Batch, index: usize) {
        if index < batch.len() {
            self.unread = Some((batch, index));
        }
    }

    /// Bytes that arrived behind what was read.
    pub(super) fn pipelined(&self) -> &[u8] {
        &self.arrived
    }

    /// Forgets the stream; the next thing to come is a header. What was pipelined goes too when TLS begins.
    pub(super) fn restart(&mut self, keep_pipelined: bool) {
        self.framer.reset();
        self.restarted = true;
        self.unread = None;
        self.unauthenticated = 0;
        self.header_sent = false;
        if !keep_pipelined {
            self.arrived = BytesMut::new();
        }
    }

    pub(super) fn facts_tls_up(&self) -> bool {
        self.facts.tls.is_some()
    }

    /// The verdict about the peer's certificate for `remote`: by the partner's roots, then its names.
    pub(super) fn certificate(&mut self, rules: &PairRules, remote: &Domain) -> Result<(), CertificateFault> {
        let verdict = match self.facts.tls.as_ref().map(|tls| &tls.peer) {
            None => Err(CertificateFault::Missing),
            Some(Err(fault)) => Err(*fault),
            Some(Ok(peer)) => rules.certificate.and_then(|()| {
                if certificate_names(&peer.names, remote) { Ok(()) } else { Err(CertificateFault::WrongName) }
            }),
        };
        self.facts.certificate = Some(verdict);
        verdict
    }

    // Writing.

    pub(super) fn speak_dialback(&mut self, yes: bool) {
        self.context = if yes { header::WITH_DIALBACK } else { header::WITHOUT_DIALBACK };
    }

    pub(super) fn write_header(&mut self, own: &header::OwnHeader<'_>) {
        self.header_sent = true;
        self.write(|writer| header::write(writer, own));
    }

    pub(super) fn header_sent(&self) -> bool {
        self.header_sent
    }

    /// Nothing follows our closing tag.
    pub(super) fn write(&mut self, make: impl FnOnce(&mut XmlWriter)) {
        if !matches!(self.life, Life::Live | Life::Finishing(_)) {
            return;
        }
        let mut writer = XmlWriter::within(self.context);
        make(&mut writer);
        self.write_bytes(writer.finish());
    }

    pub(super) fn write_bytes(&mut self, bytes: Bytes) {
        self.wrote = true;
        self.write_bytes += bytes.len();
        self.writes.push(bytes);
    }

    /// Stanzas of a pair that may be sent here, or why not.
    pub(super) fn send(&mut self, now: Now, pair: &DomainPair, stanzas: Stanzas) {
        let too_long = self.peer_stanza_bytes_max.filter(|bytes_max| stanzas.longest_bytes() as u64 > *bytes_max);
        let reason = match too_long {
            _ if self.life != Life::Live || !self.sends(pair) => Some(UnsentReason::NotOpen),
            Some(bytes_max) => Some(UnsentReason::TooLong { bytes_max }),
            None => None,
        };
        if let Some(reason) = reason {
            return self.emit(Output::Unsent(pair.clone(), stanzas, reason));
        }
        self.stanza_seen(now);
        self.write_bytes(stanzas.bytes().clone());
        self.count_sent(now, stanzas.count());
    }

    /// Takes over what the peer says it accepts: the bytes of a stanza, our silence in seconds.
    pub(super) fn set_peer_limits(&mut self, stanza_bytes_max: Option<u64>, idle_seconds: Option<u32>) {
        self.peer_stanza_bytes_max = stanza_bytes_max;
        self.liveness.idle = idle_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    }

    pub(super) fn drain(&mut self, into: &mut Vec<Bytes>) {
        self.write_bytes = 0;
        into.append(&mut self.writes);
    }

    /// How many more bytes of stanzas should be sent.
    pub(super) fn send_room(&self) -> usize {
        let open = self.life == Life::Live && self.sending_pair().is_some() && !self.is_window_full();
        if open { self.write_room() } else { 0 }
    }

    /// The greatest stanza and the silence in seconds that we accept.
    pub(super) fn own_limits(&self) -> (usize, u64) {
        (self.limits.stanza_bytes_max, self.limits.inactivity_timeout.as_secs())
    }

    pub(super) fn write_room(&self) -> usize {
        self.limits.write_bytes_max.saturating_sub(self.write_bytes)
    }

    // Outputs.

    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn anomaly(&mut self, anomaly: Anomaly) {
        self.emit(Output::Anomaly(anomaly));
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    // Pairs.

    pub(super) fn method_of(&self, pair: &DomainPair) -> Option<Method> {
        self.facts.authorised.iter().find(|(known, _)| known == pair).map(|(_, method)| *method)
    }

    pub(super) fn authorise(&mut self, now: Now, pair: DomainPair, method: Method) {
        self.facts.tried(method, None);
        self.facts.authorised.push((pair.clone(), method));
        self.facts.stage = Stage::Open;
        if method == Method::SaslOverTls {
            self.expires_at = self.certificate_end(now);
        }
        if !self.established {
            self.established = true;
            self.active_at = now.instant;
            self.liveness.proved(now);
            self.framer.set_limits(Limits::stanzas(self.limits.stanza_bytes_max));
            self.framer.set_framing(Framing::Batched);
        }
        self.emit(Output::Authorised(pair, method));
    }

    pub(super) fn deauthorise(&mut self, pair: &DomainPair) {
        self.facts.authorised.retain(|(known, _)| known != pair);
        self.facts.inverse.retain(|(known, _)| known != pair);
        self.forget_last_spelled();
    }

    /// Whether the peer may send stanzas of the pair here.
    pub(super) fn receives(&self, pair: &DomainPair) -> bool {
        self.carried(Direction::Inbound).iter().any(|(known, _)| known == pair)
    }

    /// Whether we may.
    pub(super) fn sends(&self, pair: &DomainPair) -> bool {
        self.carried(Direction::Outbound).iter().any(|(known, _)| known == pair)
    }

    /// One of the pairs that we may send stanzas of.
    pub(super) fn sending_pair(&self) -> Option<&DomainPair> {
        self.carried(Direction::Outbound).first().map(|(pair, _)| pair)
    }

    /// The pairs that carry stanzas the way of a connection with this direction.
    fn carried(&self, way: Direction) -> &[(DomainPair, Method)] {
        if self.facts.direction == way { &self.facts.authorised } else { &self.facts.inverse }
    }

    /// Rules of the partner have come.
    pub(super) fn take_keep_alive(&mut self, answer: &Result<PairRules, Refusal>) {
        if let Ok(rules) = answer {
            self.liveness.keep_alive = rules.keep_alive;
        }
    }

    // Ending.

    /// Ends the stream with the failure's stream error, if it has one (§4.9.1.1: errors are final).
    pub(super) fn fail(&mut self, failure: StreamFailure, text: &str) {
        if self.life == Life::Closed {
            return;
        }
        if self.header_sent && !self.handshake && self.life == Life::Live {
            let condition = failure.condition();
            let too_high = match failure {
                StreamFailure::AckTooHigh { h, sent } => Some((h, sent)),
                _ => None,
            };
            self.write(|writer| {
                match (condition, too_high) {
                    (_, Some((h, sent))) => ack::write_too_high(writer, h, sent, text),
                    (Some(condition), None) => error::write(writer, condition, text),
                    (None, None) => {}
                }
                writer.stream_end();
            });
        }
        self.closed(Some(failure));
    }

    /// Begins an orderly close: our closing tag, then the peer's.
    pub(super) fn close(&mut self, now: Now) {
        if self.life != Life::Live {
            return;
        }
        if !self.header_sent || self.handshake {
            return self.closed(None);
        }
        self.write_last_acks();
        self.write(|writer| {
            writer.stream_end();
        });
        self.facts.stage = Stage::Closing;
        self.life = Life::Closing(now.instant + self.limits.close_timeout);
    }

    /// The peer closes: its tag is answered by ours, in good order after the last acknowledgement.
    pub(super) fn closed_by_peer(&mut self, now: Now, failure: Option<StreamFailure>) {
        if self.life == Life::Live && self.header_sent {
            if failure.is_none() && self.owes_acks() {
                self.facts.stage = Stage::Closing;
                self.life = Life::Finishing(now.instant + self.limits.close_timeout);
                return;
            }
            self.write_last_acks();
            self.write(|writer| {
                writer.stream_end();
            });
        }
        self.closed(failure);
    }

    /// The end of waiting, for the peer's tag or for the shell.
    pub(super) fn over(&mut self) {
        if matches!(self.life, Life::Finishing(_)) {
            self.write_last_acks();
            self.write(|writer| {
                writer.stream_end();
            });
        }
        self.closed(None);
    }

    pub(super) fn closed(&mut self, failure: Option<StreamFailure>) {
        if self.life == Life::Closed {
            return;
        }
        self.life = Life::Closed;
        self.arrived = BytesMut::new();
        self.unread = None;
        self.tell_unacked();
        self.emit(Output::Closed(failure));
    }
}

impl From<XmlError> for StreamFailure {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}
