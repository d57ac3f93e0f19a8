//! First-level elements on a stream that we opened.

use lexicon::Now;

use super::{Outbound, Phase, Sasl};
use crate::{
    stanza::StanzaRef,
    stream::{
        core::Life,
        error::{self, Condition},
        event::{Anomaly, Output},
        external,
        failure::StreamFailure,
        features, starttls,
    },
    xml::{Batch, ElementRef, ns},
};

impl Outbound {
    pub(super) fn elements(&mut self, now: Now, batch: Batch, first: usize) {
        let mut run = first;
        for index in first..batch.len() {
            let element = batch.element(index);
            match StanzaRef::of(element).filter(|_| self.core.bidi && self.phase == Phase::Elements) {
                Some(stanza) => {
                    if let Err((condition, what)) = self.core.stanza(now, &batch, &mut run, index, &stanza) {
                        return self.protocol(condition, what);
                    }
                    continue;
                }
                None => {
                    self.core.pass(now, &batch, run, index);
                    run = index + 1;
                    self.element(now, element);
                }
            }
            if self.core.life == Life::Closed || self.core.handshake || self.phase == Phase::Header {
                return;
            }
            if !self.asks.is_empty() {
                return self.core.put_back(batch, index + 1);
            }
        }
        self.core.pass(now, &batch, run, batch.len());
    }

    fn element(&mut self, now: Now, element: ElementRef<'_>) {
        if element.is("error", ns::STREAM) {
            let error = error::read(element);
            self.core.facts.peer_error = Some(error.clone());
            let stage = self.core.facts.stage;
            return self.ended(now, StreamFailure::PeerError { error, stage });
        }
        if self.core.is_management(element) && self.core.life != Life::Closed && self.phase == Phase::Elements {
            if let Err(failure) = self.core.management_element(now, element) {
                self.fail(failure);
            }
            return;
        }
        if self.core.life != Life::Live {
            return;
        }
        match (self.phase, element.namespace(), element.name()) {
            (Phase::Features, ns::STREAM, "features") => {
                let mut seen = features::read(element);
                seen.dialback |= self.core.facts.features.as_ref().is_some_and(|declared| declared.dialback);
                // A feature that stands alone is as good as required (RFC 6120 §5.3.1); dialback is declared elsewhere.
                seen.starttls_required |= seen.starttls && !seen.dialback && element.children().count() == 1;
                self.choose(now, seen);
            }
            (Phase::Proceed, ns::TLS, "proceed") => self.proceed(),
            (Phase::Proceed, ns::TLS, "failure") => {
                self.fail(StreamFailure::StarttlsFailed("the peer answered with a failure"));
            }
            (Phase::Sasl, ns::SASL, "success") => self.success(),
            (Phase::Sasl, ns::SASL, "failure") => {
                let (name, text) = external::read_failure(element);
                self.external_refused(now, name, text);
            }
            (Phase::Sasl, ns::SASL, "challenge") => self.challenged(),
            (Phase::Elements | Phase::Verify, ns::DIALBACK, _) => self.dialback_element(now, element),
            (Phase::Proceed, ..) => {
                self.protocol(Condition::PolicyViolation, "something else than an answer to STARTTLS")
            }
            _ if StanzaRef::of(element).is_some() => {
                self.protocol(Condition::NotAuthorized, "a stanza on a stream that carries stanzas the other way");
            }
            (Phase::Elements | Phase::Verify, ..) => self.core.anomaly(Anomaly::UnknownElement),
            _ => self.protocol(Condition::UnsupportedStanzaType, "an element that was not awaited"),
        }
    }

    fn proceed(&mut self) {
        // What follows in plaintext would be read as if it had come through TLS (RFC 6120 §5.4.2.3).
        if starttls::is_injected(self.core.pipelined()) {
            return self.fail(StreamFailure::StarttlsFailed("bytes followed the answer"));
        }
        self.core.restart(false);
        self.core.handshake = true;
        let pair = self.config.purpose.pair();
        let output = Output::StartTls { local: pair.local.clone(), remote: Some(pair.remote.clone()) };
        self.core.emit(output);
    }

    fn success(&mut self) {
        self.sasl = Sasl::Done;
        self.core.restart(true);
        self.send_header();
    }

    /// A peer that did not take the initial response asks for it once more (RFC 6120 §6.4.3).
    fn challenged(&mut self) {
        if self.sasl != Sasl::Fresh {
            return self.protocol(Condition::PolicyViolation, "a second SASL challenge");
        }
        self.sasl = Sasl::Responded;
        let local = self.config.purpose.pair().local.clone();
        self.core.write(|writer| external::write_response(writer, &local));
    }
}
