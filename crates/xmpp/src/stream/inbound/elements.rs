//! First-level elements of an inbound stream: negotiation, and stanzas of authorised pairs.

use lexicon::Now;

use super::{Inbound, Phase, Sasl};
use crate::{
    stanza::StanzaRef,
    stream::{
        bidi,
        core::Life,
        error::{self, Condition},
        event::{Anomaly, Output},
        failure::{Stage, StreamFailure},
        starttls,
    },
    xml::{Batch, ElementRef, ns},
};

impl Inbound {
    pub(super) fn elements(&mut self, now: Now, batch: Batch, first: usize) {
        let mut run = first;
        for index in first..batch.len() {
            let element = batch.element(index);
            if let Some(stanza) = StanzaRef::of(element) {
                if let Err((condition, what)) = self.core.stanza(now, &batch, &mut run, index, &stanza) {
                    return self.protocol(condition, what);
                }
            } else {
                self.core.pass(now, &batch, run, index);
                run = index + 1;
                self.element(now, element);
                if self.core.life == Life::Closed || self.core.handshake || self.phase == Phase::Header {
                    return;
                }
                if !self.asks.is_empty() {
                    return self.core.put_back(batch, index + 1);
                }
            }
        }
        self.core.pass(now, &batch, run, batch.len());
    }

    fn element(&mut self, now: Now, element: ElementRef<'_>) {
        if element.is("error", ns::STREAM) {
            let error = error::read(element);
            self.core.facts.peer_error = Some(error.clone());
            let stage = self.core.facts.stage;
            return self.core.closed_by_peer(now, Some(StreamFailure::PeerError { error, stage }));
        }
        if self.core.life == Life::Closed {
            return;
        }
        let starttls_first = self.offer.starttls == Some(true);
        if self.core.is_management(element) && !starttls_first {
            if let Err(failure) = self.core.management_element(now, element) {
                self.fail(failure);
            }
            return;
        }
        if self.core.life != Life::Live {
            return;
        }
        match element.namespace() {
            ns::TLS if element.name() == "starttls" => self.starttls(),
            ns::SASL => self.sasl_element(element),
            _ if starttls_first => self.fail(StreamFailure::TlsRequired),
            ns::DIALBACK => self.dialback_element(element),
            bidi::NS if self.config.extensions.bidi => self.bidi(element),
            _ => self.protocol(Condition::UnsupportedStanzaType, "an element that is no stanza"),
        }
    }

    /// After authentication was begun it is too late (XEP-0288 §2.2): then the stream goes on one way.
    fn bidi(&mut self, request: ElementRef<'_>) {
        let late = self.core.established() || self.sasl == Sasl::Done || !self.verifying.is_empty();
        if late || self.core.bidi || request.name() != "bidi" {
            return self.core.anomaly(Anomaly::UnknownElement);
        }
        self.core.bidi_requested(request);
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
