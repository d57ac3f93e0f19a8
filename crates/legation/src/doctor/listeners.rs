//! Where connections and datagrams are accepted: by connecting while the server runs, by binding while it does not.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use net::dial::dial;

use super::{Finding, Live};
use crate::Config;

/// Longest wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A listener of the configuration file.
struct Configured {
    name: &'static str,
    transport: &'static str,
    address: SocketAddr,
}

fn configured(config: &Config) -> Vec<Configured> {
    let of = |name, transport, addresses: &[SocketAddr]| {
        addresses.iter().map(|address| Configured { name, transport, address: *address }).collect::<Vec<_>>()
    };
    let mut all = of("xmpp", "tcp", &config.xmpp.listen);
    all.extend(of("xmpp", "tls", &config.xmpp.listen_tls));
    all.extend(of("inner", "tcp", &config.inner.listen));
    all.extend(of("inner", "tls", &config.inner.listen_tls));
    all.extend(of("sip", "udp", &config.sip.udp));
    all.extend(of("sip", "tcp", &config.sip.tcp));
    all.extend(of("sip", "tls", &config.sip.tls));
    all.extend(of("component", "tcp", &config.component));
    all
}

pub(super) async fn examine(config: &Config, live: Option<&Live>, findings: &mut Vec<Finding>) {
    let configured = configured(config);
    let Some(live) = live else {
        return findings.extend(configured.iter().filter(|listener| listener.address.port() != 0).map(bindable));
    };
    for listener in live.listeners.iter().filter(|listener| listener.transport != "unix") {
        let Ok(address) = listener.address.parse::<SocketAddr>() else { continue };
        let about = format!("listener {} {} {address}", listener.name, listener.transport);
        findings.push(if listener.transport == "udp" {
            held(about, address)
        } else {
            connectable(about, address).await
        });
    }
    let is_live = |wanted: &Configured| {
        let mut same = live.listeners.iter().filter(|known| known.name == wanted.name);
        same.any(|known| known.transport == wanted.transport && known.address == wanted.address.to_string())
    };
    for missing in configured.iter().filter(|wanted| wanted.address.port() != 0 && !is_live(wanted)) {
        let about = format!("listener {} {} {}", missing.name, missing.transport, missing.address);
        let text = "the configuration file names it, and the running server does not listen there";
        findings.push(Finding::warn(about, text, "restart the server"));
    }
}

/// A server that is not running will be able to listen there.
fn bindable(listener: &Configured) -> Finding {
    let address = listener.address;
    let about = format!("listener {} {} {address}", listener.name, listener.transport);
    let bound = match listener.transport {
        "udp" => UdpSocket::bind(address).map(drop),
        _ => TcpListener::bind(address).map(drop),
    };
    match bound {
        Ok(()) => Finding::ok(about, "the port is free"),
        Err(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there: stop it, or choose another port",
                io::ErrorKind::PermissionDenied => "a port below 1024 needs root or CAP_NET_BIND_SERVICE",
                _ => "choose an address of this machine",
            };
            Finding::fail(about, error.to_string(), remedy)
        }
    }
}

async fn connectable(about: String, address: SocketAddr) -> Finding {
    match dial(&[reachable(address)], TIMEOUT).await {
        Ok(_) => Finding::ok(about, "it accepts connections"),
        Err(error) => Finding::fail(about, error.to_string(), "look at the log of the server and at packet filters"),
    }
}

/// A port of datagrams that nobody else can have is held by the server.
fn held(about: String, address: SocketAddr) -> Finding {
    match UdpSocket::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::ok(about, "it is listened on"),
        Err(error) => Finding::warn(about, error.to_string(), "it could not be told whether it is listened on"),
        Ok(_) => Finding::fail(about, "nobody listens there", "restart the server"),
    }
}

/// Where a listener on all addresses is found on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
