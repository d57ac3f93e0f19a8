//! Headers, features, and the choice of the method (partner policy: what is *available* decides).

use lexicon::{DomainPair, Method, Now};

use super::{Ask, Outbound, Phase, Purpose, Sasl};
use crate::{
    stream::{
        error::Condition,
        external,
        facts::FeaturesSeen,
        failure::{Stage, StreamFailure},
        header::{self, OwnHeader},
        rules::{PairRules, TlsUse},
        starttls,
    },
    xml::Batch,
};

impl Outbound {
    /// Rules are there: send a header.
    pub(super) fn start(&mut self, rules: PairRules) {
        if self.core.facts_tls_up() && rules.tls == TlsUse::NotSupported {
            return self.fail(StreamFailure::TlsExcluded);
        }
        self.core.speak_dialback(rules.dialback);
        self.rules = Some(rules);
        self.send_header();
    }

    pub(super) fn send_header(&mut self) {
        let DomainPair { local, remote } = self.config.purpose.pair().clone();
        self.core.facts.stage = Stage::Header;
        self.phase = Phase::Header;
        self.core.write_header(&OwnHeader { from: Some(&local), to: Some(&remote), id: None, version: Some("1.0") });
    }

    pub(super) fn header(&mut self, now: Now, batch: &Batch) {
        let header = header::read(batch);
        if let Some((condition, what)) = header.fault {
            return self.protocol(condition, what);
        }
        if self.phase != Phase::Header {
            return self.protocol(Condition::InvalidXml, "a header that was not awaited");
        }
        // Which domain the peer calls itself proves nothing and may differ (RFC 6120 §4.7.1).
        self.core.facts.id = header.id;
        self.core.facts.version_1 = Some(header.version_1);
        let features = FeaturesSeen { dialback: header.dialback, ..FeaturesSeen::default() };
        self.core.facts.features = Some(features.clone());
        self.core.facts.stage = Stage::Features;
        self.phase = Phase::Features;
        if !header.version_1 {
            self.choose(now, features);
        }
    }

    /// Features have come; `seen.dialback` is also true where only the header declared the namespace.
    pub(super) fn choose(&mut self, now: Now, mut seen: FeaturesSeen) {
        if self.sasl == Sasl::Done {
            // Who is authenticated is not offered dialback again, but may still use it for further pairs.
            seen.dialback_errors |= self.errors_offered;
        }
        self.errors_offered = seen.dialback_errors;
        self.core.facts.features = Some(seen.clone());
        self.core.set_peer_limits(seen.stanza_bytes_max, seen.idle_seconds);
        let Some(rules) = self.rules.clone() else { return };
        if self.sasl == Sasl::Done {
            if seen.unknown_required {
                return self.unknown_feature();
            }
            let pair = self.config.purpose.pair().clone();
            return self.ask(pair, Some(Method::SaslOverTls), Ask::Authorise(Method::SaslOverTls));
        }
        if !self.core.facts_tls_up() && !self.go_on_in_plaintext(&seen, &rules) {
            return;
        }
        match self.config.purpose.clone() {
            Purpose::Verify(request) => self.send_question(&request),
            Purpose::Stanzas(pair) => self.authenticate(now, pair, &seen, &rules),
        }
    }

    fn go_on_in_plaintext(&mut self, seen: &FeaturesSeen, rules: &PairRules) -> bool {
        if rules.tls == TlsUse::NotSupported && seen.starttls_required {
            self.fail(StreamFailure::TlsDemanded);
            return false;
        }
        if seen.starttls && rules.tls != TlsUse::NotSupported {
            self.core.write(starttls::write_request);
            self.core.facts.stage = Stage::Tls;
            self.phase = Phase::Proceed;
            return false;
        }
        let permitted = match self.config.purpose {
            Purpose::Stanzas(_) => rules.permit_plaintext(),
            Purpose::Verify(_) => rules.tls != TlsUse::Required,
        };
        if !permitted {
            self.fail(StreamFailure::StarttlsAbsent);
        }
        permitted
    }

    fn authenticate(&mut self, now: Now, pair: DomainPair, seen: &FeaturesSeen, rules: &PairRules) {
        let tls_up = self.core.facts_tls_up();
        let sasl = tls_up && self.config.sasl && rules.methods.contains(Method::SaslOverTls);
        let sasl_failure = sasl.then(|| self.external_unavailable(&pair, seen, rules)).flatten();
        if sasl && sasl_failure.is_none() {
            self.ask_both_ways(seen.bidi);
            self.core.write(|writer| external::write_auth(writer, &pair.local));
            self.core.facts.stage = Stage::Sasl;
            self.phase = Phase::Sasl;
            return;
        }
        if let Some(failure) = &sasl_failure {
            self.core.facts.tried(Method::SaslOverTls, Some(failure.clone()));
        }
        match rules.dialback_method(tls_up) {
            Some(_) if seen.unknown_required => self.unknown_feature(),
            Some(_) if seen.dialback => {
                // A peer that multiplexes must understand that a pair fails alone (XEP-0288 §2.2).
                self.ask_both_ways(seen.bidi && seen.dialback_errors);
                self.send_key(now, pair);
            }
            Some(_) => self.fail(StreamFailure::DialbackAbsent),
            None => {
                let method = if tls_up { Method::TlsDialback } else { Method::TcpDialback };
                self.fail(sasl_failure.unwrap_or(StreamFailure::MethodNotPermitted(method)));
            }
        }
    }

    /// Negotiation is not complete and cannot be completed (RFC 6120 §4.3.5, §4.9.3.23).
    fn unknown_feature(&mut self) {
        self.protocol(Condition::UnsupportedFeature, "a required feature that is not spoken here");
    }

    fn ask_both_ways(&mut self, offered: bool) {
        if offered && self.config.extensions.bidi {
            self.core.request_bidi();
        }
    }

    /// Why SASL EXTERNAL cannot be used, if it cannot.
    fn external_unavailable(
        &mut self,
        pair: &DomainPair,
        seen: &FeaturesSeen,
        rules: &PairRules,
    ) -> Option<StreamFailure> {
        let certificate = self.core.certificate(rules, &pair.remote);
        if let Err(fault) = certificate {
            return Some(StreamFailure::Certificate(fault));
        }
        (!seen.external()).then(|| StreamFailure::ExternalAbsent(seen.mechanisms.join(", ").into()))
    }

    /// The peer answered `<failure/>`: dialback follows only where the rules permit it, here if the peer offers it, else
    /// on a new connection.
    pub(super) fn external_refused(&mut self, now: Now, name: Box<str>, text: Box<str>) {
        let failure = StreamFailure::ExternalRefused { name: name.clone(), text: text.clone(), dialback_left: false };
        self.core.facts.tried(Method::SaslOverTls, Some(failure.clone()));
        let Some(rules) = &self.rules else { return };
        let offered = self.core.facts.features.as_ref().is_some_and(|seen| seen.dialback);
        match rules.dialback_method(true) {
            None => self.fail(failure),
            Some(_) if offered => {
                self.sasl = Sasl::Refused(name, text);
                self.send_key(now, self.config.purpose.pair().clone());
            }
            Some(_) => self.fail(StreamFailure::ExternalRefused { name, text, dialback_left: true }),
        }
    }
}
