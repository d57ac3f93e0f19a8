//! contoso.example with its users romeo and tybalt, bots.contoso.example for a component, and three partners, one of each type that matters.

use std::{path::Path, sync::Arc, time::Duration};

use gateway::{GatewayConfig, Running, TargetState, TrunkStatus};
use lexicon::{BareJid, Domain};
use policy::{EdgeSnapshot, Partner, PartnerType, Trunk};
use sip::digest::{Algorithm, ha1};
use store::{Actor, Backend, Credential, Store};
use tokio::{sync::watch, time::timeout};

use crate::{bot::Bot, partner::Edge, phone::Phone};

/// What every test waits for at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const PASSWORD: &str = "wherefore";

/// The domain of a component, and its secret.
pub(crate) const BOTS: &str = "bots.contoso.example";
pub(crate) const SECRET: &str = "the secret of the bots";

/// A running gateway and everything around it.
pub(crate) struct Scene {
    pub(crate) gateway: Running,
    pub(crate) edge: Edge,
    /// The end of the link that leads to inner servers.
    pub(crate) inner: Edge,
    pub(crate) store: Store,
    snapshots: watch::Sender<Option<Arc<EdgeSnapshot>>>,
    _directory: tempfile::TempDir,
}

pub(crate) fn actor() -> Actor {
    Actor::new("test", "test")
}

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

pub(crate) fn bare(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

impl Scene {
    /// fabrikam.example is federated, litware.example public unverified, northwind.example disabled.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// The same with a configuration that `change` has changed; it is told a folder for what it needs beside.
    pub(crate) async fn start_with(change: impl FnOnce(&mut GatewayConfig, &Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("data/legation.db")).await.unwrap();
        store.add_domain(&actor(), &domain("contoso.example"), &[Backend::Registrar]).await.unwrap();
        store.add_component_domain(&actor(), &domain(BOTS), &SECRET.parse().unwrap()).await.unwrap();
        for (name, partner_type, enabled) in [
            ("fabrikam.example", PartnerType::Federated, true),
            ("litware.example", PartnerType::PublicUnverified, true),
            ("northwind.example", PartnerType::Federated, false),
        ] {
            let mut partner = Partner::new(domain(name));
            (partner.partner_type, partner.enabled) = (partner_type, enabled);
            store.add_partner(&actor(), &partner).await.unwrap();
        }
        for user in ["romeo", "tybalt"] {
            let both = [Algorithm::Sha256, Algorithm::Md5];
            add_user(&store, user, &both).await;
        }
        let (publish, snapshots) = link::snapshots();
        publish.send_replace(Some(Arc::new(store.snapshot().await.unwrap())));
        let ((partners, outside), (inner_servers, inner)) = (link::local(64), link::local(64));
        let loopback = vec!["127.0.0.1:0".parse().unwrap()];
        let mut config = GatewayConfig {
            sip_udp: loopback.clone(),
            sip_tcp: loopback.clone(),
            components: loopback,
            ..GatewayConfig::default()
        };
        change(&mut config, directory.path());
        let links = gateway::Links { partners, inner_servers: Some(inner_servers) };
        let gateway = gateway::start(config, store.clone(), links, snapshots).await.unwrap();
        let (edge, inner) = (Edge::new(outside), Edge::new(inner));
        Self { gateway, edge, inner, store, snapshots: publish, _directory: directory }
    }

    /// Makes what was changed in the store the policy, as the courier does.
    pub(crate) async fn publish(&self) {
        self.snapshots.send_replace(Some(Arc::new(self.store.snapshot().await.unwrap())));
    }

    /// Waits until what was written to the store is in force.
    pub(crate) async fn in_force(&self) {
        let written = *self.store.topics().borrow();
        timeout(PATIENCE, self.gateway.monitor().in_force(written)).await.expect("changes reach the gateway");
    }

    /// A trunk, and a domain that it serves.
    pub(crate) async fn add_trunk(&self, trunk: &Trunk, name: &str) {
        self.store.add_trunk(&actor(), trunk).await.unwrap();
        let backend = Backend::Trunk(trunk.name.clone());
        self.store.add_domain(&actor(), &domain(name), &[backend]).await.unwrap();
        self.publish().await;
        self.in_force().await;
    }

    /// Waits until the targets of the only trunk stand so, in order.
    pub(crate) async fn stand(&self, wanted: &[TargetState]) -> TrunkStatus {
        let monitor = self.gateway.monitor();
        let started = std::time::Instant::now();
        loop {
            let status = monitor.trunks().await.pop().unwrap();
            if status.targets.iter().map(|target| target.state).eq(wanted.iter().copied()) {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{wanted:?}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// An endpoint over UDP that has not registered.
    pub(crate) async fn phone(&self, user: &str) -> Phone {
        Phone::udp(self.gateway.sip_udp()[0], user).await
    }

    /// A registered endpoint over UDP.
    pub(crate) async fn registered(&self, user: &str) -> Phone {
        let mut phone = self.phone(user).await;
        assert_eq!(phone.register(3600).await.status.code(), 200);
        phone
    }

    /// A registered endpoint over TCP.
    pub(crate) async fn registered_by_tcp(&self, user: &str) -> Phone {
        let mut phone = Phone::tcp(self.gateway.sip_tcp()[0], user).await;
        assert_eq!(phone.register(3600).await.status.code(), 200);
        phone
    }

    /// The component of bots.contoso.example.
    pub(crate) async fn bot(&self) -> Bot {
        Bot::connect(self.gateway.components()[0], BOTS, SECRET).await
    }

    /// The gateway answers, and its ledger balances with nothing queued.
    pub(crate) async fn is_well(&self) {
        let mut probe = self.phone("tybalt").await;
        assert_eq!(probe.options().await.status.code(), 200);
        let counters = self.gateway.counters();
        for ledger in [&counters.from_partners, &counters.from_users] {
            assert!(ledger.is_balanced() && ledger.queued == 0, "{counters:?}");
        }
    }

    /// How often SIP messages went nowhere for `reason`.
    pub(crate) fn sip_count(&self, reason: &str) -> u64 {
        self.gateway.counters().sip.get(reason).copied().unwrap_or_default()
    }

    /// How often a partner's stanza met silence for `reason`.
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.gateway.counters().from_partners.dropped.get(reason).copied().unwrap_or_default()
    }
}

pub(crate) async fn add_user(store: &Store, user: &str, algorithms: &[Algorithm]) {
    let realm = "contoso.example";
    let credential = |algorithm: &Algorithm| Credential {
        algorithm: algorithm.as_str().to_owned(),
        realm: realm.to_owned(),
        ha1: ha1(*algorithm, user, realm, PASSWORD),
    };
    let credentials: Vec<_> = algorithms.iter().map(credential).collect();
    store.add_user(&actor(), &bare(&format!("{user}@{realm}")), "", &credentials).await.unwrap();
}
