//! Starts and stops the server: the store, the links, and the roles at their ends. The role at the edge runs twice: towards
//! partners, and, seen from the other side, towards inner XMPP servers.
//!
//! Everything that can fail at the start fails before anything is served, with one sentence for the operator: addresses
//! that are in use, certificates that cannot be read, a store of a later version.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use lexicon::{Now, report::Leg};
use store::{Store, StoreError};
use tokio::task::JoinHandle;

use crate::{
    Config,
    certificates::{Certificates, ReloadError, Shown},
    courier::{self, Publishers, Reports},
    credential,
    live::{Live, Roles},
    ops::{self, Attempts, Measured, OpsError},
};

/// Envelopes that one role may have waiting for the other.
const LINK_ENVELOPES_MAX: usize = 1024;

/// A running server. Dropping it stops the roles without waiting.
pub struct Running {
    store: Store,
    proxy: proxy::Running,
    inner: proxy::Running,
    gateway: gateway::Running,
    panel: panel::Running,
    web: panel::Web,
    certificates: Certificates,
    courier: JoinHandle<()>,
    reports: Vec<Reports>,
    watch: JoinHandle<()>,
    ops: ops::Running,
}

/// Where the server can be reached, with the real ports.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// By partners' servers.
    pub xmpp: Vec<SocketAddr>,
    /// By partners' servers, with direct TLS.
    pub xmpp_tls: Vec<SocketAddr>,
    /// By inner XMPP servers.
    pub inner: Vec<SocketAddr>,
    /// By inner XMPP servers, with direct TLS.
    pub inner_tls: Vec<SocketAddr>,
    /// By SIP endpoints over UDP.
    pub sip_udp: Vec<SocketAddr>,
    /// By SIP endpoints over TCP.
    pub sip_tcp: Vec<SocketAddr>,
    /// By SIP endpoints and trunks over TLS.
    pub sip_tls: Vec<SocketAddr>,
    /// By components.
    pub components: Vec<SocketAddr>,
    /// By administrators: the Unix socket of the API.
    pub admin_socket: PathBuf,
    /// By administrators' programs, over HTTPS.
    pub admin: Vec<SocketAddr>,
    /// By monitoring systems of this machine.
    pub ops: Vec<SocketAddr>,
}

/// Why the server does not start. The texts are sentences for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The gateway's listeners or what it must load.
    #[error(transparent)]
    Gateway(#[from] gateway::GatewayError),
    /// The data directory was never set up.
    #[error("there is no database in {}: set the server up with legation init", .0.display())]
    NotSetUp(PathBuf),
    /// The listeners for metrics.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The socket of the API.
    #[error(transparent)]
    Panel(#[from] panel::SocketError),
    /// The API over HTTPS.
    #[error(transparent)]
    Web(#[from] panel::WebError),
    /// A proxy's listeners or certificates.
    #[error(transparent)]
    Proxy(#[from] proxy::ProxyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts all roles in this process. Needs a tokio runtime.
///
/// # Errors
/// What was started is stopped again; the store is as it was, apart from a schema brought up to date.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let database = config.database();
    if !database.exists() {
        return Err(StartError::NotSetUp(config.data_dir));
    }
    let store = Store::open(&database).await?;
    let started = start_roles(config, &store).await;
    if started.is_err() {
        store.close().await;
    }
    started
}

async fn start_roles(config: Config, store: &Store) -> Result<Running, StartError> {
    let started_at: Now = net::clock::now();
    let (partners, snapshots) = link::snapshots();
    let (inner_servers, inner_snapshots) = link::snapshots();
    let courier = courier::start(store, Publishers { partners, inner_servers }).await?;
    let (edge_end, partners) = link::local(LINK_ENVELOPES_MAX);
    let (inner_end, inner_servers) = link::local(LINK_ENVELOPES_MAX);
    let edge = proxy::ProxyConfig {
        listen: config.xmpp.listen.clone(),
        listen_tls: config.xmpp.listen_tls.clone(),
        certificates: config.xmpp.certificates.clone(),
        dns: config.dns.clone(),
        extensions: proxy::Extensions::ALL,
        ..proxy::ProxyConfig::default()
    };
    let inner_leg = proxy::ProxyConfig {
        listen: config.inner.listen.clone(),
        listen_tls: config.inner.listen_tls.clone(),
        certificates: config.inner_certificates().to_vec(),
        leg: Leg::Inner,
        ..edge.clone()
    };
    let mut proxy = proxy::start(edge, snapshots.clone(), edge_end).await?;
    let mut inner = proxy::start(inner_leg, inner_snapshots.clone(), inner_end).await?;
    let attempts = Arc::<Attempts>::default();
    let reports = [proxy.take_reports(), inner.take_reports()].into_iter().flatten();
    let reports = reports.map(|inbox| Reports::keep(store, inbox, Arc::clone(&attempts))).collect();
    let inside = gateway::GatewayConfig {
        sip_udp: config.sip.udp.clone(),
        sip_tcp: config.sip.tcp.clone(),
        sip_tls: config.sip.tls.clone(),
        certificates: config.sip.certificates.clone(),
        dns: config.dns.clone(),
        components: config.component.clone(),
        sip_host: config.sip.host.as_ref().map(|host| host.as_ascii().to_owned()),
        contacts: config.xmpp.contacts.clone(),
    };
    let links = gateway::Links { partners, inner_servers: Some(inner_servers) };
    let gateway = gateway::start(inside, store.clone(), links, snapshots.clone()).await?;
    let measured = Measured { proxy: proxy.monitor(), inner: inner.monitor(), gateway: gateway.monitor(), attempts };
    let sources = ops::Sources { store: store.clone(), snapshots: snapshots.clone(), measured };
    let admin = panel::WebListeners::bind(&config.admin.listen, &config.admin.certificates)?;
    let shown = Shown {
        xmpp: proxy.certificates(),
        inner: inner.certificates(),
        sip: gateway.certificates(),
        admin: admin.certificates(),
    };
    let certificates = Certificates::new(shown, config.file.clone(), snapshots.clone());
    let parts = Roles {
        proxy: &proxy,
        inner: &inner,
        gateway: &gateway,
        admin: admin.addresses(),
        certificates: certificates.clone(),
    };
    let live = Live::new(started_at.wall, [snapshots, inner_snapshots], &config, parts);
    let means = panel::Means { store: store.clone(), credentials: credential::of, live: Arc::new(live) };
    let panel = panel::start(&config.admin_socket, means.clone()).await?;
    let web = admin.serve(means);
    let ops = ops::start(&config.ops, sources).await?;
    let watch = tokio::spawn(certificates.clone().watch());
    Ok(Running { store: store.clone(), proxy, inner, gateway, panel, web, certificates, courier, reports, watch, ops })
}

impl Running {
    /// Where the server can be reached.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            xmpp: self.proxy.addresses().to_vec(),
            xmpp_tls: self.proxy.addresses_tls().to_vec(),
            inner: self.inner.addresses().to_vec(),
            inner_tls: self.inner.addresses_tls().to_vec(),
            sip_udp: self.gateway.sip_udp().to_vec(),
            sip_tcp: self.gateway.sip_tcp().to_vec(),
            sip_tls: self.gateway.sip_tls().to_vec(),
            components: self.gateway.components().to_vec(),
            admin_socket: self.panel.path().to_owned(),
            admin: self.web.addresses().to_vec(),
            ops: self.ops.addresses().to_vec(),
        }
    }

    /// Reads the certificate files again, for connections from now on. After an error the old ones stay in use.
    pub fn reload_certificates(&self) -> Result<(), ReloadError> {
        self.certificates.reload().map(|_| ())
    }

    /// Stops from the outside in: no more changes, then no more requests of users, then the streams; what waits is
    /// answered. The store is closed last.
    pub async fn stop(self) {
        self.ops.stop().await;
        tokio::join!(self.web.stop(), self.panel.stop());
        self.gateway.stop().await;
        tokio::join!(self.inner.stop(), self.proxy.stop());
        for reports in self.reports {
            reports.stop().await;
        }
        self.courier.abort();
        self.watch.abort();
        self.store.close().await;
    }
}
