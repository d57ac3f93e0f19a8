//! First-level elements of an inbound stream: negotiation, and stanzas of authorised pairs.
//!
//! Consecutive stanzas of one pair leave as one slice of the batch they came in. Their domains are compared as spelled
//! with those of the stanza before; only a new spelling is normalised.

use lexicon::{DomainPair, JidRef, Now};

use super::{Inbound, Phase};
use crate::{
    stanza::{StanzaKind, StanzaRef},
    stream::{
        core::Life,
        error::{self, Condition},
        event::Output,
        failure::{Stage, StreamFailure},
        starttls,
    },
    xml::{Batch, ElementRef, ns},
};

/// Pings are no proof that the stream is in use (XEP-0199).
const NS_PING: &str = "urn:xmpp:ping";

/// Domains as the last stanza spelled them.
pub(super) struct Spelled {
    local: String,
    remote: String,
    pair: DomainPair,
}

impl Inbound {
    pub(super) fn elements(&mut self, now: Now, batch: Batch, first: usize) {
        let mut run = first;
        for index in first..batch.len() {
            let element = batch.element(index);
            if let Some(stanza) = StanzaRef::of(element) {
                if self.is_last_spelled(&stanza) {
                    continue;
                }
                self.pass(now, &batch, run, index);
                run = index;
                if let Err((condition, what)) = self.admit(&stanza) {
                    return self.protocol(condition, what);
                }
            } else {
                self.pass(now, &batch, run, index);
                run = index + 1;
                self.element(element);
                if self.core.life == Life::Closed || self.core.handshake || self.phase == Phase::Header {
                    return;
                }
                if !self.asks.is_empty() {
                    return self.core.put_back(batch, index + 1);
                }
            }
        }
        self.pass(now, &batch, run, batch.len());
    }

    /// Lets the stanzas `first..end` go; all are of the pair last spelled.
    fn pass(&mut self, now: Now, batch: &Batch, first: usize, end: usize) {
        let Some(spelled) = self.last.as_ref().filter(|_| first < end) else { return };
        let output = Output::Stanzas(spelled.pair.clone(), batch.slice(first..end));
        let ping = end - first == 1 && StanzaRef::of(batch.element(first)).is_some_and(|stanza| is_ping(&stanza));
        if !ping {
            self.core.stanza_seen(now);
        }
        self.core.emit(output);
    }

    fn is_last_spelled(&self, stanza: &StanzaRef<'_>) -> bool {
        let Some(last) = &self.last else { return false };
        let same = |text: Option<&str>, domain: &str| {
            text.and_then(|text| JidRef::split(text).ok()).is_some_and(|jid| jid.domain == domain)
        };
        same(stanza.to(), &last.local) && same(stanza.from(), &last.remote)
    }

    /// Judges a stanza whose domains are spelled differently from the last one's (RFC 6120 §8.1.1.2, §8.1.2.2).
    fn admit(&mut self, stanza: &StanzaRef<'_>) -> Result<(), (Condition, &'static str)> {
        if self.core.facts.authorised.is_empty() {
            return Err((Condition::NotAuthorized, "a stanza before authorisation"));
        }
        let missing = (Condition::ImproperAddressing, "a stanza without from and to");
        let (to, from) = (stanza.to().ok_or(missing)?, stanza.from().ok_or(missing)?);
        let malformed = (Condition::ImproperAddressing, "a stanza with a malformed address");
        let (to, from) = (JidRef::split(to).map_err(|_| malformed)?, JidRef::split(from).map_err(|_| malformed)?);
        let domain = |jid: JidRef<'_>| jid.to_bare().map(|bare| bare.domain().clone()).map_err(|_| malformed);
        let pair = DomainPair { local: domain(to)?, remote: domain(from)? };
        if self.core.method_of(&pair).is_none() {
            return Err((Condition::InvalidFrom, "a stanza of a pair that is not authorised on this stream"));
        }
        self.last = Some(Spelled { local: to.domain.to_owned(), remote: from.domain.to_owned(), pair });
        Ok(())
    }

    fn element(&mut self, element: ElementRef<'_>) {
        if element.is("error", ns::STREAM) {
            let error = error::read(element);
            self.core.facts.peer_error = Some(error.clone());
            let stage = self.core.facts.stage;
            return self.core.closed_by_peer(Some(StreamFailure::PeerError { error, stage }));
        }
        if self.core.life != Life::Live {
            return;
        }
        let starttls_first = self.offer.starttls == Some(true);
        match element.namespace() {
            ns::TLS if element.name() == "starttls" => self.starttls(),
            ns::SASL => self.sasl_element(element),
            _ if starttls_first => self.fail(StreamFailure::TlsRequired),
            ns::DIALBACK => self.dialback_element(element),
            _ => self.protocol(Condition::UnsupportedStanzaType, "an element that is no stanza"),
        }
    }

    fn starttls(&mut self) {
        let failure = if self.offer.starttls.is_none() {
            Some("it was not offered")
        } else if self.core.established() {
            Some("a pair is authorised already")
        } else if starttls::is_injected(self.core.pipelined()) {
            Some("bytes followed the request")
        } else {
            None
        };
        let Some(local) = self.local.clone().filter(|_| failure.is_none()) else {
            self.core.write(starttls::write_failure);
            return self.fail(StreamFailure::StarttlsFailed(failure.unwrap_or("the stream has no to")));
        };
        self.core.write(starttls::write_proceed);
        self.core.restart(false);
        self.core.handshake = true;
        self.core.facts.stage = Stage::Tls;
        self.phase = Phase::Handshake;
        self.core.emit(Output::StartTls { local, remote: self.remote.clone() });
    }
}

fn is_ping(stanza: &StanzaRef<'_>) -> bool {
    stanza.kind() == StanzaKind::Iq && stanza.child("ping", NS_PING).is_some()
}
