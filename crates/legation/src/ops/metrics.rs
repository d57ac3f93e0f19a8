//! The page of metrics, made anew from the counters at each request.
//!
//! Names are `legation_<thing>_<unit>_total`; labels are fixed words, primary domains of configured partners and internal
//! domains, so that nobody outside can make a new time series.

use std::{collections::BTreeMap, fmt, sync::Arc};

use lexicon::report::Leg;
use link::Snapshots;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Attempts;

/// Name and value of each label.
type Labels = Vec<(&'static str, String)>;

/// What is measured, and where.
pub(crate) struct Measured {
    pub(crate) proxy: proxy::Monitor,
    /// The proxy of the leg of inner servers.
    pub(crate) inner: proxy::Monitor,
    pub(crate) gateway: gateway::Monitor,
    pub(crate) attempts: Arc<Attempts>,
}

impl Measured {
    /// The page as OpenMetrics text.
    pub(crate) async fn encode(&self, snapshots: &Snapshots) -> Result<String, fmt::Error> {
        let snapshot = snapshots.borrow().clone();
        let primary = |remote: &lexicon::Domain| {
            let partner = snapshot.as_ref().and_then(|snapshot| snapshot.partner_of(remote));
            partner.map(|partner| partner.primary_domain.clone())
        };
        let mut registry = Registry::with_prefix("legation");
        self.stanzas(&mut registry);

        let streams = Family::<Labels, Gauge>::default();
        let of = |leg, monitor: &proxy::Monitor| monitor.streams().into_iter().map(move |stream| (leg, stream));
        for (leg, stream) in of(Leg::Partner, &self.proxy).chain(of(Leg::Inner, &self.inner)) {
            for (pair, method) in &stream.authorised {
                let partner = if leg == Leg::Partner { &pair.remote } else { &pair.local };
                let Some(partner) = primary(partner) else { continue };
                let labels = vec![
                    ("leg", leg.as_str().to_owned()),
                    ("partner", partner.as_ascii().to_owned()),
                    ("direction", stream.direction.as_str().to_owned()),
                    ("method", method.as_str().to_owned()),
                ];
                streams.get_or_create(&labels).inc();
            }
        }
        registry.register("streams", "Domain pairs that live streams may carry", streams);

        let attempts = Family::<Labels, Counter>::default();
        let is_known = |leg, domain: &lexicon::Domain| match leg {
            Leg::Partner => primary(domain).as_ref() == Some(domain),
            Leg::Inner => snapshot.as_ref().is_some_and(|snapshot| snapshot.is_internal(domain)),
        };
        for ((leg, partner, direction, result), count) in self.attempts.list(is_known) {
            let partner = partner.map_or_else(String::new, |partner| partner.as_ascii().to_owned());
            let labels = vec![
                ("leg", leg.as_str().to_owned()),
                ("partner", partner),
                ("direction", direction.as_str().to_owned()),
                ("result", String::from(result)),
            ];
            attempts.get_or_create(&labels).inc_by(count);
        }
        registry.register("connection_attempts", "Connection attempts; without a partner those of strangers", attempts);

        let dropped = self.proxy.reports_dropped() + self.inner.reports_dropped();
        counter(&mut registry, "reports_dropped", "Reports that nobody has taken", dropped);
        let refused = Family::<Labels, Counter>::default();
        for (leg, monitor) in [(Leg::Partner, &self.proxy), (Leg::Inner, &self.inner)] {
            for (reason, count) in monitor.connections_refused() {
                let labels = vec![("leg", leg.as_str().to_owned()), ("reason", reason.to_owned())];
                refused.get_or_create(&labels).inc_by(count);
            }
        }
        registry.register("connections_refused", "Connections dropped before authorisation", refused);
        self.inside(&mut registry).await;

        let mut page = String::new();
        encode(&mut page, &registry)?;
        Ok(page)
    }

    /// Who is there on our own side.
    async fn inside(&self, registry: &mut Registry) {
        let registered = Gauge::<i64>::default();
        registered.set(i64::try_from(self.gateway.registrations().await.len()).unwrap_or(i64::MAX));
        registry.register("sip_registrations", "Addresses that internal users have registered", registered);

        let components = Family::<Labels, Gauge>::default();
        for component in self.gateway.components().await {
            components.get_or_create(&vec![("domain", component.domain.as_ascii().to_owned())]).set(1);
        }
        registry.register("components", "Components that serve an internal domain now", components);
        let refused = Family::<Labels, Counter>::default();
        for (reason, count) in self.gateway.counters().components {
            refused.get_or_create(&vec![("reason", reason.to_owned())]).inc_by(count);
        }
        registry.register("components_refused", "Connections of components that were refused", refused);
        let targets = Family::<Labels, Gauge>::default();
        for trunk in self.gateway.trunks().await {
            for target in &trunk.targets {
                let labels = vec![("trunk", trunk.name.to_string()), ("state", target.state.to_string())];
                targets.get_or_create(&labels).inc();
            }
        }
        registry.register("trunk_targets", "Addresses of trunks by whether they answer", targets);

        let sessions = Family::<Labels, Gauge>::default();
        let standing = self.gateway.sessions().await;
        let registrar = std::iter::once((String::new(), standing.registrar));
        for (trunk, count) in registrar.chain(standing.trunks.iter().map(|(name, count)| (name.to_string(), *count))) {
            sessions.get_or_create(&vec![("trunk", trunk)]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("message_sessions", "Message sessions; without a trunk those of the registrar", sessions);
    }

    fn stanzas(&self, registry: &mut Registry) {
        let (edge, inner, inside) = (self.proxy.ledger(), self.inner.ledger(), self.gateway.counters());
        let ended = Family::<Labels, Counter>::default();
        let queued = Family::<Labels, Gauge>::default();
        let tell = |ledger: &str, counts: [u64; 4], dropped: &BTreeMap<&'static str, u64>, waiting: u64| {
            let of = |outcome: &str| vec![("ledger", ledger.to_owned()), ("outcome", outcome.to_owned())];
            for (outcome, count) in ["accepted", "delivered", "answered", "delivery_unknown"].into_iter().zip(counts) {
                ended.get_or_create(&of(outcome)).inc_by(count);
            }
            for (reason, count) in dropped {
                ended.get_or_create(&of(&format!("dropped_{reason}"))).inc_by(*count);
            }
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            queued.get_or_create(&vec![("ledger", ledger.to_owned())]).set(waiting);
        };
        for (ledger, column) in [
            ("proxy.from_partners", &edge.inbound),
            ("proxy.to_partners", &edge.outbound),
            ("proxy.errors_to_partners", &edge.errors),
            ("inner.from_servers", &inner.inbound),
            ("inner.to_servers", &inner.outbound),
            ("inner.errors_to_servers", &inner.errors),
        ] {
            let counts = [column.accepted, column.delivered, column.answered, column.delivery_unknown];
            tell(ledger, counts, &column.dropped, column.queued);
        }
        for (ledger, way) in
            [("gateway.from_partners", &inside.from_partners), ("gateway.from_users", &inside.from_users)]
        {
            let counts = [way.received, way.delivered, way.answered, way.delivery_unknown];
            tell(ledger, counts, &way.dropped, way.queued);
        }
        registry.register("stanzas", "Stanzas and messages by what became of them", ended);
        registry.register("stanzas_queued", "Stanzas and messages on their way", queued);
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter = Counter::<u64>::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}
