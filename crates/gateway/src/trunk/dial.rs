//! Finding a trunk's targets and connecting to them (RFC 3263, RFC 5922 §7.3), in tasks: the shard never waits.
//!
//! A connection inside TLS counts only if an authority of the trunk vouches for the other end's certificate and one of
//! its SIP domains is a peer name of the trunk. SNI names the target, or the first peer name where the target is an
//! address. We show the certificate of a domain that the trunk serves.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ::sip::{Transport, identity};
use lexicon::{Domain, Timestamp};
use net::{
    clock,
    dial::dial,
    dns::{Resolver, SipTransport},
    entropy,
    tls::{Roots, Secured, Tls, judge, judge_client},
};
use policy::{
    Trunk, TrunkName, TrustRoots,
    peer::{Host, HostPort},
    trunk::TrunkTransport,
};
use tokio::{
    io::split,
    net::TcpStream,
    sync::{mpsc, watch},
    time::timeout,
};

use crate::sip::{
    Arrival, Connection, Identity,
    outbox::{TRUNK_BYTES_MAX, outbox},
    stream::{self, Hold, KeepAlive, MESSAGE_MAX, Wiring},
    tcp::shown,
};

/// How long a connection may take, and its TLS handshake again.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// An address of a trunk. `made` tells apart what was configured before and after a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) trunk: TrunkName,
    pub(crate) made: u64,
    pub(crate) address: SocketAddr,
}

/// The addresses of a configured target, or why there are none.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) target: HostPort,
    pub(crate) addresses: Result<Vec<SocketAddr>, String>,
}

/// Why a connection could not be opened, in words.
pub(crate) type DialFailure = String;

/// How a trunk's connections are made and judged.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) transport: TrunkTransport,
    pub(crate) peer_names: Arc<[Domain]>,
    pub(crate) roots: Roots,
    /// A domain that the trunk serves: whose certificate we show.
    pub(crate) local: Option<Domain>,
}

impl Way {
    pub(crate) fn of(trunk: &Trunk, local: Option<Domain>) -> Self {
        let roots = match &trunk.trust_roots {
            TrustRoots::System => Roots::system(),
            TrustRoots::Pem(text) => Roots::from_pem(text).unwrap_or_else(|error| {
                tracing::error!(trunk = %trunk.name, %error, "trust roots cannot be used");
                Roots::none()
            }),
        };
        Self { transport: trunk.transport, peer_names: trunk.peer_names.clone().into(), roots, local }
    }

    /// The name for SNI (RFC 5922 §7.8).
    fn server_name(&self, target: &HostPort) -> Result<Domain, String> {
        match &target.host {
            Host::Name(name) => Ok(name.clone()),
            Host::Address(_) => self.peer_names.first().cloned().ok_or_else(|| "no peer name is configured".to_owned()),
        }
    }
}

/// Our listeners, for the Via of connections that we open: a response finds us there when the connection is gone.
#[derive(Debug, Default)]
pub(crate) struct OwnAddresses(pub(crate) Vec<(Transport, bool, Arc<str>)>);

impl OwnAddresses {
    /// That for a transport and the family of `remote`, else for the transport alone.
    fn find(&self, transport: Transport, remote: IpAddr) -> Option<Arc<str>> {
        let mut alike = self.0.iter().filter(|(of, ..)| *of == transport);
        let found = alike.clone().find(|(_, is_ipv4, _)| *is_ipv4 == remote.is_ipv4()).or_else(|| alike.next());
        found.map(|(.., sent_by)| Arc::clone(sent_by))
    }
}

/// What the tasks need. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) tls: watch::Receiver<Tls>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) own: Arc<OwnAddresses>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Dialler {
    /// Opens a connection; [`Arrival::Dialled`] tells the end.
    pub(crate) fn dial(&self, place: Place, target: HostPort, way: Way) {
        let dialler = self.clone();
        tokio::spawn(async move {
            let opened = dialler.open(place.address, &target, &way).await;
            match opened {
                Ok(opened) => dialler.serve(place, opened, way.transport).await,
                Err(error) => {
                    let outcome = Err(error);
                    let _ = dialler.arrivals.send(Arrival::Dialled { place, outcome }).await;
                }
            }
        });
    }

    async fn open(&self, address: SocketAddr, target: &HostPort, way: &Way) -> Result<Opened, DialFailure> {
        let stream = connect(address).await?;
        if way.transport != TrunkTransport::Tls {
            return Ok(Opened::Plain(stream));
        }
        let tls = self.tls.borrow().clone();
        let secured = secure(&tls, stream, target, way).await?;
        let identity = check(shown(&secured).as_ref(), way, Role::Server, clock::now().wall)?;
        Ok(Opened::Secured(Box::new(secured), identity))
    }

    async fn serve(self, place: Place, opened: Opened, transport: TrunkTransport) {
        let flow = stream::next_flow();
        let (outbox, queue) = outbox(TRUNK_BYTES_MAX);
        let pings = outbox.pings();
        let transport = if transport == TrunkTransport::Tls { Transport::Tls } else { Transport::Tcp };
        let (local, identity) = match &opened {
            Opened::Plain(stream) => (stream.local_addr().ok(), None),
            Opened::Secured(_, identity) => (None, Some(identity.clone())),
        };
        let own = self.own.find(transport, place.address.ip());
        let sent_by = match (own, transport) {
            // RFC 5923 §8.1: the other end may use this connection for its own requests to us.
            (Some(own), Transport::Tls) => format!("{own};alias").into(),
            (Some(own), _) => own,
            (None, _) => local.map_or_else(|| "invalid.invalid".to_owned(), |local| local.to_string()).into(),
        };
        let (peer, since) = (place.address, clock::now().wall);
        let connection = Connection { peer, transport, sent_by, outbox, identity, outgoing: true, since };
        let outcome = Ok((flow, Box::new(connection)));
        if self.arrivals.send(Arrival::Dialled { place, outcome }).await.is_err() {
            return;
        }
        let wiring = Wiring { flow, arrivals: self.arrivals, queue, pings, message_max: MESSAGE_MAX, stop: self.stop };
        let hold = Hold::Opened(KeepAlive::of(flow));
        match opened {
            Opened::Plain(stream) => stream::serve(stream.into_split(), wiring, hold).await,
            Opened::Secured(secured, _) => stream::serve(split(*secured), wiring, hold).await,
        }
    }

    /// Finds the addresses of all targets; [`Arrival::Resolved`] tells them.
    pub(crate) fn resolve(&self, trunk: &Trunk, made: u64) {
        let (dialler, trunk) = (self.clone(), trunk.clone());
        tokio::spawn(async move {
            let mut found = Vec::with_capacity(trunk.targets.len());
            for target in &trunk.targets {
                let addresses = resolve(&dialler.resolver, target, trunk.transport).await;
                found.push(Found { target: target.clone(), addresses });
            }
            let _ = dialler.arrivals.send(Arrival::Resolved { trunk: trunk.name, made, found }).await;
        });
    }
}

enum Opened {
    Plain(TcpStream),
    Secured(Box<Secured<TcpStream>>, Identity),
}

/// The addresses of a target (RFC 3263 §4.2).
pub(super) async fn resolve(
    resolver: &Resolver,
    target: &HostPort,
    transport: TrunkTransport,
) -> Result<Vec<SocketAddr>, String> {
    let host = match &target.host {
        Host::Name(name) => name.as_ascii().to_owned(),
        Host::Address(ip) => ip.to_string(),
    };
    let port = target.port.map(std::num::NonZeroU16::get);
    let found = resolver.locate_sip(&host, port, sip_transport(transport), &mut entropy::number).await;
    found.map_err(|error| error.to_string())
}

pub(super) fn sip_transport(transport: TrunkTransport) -> SipTransport {
    match transport {
        TrunkTransport::Udp => SipTransport::Udp,
        TrunkTransport::Tcp => SipTransport::Tcp,
        TrunkTransport::Tls => SipTransport::Tls,
    }
}

/// A TCP connection.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    dial(&[address], CONNECT_MAX).await.map(|(stream, _)| stream).map_err(|error| error.to_string())
}

/// A TLS handshake; the certificate is not judged yet.
pub(super) async fn secure(
    tls: &Tls,
    stream: TcpStream,
    target: &HostPort,
    way: &Way,
) -> Result<Secured<TcpStream>, String> {
    let remote = way.server_name(target)?;
    let local = way.local.as_ref().unwrap_or(&remote);
    match timeout(CONNECT_MAX, tls.connect(stream, local, &remote)).await {
        Ok(secured) => secured.map_err(|error| error.to_string()),
        Err(_) => Err("the TLS handshake did not end in time".to_owned()),
    }
}

/// Which end of a connection the other side is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// It opened the connection.
    Client,
    /// We did.
    Server,
}

/// Whether the other end is the trunk's: an authority of the trunk vouches for its certificate, and it names a peer name.
pub(crate) fn check(identity: Option<&Identity>, way: &Way, role: Role, now: Timestamp) -> Result<Identity, String> {
    let identity = identity.ok_or_else(|| "no certificate was shown that can be read".to_owned())?;
    let verdict = match role {
        Role::Client => judge_client(&identity.chain, &way.roots, now),
        Role::Server => judge(&identity.chain, &way.roots, now, &[]),
    };
    verdict.map_err(|fault| format!("the certificate {fault}"))?;
    if identity::is_one_of(&identity.names, &way.peer_names) {
        return Ok(identity.clone());
    }
    let names: Vec<_> = identity.names.iter().map(|name| name.as_ascii()).collect();
    let shown = if names.is_empty() { "no SIP domain".to_owned() } else { names.join(", ") };
    Err(format!("the certificate names {shown}, and none of the trunk's peer names"))
}
