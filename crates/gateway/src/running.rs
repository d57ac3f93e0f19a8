//! Starting and stopping a gateway, and what can be asked of a running one.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ::sip::Transport;
use link::{LinkEnd, Snapshots};
use net::{
    dns::{DnsConfig, Resolver, ResolverError},
    listen::{ListenError, listen, listen_udp},
    tls::{CertificateFileError, CertificateFiles, Identities, Tls, TlsError},
};
use policy::TrunkName;
use store::{Revisions, Store, StoreError};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{
    SessionsStatus, Snapshot, TrunkStatus, TrunkTest, book,
    component::{TOLD_MAX, listener},
    counters::Counters,
    refusals::PartnerRefusals,
    shard::{COMPONENTS_WINDOW, Ears, INNER_WINDOW, Parts, Ports, Question, Shard, WRITES_MAX},
    sip::{
        ARRIVALS_MAX,
        flows::{Datagrams, Flows, Listener},
        tcp, udp,
    },
    trunk::{self, Dialler},
};

/// Stanzas on the link that were not settled yet.
const LINK_WINDOW: usize = 4096;
/// Changes of the store that wait for the shard.
const CHANGES_MAX: usize = 16;
/// Questions that wait for the shard.
const QUESTIONS_MAX: usize = 64;

/// How a gateway is set up.
#[derive(Clone, Debug, Default)]
pub struct GatewayConfig {
    /// Where SIP is listened for over UDP; port 0 lets the kernel choose.
    pub sip_udp: Vec<SocketAddr>,
    /// Where SIP is listened for over TCP; port 0 lets the kernel choose.
    pub sip_tcp: Vec<SocketAddr>,
    /// Where SIP is listened for over TLS; port 0 lets the kernel choose. Needs a certificate.
    pub sip_tls: Vec<SocketAddr>,
    /// What is shown over TLS, to those who connect and to trunks; the first where no other fits.
    pub certificates: Vec<CertificateFiles>,
    /// Whom to ask for the addresses of trunks. Its overrides are for XMPP and not looked at.
    pub dns: DnsConfig,
    /// The host that endpoints reach us by, for Via, where the gateway listens on all addresses. Without it the address
    /// of the default route is taken.
    pub sip_host: Option<String>,
    /// URIs to write to about this server (XEP-0157), such as `mailto:admin@contoso.example`.
    pub contacts: Vec<String>,
    /// Where components connect (XEP-0114), without TLS; port 0 lets the kernel choose.
    pub components: Vec<SocketAddr>,
}

/// Where a gateway's stanzas go and come from.
#[derive(Debug)]
pub struct Links {
    /// To partners.
    pub partners: LinkEnd,
    /// To inner XMPP servers; none: no domain can be served by one.
    pub inner_servers: Option<LinkEnd>,
}

impl From<LinkEnd> for Links {
    fn from(partners: LinkEnd) -> Self {
        Self { partners, inner_servers: None }
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is nothing to listen on.
    #[error("no address to listen on for SIP is configured")]
    NoListener,
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateFileError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// TLS is listened for and there is no certificate to show.
    #[error("SIP over TLS needs a certificate")]
    NoCertificate,
    /// The name servers of this machine cannot be used.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// Users and contacts cannot be read.
    #[error("users and contacts cannot be loaded: {0}")]
    Store(#[from] StoreError),
}

/// A contact that a user has registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// The user.
    pub address: lexicon::BareJid,
    /// The URI of the endpoint.
    pub contact: String,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: &'static str,
    /// Where the REGISTER came from.
    pub source: SocketAddr,
    /// How long it is still valid.
    pub expires_in: Duration,
    /// Whether it failed to answer and is skipped until it registers again.
    pub is_unreachable: bool,
}

/// A component that serves its domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectedComponent {
    /// The domain.
    pub domain: lexicon::Domain,
    /// The other end of its connection.
    pub peer: SocketAddr,
    /// Since when.
    pub since: lexicon::Timestamp,
    /// Stanzas that wait for it to read.
    pub waiting: usize,
}

/// A running gateway. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    components: Vec<SocketAddr>,
    monitor: Monitor,
    certificates: Certificates,
    stop: watch::Sender<bool>,
    shard: JoinHandle<()>,
    listeners: Vec<JoinHandle<()>>,
}

/// The certificates that a gateway shows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<watch::Sender<Tls>>);

impl Certificates {
    /// Those that new connections show.
    pub fn in_use(&self) -> Tls {
        self.0.borrow().clone()
    }

    /// Reads `files`, for connections from now on; live ones are not touched. After an error the old ones stay in use.
    pub fn reload(&self, files: &[CertificateFiles]) -> Result<(), GatewayError> {
        self.0.send_replace(Tls::new(Identities::load(files)?)?);
        Ok(())
    }
}

/// Looks at a gateway without holding it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Monitor {
    counters: Arc<Counters>,
    questions: mpsc::Sender<Question>,
    applied: watch::Receiver<Revisions>,
}

impl Monitor {
    /// Waits until users, contacts and components of these revisions are in force; at once when the gateway has stopped.
    pub async fn in_force(&self, of: Revisions) {
        let reached = |applied: &Revisions| {
            applied.users >= of.users && applied.contacts >= of.contacts && applied.edge >= of.edge
        };
        let _ = self.applied.clone().wait_for(reached).await;
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// What the rules for contacts refused of this partner's traffic since the start.
    pub fn refusals(&self, primary: &lexicon::Domain) -> PartnerRefusals {
        self.counters.refusals.of(primary)
    }

    /// Who is registered, by address; empty once the gateway has stopped.
    pub async fn registrations(&self) -> Vec<Registration> {
        let (reply, answer) = oneshot::channel();
        match self.questions.send(Question::Registrations(reply)).await {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Which components are connected, by domain; empty once the gateway has stopped.
    pub async fn components(&self) -> Vec<ConnectedComponent> {
        let (reply, answer) = oneshot::channel();
        match self.questions.send(Question::Components(reply)).await {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// All trunks with the state of their targets, by name; empty once the gateway has stopped.
    pub async fn trunks(&self) -> Vec<TrunkStatus> {
        let (reply, answer) = oneshot::channel();
        match self.questions.send(Question::Trunks(reply)).await {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// How many message sessions stand; none once the gateway has stopped.
    pub async fn sessions(&self) -> SessionsStatus {
        let (reply, answer) = oneshot::channel();
        match self.questions.send(Question::Sessions(reply)).await {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => SessionsStatus::default(),
        }
    }

    /// Asks the shard something that it answers by other means.
    pub(crate) async fn ask(&self, question: Question) -> Result<(), ()> {
        self.questions.send(question).await.map_err(drop)
    }

    /// Sends one OPTIONS to every target of a trunk, on a connection of its own, and tells each step; none if there is no
    /// such trunk. Needs a tokio runtime and takes some seconds where a target is silent.
    pub async fn test_trunk(&self, name: &TrunkName) -> Option<TrunkTest> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(Question::Trunk(name.clone(), reply)).await.ok()?;
        let (trunk, dialler, way) = answer.await.ok()??;
        Some(trunk::test(&dialler, &trunk, &way).await)
    }
}

impl Running {
    /// Where SIP is listened for over UDP.
    pub fn sip_udp(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Where SIP is listened for over TCP.
    pub fn sip_tcp(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Where SIP is listened for over TLS.
    pub fn sip_tls(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// For those who read the certificates again.
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Where components connect.
    pub fn components(&self) -> &[SocketAddr] {
        &self.components
    }

    /// For those who only look.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// As [`Monitor::counters`].
    pub fn counters(&self) -> Snapshot {
        self.monitor.counters()
    }

    /// As [`Monitor::refusals`].
    pub fn refusals(&self, primary: &lexicon::Domain) -> PartnerRefusals {
        self.monitor.refusals(primary)
    }

    /// As [`Monitor::registrations`].
    pub async fn registrations(&self) -> Vec<Registration> {
        self.monitor.registrations().await
    }

    /// Answers what is undecided, closes connections and waits for the end.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.shard.await {
            tracing::error!(%error, "the gateway did not end cleanly");
        }
        for listener in self.listeners {
            let _ = listener.await;
        }
    }
}

/// Loads users and contacts, then listens. Must be called inside a tokio runtime.
///
/// `snapshots` is the same policy that the proxy watches; before its first value every request is answered 480 or 403.
pub async fn start(
    config: GatewayConfig,
    store: Store,
    links: impl Into<Links>,
    snapshots: Snapshots,
) -> Result<Running, GatewayError> {
    let Links { partners: link, inner_servers } = links.into();
    // One whose other end is gone says so to whoever uses it.
    let inner = inner_servers.unwrap_or_else(|| link::local(1).0);
    check(&config)?;
    let (shown, tls_in_use) = watch::channel(Tls::new(Identities::load(&config.certificates)?)?);
    let resolver = Arc::new(Resolver::new(config.dns.clone())?);
    let (book, serving, seen) = book::load(&store).await?;
    let bound = bind(&config).await?;
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = watch::channel(false);
    let (arrivals, arrived) = mpsc::channel(ARRIVALS_MAX);
    let (changes, changed) = mpsc::channel(CHANGES_MAX);
    let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
    let (stored, written) = mpsc::channel(WRITES_MAX);
    let (told, heard) = mpsc::channel(TOLD_MAX);
    let (udp, tcp) = (addresses(&bound.udp, |socket| socket.local_addr()), addresses(&bound.tcp, |l| l.local_addr()));
    let tls = addresses(&bound.tls, |listener| listener.local_addr());
    let components = addresses(&bound.components, |listener| listener.local_addr());
    let flows = flows(&bound, &config);
    let dialler = Dialler {
        arrivals: arrivals.clone(),
        tls: tls_in_use.clone(),
        resolver,
        own: Arc::new(flows.own_addresses()),
        stop: stopped.clone(),
    };
    let (applied, up_to) = watch::channel(seen);
    let parts = Parts {
        flows,
        book,
        snapshots: snapshots.clone(),
        dialler,
        store: store.clone(),
        stored,
        port: link.link.port(LINK_WINDOW),
        components: ports(&link, &inner),
        serving,
        counters: Arc::clone(&counters),
        contacts: config.contacts.into(),
        applied,
    };
    let (stop_listening, half_open) = (stopped.clone(), listener::half_open());
    let means = listener::Means { told, counters: Arc::clone(&counters), snapshots, half_open, stop: stop_listening };
    let sip = tcp::Means { arrivals, counters: Arc::clone(&counters), seats: Arc::default(), stop: stopped.clone() };
    let listeners = bound.serve(tls_in_use, sip, means);
    tokio::spawn(book::follow(store, seen, changes));
    let ears = Ears {
        arrivals: arrived,
        inbox: link.inbox,
        inner: inner.inbox,
        stored: written,
        changes: changed,
        components: heard,
        questions: asked,
        stop: stopped,
    };
    let shard = tokio::spawn(Shard::new(parts).run(ears));
    let monitor = Monitor { counters, questions, applied: up_to };
    let certificates = Certificates(Arc::new(shown));
    Ok(Running { udp, tcp, tls, components, monitor, certificates, stop, shard, listeners })
}

fn check(config: &GatewayConfig) -> Result<(), GatewayError> {
    if config.sip_udp.is_empty() && config.sip_tcp.is_empty() && config.sip_tls.is_empty() {
        return Err(GatewayError::NoListener);
    }
    if !config.sip_tls.is_empty() && config.certificates.is_empty() {
        return Err(GatewayError::NoCertificate);
    }
    Ok(())
}

fn ports(partners: &LinkEnd, inner: &LinkEnd) -> Ports {
    Ports {
        components: partners.link.port(COMPONENTS_WINDOW),
        inner_servers: partners.link.port(INNER_WINDOW),
        inner_leg: inner.link.port(INNER_WINDOW),
    }
}

/// Sockets that are bound.
struct Bound {
    udp: Vec<Arc<UdpSocket>>,
    tcp: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    components: Vec<TcpListener>,
}

impl Bound {
    /// Reads and accepts until the gateway stops; those that components connect to are to be waited for then.
    fn serve(self, tls: watch::Receiver<Tls>, sip: tcp::Means, components: listener::Means) -> Vec<JoinHandle<()>> {
        for (index, socket) in self.udp.into_iter().enumerate() {
            let (arrivals, counters) = (sip.arrivals.clone(), Arc::clone(&sip.counters));
            tokio::spawn(udp::read(socket, index, arrivals, counters, sip.stop.clone()));
        }
        for listener in self.tcp {
            tokio::spawn(tcp::accept(listener, None, sip.clone()));
        }
        for listener in self.tls {
            tokio::spawn(tcp::accept(listener, Some(tls.clone()), sip.clone()));
        }
        let accept = |socket| tokio::spawn(listener::accept(socket, components.clone()));
        self.components.into_iter().map(accept).collect()
    }
}

async fn bind(config: &GatewayConfig) -> Result<Bound, GatewayError> {
    let mut bound = Bound { udp: Vec::new(), tcp: Vec::new(), tls: Vec::new(), components: Vec::new() };
    for address in &config.sip_udp {
        let socket = listen_udp(*address)?;
        bound.udp.push(Arc::new(socket));
    }
    for address in &config.sip_tcp {
        bound.tcp.push(listen(*address)?);
    }
    for address in &config.sip_tls {
        bound.tls.push(listen(*address)?);
    }
    for address in &config.components {
        bound.components.push(listen(*address)?);
    }
    Ok(bound)
}

fn addresses<S>(sockets: &[S], address: impl Fn(&S) -> io::Result<SocketAddr>) -> Vec<SocketAddr> {
    sockets.iter().filter_map(|socket| address(socket).ok()).collect()
}

fn flows(bound: &Bound, config: &GatewayConfig) -> Flows {
    let host = |address: &SocketAddr| host_of(address.ip(), config.sip_host.as_deref());
    let udp = addresses(&bound.udp, |socket| socket.local_addr());
    let tcp = addresses(&bound.tcp, |listener| listener.local_addr());
    let tls = addresses(&bound.tls, |listener| listener.local_addr());
    let of = |transport, addresses: &'_ [SocketAddr]| addresses.iter().map(|a| (transport, *a)).collect::<Vec<_>>();
    let all = [of(Transport::Udp, &udp), of(Transport::Tcp, &tcp), of(Transport::Tls, &tls)].concat();
    let listener = |(transport, address): (_, SocketAddr)| Listener {
        transport,
        is_ipv4: address.is_ipv4(),
        host: host(&address).into(),
        port: address.port(),
    };
    let listeners = all.into_iter().map(listener).collect();
    let datagrams = |(socket, address): (&Arc<UdpSocket>, &SocketAddr)| {
        Datagrams::new(Arc::clone(socket), format!("{}:{}", host(address), address.port()).into())
    };
    Flows::new(bound.udp.iter().zip(&udp).map(datagrams).collect(), listeners)
}

/// The host for our Via: an IPv6 address in brackets.
fn host_of(ip: IpAddr, configured: Option<&str>) -> String {
    let ip = match (configured, ip.is_unspecified()) {
        (Some(host), true) => return host.to_owned(),
        (None, true) => default_address(),
        (_, false) => ip,
    };
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The address of the default route: a UDP socket that is connected sends nothing.
fn default_address() -> IpAddr {
    let probe = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
    let route = probe.and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    route.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
