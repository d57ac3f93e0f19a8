//! Headers and features of an inbound stream (RFC 6120 §4.3, §4.7).

use lexicon::{DomainPair, Method, Now};

use super::{Ask, Inbound, Phase, Sasl};
use crate::{
    stream::{
        core::Life,
        error::Condition,
        failure::{Stage, StreamFailure},
        features::{self, Offer},
        header::{self, Address, OwnHeader},
        rules::{PairRules, Refusal, TlsUse},
    },
    xml::Batch,
};

impl Inbound {
    pub(super) fn header(&mut self, batch: &Batch) {
        if self.core.life != Life::Live {
            return;
        }
        let header = header::read(batch);
        let (fault, version_1) = (header.fault, header.version_1);
        let (from, to) = (header.from.clone(), header.to.clone());
        self.core.facts.version_1 = Some(version_1);
        self.header = Some(header);
        if let Some((condition, what)) = fault {
            return self.protocol(condition, what);
        }
        let Address::Is(local) = to else {
            return self.protocol(Condition::ImproperAddressing, "the header has no usable to");
        };
        if self.local.as_ref().is_some_and(|before| *before != local) {
            return self.protocol(Condition::ImproperAddressing, "the stream was restarted with another to");
        }
        self.core.facts.local = Some(local.clone());
        self.local = Some(local.clone());
        let remote = match from {
            Address::Is(remote) => remote,
            // Who it is may be said under TLS only (§4.7.1); then it must be said.
            Address::Absent if version_1 && !self.core.facts_tls_up() && self.config.tls_available => {
                return self.offer_starttls_only();
            }
            Address::Absent | Address::Malformed => {
                return self.protocol(Condition::ImproperAddressing, "the header has no usable from");
            }
        };
        if self.remote.as_ref().is_some_and(|before| *before != remote) {
            return self.protocol(Condition::ImproperAddressing, "the stream was restarted with another from");
        }
        self.core.facts.remote = Some(remote.clone());
        self.remote = Some(remote.clone());
        let method = (self.sasl == Sasl::Done).then_some(Method::SaslOverTls);
        self.ask(DomainPair { local, remote }, method, Ask::Header);
    }

    /// Answers the header that has come, once.
    pub(super) fn answer_header(&mut self) {
        let handshake = self.core.handshake;
        if self.core.header_sent() || handshake || (self.header.is_none() && self.phase != Phase::Header) {
            return;
        }
        let id = self.ids.next().to_string();
        self.core.facts.id = Some(id.as_str().into());
        let header = self.header.as_ref();
        let (from, to) = (header.and_then(|header| header.to.domain()), header.and_then(|header| header.from.domain()));
        let version = header.map_or(Some("1.0"), |header| header.answer.as_deref());
        self.core.write_header(&OwnHeader { from, to, id: Some(&id), version });
    }

    fn offer_starttls_only(&mut self) {
        self.offer = Offer { starttls: Some(true), ..Offer::default() };
        self.features();
    }

    fn features(&mut self) {
        self.answer_header();
        if self.header.take().is_some_and(|header| header.version_1) {
            let offer = self.offer;
            self.core.write(|writer| features::write(writer, &offer));
        }
        self.phase = Phase::Elements;
        if !self.core.established() {
            self.core.facts.stage = Stage::Features;
        }
    }

    pub(super) fn header_judged(&mut self, now: Now, pair: DomainPair, answer: Result<PairRules, Refusal>) {
        let rules = match answer {
            Ok(rules) => rules,
            Err(refusal) => return self.refuse(refusal, &pair),
        };
        self.core.speak_dialback(rules.dialback);
        self.answer_header();
        let offer =
            if self.core.facts_tls_up() { self.offer_in_tls(&pair, &rules) } else { self.offer_in_plaintext(&rules) };
        match offer {
            Ok(offer) => self.offer = offer,
            Err(failure) => return self.fail(failure),
        }
        self.rules = Some(rules);
        self.features();
        if self.sasl == Sasl::Done {
            self.authorise(now, pair, Method::SaslOverTls);
        }
    }

    fn offer_in_plaintext(&self, rules: &PairRules) -> Result<Offer, StreamFailure> {
        let version_1 = self.header.as_ref().is_some_and(|header| header.version_1);
        let dialback = rules.dialback_method(false).is_some();
        let starttls = version_1 && rules.tls != TlsUse::NotSupported && self.config.tls_available;
        if !starttls && !dialback {
            let ours = version_1 && !self.config.tls_available;
            let ours = ours.then_some(StreamFailure::ClosedHere(Condition::InternalServerError));
            return Err(ours.unwrap_or(StreamFailure::TlsRequired));
        }
        // Where nothing can be authorised in plaintext, TLS is required whatever the setting is called.
        let starttls = starttls.then_some(!dialback);
        let limits = dialback.then(|| self.core.own_limits());
        // Before TLS it could only be asked for by a peer that goes on without TLS.
        let bidi = dialback && self.config.extensions.bidi;
        Ok(Offer { starttls, dialback, bidi, limits, ..Offer::default() })
    }

    fn offer_in_tls(&mut self, pair: &DomainPair, rules: &PairRules) -> Result<Offer, StreamFailure> {
        if rules.tls == TlsUse::NotSupported {
            return Err(StreamFailure::TlsExcluded);
        }
        let version_1 = self.header.as_ref().is_some_and(|header| header.version_1);
        let certificate = self.core.certificate(rules, &pair.remote);
        let sasl = rules.methods.contains(Method::SaslOverTls);
        let dialback = rules.dialback_method(true).is_some();
        let limits = Some(self.core.own_limits());
        if self.sasl == Sasl::Done {
            return match rules.permit(Method::SaslOverTls, true, certificate) {
                true => {
                    let stream_management = self.config.extensions.stream_management;
                    Ok(Offer { dialback, stream_management, limits, ..Offer::default() })
                }
                false => Err(StreamFailure::MethodNotPermitted(Method::SaslOverTls)),
            };
        }
        let external = version_1 && sasl && certificate.is_ok();
        if !external && !dialback {
            return Err(match certificate {
                Err(fault) if sasl => StreamFailure::Certificate(fault),
                _ if sasl => StreamFailure::Protocol(Condition::UnsupportedVersion, "SASL EXTERNAL needs version 1.0"),
                _ => StreamFailure::MethodNotPermitted(Method::TlsDialback),
            });
        }
        Ok(Offer { external, dialback, bidi: self.config.extensions.bidi, limits, ..Offer::default() })
    }
}
