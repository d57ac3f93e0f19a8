//! What all connections of a proxy share, and how a pair is judged.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use lexicon::{CertificateFault, ChainVerdict, Direction, Domain, DomainPair, Method, MethodSet, Now, report::Leg};
use link::{Events, Snapshots};
use net::{
    dns::{DnsError, Endpoint, Kind, Resolver, Target},
    tls::{PeerChain, Roots, Tls, judge},
};
use policy::{EdgeSnapshot, Partner, Requirement, Settings, TrustRoots, snapshot::PairRefusal};
use tokio::sync::{mpsc, watch};
use xmpp::stream::{Extensions, KeyStatus, PairRules, Refusal, Secret, StreamLimits, TlsUse, VerifyRequest};

use crate::{
    admission::{Admission, StreamPlace},
    inner,
    ledger::Counters,
    status::{StreamNumbers, Streams},
};

/// From our closing tag to the peer's, and for the last bytes to leave.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// For the answer of a partner that was asked for proof of life (partner-policy §4).
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Pairs on one stream.
const PAIRS_MAX: usize = 64;

/// Stanzas that a stream has sent and the partner has not acknowledged.
const UNACKED_MAX: usize = 500;

/// Bytes that a stream holds for its socket before it takes no more.
pub(crate) const WRITE_BYTES_MAX: usize = 256 << 10;

pub(crate) struct Edge {
    pub(crate) tls: Arc<ArcSwap<Tls>>,
    pub(crate) resolver: Resolver,
    extensions: Extensions,
    leg: Leg,
    pub(crate) admission: Arc<Admission>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) snapshots: Snapshots,
    /// What was published first: a publisher never takes policy back.
    first: Arc<EdgeSnapshot>,
    roots: Mutex<BTreeMap<Domain, (TrustRoots, Roots)>>,
    /// The method of each pair's last success, to notice a weaker one.
    last_methods: Mutex<BTreeMap<DomainPair, Method>>,
    /// Probes at work, with the settings that they try.
    probes: Mutex<BTreeMap<DomainPair, Arc<Partner>>>,
    /// Where reports go.
    pub(crate) events: Events,
    /// Bytes that wait in lanes.
    pub(crate) lane_bytes: Arc<AtomicU64>,
    /// True once the proxy stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Every task holds the edge, so its channel closes when the last task has ended.
    _alive: mpsc::Sender<()>,
}

impl Edge {
    pub(crate) fn new(
        tls: Tls,
        resolver: Resolver,
        snapshots: Snapshots,
        first: Arc<EdgeSnapshot>,
        stopping: watch::Receiver<bool>,
        alive: mpsc::Sender<()>,
        events: Events,
    ) -> Self {
        Self {
            tls: Arc::new(ArcSwap::from_pointee(tls)),
            resolver,
            extensions: Extensions::default(),
            leg: Leg::default(),
            admission: Arc::default(),
            counters: Arc::new(Counters::new(net::clock::now().instant)),
            streams: Arc::default(),
            snapshots,
            first,
            roots: Mutex::default(),
            last_methods: Mutex::default(),
            probes: Mutex::default(),
            events,
            lane_bytes: Arc::default(),
            stopping,
            _alive: alive,
        }
    }

    /// The newest policy.
    pub(crate) fn snapshot(&self) -> Arc<EdgeSnapshot> {
        self.snapshots.borrow().clone().unwrap_or_else(|| Arc::clone(&self.first))
    }

    /// The bounds of a stream that begins now.
    pub(crate) fn limits(&self) -> StreamLimits {
        limits_of(self.snapshot().settings())
    }

    /// What streams speak beyond the basics; nothing unless said here.
    pub(crate) fn speaking(self, extensions: Extensions) -> Self {
        Self { extensions, ..self }
    }

    /// On which side the other servers are, and from where streams take their numbers; partners' unless said here.
    pub(crate) fn on(self, leg: Leg, numbers: &StreamNumbers) -> Self {
        Self { leg, streams: Arc::new(Streams::numbered(numbers)), ..self }
    }

    pub(crate) fn leg(&self) -> Leg {
        self.leg
    }

    pub(crate) fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// The secret of dialback keys.
    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.snapshot().dialback_secret().reveal())
    }

    /// Whether the proxy stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// The rules for `pair` on a connection whose peer showed `chain`.
    pub(crate) fn rules(&self, pair: &DomainPair, chain: Option<&PeerChain>, now: Now) -> Result<PairRules, Refusal> {
        let snapshot = self.snapshot();
        let partner = self.partner(&snapshot, pair)?;
        Ok(self.rules_by(partner, chain, now))
    }

    /// The enabled partner behind `pair`, or why there are to be no stanzas of the pair.
    pub(crate) fn partner<'a>(&self, snapshot: &'a EdgeSnapshot, pair: &DomainPair) -> Result<&'a Partner, Refusal> {
        if self.is_stopping() {
            return Err(Refusal::Shutdown);
        }
        if snapshot.is_internal(&pair.remote) {
            return Err(Refusal::OwnDomain);
        }
        snapshot.judge(pair).map(AsRef::as_ref).map_err(|refusal| match refusal {
            PairRefusal::NotInternal(_) => Refusal::HostUnknown,
            PairRefusal::NotAPartner(domain) if domain == pair.local => Refusal::LocalNotPartner,
            PairRefusal::NotAPartner(_) => Refusal::PartnerUnknown,
            PairRefusal::Disabled(domain) if domain == pair.local => Refusal::LocalDisabled,
            PairRefusal::Disabled(_) => Refusal::PartnerDisabled,
            PairRefusal::SameSide(_) => Refusal::SameSide,
            PairRefusal::NoInnerServer(_) => Refusal::ServerUnknown,
        })
    }

    /// What is known of a dialback key that we are said to have issued.
    pub(crate) fn key_status(&self, request: &VerifyRequest) -> KeyStatus {
        if !self.snapshot().is_internal(&request.pair.local) {
            KeyStatus::HostUnknown
        } else if self.streams.has_key(&request.pair, &request.id) {
            KeyStatus::InFlight
        } else {
            KeyStatus::NotIssued
        }
    }

    /// By which rules a server that is no enabled partner may ask after the key of a probe that is at work; none without
    /// one. Never to authorise by, so SASL is not offered: a server that takes what is offered (ejabberd) would be refused
    /// before it has asked.
    pub(crate) fn rules_to_ask(&self, pair: &DomainPair, chain: Option<&PeerChain>, now: Now) -> Option<PairRules> {
        let probed = self.probes().get(pair).cloned()?;
        let rules = self.rules_by(&probed, chain, now);
        let methods: MethodSet = rules.methods.iter().filter(|method| *method != Method::SaslOverTls).collect();
        (!methods.is_empty()).then_some(PairRules { methods, ..rules })
    }

    /// The probes at work, with the settings that they try.
    pub(crate) fn probes(&self) -> MutexGuard<'_, BTreeMap<DomainPair, Arc<Partner>>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules of a partner's settings.
    pub(crate) fn rules_by(&self, partner: &Partner, chain: Option<&PeerChain>, now: Now) -> PairRules {
        let row = partner.row();
        PairRules {
            tls: match row.negotiation.tls {
                Requirement::Required => TlsUse::Required,
                Requirement::Optional => TlsUse::Optional,
                Requirement::NotSupported => TlsUse::NotSupported,
            },
            methods: row.methods,
            dialback: row.negotiation.dialback,
            certificate: self.certificate(partner, chain, now),
            keep_alive: partner.keep_alive,
        }
    }

    /// Chain, validity, purpose and pin of what the peer showed, by the partner's roots.
    pub(crate) fn certificate(&self, partner: &Partner, chain: Option<&PeerChain>, now: Now) -> ChainVerdict {
        let chain = chain.ok_or(CertificateFault::Missing)?;
        let pins: Vec<_> = partner.pins.iter().map(|pin| pin.0).collect();
        judge(chain, &self.roots(partner), now.wall, &pins)
    }

    /// The partner's roots, read once for each text.
    fn roots(&self, partner: &Partner) -> Roots {
        let TrustRoots::Pem(text) = &partner.trust_roots else { return Roots::system() };
        let mut cache = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, roots)) = cache.get(&partner.primary_domain)
            && *of == partner.trust_roots
        {
            return roots.clone();
        }
        let roots = Roots::from_pem(text).unwrap_or_else(|error| {
            tracing::warn!(partner = %partner.primary_domain, %error, "the partner's trust_roots cannot be used");
            Roots::none()
        });
        cache.insert(partner.primary_domain.clone(), (partner.trust_roots.clone(), roots.clone()));
        roots
    }

    /// A place among the stanza connections of the partner behind `remote`; none at the limit, or without a partner.
    pub(crate) fn place(&self, remote: &Domain, direction: Direction) -> Option<StreamPlace> {
        let snapshot = self.snapshot();
        let settings = snapshot.settings();
        let partner = snapshot.partner_of(remote)?;
        let limit = partner.connection_limit.map_or(settings.partner_connection_limit, u64::from);
        self.admission.stream(&partner.primary_domain, direction, limit, settings.connection_limit)
    }

    /// How long to read nothing more from the partner behind `remote`, after `stanzas` that have just come.
    pub(crate) fn pace(&self, remote: &Domain, stanzas: usize) -> Duration {
        let snapshot = self.snapshot();
        let Some(partner) = snapshot.partner_of(remote) else { return Duration::ZERO };
        let rate = snapshot.settings().partner_stanzas_per_second;
        self.admission.pace(&partner.primary_domain, stanzas, rate, Instant::now())
    }

    /// The addresses of the server for `remote`: of the partner's proxy FQDN when it has one, else by SRV; those of an
    /// inner server are its targets' and no others.
    ///
    /// XEP-0368 §3 lets us prefer a kind: a partner whose settings exclude TLS is not dialled with direct TLS if it
    /// has anything else.
    pub(crate) async fn locate(&self, remote: &Domain, partner: Option<&Partner>) -> Result<Vec<Endpoint>, DnsError> {
        let snapshot = self.snapshot();
        if self.leg == Leg::Inner {
            return inner::locate(&self.resolver, &snapshot, remote).await;
        }
        let via = partner.and_then(|partner| partner.proxy_fqdn.as_ref());
        let via =
            via.map(|fqdn| Target { host: fqdn.host.as_ascii().to_owned(), port: fqdn.port(), kind: Kind::Starttls });
        let permits = |address| snapshot.settings().allow_private_targets.permits(address);
        let mut found = self.resolver.locate(remote, via.as_ref(), &permits, &mut net::entropy::number).await?;
        let without_tls = partner.is_some_and(|partner| partner.row().negotiation.tls == Requirement::NotSupported);
        if without_tls && found.iter().any(|endpoint| endpoint.kind == Kind::Starttls) {
            found.retain(|endpoint| endpoint.kind == Kind::Starttls);
        }
        Ok(found)
    }

    /// Notes a success, and says in the log when it is weaker than the pair's last one.
    pub(crate) fn authorised(&self, number: u64, pair: &DomainPair, method: Method, direction: Direction) {
        self.streams.authorise(number, pair, method);
        let mut last_methods = self.last_methods.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last_methods.insert(pair.clone(), method);
        drop(last_methods);
        tracing::info!(stream = number, %direction, local = %pair.local, remote = %pair.remote, %method, "authorised");
        if let Some(downgrade) = policy::negotiation::downgrade(last, method) {
            let event = downgrade.as_str();
            tracing::warn!(stream = number, remote = %pair.remote, event, "a weaker method than at the last success");
        }
    }
}

fn limits_of(settings: &Settings) -> StreamLimits {
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    StreamLimits {
        establishment_timeout: settings.stream_establishment_timeout,
        inactivity_timeout: settings.stream_inactivity_timeout,
        keep_alive_interval: settings.keep_alive_interval,
        keep_alive_timeout: KEEP_ALIVE_TIMEOUT,
        close_timeout: CLOSE_TIMEOUT,
        unauthenticated_bytes_max: size(settings.unauthenticated_bytes_max),
        stanza_bytes_max: size(settings.stanza_bytes_max),
        pairs_max: PAIRS_MAX,
        unacked_max: UNACKED_MAX,
        write_bytes_max: WRITE_BYTES_MAX,
    }
}
