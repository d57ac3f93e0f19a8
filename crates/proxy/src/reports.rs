//! The story of one connection attempt, from its beginning to the moment its outcome is known.
//!
//! A story takes down what DNS and dialling said, adds what the stream machine has seen, and ends as a report that is
//! sent as an event (architecture.md, "Link"). An attempt whose pair is authorised ends there, as a success; what becomes
//! of the stream later is no part of it. Texts and lists of peers are cut here.

use std::{net::SocketAddr, sync::Arc};

use lexicon::{
    ChainVerdict, Direction, Domain, DomainPair, Method, Now, PeerCertificate, Report, TlsFacts,
    report::{CertificateSeen, Code, Dial, ENTRIES_MAX, Lookup, Offered, Purpose, Recorded, TlsUsed, Tried, text},
};
use net::{
    clock,
    dial::{DialError, DialFailure},
    dns::{DnsError, Endpoint},
    entropy,
    tls::PeerChain,
};
use policy::Partner;
use xmpp::{
    identity::certificate_names,
    stream::{Attempt, FeaturesSeen, PairRules, StreamFacts, StreamFailure, TlsUse, external::SaslCondition},
};

use crate::{edge::Edge, failure};

/// What is known of an attempt before, and beside, its stream.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    begun: Now,
    direction: Direction,
    purpose: Purpose,
    pair: Option<DomainPair>,
    peer: Option<SocketAddr>,
    lookup: Option<Lookup>,
    dials: Vec<Dial>,
    /// The settings that a probe tries.
    settings: Option<Arc<Partner>>,
    /// Why there is no connection.
    failed: Option<(Code, String)>,
    /// A handshake of direct TLS has failed.
    tls_failed: bool,
}

/// What the stream of an attempt has to tell.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) facts: &'a StreamFacts,
    /// The certificates that the peer showed.
    pub(crate) chain: Option<&'a PeerChain>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'a> {
    /// The pair is authorised.
    Authorised(Method),
    /// It did what it was for, without authorising a pair.
    Done,
    /// It came to nothing; none: closed by the peer in an orderly way.
    Failed(Option<&'a StreamFailure>),
}

impl Story {
    /// A connection that was accepted from `peer`.
    pub(crate) fn inbound(peer: SocketAddr, begun: Now) -> Self {
        Self { peer: Some(peer), ..Self::new(Direction::Inbound, Purpose::Stanzas, None, begun) }
    }

    /// A connection to be made for `pair`.
    pub(crate) fn outbound(pair: DomainPair, purpose: Purpose) -> Self {
        Self::new(Direction::Outbound, purpose, Some(pair), clock::now())
    }

    fn new(direction: Direction, purpose: Purpose, pair: Option<DomainPair>, begun: Now) -> Self {
        let (peer, lookup, settings, failed) = (None, None, None, None);
        Self { begun, direction, purpose, pair, peer, lookup, dials: Vec::new(), settings, failed, tls_failed: false }
    }

    /// The story of a probe of `settings`.
    pub(crate) fn with_settings(self, settings: Arc<Partner>) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// The settings that count for `remote`: those that a probe tries, else those of the partner.
    pub(crate) fn partner(&self, edge: &Edge, remote: &Domain) -> Option<Arc<Partner>> {
        self.settings.clone().or_else(|| edge.snapshot().partner_of(remote).cloned())
    }

    /// Whether settings are tried that may belong to nobody.
    pub(crate) fn is_probe(&self) -> bool {
        self.settings.is_some()
    }

    /// What `rules` leave to the endpoints that follow a failed handshake: never plaintext (partner-policy §2), so where
    /// TLS was optional it is required.
    pub(crate) fn tighten(&self, rules: PairRules) -> PairRules {
        if !self.tls_failed {
            return rules;
        }
        let tls = if rules.tls == TlsUse::Optional { TlsUse::Required } else { rules.tls };
        let methods = rules.methods.iter().filter(|method| *method != Method::TcpDialback).collect();
        PairRules { tls, methods, ..rules }
    }

    /// What the look-up gave; none: no answer in time.
    pub(crate) fn found(&mut self, via: Option<String>, found: Option<Result<&[Endpoint], &DnsError>>) {
        let (addresses, code, detail) = match found {
            Some(Ok(addresses)) => (addresses, Code::Ok, String::new()),
            Some(Err(error)) => (&[][..], code_of_dns(error), error.to_string()),
            None => (&[][..], Code::DnsFailed, "no answer in time".to_owned()),
        };
        if code != Code::Ok {
            self.failed = Some((code, detail.clone()));
        }
        let addresses = addresses.iter().take(ENTRIES_MAX).map(|endpoint| endpoint.address.to_string()).collect();
        self.lookup = Some(Lookup { via, addresses, result: code.into(), detail: text(&detail) });
    }

    /// Which address accepted the connection, or that none did.
    pub(crate) fn dialled(&mut self, dialled: Result<SocketAddr, &DialError>) {
        match dialled {
            Ok(peer) => {
                self.peer = Some(peer);
                self.dials.push(Dial { address: peer.to_string(), result: Code::Ok.into() });
            }
            Err(error) => {
                let failures = error.failures.iter().take(ENTRIES_MAX);
                self.dials.extend(failures.map(|(address, failure)| Dial {
                    address: address.to_string(),
                    result: code_of_dial(*failure).into(),
                }));
                // That a later endpoint does not answer tells less than how the handshake with an earlier one failed.
                if !self.tls_failed {
                    self.failed = Some((code_of_dial(error.kind()), error.to_string()));
                }
            }
        }
        self.dials.truncate(ENTRIES_MAX);
    }

    /// The connection came to nothing before a stream was on it: direct TLS failed.
    pub(crate) fn broke(&mut self, failure: &StreamFailure) {
        let code = failure::code_of_stream(failure);
        self.failed = Some((code, failure.to_string()));
        self.tls_failed = true;
        if let Some(dial) = self.dials.last_mut() {
            dial.result = code.into();
        }
    }

    /// The report of an attempt that got no connection.
    pub(crate) fn without_stream(&self, edge: &Edge) -> Report {
        let (code, detail) = self.failed.clone().unwrap_or((Code::Shutdown, String::new()));
        self.report(edge, self.pair.as_ref(), code, None, &detail)
    }

    /// The report of an attempt whose stream has only begun.
    pub(crate) fn so_far(&self, edge: &Edge) -> Report {
        self.report(edge, self.pair.as_ref(), Code::ClosedHere, None, "")
    }

    /// The report of an attempt for `pair`, or for what the peer said it was for.
    pub(crate) fn ended(&self, edge: &Edge, pair: Option<&DomainPair>, seen: Seen<'_>, end: End<'_>) -> Report {
        let facts = seen.facts;
        let claimed = match (&facts.local, &facts.remote) {
            (Some(local), Some(remote)) => Some(DomainPair { local: local.clone(), remote: remote.clone() }),
            _ => None,
        };
        let pair = pair.or(claimed.as_ref()).or(self.pair.as_ref());
        let (code, detail) = match end {
            End::Authorised(_) | End::Done => (Code::Ok, String::new()),
            End::Failed(failure) => why(failure, facts),
        };
        let method = match end {
            End::Authorised(method) => Some(method),
            _ => None,
        };
        let mut report = self.report(edge, pair, code, method, &detail);
        if pair.is_none() {
            // A header that names only one side still tells that one.
            report.local.clone_from(&facts.local);
            report.remote.clone_from(&facts.remote);
        }
        report.tls = facts.tls.as_ref().map(tls_used);
        let remote = report.remote.clone();
        report.certificate = facts.tls.as_ref().and_then(|tls| {
            let partner = remote.as_ref().and_then(|remote| self.partner(edge, remote));
            let chain = partner.map(|partner| edge.certificate(&partner, seen.chain, clock::now()));
            certificate_seen(tls, chain, remote.as_ref())
        });
        report.offered = facts.features.as_ref().map(|features| offered(features, facts.tls.is_some()));
        report.tries = facts.attempts.iter().map(|attempt| tried(attempt, facts)).collect();
        report.stage = Some(facts.stage.as_str().to_owned());
        if self.purpose == Purpose::Stanzas && facts.keys_asked > 0 && facts.attempts.is_empty() {
            report.purpose = Purpose::Verification;
        }
        report
    }

    fn report(
        &self,
        edge: &Edge,
        pair: Option<&DomainPair>,
        code: Code,
        method: Option<Method>,
        detail: &str,
    ) -> Report {
        let now = clock::now();
        let snapshot = edge.snapshot();
        let partner = pair.and_then(|pair| snapshot.partner_of(&pair.remote));
        Report {
            id: entropy::row_id(now.wall),
            at: self.begun.wall,
            duration_ms: u64::try_from((now.instant - self.begun.instant).as_millis()).unwrap_or(u64::MAX),
            direction: self.direction,
            purpose: self.purpose,
            leg: edge.leg(),
            local: pair.map(|pair| pair.local.clone()),
            remote: pair.map(|pair| pair.remote.clone()),
            partner: partner.map(|partner| partner.primary_domain.clone()),
            peer: self.peer.map(|peer| peer.to_string()),
            lookup: self.lookup.clone(),
            dials: self.dials.clone(),
            tls: None,
            certificate: None,
            offered: None,
            tries: Vec::new(),
            stage: None,
            method,
            result: code.into(),
            detail: text(detail),
        }
    }
}

/// The reason that leads to a remedy. That a stream ended tells less than what was tried on it before.
fn why(failure: Option<&StreamFailure>, facts: &StreamFacts) -> (Code, String) {
    let is_vague = failure.is_none_or(|failure| {
        let vague = StreamFailure::PeerClosed(facts.stage);
        matches!(failure, StreamFailure::Disconnected { .. } | StreamFailure::Timeout(_)) || *failure == vague
    });
    let tried = facts.attempts.iter().rev().find_map(|attempt| attempt.failure.as_ref());
    match (failure, tried) {
        (_, Some(tried)) if is_vague => (code_of(tried, facts), tried.to_string()),
        (Some(failure), _) => (code_of(failure, facts), failure.to_string()),
        (None, _) => (Code::PartnerClosed, StreamFailure::PeerClosed(facts.stage).to_string()),
    }
}

/// A peer's EXTERNAL that failed for its certificate has the certificate's code.
fn code_of(failure: &StreamFailure, facts: &StreamFacts) -> Code {
    match (failure, facts.certificate) {
        (StreamFailure::ExternalFailed(SaslCondition::NotAuthorized), Some(Err(fault))) => fault.into(),
        (StreamFailure::ExternalFailed(SaslCondition::NotAuthorized), _) => Code::MethodNotPermitted,
        _ => failure::code_of_stream(failure),
    }
}

pub(crate) fn tls_used(tls: &TlsFacts) -> TlsUsed {
    TlsUsed { version: tls.version.to_string(), cipher: tls.cipher.clone() }
}

fn certificate_seen(tls: &TlsFacts, chain: Option<ChainVerdict>, remote: Option<&Domain>) -> Option<CertificateSeen> {
    let recorded = |verdict: ChainVerdict| Recorded::from(verdict.map_or_else(Code::from, |()| Code::Ok));
    let chain = chain.map(recorded);
    let peer: &PeerCertificate = match &tls.peer {
        Ok(peer) => peer,
        Err(fault) => {
            let chain = chain.or(Some(Code::from(*fault).into()));
            let (subject, issuer, spki_sha256) = (String::new(), String::new(), String::new());
            let (names, not_before, not_after, identity) = (Vec::new(), None, None, None);
            return Some(CertificateSeen {
                subject,
                issuer,
                names,
                not_before,
                not_after,
                spki_sha256,
                chain,
                identity,
            });
        }
    };
    let identity = remote.map(|remote| {
        let names = certificate_names(&peer.names, remote);
        Recorded::from(if names { Code::Ok } else { Code::CertificateWrongName })
    });
    let names = peer.names.dns.iter().chain(&peer.names.srv).chain(&peer.names.xmpp);
    Some(CertificateSeen {
        subject: text(&peer.subject),
        issuer: text(&peer.issuer),
        names: names.take(ENTRIES_MAX).map(|name| text(name)).collect(),
        not_before: Some(peer.not_before),
        not_after: Some(peer.not_after),
        spki_sha256: peer.spki_sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        chain,
        identity,
    })
}

fn offered(features: &FeaturesSeen, tls_up: bool) -> Offered {
    Offered {
        starttls: features.starttls || tls_up,
        starttls_required: features.starttls_required,
        mechanisms: features.mechanisms.iter().take(ENTRIES_MAX).map(|name| text(name)).collect(),
        dialback: features.dialback,
        stanza_bytes_max: features.stanza_bytes_max,
    }
}

fn tried(attempt: &Attempt, facts: &StreamFacts) -> Tried {
    let result = attempt.failure.as_ref().map_or(Code::Ok, |failure| code_of(failure, facts));
    let detail = attempt.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    Tried { method: attempt.method, result: result.into(), detail: text(&detail) }
}

fn code_of_dns(error: &DnsError) -> Code {
    match error {
        DnsError::Failed { .. } => Code::DnsFailed,
        DnsError::NoService => Code::DnsNotOffered,
        DnsError::Private(_) => Code::PrivateTarget,
        DnsError::NoAddress(_) | DnsError::NotFound => Code::DnsNoServer,
    }
}

fn code_of_dial(failure: DialFailure) -> Code {
    match failure {
        DialFailure::Refused => Code::ConnectRefused,
        DialFailure::Unreachable => Code::Unreachable,
        DialFailure::TimedOut => Code::ConnectTimeout,
        DialFailure::Local(_) => Code::ConnectFailed,
    }
}
