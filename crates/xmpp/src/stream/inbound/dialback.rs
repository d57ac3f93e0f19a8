//! Dialback on an inbound stream, as receiving server (XEP-0220 §2.2.1).

use lexicon::{DomainPair, Method, Now};

use super::{Ask, Inbound};
use crate::{
    stream::{
        dialback::{DialbackCondition, DialbackError, DialbackVerdict, Kind, Message, VerifyRequest, What, answer},
        error::Condition,
        event::{Anomaly, Output},
        failure::{Stage, StreamFailure},
        rules::{PairRules, Refusal, TlsUse},
    },
    xml::ElementRef,
};

impl Inbound {
    pub(super) fn dialback_element(&mut self, element: ElementRef<'_>) {
        let message = match Message::read(element) {
            Ok(message) => message,
            Err((condition, what)) => return self.protocol(condition, what),
        };
        match (message.kind, message.what) {
            (Kind::Result, What::Request(key)) => self.key_received(message.pair, key),
            (Kind::Verify, What::Request(key)) => {
                self.core.key_asked(VerifyRequest { pair: message.pair, id: message.id, key });
            }
            // On a stream that the peer opened we never asked anything (§3.1).
            (_, What::Answer(_) | What::Unknown) => self.core.anomaly(Anomaly::UnsolicitedDialback),
        }
    }

    fn key_received(&mut self, pair: DomainPair, key: Box<str>) {
        if self.core.method_of(&pair).is_some() {
            return self.answer_key(&pair, &DialbackVerdict::Valid);
        }
        if self.verifying.contains(&pair) {
            return self.core.anomaly(Anomaly::DialbackRepeated);
        }
        if self.core.facts.authorised.len() + self.verifying.len() >= self.config.limits.pairs_max {
            let error = DialbackError::new(DialbackCondition::ResourceConstraint, "too many pairs on this stream");
            return self.answer_key(&pair, &DialbackVerdict::Error(error));
        }
        let method = self.dialback_method();
        self.ask(pair, Some(method), Ask::Key(key));
    }

    fn dialback_method(&self) -> Method {
        if self.core.facts_tls_up() { Method::TlsDialback } else { Method::TcpDialback }
    }

    pub(super) fn key_judged(&mut self, pair: DomainPair, key: Box<str>, judgement: Result<PairRules, Refusal>) {
        if !self.may_use_dialback(&pair, &judgement) {
            return;
        }
        let id = self.core.facts.id.clone().unwrap_or_default();
        if self.core.facts.authorised.is_empty() {
            self.core.facts.stage = Stage::Dialback;
        }
        self.verifying.push(pair.clone());
        self.core.emit(Output::VerifyDialback(VerifyRequest { pair, id, key }));
    }

    /// The authoritative server has answered, or cannot be asked.
    pub(super) fn verified(&mut self, pair: &DomainPair, verdict: DialbackVerdict) {
        let Some(index) = self.verifying.iter().position(|known| known == pair) else { return };
        let method = self.dialback_method();
        match verdict {
            DialbackVerdict::Valid => return self.ask(pair.clone(), Some(method), Ask::KeyValid),
            DialbackVerdict::Invalid => {
                self.verifying.swap_remove(index);
                self.core.anomaly(Anomaly::DialbackKeyInvalid);
                self.core.facts.tried(method, Some(StreamFailure::DialbackInvalid));
                if self.others_alive() {
                    let error = DialbackError::new(DialbackCondition::Forbidden, "the key is not valid");
                    self.answer_key(pair, &DialbackVerdict::Error(error));
                } else {
                    self.answer_key(pair, &DialbackVerdict::Invalid);
                    self.fail(StreamFailure::DialbackInvalid);
                }
            }
            DialbackVerdict::Error(error) => {
                self.verifying.swap_remove(index);
                self.core.facts.tried(method, Some(StreamFailure::DialbackFailed(error.clone())));
                self.answer_key(pair, &DialbackVerdict::Error(error));
            }
        }
        if self.core.facts.stage == Stage::Dialback && self.verifying.is_empty() {
            self.core.facts.stage = Stage::Features;
        }
    }

    pub(super) fn key_valid_judged(&mut self, now: Now, pair: DomainPair, judgement: Result<PairRules, Refusal>) {
        self.verifying.retain(|known| *known != pair);
        if self.may_use_dialback(&pair, &judgement) {
            self.answer_key(&pair, &DialbackVerdict::Valid);
            let method = self.dialback_method();
            self.authorise(now, pair, method);
        }
    }

    /// Whether dialback may authorise the pair. If not, the peer is told: by a dialback error when other pairs keep the
    /// stream alive or the target is unknown (§2.2.1), else by the end of the stream.
    fn may_use_dialback(&mut self, pair: &DomainPair, judgement: &Result<PairRules, Refusal>) -> bool {
        let tls_up = self.core.facts_tls_up();
        let method = self.dialback_method();
        let (failure, condition) = match judgement {
            Ok(rules) if rules.permit(method, tls_up, Ok(())) => return true,
            Ok(rules) if tls_up && rules.tls == TlsUse::NotSupported => {
                (StreamFailure::TlsExcluded, DialbackCondition::PolicyViolation)
            }
            Ok(rules) if !tls_up && rules.tls == TlsUse::Required => {
                (StreamFailure::TlsRequired, DialbackCondition::PolicyViolation)
            }
            Ok(_) => (StreamFailure::MethodNotPermitted(method), DialbackCondition::NotAuthorized),
            Err(refusal) if refusal.condition() == Condition::HostUnknown => {
                (StreamFailure::Refused(*refusal), DialbackCondition::ItemNotFound)
            }
            Err(Refusal::ConnectionLimit) => {
                (StreamFailure::Refused(Refusal::ConnectionLimit), DialbackCondition::ResourceConstraint)
            }
            Err(refusal) => (StreamFailure::Refused(*refusal), DialbackCondition::PolicyViolation),
        };
        self.core.facts.tried(method, Some(failure.clone()));
        let text = match &failure {
            StreamFailure::Refused(refusal) => refusal.wire_text(pair),
            other => other.wire_text(),
        };
        if condition == DialbackCondition::ItemNotFound || self.others_alive() {
            self.answer_key(pair, &DialbackVerdict::Error(DialbackError::new(condition, &text)));
        } else {
            self.core.fail(failure, &text);
        }
        false
    }

    fn others_alive(&self) -> bool {
        !self.core.facts.authorised.is_empty() || !self.verifying.is_empty()
    }

    fn answer_key(&mut self, pair: &DomainPair, verdict: &DialbackVerdict) {
        self.core.write(|writer| answer(writer, Kind::Result, pair, None, verdict));
    }
}
