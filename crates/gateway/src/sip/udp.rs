//! The UDP listener: one task a socket reads, parses and hands on.

use std::{net::SocketAddr, sync::Arc};

use ::sip::message::{self, Limits};
use bytes::Bytes;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
};

use super::Arrival;
use crate::counters::Counters;

/// Largest UDP payload over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Reads datagrams until the shard is gone or `stop` says so.
pub(crate) async fn read(
    socket: Arc<UdpSocket>,
    index: usize,
    arrivals: mpsc::Sender<Arrival>,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) {
    let mut scratch = vec![0; DATAGRAM_BYTES_MAX];
    let limits = Limits::default();
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut scratch) => received,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (length, source) = match received {
            Ok(received) => received,
            Err(error) => {
                // An ICMP error for an earlier datagram of ours: the socket goes on.
                tracing::debug!(%error, "a datagram could not be received");
                counters.sip("receive_failed");
                tokio::task::yield_now().await;
                continue;
            }
        };
        if let Some(arrival) = parse(&scratch[..length], index, source, &limits)
            && arrivals.send(arrival).await.is_err()
        {
            return;
        }
    }
}

/// The arrival of a datagram; none for a keep-alive.
fn parse(bytes: &[u8], socket: usize, source: SocketAddr, limits: &Limits) -> Option<Arrival> {
    let message = match message::datagram(Bytes::copy_from_slice(bytes), limits) {
        Ok(None) => return None,
        Ok(Some(message)) => Ok(message),
        Err(defect) => Err(Box::new(defect)),
    };
    Some(Arrival::Datagram { socket, source, message })
}
