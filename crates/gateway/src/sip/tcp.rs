//! The listeners for connections, TCP and TLS.
//!
//! Each connection has a seat ([`Seats`]); a TLS handshake must end within [`HANDSHAKE_MAX`]. Any certificate is accepted:
//! what the other end has shown is kept with the connection, and the shard judges it when a request comes (RFC 5922 §7.4).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::sip::{FlowId, Transport, identity};
use net::{
    clock,
    tls::{Secured, Tls},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, split},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    Arrival, Connection, Identity,
    outbox::{ENDPOINT_BYTES_MAX, outbox},
    seats::{Seat, Seats},
    stream::{self, Hold, MESSAGE_MAX, Wiring},
};
use crate::counters::Counters;

/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// What a listener needs beside its socket.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) seats: Arc<Seats>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Accepts connections until the shard is gone or the gateway stops; with `tls` each begins with a handshake.
pub(crate) async fn accept(listener: TcpListener, tls: Option<watch::Receiver<Tls>>, mut means: Means) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = means.stop.wait_for(|stop| *stop) => return,
            () = means.arrivals.closed() => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a SIP connection could not be accepted");
                means.counters.sip("accept_failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some((seat, displaced)) = Seats::take(&means.seats, peer.ip()) else {
            means.counters.sip("connection_limit");
            continue;
        };
        let _ = socket.set_nodelay(true);
        let tls = tls.as_ref().map(|tls| tls.borrow().clone());
        tokio::spawn(receive(socket, peer, tls, means.clone(), (seat, displaced)));
    }
}

async fn receive(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    mut means: Means,
    (seat, mut displaced): (Seat, oneshot::Receiver<()>),
) {
    let Ok(local) = socket.local_addr() else { return };
    let Some(tls) = tls else {
        return run(socket.into_split(), (peer, local), Transport::Tcp, None, means, (seat, displaced)).await;
    };
    let handshake = timeout(HANDSHAKE_MAX, tls.accept(socket, None));
    let secured = tokio::select! {
        secured = handshake => secured,
        Ok(()) = &mut displaced => return means.counters.sip("tls_displaced"),
        _ = means.stop.wait_for(|stop| *stop) => return,
    };
    match secured {
        Ok(Ok(secured)) => {
            let identity = shown(&secured);
            run(split(secured), (peer, local), Transport::Tls, identity, means, (seat, displaced)).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            means.counters.sip("tls_failed");
        }
        Err(_) => means.counters.sip("tls_timeout"),
    }
}

/// What the other end has shown; none without a certificate that can be read.
pub(crate) fn shown<S>(secured: &Secured<S>) -> Option<Identity> {
    let certificate = secured.facts().peer.as_ref().ok()?;
    Some(Identity { chain: secured.peer_chain().clone(), names: identity::domains(&certificate.names) })
}

async fn run(
    halves: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    (peer, local): (SocketAddr, SocketAddr),
    transport: Transport,
    identity: Option<Identity>,
    means: Means,
    (seat, displaced): (Seat, oneshot::Receiver<()>),
) {
    let flow: FlowId = stream::next_flow();
    let (outbox, queue) = outbox(ENDPOINT_BYTES_MAX);
    let pings = outbox.pings();
    let sent_by = local.to_string().into();
    let since = clock::now().wall;
    let connection = Connection { peer, transport, sent_by, outbox, identity, outgoing: false, since };
    if means.arrivals.send(Arrival::Opened { flow, connection: Box::new(connection) }).await.is_err() {
        return;
    }
    let wiring = Wiring { flow, arrivals: means.arrivals, queue, pings, message_max: MESSAGE_MAX, stop: means.stop };
    stream::serve(halves, wiring, Hold::Accepted(seat, displaced)).await;
}
