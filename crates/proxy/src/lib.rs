//! The role at the edge: streams with partners' servers on one side, the link to the inside on the other.
//!
//! * [`listener`](self) accepts connections; each one has a task that drives an `xmpp::stream` machine through a pump.
//! * Stanzas of an authorised pair go over the link; a refusal comes back as the one error to the partner.
//! * Stanzas from the inside go to the route of their pair: a queue, a back-off, and a stream that is made when needed.
//!   They are settled when they were written to an authorised stream, or acknowledged where the partner can do that.
//! * Dialback keys are verified on connections of their own.
//! * Policy is asked whenever a pair is judged, and again for every live stream when a newer snapshot is published.
//!
//! A second proxy serves the leg of inner XMPP servers, where the other side is our own ([`inner`](self)).
//!
//! The proxy has no database and knows no contact, no internal user and no SIP. Nothing here dials a domain that is on no
//! enabled partner, except for a probe that an administrator has asked for.

mod admission;
mod carrier;
mod connection;
mod dial;
mod edge;
mod failure;
mod inbound;
mod inner;
mod inside;
mod ledger;
mod listener;
mod outbound;
mod probe;
mod progress;
mod pump;
mod rate;
mod reports;
mod routes;
mod status;
mod verify;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use lexicon::{DomainPair, report::Leg};
use link::{EventInbox, Events, LinkEnd, Snapshots, events};
use net::{
    dns::{DnsConfig, Kind, Resolver, ResolverError},
    listen::{ListenError, listen},
    tls::{CertificateFileError, CertificateFiles, Identities, Tls, TlsError},
};
use policy::Partner;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};

pub use ledger::{Column, Ledger};
pub use probe::Probe;
pub use status::{Carried, StreamNumbers, StreamStatus};
pub use xmpp::stream::Extensions;

use crate::{admission::Door, connection::Ways, edge::Edge, ledger::Counters, routes::Ears, status::Streams};

/// What came in and the routes have not heard of yet.
const TO_ROUTES_MAX: usize = 1024;

/// News of connections on their way to the routes.
const NEWS_MAX: usize = 256;

/// How long a stop waits for streams to close in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// What a proxy needs to start. All else is policy and comes with the snapshot.
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// Addresses to listen on; port 0 lets the kernel choose.
    pub listen: Vec<SocketAddr>,
    /// Addresses to listen on for direct TLS (XEP-0368).
    pub listen_tls: Vec<SocketAddr>,
    /// Certificates with their keys; the first is shown when no other fits. Without one TLS is not offered.
    pub certificates: Vec<CertificateFiles>,
    /// Name servers and static overrides.
    pub dns: DnsConfig,
    /// What is spoken with partners that can: stanzas both ways on a connection (XEP-0288), and acknowledgements (XEP-0198),
    /// with which a stanza that left does not end before the partner has taken responsibility for it.
    pub extensions: Extensions,
    /// On which side of us the other servers are. On the leg of inner servers the snapshots must be
    /// [seen from there](EdgeSnapshot::of_inner_leg).
    pub leg: Leg,
    /// Where streams get their numbers from.
    pub numbers: StreamNumbers,
}

/// Why a proxy does not start. Each text is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateFileError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The publisher of policy ended before it published any.
    #[error("the proxy got no policy to work by")]
    NoSnapshot,
    /// The system's name servers cannot be used.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Starts a proxy: reads its certificates, waits for the first snapshot, then listens. Needs a tokio runtime.
pub async fn start(config: ProxyConfig, mut snapshots: Snapshots, link: LinkEnd) -> Result<Running, ProxyError> {
    let tls = Tls::new(Identities::load(&config.certificates)?)?;
    let resolver = Resolver::new(config.dns)?;
    let first = snapshots.wait_for(Option::is_some).await.map_err(|_| ProxyError::NoSnapshot)?.clone();
    let first = first.ok_or(ProxyError::NoSnapshot)?;
    let (listeners, addresses) = listen_on(&config.listen)?;
    let (listeners_tls, addresses_tls) = listen_on(&config.listen_tls)?;

    let (stop, stopping) = watch::channel(false);
    let (alive, ended) = mpsc::channel(1);
    let (events, reports) = events();
    let edge = Edge::new(tls, resolver, snapshots, first, stopping, alive, events.clone());
    let edge = Arc::new(edge.speaking(config.extensions).on(config.leg, &config.numbers));
    let LinkEnd { link, inbox } = link;
    let ((to_routes, heard), (tell, news)) = (mpsc::channel(TO_ROUTES_MAX), mpsc::channel(NEWS_MAX));
    let ways = Ways { link, to_routes, news: tell };
    tokio::spawn(routes::run(Arc::clone(&edge), Ears { inbox, to_routes: heard, news }, ways.clone()));
    let listeners = listeners.into_iter().map(|listener| (listener, Kind::Starttls));
    for listener in listeners.chain(listeners_tls.into_iter().map(|listener| (listener, Kind::DirectTls))) {
        tokio::spawn(listener::run(Arc::clone(&edge), listener, ways.clone()));
    }
    let monitor = Monitor {
        counters: Arc::clone(&edge.counters),
        streams: Arc::clone(&edge.streams),
        door: Arc::clone(&edge.admission.door),
        events,
        edge: Arc::downgrade(&edge),
    };
    let reports = Some(reports);
    let certificates = Certificates(Arc::clone(&edge.tls));
    let leg = config.leg.as_str();
    for address in &addresses {
        tracing::info!(%address, leg, "listening for servers");
    }
    for address in &addresses_tls {
        tracing::info!(%address, leg, "listening for servers, direct TLS");
    }
    Ok(Running { addresses, addresses_tls, monitor, certificates, stop, ended, reports })
}

fn listen_on(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), ListenError> {
    let listeners = addresses.iter().map(|address| listen(*address)).collect::<Result<Vec<_>, _>>()?;
    let real = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
    Ok((listeners, real.map_err(|source| ListenError::of(([0, 0, 0, 0], 0).into(), source))?))
}

/// A proxy at work. Dropping it stops the proxy without waiting.
pub struct Running {
    addresses: Vec<SocketAddr>,
    addresses_tls: Vec<SocketAddr>,
    monitor: Monitor,
    certificates: Certificates,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    reports: Option<EventInbox>,
}

impl Running {
    /// The addresses listened on, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses listened on for direct TLS, with their real ports.
    pub fn addresses_tls(&self) -> &[SocketAddr] {
        &self.addresses_tls
    }

    /// The reports of connection attempts, for whoever keeps them; to be taken once. What nobody takes is dropped and
    /// counted.
    pub fn take_reports(&mut self) -> Option<EventInbox> {
        self.reports.take()
    }

    /// For those who only look.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// For those who read the certificates again.
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Stops: listens no more, closes every stream with `system-shutdown`, refuses what waits. Returns when all tasks
    /// have ended, after at most 8 s. The final ledger is the answer.
    pub async fn stop(self) -> Ledger {
        let Self { monitor, stop, mut ended, .. } = self;
        let _ = stop.send(true);
        let _ = timeout(STOP_TIMEOUT, ended.recv()).await;
        monitor.ledger()
    }
}

/// The certificates that a proxy shows. Cheap to clone.
#[derive(Clone)]
pub struct Certificates(Arc<ArcSwap<Tls>>);

impl Certificates {
    /// Those that new connections show.
    pub fn in_use(&self) -> Arc<Tls> {
        self.0.load_full()
    }

    /// Reads `files`, for connections from now on; live streams are not touched. After an error the old ones stay in use.
    pub fn reload(&self, files: &[CertificateFiles]) -> Result<(), ProxyError> {
        self.0.store(Arc::new(Tls::new(Identities::load(files)?)?));
        Ok(())
    }
}

/// Looks at a proxy without holding it.
#[derive(Clone)]
pub struct Monitor {
    counters: Arc<Counters>,
    streams: Arc<Streams>,
    door: Arc<Door>,
    events: Events,
    edge: Weak<Edge>,
}

impl Monitor {
    /// What became of every stanza so far.
    pub fn ledger(&self) -> Ledger {
        self.counters.ledger()
    }

    /// Messages with words in the last minute, both ways.
    pub fn messages_per_minute(&self) -> u64 {
        self.counters.messages.per_minute(net::clock::now().instant)
    }

    /// The live connections with their authorised pairs.
    pub fn streams(&self) -> Vec<StreamStatus> {
        self.streams.list()
    }

    /// Starts a probe from the local to the remote domain of `pair` under `settings`, saved or not; none once the proxy
    /// has stopped. Needs a tokio runtime.
    pub fn probe(&self, pair: DomainPair, settings: Arc<Partner>) -> Option<Probe> {
        probe::start(&self.edge, pair, settings)
    }

    /// Closes the connection with this number; a reason is told to the partner. Whether there is such a connection.
    pub fn close(&self, number: u64, reason: &str) -> bool {
        self.streams.close_for(number, reason)
    }

    /// Reports that nobody has taken in time.
    pub fn reports_dropped(&self) -> u64 {
        self.events.dropped()
    }

    /// Connections that were dropped before authorisation, by reason: `half_open_limit`, `half_open_per_address`,
    /// `failing_too_often`, or `displaced` by another one at the limit. Every reason is there.
    pub fn connections_refused(&self) -> BTreeMap<&'static str, u64> {
        self.door.refused().collect()
    }
}
