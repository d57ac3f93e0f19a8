//! Where connections and datagrams are accepted: by connecting while the server runs, by binding while it does not.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use super::{Finding, Live};
use crate::{
    Config,
    ports::{self, Port},
};

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
        let (port, open) = match listener.transport.as_str() {
            "udp" => (ports::held(address), "it is listened on"),
            _ => (ports::connect(address).await, "it accepts connections"),
        };
        findings.push(told(about, port, open));
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

fn told(about: String, port: Port, open: &str) -> Finding {
    match port {
        Port::Open => Finding::ok(about, open),
        Port::Closed(why) => Finding::fail(about, why, "look at the log of the server and at packet filters"),
        Port::Unknown(why) => Finding::warn(about, why, "it could not be told whether it is listened on"),
    }
}
