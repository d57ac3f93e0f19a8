//! Listening sockets.

use std::{io, net::SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

/// Connections that the kernel completes before we accept them.
const BACKLOG: u32 = 1024;

/// Bytes that the kernel may hold for a UDP socket, each way, as far as the machine permits it. A burst beyond them is lost.
const DATAGRAMS_BYTES: usize = 4 << 20;

/// Listens on `address`; port 0 lets the kernel choose, and [`TcpListener::local_addr`] then tells the real one.
///
/// Accepted connections inherit TCP keep-alive and no-delay. Needs a tokio runtime.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let name = |source| ListenError::of(address, source);
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(name)?;
    socket.set_reuseaddr(true).map_err(name)?;
    socket.set_keepalive(true).map_err(name)?;
    socket.set_nodelay(true).map_err(name)?;
    socket.bind(address).map_err(name)?;
    socket.listen(BACKLOG).map_err(name)
}

/// A UDP socket on `address`, with room for bursts. Port 0 lets the kernel choose. Needs a tokio runtime.
pub fn listen_udp(address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let name = |source| ListenError::of(address, source);
    let socket = std::net::UdpSocket::bind(address).map_err(name)?;
    let buffers = SockRef::from(&socket);
    // What the machine does not permit is not needed to work, only under load.
    let _ = buffers.set_recv_buffer_size(DATAGRAMS_BYTES);
    let _ = buffers.set_send_buffer_size(DATAGRAMS_BYTES);
    socket.set_nonblocking(true).map_err(name)?;
    UdpSocket::from_std(socket).map_err(name)
}

/// Why an address cannot be listened on. Each text is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process, or another listener of ours, has the port.
    #[error("cannot listen on {address}: the port is in use by another program")]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A port below 1024 without the privilege for it.
    #[error("cannot listen on {address}: permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)")]
    Denied {
        /// The address asked for.
        address: SocketAddr,
    },
    /// No interface of this machine has the address.
    #[error("cannot listen on {address}: this machine has no such address")]
    NotOurs {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else the operating system says.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}

impl ListenError {
    /// The error for `address` that `source` stands for; also used by listeners for other transports.
    pub fn of(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address },
            _ => Self::Io { address, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        let error = listen(address).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }));
        assert_eq!(error.to_string(), format!("cannot listen on {address}: the port is in use by another program"));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        let error = listen("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, ListenError::NotOurs { .. }), "{error}");
    }
}
