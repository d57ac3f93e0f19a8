//! Accepts connections of partners, within the limits of half-open ones.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use net::dns::Kind;
use tokio::{net::TcpListener, time::sleep};

use crate::{connection::Ways, edge::Edge, inbound};

/// After a failure to accept (out of descriptors, most often).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the proxy stops; `kind` says how TLS begins on this listener.
pub(crate) async fn run(edge: Arc<Edge>, (listener, kind): (TcpListener, Kind), ways: Ways) {
    let mut stopping = edge.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let snapshot = edge.snapshot();
        let settings = snapshot.settings();
        let limits = (settings.half_open_limit, settings.half_open_per_address);
        match edge.admission.door.admit(peer.ip(), limits, Instant::now()) {
            Ok(place) => {
                let (edge, ways) = (Arc::clone(&edge), ways.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = inbound::run(edge, (socket, peer), kind, place.clone(), ways) => {}
                        () = place.displaced() => tracing::debug!(%peer, "half open, dropped for another one"),
                    }
                });
            }
            // Dropped without a word: an answer would cost what the limit is there to save.
            Err(crowded) => {
                let limit = crowded.as_str();
                tracing::debug!(%peer, limit, "connection dropped: a limit is reached");
            }
        }
    }
}
