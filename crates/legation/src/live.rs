//! What the server is doing, for the API: listeners, streams, registrations and the ledger.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use lexicon::{BareJid, Domain, DomainPair, Timestamp, report::Leg};
use link::Snapshots;
use net::dns::DnsConfig;
use panel::{
    DnsZone, MessageStep, ProbeState, TrunkState, TrunkTest,
    api::v1::dto::{Component, Listener, Refusals, Registration, Status, Stream},
};
use policy::{EdgeSnapshot, Partner, TrunkName};
use store::Serving;

use crate::{
    Config,
    certificates::{self, Certificates},
    probes::Probes,
    published::{self, Reach},
};

mod trunk;

pub(crate) struct Live {
    started_at: Timestamp,
    snapshots: Snapshots,
    inner_snapshots: Snapshots,
    listeners: Vec<Listener>,
    certificates: Certificates,
    proxy: proxy::Monitor,
    inner: proxy::Monitor,
    probes: Probes,
    gateway: gateway::Monitor,
    dns: DnsConfig,
    reach: Reach,
}

/// What runs, and what it shows.
pub(crate) struct Roles<'a> {
    pub(crate) proxy: &'a proxy::Running,
    pub(crate) inner: &'a proxy::Running,
    pub(crate) gateway: &'a gateway::Running,
    pub(crate) admin: &'a [SocketAddr],
    pub(crate) certificates: Certificates,
}

impl Live {
    pub(crate) fn new(
        started_at: Timestamp,
        [snapshots, inner_snapshots]: [Snapshots; 2],
        config: &Config,
        roles: Roles<'_>,
    ) -> Self {
        let Roles { proxy, inner, gateway, admin, certificates } = roles;
        let of = |name: &str, transport: &str, addresses: &[SocketAddr]| {
            let listener = |address: &SocketAddr| Listener {
                name: name.to_owned(),
                transport: transport.to_owned(),
                address: address.to_string(),
            };
            addresses.iter().map(listener).collect::<Vec<_>>()
        };
        let api = Listener {
            name: "api".to_owned(),
            transport: "unix".to_owned(),
            address: config.admin_socket.to_string_lossy().into_owned(),
        };
        let mut listeners = of("xmpp", "tcp", proxy.addresses());
        listeners.extend(of("xmpp", "tls", proxy.addresses_tls()));
        listeners.extend(of("inner", "tcp", inner.addresses()));
        listeners.extend(of("inner", "tls", inner.addresses_tls()));
        listeners.extend(of("sip", "udp", gateway.sip_udp()));
        listeners.extend(of("sip", "tcp", gateway.sip_tcp()));
        listeners.extend(of("sip", "tls", gateway.sip_tls()));
        listeners.extend(of("component", "tcp", gateway.components()));
        listeners.extend(of("api", "tls", admin));
        listeners.push(api);
        Self {
            started_at,
            snapshots,
            inner_snapshots,
            listeners,
            certificates,
            proxy: proxy.monitor(),
            inner: inner.monitor(),
            probes: Probes::new(proxy.monitor()),
            gateway: gateway.monitor(),
            dns: config.dns.clone(),
            reach: Reach {
                xmpp: proxy.addresses().to_vec(),
                xmpp_tls: proxy.addresses_tls().to_vec(),
                sip_udp: gateway.sip_udp().to_vec(),
                sip_tcp: gateway.sip_tcp().to_vec(),
                sip_tls: gateway.sip_tls().to_vec(),
                inner: [inner.addresses(), inner.addresses_tls()].concat(),
                ..Reach::of(config)
            },
        }
    }

    fn rows(&self) -> Vec<Stream> {
        let snapshot = self.snapshots.borrow().clone();
        // A stream with an inner server belongs to no partner.
        let partner_of = |leg: Leg, remote: &lexicon::Domain| {
            let partner = snapshot.as_ref().and_then(|snapshot| snapshot.partner_of(remote));
            let partner = partner.filter(|_| leg == Leg::Partner);
            partner.map_or_else(String::new, |partner| partner.primary_domain.as_ascii().to_owned())
        };
        let now = net::clock::now().wall;
        let mut rows = Vec::new();
        let of = |leg, monitor: &proxy::Monitor| monitor.streams().into_iter().map(move |stream| (leg, stream));
        for (leg, stream) in of(Leg::Partner, &self.proxy).chain(of(Leg::Inner, &self.inner)) {
            for (pair, method) in &stream.authorised {
                rows.push(Stream {
                    number: stream.number,
                    leg: leg.as_str().to_owned(),
                    peer: stream.peer.to_string(),
                    partner: partner_of(leg, &pair.remote),
                    local: pair.local.as_ascii().to_owned(),
                    remote: pair.remote.as_ascii().to_owned(),
                    direction: stream.direction.as_str().to_owned(),
                    method: method.as_str().to_owned(),
                    since: stream.since.to_string(),
                    tls_version: stream.tls.as_ref().map(|tls| tls.version.clone()),
                    cipher: stream.tls.as_ref().map(|tls| tls.cipher.clone()),
                    stanzas_in: stream.carried.received(),
                    stanzas_out: stream.carried.sent(),
                    certificate: stream.certificate.as_ref().map(|facts| certificates::peer(facts, now)),
                });
            }
        }
        rows
    }

    fn ledger(&self) -> BTreeMap<String, u64> {
        let mut ledger = BTreeMap::new();
        let (edge, inner) = (self.proxy.ledger(), self.inner.ledger());
        for (name, column) in [
            ("proxy.from_partners", &edge.inbound),
            ("proxy.to_partners", &edge.outbound),
            ("proxy.errors_to_partners", &edge.errors),
            ("inner.from_servers", &inner.inbound),
            ("inner.to_servers", &inner.outbound),
            ("inner.errors_to_servers", &inner.errors),
        ] {
            let counts = [
                ("accepted", column.accepted),
                ("delivered", column.delivered),
                ("answered", column.answered),
                ("queued", column.queued),
                ("delivery_unknown", column.delivery_unknown),
            ];
            insert(&mut ledger, name, &counts, &column.dropped);
        }
        let inside = self.gateway.counters();
        for (name, way) in
            [("gateway.from_partners", &inside.from_partners), ("gateway.from_users", &inside.from_users)]
        {
            let counts = [
                ("accepted", way.received),
                ("delivered", way.delivered),
                ("answered", way.answered),
                ("queued", way.queued),
                ("delivery_unknown", way.delivery_unknown),
            ];
            insert(&mut ledger, name, &counts, &way.dropped);
        }
        insert(&mut ledger, "gateway.sip", &[], &inside.sip);
        insert(&mut ledger, "gateway.components", &[], &inside.components);
        for (name, monitor) in [("proxy", &self.proxy), ("inner", &self.inner)] {
            ledger.insert(format!("{name}.reports_dropped"), monitor.reports_dropped());
            for (reason, count) in monitor.connections_refused() {
                ledger.insert(format!("{name}.connections_refused.{reason}"), count);
            }
        }
        ledger
    }
}

fn insert(
    ledger: &mut BTreeMap<String, u64>,
    name: &str,
    counts: &[(&str, u64)],
    dropped: &BTreeMap<&'static str, u64>,
) {
    ledger.extend(counts.iter().map(|(count, value)| (format!("{name}.{count}"), *value)));
    ledger.extend(dropped.iter().map(|(reason, value)| (format!("{name}.dropped.{reason}"), *value)));
}

impl panel::Live for Live {
    /// One row for each pair that a live stream may carry.
    fn streams(&self) -> Vec<Stream> {
        self.rows()
    }

    fn components(&self) -> panel::Answer<'_, Vec<Component>> {
        Box::pin(async {
            let connected = self.gateway.components().await.into_iter();
            let told = |component: gateway::ConnectedComponent| Component {
                domain: component.domain.as_ascii().to_owned(),
                peer: component.peer.to_string(),
                since: component.since.to_string(),
                waiting: component.waiting as u64,
            };
            connected.map(told).collect()
        })
    }

    fn refusals(&self, primary: &Domain) -> Refusals {
        let counted = self.gateway.refusals(primary);
        let named = |reasons: BTreeMap<&'static str, u64>| {
            reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect()
        };
        Refusals {
            since: self.started_at.to_string(),
            from_partner: named(counted.from_partner),
            to_partner: named(counted.to_partner),
        }
    }

    fn registrations(&self) -> panel::Answer<'_, Vec<Registration>> {
        Box::pin(async {
            let told = |registration: gateway::Registration| Registration {
                user: registration.address.to_string(),
                contact: registration.contact,
                transport: registration.transport.to_owned(),
                source: registration.source.to_string(),
                expires_in_seconds: registration.expires_in.as_secs(),
                unreachable: registration.is_unreachable,
            };
            self.gateway.registrations().await.into_iter().map(told).collect()
        })
    }

    fn trunks(&self) -> panel::Answer<'_, Vec<TrunkState>> {
        Box::pin(async { self.gateway.trunks().await.iter().map(trunk::state).collect() })
    }

    fn test_trunk<'a>(&'a self, name: &'a TrunkName) -> panel::Answer<'a, Option<TrunkTest>> {
        Box::pin(async {
            let test = self.gateway.test_trunk(name).await?;
            Some(trunk::test(&test, net::clock::now().wall))
        })
    }

    fn test_message(&self, from: BareJid, to: BareJid, text: String) -> panel::Answer<'_, Vec<MessageStep>> {
        Box::pin(async {
            let told = |step: gateway::MessageStep| MessageStep {
                stage: step.stage.to_owned(),
                ok: step.outcome.is_ok(),
                text: step.outcome.unwrap_or_else(|reason| reason),
                after_ms: step.after_ms,
            };
            self.gateway.test_message(from, to, text).await.into_iter().map(told).collect()
        })
    }

    fn dns(&self, serving: Serving, partners: Vec<Domain>) -> panel::Answer<'_, Result<Vec<DnsZone>, String>> {
        Box::pin(async move {
            let zones = published::check(&self.dns, &self.reach, &serving, &partners).await;
            zones.map_err(|error| error.to_string())
        })
    }

    fn close_stream(&self, number: u64, reason: &str) -> bool {
        self.proxy.close(number, reason) || self.inner.close(number, reason)
    }

    fn start_probe(&self, pair: DomainPair, settings: Partner) -> Option<String> {
        self.probes.start(pair, settings)
    }

    fn probe(&self, id: &str) -> Option<ProbeState> {
        self.probes.state(id)
    }

    fn cancel_probe(&self, id: &str) -> bool {
        self.probes.cancel(id)
    }

    fn in_force(&self, of: store::Revisions) -> panel::Answer<'_, ()> {
        let both = [self.snapshots.clone(), self.inner_snapshots.clone()];
        Box::pin(async move {
            let edge =
                |snapshot: &Option<_>| snapshot.as_ref().is_some_and(|s: &Arc<EdgeSnapshot>| s.revision() >= of.edge);
            for mut snapshots in both {
                let _ = snapshots.wait_for(edge).await;
            }
            self.gateway.in_force(of).await;
        })
    }

    fn certificates(&self, source: panel::CertificateSource) -> panel::Answer<'_, Result<panel::Certificates, String>> {
        Box::pin(async move {
            match source {
                panel::CertificateSource::InUse => Ok(self.certificates.in_use()),
                panel::CertificateSource::Files => self.certificates.in_files().map_err(|error| error.to_string()),
            }
        })
    }

    fn reload_certificates(&self) -> panel::Answer<'_, Result<panel::Certificates, String>> {
        Box::pin(async { self.certificates.reload().map_err(|error| error.to_string()) })
    }

    fn status(&self) -> panel::Answer<'_, Status> {
        Box::pin(async {
            let streams = self.rows();
            let mut warnings = self.certificates.in_use().warnings;
            warnings.extend(certificates::peers_near_end(&streams));
            Status {
                started_at: self.started_at.to_string(),
                listeners: self.listeners.clone(),
                streams,
                registrations: self.gateway.registrations().await.len() as u64,
                message_sessions: self.gateway.sessions().await.total as u64,
                messages_per_minute: self.proxy.messages_per_minute(),
                components: panel::Live::components(self).await,
                ledger: self.ledger(),
                warnings,
                ..Status::default()
            }
        })
    }
}
