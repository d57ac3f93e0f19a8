//! Two organisations, each a proxy with an inside that the test plays.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroU16,
    os::unix::fs::PermissionsExt,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{Direction, Domain, DomainPair, Method};
use link::{Envelope, LinkEnd, Port, Settled, snapshots};
use net::{dns::DnsConfig, tls::CertificateFiles};
use policy::{
    EdgeSnapshot, Negotiation, Partner, Requirement, Settings,
    partner::{ProxyFqdn, TrustRoots},
    settings::PrivateTargets,
};
use proxy::{Ledger, ProxyConfig, Running};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};
use xmpp::{
    stanza::{
        StanzaError, StanzaRef,
        build::{Head, Message, message},
    },
    xml::Batch,
};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whose host name is known to every test proxy as 127.0.0.1.
const LOOPBACK: &str = "loopback.example";

pub(crate) const OURS: &str = "contoso.example";
pub(crate) const THEIRS: &str = "fabrikam.example";

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// The pair as `local` sees it.
pub(crate) fn pair(local: &str, remote: &str) -> DomainPair {
    DomainPair { local: domain(local), remote: domain(remote) }
}

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("this ends in time")
}

/// Looks again until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An authority for test certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Test CA {}", net::entropy::number()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        self.0.pem().parse().unwrap()
    }

    /// For servers only, as public authorities issue now.
    pub(crate) fn issue(&self, name: &str, directory: &TempDir) -> CertificateFiles {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let files = CertificateFiles {
            certificate: directory.path().join(format!("{name}.pem")),
            key: directory.path().join(format!("{name}.key")),
        };
        fs::write(&files.certificate, params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        files
    }
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("a passphrase for tests".parse().unwrap());
    settings.allow_private_targets = PrivateTargets::All;
    settings
}

/// A row of partner-policy §2 by its number.
pub(crate) fn row(number: u8) -> Negotiation {
    let row = policy::negotiation::ROWS.iter().find(|row| row.number == number).unwrap();
    assert_eq!(row.negotiation.row().number, number);
    row.negotiation
}

/// The other organisation as a partner.
pub(crate) fn partner(name: &str, negotiation: Negotiation, roots: TrustRoots, port: u16) -> Partner {
    let mut partner = Partner::new(domain(name));
    partner.negotiation = negotiation;
    partner.trust_roots = roots;
    partner.proxy_fqdn = Some(ProxyFqdn { host: domain(LOOPBACK), port: NonZeroU16::new(port) });
    partner
}

/// An organisation: a proxy at work and its inside.
pub(crate) struct Org {
    pub(crate) name: &'static str,
    pub(crate) proxy: Running,
    pub(crate) publish: watch::Sender<Option<Arc<EdgeSnapshot>>>,
    pub(crate) inside: LinkEnd,
    pub(crate) port: Port,
    revision: u64,
    _files: TempDir,
}

impl Org {
    /// Starts without partners.
    pub(crate) async fn start(name: &'static str, authority: &Authority) -> Self {
        Self::start_with(name, Some(authority)).await
    }

    pub(crate) async fn start_with(name: &'static str, authority: Option<&Authority>) -> Self {
        Self::start_changed(name, authority, |_| {}).await
    }

    /// Starts with a configuration that the test has changed.
    pub(crate) async fn start_changed(
        name: &'static str,
        authority: Option<&Authority>,
        change: impl FnOnce(&mut ProxyConfig),
    ) -> Self {
        let files = TempDir::new().unwrap();
        let (publish, watched) = snapshots();
        publish.send_replace(Some(Arc::new(EdgeSnapshot::new(1, [], [domain(name)], settings()))));
        let (edge, inside) = link::local(2048);
        let mut config = ProxyConfig {
            listen_tls: Vec::new(),
            extensions: proxy::Extensions::default(),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            certificates: authority.map(|authority| authority.issue(name, &files)).into_iter().collect(),
            dns: DnsConfig {
                // Nobody answers there: whatever is not known is a failed look-up.
                name_servers: vec!["127.0.0.1:1".parse().unwrap()],
                overrides: [(domain(LOOPBACK), vec!["127.0.0.1".parse().unwrap()])].into(),
                timeout: Duration::from_millis(200),
            },
            ..ProxyConfig::default()
        };
        change(&mut config);
        let proxy = proxy::start(config, watched, edge).await.unwrap();
        let port = inside.link.port(2048);
        Self { name, proxy, publish, inside, port, revision: 1, _files: files }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.addresses()[0]
    }

    pub(crate) fn publish(&mut self, partners: impl IntoIterator<Item = Partner>, settings: Settings) {
        self.publish_with(&[self.name], partners, settings);
    }

    pub(crate) fn publish_with(
        &mut self,
        internal: &[&str],
        partners: impl IntoIterator<Item = Partner>,
        settings: Settings,
    ) {
        self.revision += 1;
        let internal = internal.iter().map(|name| domain(name));
        let snapshot = EdgeSnapshot::new(self.revision, partners, internal, settings);
        self.publish.send_replace(Some(Arc::new(snapshot)));
    }

    /// Sends a message to `user` at `remote` and waits for its end.
    pub(crate) async fn send(&mut self, remote: &str, user: &str, body: &str) -> Result<(), StanzaError> {
        self.send_within(remote, user, body, PATIENCE).await
    }

    pub(crate) async fn send_within(
        &mut self,
        remote: &str,
        user: &str,
        body: &str,
        limit: Duration,
    ) -> Result<(), StanzaError> {
        self.hand_over(remote, user, body, limit);
        self.end_of_one().await
    }

    /// Hands a message to the proxy.
    pub(crate) fn hand_over(&mut self, remote: &str, user: &str, body: &str, limit: Duration) {
        self.hand_over_from(self.name, remote, user, body, limit);
    }

    pub(crate) fn hand_over_from(&mut self, local: &str, remote: &str, user: &str, body: &str, limit: Duration) {
        let (from, to) = (format!("alice@{local}"), format!("{user}@{remote}"));
        let head = Head { from: &from, to: &to, id: Some("m1") };
        let batch = message(head, Message { message_type: Some("chat"), body: Some(body), ..Message::default() });
        self.port.try_send(pair(local, remote), batch, Instant::now() + limit).unwrap();
    }

    /// The next stanza of ours that ended.
    pub(crate) async fn end_of_one(&mut self) -> Result<(), StanzaError> {
        loop {
            match patiently(self.port.settlement()).await.outcome {
                Settled::Written => {}
                Settled::Done => return Ok(()),
                Settled::Refused(error) | Settled::Unknown(error) => return Err(*error),
            }
        }
    }

    pub(crate) async fn receive(&mut self) -> Envelope {
        patiently(self.inside.inbox.receive()).await.expect("the proxy is at work")
    }

    /// Receives one message and settles it; its sender and body.
    pub(crate) async fn receive_message(&mut self) -> (String, String) {
        let envelope = self.receive().await;
        let read = first(&envelope.batch);
        envelope.receipts.settle_all(&Settled::Done);
        read
    }

    pub(crate) fn methods(&self, direction: Direction) -> Vec<Method> {
        let streams = self.proxy.monitor().streams();
        let alike = streams.iter().filter(|stream| stream.direction == direction);
        alike.flat_map(|stream| stream.authorised.iter().map(|(_, method)| *method)).collect()
    }

    /// Every stanza is accounted for, and none is on its way.
    pub(crate) async fn balanced(&self) -> Ledger {
        let monitor = self.proxy.monitor();
        until("the ledger comes to rest", || {
            let ledger = monitor.ledger();
            [&ledger.inbound, &ledger.outbound, &ledger.errors].iter().all(|column| column.queued == 0)
        })
        .await;
        let ledger = monitor.ledger();
        for column in [&ledger.inbound, &ledger.outbound, &ledger.errors] {
            assert!(column.is_balanced(), "{ledger:?}");
            assert_eq!(column.delivery_unknown, 0, "{ledger:?}");
        }
        ledger
    }
}

/// Sender and body of the first stanza.
pub(crate) fn first(batch: &Batch) -> (String, String) {
    let stanza = StanzaRef::of(batch.element(0)).unwrap();
    (stanza.from().unwrap().to_owned(), stanza.body().unwrap_or_default().into_owned())
}

/// Two organisations that have each other as partners with the same row and know each other's authority.
pub(crate) async fn federation(negotiation: Negotiation) -> (Org, Org) {
    let authority = Authority::new();
    federation_of(negotiation, &authority, authority.roots()).await
}

/// The same with the roots that both trust.
pub(crate) async fn federation_of(negotiation: Negotiation, authority: &Authority, roots: TrustRoots) -> (Org, Org) {
    let (mut ours, mut theirs) = (Org::start(OURS, authority).await, Org::start(THEIRS, authority).await);
    let (our_port, their_port) = (ours.address().port(), theirs.address().port());
    ours.publish([partner(THEIRS, negotiation, roots.clone(), their_port)], settings());
    theirs.publish([partner(OURS, negotiation, roots, our_port)], settings());
    (ours, theirs)
}

/// TLS, SASL, dialback.
pub(crate) fn negotiation(tls: Requirement, sasl: Requirement, dialback: bool) -> Negotiation {
    Negotiation { tls, sasl, dialback }
}
