//! SASL EXTERNAL of a peer (RFC 6120 §6.4, XEP-0178 §3).

use lexicon::{DomainPair, Method};

use super::{Ask, Inbound, Phase, Sasl};
use crate::{
    stream::{
        error::Condition,
        external::{self, SaslCondition},
        failure::{Stage, StreamFailure},
        rules::{PairRules, Refusal},
    },
    xml::ElementRef,
};

/// Attempts on one stream (RFC 6120 §6.4.5: at least two, no more than five).
const ATTEMPTS_MAX: u8 = 3;

impl Inbound {
    pub(super) fn sasl_element(&mut self, element: ElementRef<'_>) {
        match element.name() {
            "auth" => self.auth(element),
            "abort" | "response" => self.external_failed(SaslCondition::Aborted, ""),
            _ => self.protocol(Condition::UnsupportedStanzaType, "an unknown SASL element"),
        }
    }

    fn auth(&mut self, element: ElementRef<'_>) {
        if self.sasl == Sasl::Done || self.core.established() {
            return self.protocol(Condition::PolicyViolation, "SASL after authorisation");
        }
        if !self.core.facts_tls_up() {
            return self.external_failed(SaslCondition::EncryptionRequired, "TLS comes first");
        }
        let (Some(local), Some(remote)) = (self.local.clone(), self.remote.clone()) else {
            return self.external_failed(SaslCondition::NotAuthorized, "");
        };
        match external::read_auth(element, &remote) {
            Err(condition) => self.external_failed(condition, ""),
            Ok(()) => {
                self.core.facts.stage = Stage::Sasl;
                self.ask(DomainPair { local, remote }, Some(Method::SaslOverTls), Ask::External);
            }
        }
    }

    pub(super) fn external_judged(&mut self, pair: &DomainPair, answer: Result<PairRules, Refusal>) {
        let rules = match answer {
            Ok(rules) => rules,
            Err(refusal) => return self.refuse(refusal, pair),
        };
        let certificate = self.core.certificate(&rules, &pair.remote);
        if rules.permit(Method::SaslOverTls, true, certificate) {
            self.core.write(external::write_success);
            self.core.restart(true);
            self.sasl = Sasl::Done;
            self.phase = Phase::Header;
            self.core.facts.stage = Stage::Header;
            return;
        }
        match certificate {
            Err(fault) => {
                let text = format!("your certificate {fault}");
                self.external_failed(SaslCondition::NotAuthorized, &text);
            }
            Ok(()) => self.external_failed(SaslCondition::NotAuthorized, "SASL EXTERNAL is not permitted"),
        }
    }

    fn external_failed(&mut self, condition: SaslCondition, text: &str) {
        self.core.write(|writer| external::write_failure(writer, condition, text));
        self.core.facts.tried(Method::SaslOverTls, Some(StreamFailure::ExternalFailed(condition)));
        self.core.facts.stage = if self.core.established() { Stage::Open } else { Stage::Features };
        let Sasl::Failed(before) = self.sasl else { return };
        self.sasl = Sasl::Failed(before + 1);
        let dialback = self.rules.as_ref().is_some_and(|rules| rules.dialback_method(true).is_some());
        if before + 1 >= ATTEMPTS_MAX || (!dialback && condition == SaslCondition::NotAuthorized) {
            self.fail(StreamFailure::ExternalFailed(condition));
        }
    }
}
