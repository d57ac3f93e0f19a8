//! The table of flows: where the bytes of a flow go.
//!
//! A UDP flow is a local socket and a remote address; it is made when first needed and forgotten when it was not used for
//! a while. A flow of TCP or TLS lives as long as its connection. Writing never waits: datagrams that a socket does not take
//! wait for it in a bounded queue and are lost beyond it, a connection whose queue is full is given up.

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use ::sip::{Flow, FlowId, Transport, Via};
use bytes::Bytes;
use tokio::{net::UdpSocket, sync::mpsc};

use super::Connection;
use crate::trunk::OwnAddresses;

/// UDP flows remembered.
const UDP_FLOWS_MAX: usize = 65_536;
/// A UDP flow unused for this long may be forgotten: a transaction and its repetitions have ended by then. A binding makes
/// its flow anew.
const UDP_IDLE_MAX: Duration = Duration::from_secs(70);

/// Datagrams that wait until a socket takes more.
const DATAGRAMS_MAX: usize = 4096;

/// A UDP socket as the shard uses it.
#[derive(Debug)]
pub(crate) struct Datagrams {
    pub(crate) socket: Arc<UdpSocket>,
    /// Our address for the Via of requests.
    pub(crate) sent_by: Arc<str>,
    /// To a task that waits for the socket.
    waiting: mpsc::Sender<(Bytes, SocketAddr)>,
}

impl Datagrams {
    /// Needs a tokio runtime.
    pub(crate) fn new(socket: Arc<UdpSocket>, sent_by: Arc<str>) -> Self {
        let (waiting, mut queue) = mpsc::channel::<(Bytes, SocketAddr)>(DATAGRAMS_MAX);
        let patient = Arc::clone(&socket);
        tokio::spawn(async move {
            while let Some((bytes, remote)) = queue.recv().await {
                // What cannot be sent is lost as on the network.
                let _ = patient.send_to(&bytes, remote).await;
            }
        });
        Self { socket, sent_by, waiting }
    }

    /// Sends at once, or when the socket takes more; whether it will.
    fn send(&self, bytes: Bytes, remote: SocketAddr) -> bool {
        match self.socket.try_send_to(&bytes, remote) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.waiting.try_send((bytes, remote)).is_ok(),
            Err(_) => false,
        }
    }
}

#[derive(Debug)]
struct UdpFlow {
    socket: usize,
    remote: SocketAddr,
    used: Instant,
}

/// Where we listen, as our Via says it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) transport: Transport,
    pub(crate) is_ipv4: bool,
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

/// How writing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Written {
    /// Sent, or queued on a connection.
    Yes,
    /// Lost; repetition may help.
    Lost,
    /// The connection is given up.
    Broken,
}

/// All flows of the shard.
#[derive(Debug)]
pub(crate) struct Flows {
    sockets: Vec<Datagrams>,
    listeners: Vec<Listener>,
    udp: HashMap<FlowId, UdpFlow>,
    by_remote: HashMap<(usize, SocketAddr), FlowId>,
    connections: HashMap<FlowId, Box<Connection>>,
    next_udp: u64,
}

impl Flows {
    pub(crate) fn new(sockets: Vec<Datagrams>, listeners: Vec<Listener>) -> Self {
        let (udp, by_remote, connections) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { sockets, listeners, udp, by_remote, connections, next_udp: 1 }
    }

    /// The flow between a UDP socket and `remote`; none when too many are in use.
    pub(crate) fn datagrams(&mut self, socket: usize, remote: SocketAddr, now: Instant) -> Option<Flow> {
        if let Some(id) = self.by_remote.get(&(socket, remote)).copied() {
            if let Some(flow) = self.udp.get_mut(&id) {
                flow.used = now;
            }
            return self.flow(id);
        }
        if self.udp.len() >= UDP_FLOWS_MAX {
            self.forget_idle(now);
        }
        if self.udp.len() >= UDP_FLOWS_MAX {
            return None;
        }
        let id = FlowId(self.next_udp);
        self.next_udp += 1;
        self.udp.insert(id, UdpFlow { socket, remote, used: now });
        self.by_remote.insert((socket, remote), id);
        self.flow(id)
    }

    fn forget_idle(&mut self, now: Instant) {
        self.udp.retain(|_, flow| now.saturating_duration_since(flow.used) < UDP_IDLE_MAX);
        let udp = &self.udp;
        self.by_remote.retain(|_, id| udp.contains_key(id));
    }

    /// The flow to `remote` from the socket that a UDP flow was on when it was noted.
    pub(crate) fn datagrams_like(&mut self, like: &Flow, remote: SocketAddr, now: Instant) -> Option<Flow> {
        let socket = self.sockets.iter().position(|datagrams| datagrams.sent_by == like.sent_by)?;
        self.datagrams(socket, remote, now)
    }

    /// Whether a Via names one of our listeners: the request has been here before. Ports of UDP and of TCP are apart: an
    /// endpoint of this machine may have the number of ours in the other transport.
    pub(crate) fn is_ours(&self, via: &Via) -> bool {
        let port = via.port.unwrap_or(if via.transport == "TLS" { 5061 } else { 5060 });
        let is_it = |listener: &Listener| {
            *listener.host == via.host && listener.port == port && listener.transport.as_str() == via.transport
        };
        self.listeners.iter().any(is_it)
    }

    /// Our listeners for connections, for the Via of those that we open.
    pub(crate) fn own_addresses(&self) -> OwnAddresses {
        let streams = self.listeners.iter().filter(|listener| listener.transport.is_reliable());
        let told = |l: &Listener| (l.transport, l.is_ipv4, format!("{}:{}", l.host, l.port).into());
        OwnAddresses(streams.map(told).collect())
    }

    /// Notes a connection.
    pub(crate) fn open(&mut self, id: FlowId, connection: Box<Connection>) {
        self.connections.insert(id, connection);
    }

    /// A live connection.
    pub(crate) fn connection(&self, id: FlowId) -> Option<&Connection> {
        self.connections.get(&id).map(AsRef::as_ref)
    }

    /// All live connections.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (FlowId, &Connection)> {
        self.connections.iter().map(|(id, connection)| (*id, connection.as_ref()))
    }

    /// The flow to `remote` from a UDP socket that can reach its address family.
    pub(crate) fn datagrams_to(&mut self, remote: SocketAddr, now: Instant) -> Option<Flow> {
        let local = |datagrams: &Datagrams| datagrams.socket.local_addr().ok();
        let alike = |datagrams: &Datagrams| local(datagrams).is_some_and(|own| own.is_ipv4() == remote.is_ipv4());
        if let Some(socket) = self.sockets.iter().position(alike) {
            return self.datagrams(socket, remote, now);
        }
        // A socket for all addresses of IPv6 takes those of IPv4 too.
        let IpAddr::V4(ip) = remote.ip() else { return None };
        let open = |datagrams: &Datagrams| local(datagrams).is_some_and(|own| own.ip().is_unspecified());
        let socket = self.sockets.iter().position(open)?;
        self.datagrams(socket, (ip.to_ipv6_mapped(), remote.port()).into(), now)
    }

    /// Forgets a connection; its writing task ends after what is queued.
    pub(crate) fn close(&mut self, id: FlowId) -> bool {
        self.connections.remove(&id).is_some()
    }

    /// The flow as the transaction layer knows it; none if it is gone.
    pub(crate) fn flow(&self, id: FlowId) -> Option<Flow> {
        if let Some(connection) = self.connections.get(&id) {
            return Some(Flow { id, transport: connection.transport, sent_by: Arc::clone(&connection.sent_by) });
        }
        let flow = self.udp.get(&id)?;
        let sent_by = Arc::clone(&self.sockets.get(flow.socket)?.sent_by);
        Some(Flow { id, transport: Transport::Udp, sent_by })
    }

    /// The connection is that of a trunk: more may wait on it.
    pub(crate) fn is_of_trunk(&mut self, id: FlowId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.outbox.is_of_trunk();
        }
    }

    /// The other end of a flow.
    pub(crate) fn remote(&self, id: FlowId) -> Option<SocketAddr> {
        let of_connection = self.connections.get(&id).map(|connection| connection.peer);
        of_connection.or_else(|| self.udp.get(&id).map(|flow| flow.remote))
    }

    /// The address of the other end, for limits.
    pub(crate) fn source(&self, id: FlowId) -> Option<IpAddr> {
        self.remote(id).map(|remote| remote.ip())
    }

    /// Writes without waiting.
    pub(crate) fn write(&mut self, id: FlowId, bytes: Bytes, now: Instant) -> Written {
        if let Some(connection) = self.connections.get(&id) {
            return match connection.outbox.put(bytes) {
                Ok(()) => Written::Yes,
                Err(_) => Written::Broken,
            };
        }
        let Some(flow) = self.udp.get_mut(&id) else { return Written::Lost };
        flow.used = now;
        let sent = self.sockets.get(flow.socket).is_some_and(|datagrams| datagrams.send(bytes, flow.remote));
        if sent { Written::Yes } else { Written::Lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_ours_by_host_port_and_transport() {
        let listener = |transport, port| Listener { transport, is_ipv4: true, host: "192.0.2.1".into(), port };
        let flows = Flows::new(
            Vec::new(),
            vec![listener(Transport::Udp, 5060), listener(Transport::Tcp, 5070), listener(Transport::Tls, 5061)],
        );
        for (text, is_ours) in [
            ("SIP/2.0/UDP 192.0.2.1:5060", true),
            ("SIP/2.0/UDP 192.0.2.1", true),
            ("SIP/2.0/tcp 192.0.2.1:5070", true),
            ("SIP/2.0/TLS 192.0.2.1:5061", true),
            ("SIP/2.0/TLS 192.0.2.1", true),
            ("SIP/2.0/TCP 192.0.2.1:5060", false),
            ("SIP/2.0/UDP 192.0.2.1:5070", false),
            ("SIP/2.0/UDP 192.0.2.2:5060", false),
        ] {
            assert_eq!(flows.is_ours(&Via::parse(text).unwrap()), is_ours, "{text}");
        }
    }
}
