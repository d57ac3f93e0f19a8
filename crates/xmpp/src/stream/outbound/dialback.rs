//! Dialback on a stream that we opened: as initiating server (XEP-0220 §2.1.1) and as receiving server that asks (§2.1.2).
//!
//! An answer counts only if it was asked for on this stream (§3.1).

use lexicon::{Domain, DomainPair, Method, Now};

use super::{Ask, Outbound, Phase, Purpose};
use crate::{
    stream::{
        core::Life,
        dialback::{
            DialbackCondition, DialbackError, DialbackVerdict, Kind, Message, VerifyRequest, What, answer, ask,
        },
        error::Condition,
        event::{Anomaly, Output},
        failure::{Stage, StreamFailure},
        rules::{PairRules, Refusal},
    },
    xml::ElementRef,
};

impl Outbound {
    fn dialback_method(&self) -> Method {
        if self.core.facts_tls_up() { Method::TlsDialback } else { Method::TcpDialback }
    }

    pub(super) fn send_key(&mut self, now: Now, pair: DomainPair) {
        let Some(id) = self.core.facts.id.clone() else {
            return self.protocol(Condition::InvalidXml, "the header has no id");
        };
        let key = self.config.secret.key(&pair.remote, &pair.local, &id);
        self.core.write(|writer| ask(writer, Kind::Result, &pair, None, &key));
        if !self.core.established() {
            self.core.facts.stage = Stage::Dialback;
        }
        self.phase = Phase::Elements;
        self.keys.push((pair.clone(), now.instant + self.config.limits.establishment_timeout));
        self.core.emit(Output::KeySent(pair, id));
    }

    pub(super) fn send_question(&mut self, request: &VerifyRequest) {
        let VerifyRequest { pair, id, key } = request;
        self.core.write(|writer| ask(writer, Kind::Verify, pair, Some(id), key));
        self.core.facts.stage = Stage::Verify;
        self.phase = Phase::Verify;
    }

    pub(super) fn dialback_element(&mut self, now: Now, element: ElementRef<'_>) {
        let message = match Message::read(element) {
            Ok(message) => message,
            Err((condition, what)) => return self.protocol(condition, what),
        };
        if let (What::Request(key), Kind::Verify, true) = (&message.what, message.kind, self.core.bidi) {
            let (pair, id, key) = (message.pair, message.id, key.clone());
            return self.core.key_asked(VerifyRequest { pair, id, key });
        }
        let What::Answer(verdict) = message.what else {
            if self.core.bidi && message.kind == Kind::Result {
                // Exactly the inverse pairs are carried here; others need a stream of the peer's own.
                let error = DialbackError::new(DialbackCondition::ResourceConstraint, "open a stream of your own");
                let verdict = DialbackVerdict::Error(error);
                self.core.write(|writer| answer(writer, Kind::Result, &message.pair, None, &verdict));
            }
            return self.core.anomaly(Anomaly::DialbackInWrongDirection);
        };
        match message.kind {
            Kind::Result => self.key_answered(now, &message.pair, verdict),
            Kind::Verify => self.question_answered(now, &message.pair, &message.id, verdict),
        }
    }

    fn key_answered(&mut self, now: Now, pair: &DomainPair, verdict: DialbackVerdict) {
        let Some(index) = self.keys.iter().position(|(asked, _)| asked == pair) else {
            return self.core.anomaly(Anomaly::UnsolicitedDialback);
        };
        let (pair, _) = self.keys.swap_remove(index);
        let method = self.dialback_method();
        match verdict {
            DialbackVerdict::Valid => self.ask(pair, Some(method), Ask::Authorise(method)),
            DialbackVerdict::Invalid => {
                self.pair_failed(pair, method, StreamFailure::DialbackInvalid);
                // The peer is about to end the stream: its other pairs go on elsewhere (XEP-0220 §2.1.1).
                self.core.close(now);
            }
            DialbackVerdict::Error(error) => self.pair_failed(pair, method, StreamFailure::DialbackFailed(error)),
        }
    }

    /// Keys that were not answered in time; an unestablished stream times out as a whole.
    pub(super) fn give_up_keys(&mut self, now: Now) {
        let method = self.dialback_method();
        while let Some(index) = self.keys.iter().position(|(_, until)| *until <= now.instant) {
            let (pair, _) = self.keys.swap_remove(index);
            self.pair_failed(pair, method, StreamFailure::Timeout(Stage::Dialback));
        }
    }

    /// The stream ends with its own pair; a pair that was added fails alone.
    pub(super) fn pair_failed(&mut self, pair: DomainPair, method: Method, failure: StreamFailure) {
        self.core.facts.tried(method, Some(failure.clone()));
        if pair == *self.config.purpose.pair() && self.core.facts.authorised.is_empty() {
            self.fail(failure);
        } else {
            self.core.emit(Output::PairFailed(pair, failure));
        }
    }

    /// One more pair on this stream. Sender domains are free (XEP-0220 §2.6.1). Another target domain needs a peer that
    /// understands dialback errors (§2.6.2), or one that has sent from it here (XEP-0288 §2.2); that it is found at the
    /// same address and port is for the shell to know.
    pub(super) fn add_pair(&mut self, pair: DomainPair) {
        let features = self.core.facts.features.as_ref();
        let offered = features.is_some_and(|seen| seen.dialback);
        let errors = features.is_some_and(|seen| seen.dialback_errors);
        let is_known = |remote: &Domain| self.core.facts.inverse.iter().any(|(pair, _)| pair.remote == *remote);
        let target = pair.remote == self.config.purpose.pair().remote || errors || is_known(&pair.remote);
        let open = self.core.life == Life::Live && self.phase == Phase::Elements;
        let known = self.core.method_of(&pair).is_some() || self.keys.iter().any(|(asked, _)| *asked == pair);
        let full = self.core.facts.authorised.len() + self.keys.len() >= self.config.limits.pairs_max;
        if !open || !offered || known || full || !target {
            return self.core.emit(Output::PairFailed(pair, StreamFailure::PairNotTaken));
        }
        let method = self.dialback_method();
        self.ask(pair, Some(method), Ask::Key);
    }

    pub(super) fn key_judged(&mut self, now: Now, pair: DomainPair, answer: Result<PairRules, Refusal>) {
        let method = self.dialback_method();
        match answer {
            Ok(rules) if rules.permit(method, self.core.facts_tls_up(), Ok(())) => self.send_key(now, pair),
            Ok(_) => self.pair_failed(pair, method, StreamFailure::MethodNotPermitted(method)),
            Err(refusal) => self.pair_failed(pair, method, StreamFailure::Refused(refusal)),
        }
    }

    fn question_answered(&mut self, now: Now, pair: &DomainPair, id: &str, verdict: DialbackVerdict) {
        let request = match &self.config.purpose {
            Purpose::Verify(request) if self.phase == Phase::Verify => request,
            _ => return self.core.anomaly(Anomaly::UnsolicitedDialback),
        };
        if request.pair != *pair || *request.id != *id {
            return self.core.anomaly(Anomaly::UnsolicitedDialback);
        }
        // The initiating server is told that its authoritative server does not answer for it (§2.5).
        let verdict = match verdict {
            DialbackVerdict::Error(error) => DialbackVerdict::Error(DialbackError {
                name: DialbackCondition::RemoteServerNotFound.as_str().into(),
                text: error.to_string().into(),
            }),
            verdict => verdict,
        };
        let request = request.clone();
        self.phase = Phase::Elements;
        self.core.emit(Output::Verdict(request, verdict));
        self.core.close(now);
    }
}
