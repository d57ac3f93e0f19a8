//! Whether the ports of the running server answer: connections by connecting, datagrams by whether the port is held.
//!
//! What stands between partners and this machine, packet filters and translated addresses, is not seen from here.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use net::dial::dial;

/// Longest wait for a connection.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was found at a port.
#[derive(Debug)]
pub(crate) enum Port {
    Open,
    /// Why.
    Closed(String),
    /// It could not be told, and why.
    Unknown(String),
}

/// Connects.
pub(crate) async fn connect(address: SocketAddr) -> Port {
    match dial(&[reachable(address)], TIMEOUT).await {
        Ok(_) => Port::Open,
        Err(error) => Port::Closed(error.to_string()),
    }
}

/// A port of datagrams that nobody else can have is held by the server.
pub(crate) fn held(address: SocketAddr) -> Port {
    match UdpSocket::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Port::Open,
        Err(error) => Port::Unknown(error.to_string()),
        Ok(_) => Port::Closed("nobody listens there".to_owned()),
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_is_open_while_somebody_has_it() {
        let tcp = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        assert!(matches!(connect(address).await, Port::Open));
        drop(tcp);
        assert!(matches!(connect(address).await, Port::Closed(_)));
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        assert!(matches!(held(address), Port::Open));
        drop(udp);
        assert!(matches!(held(address), Port::Closed(_)));
    }
}
