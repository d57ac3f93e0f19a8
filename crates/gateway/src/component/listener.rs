//! Accepts components. Connections without a proved secret are limited in number; with one they are as many as domains.

use std::{sync::Arc, time::Duration};

use link::Snapshots;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{
    Told,
    connection::{Wiring, serve},
};
use crate::counters::Counters;

/// Connections without a proved secret at most, over all listeners.
const HALF_OPEN_MAX: usize = 64;

/// The places of connections without a proved secret.
pub(crate) fn half_open() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(HALF_OPEN_MAX))
}

/// What a listener needs beside its socket.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) told: mpsc::Sender<Told>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) snapshots: Snapshots,
    pub(crate) half_open: Arc<Semaphore>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Accepts until the gateway stops, then waits for the ends of the connections.
pub(crate) async fn accept(listener: TcpListener, means: Means) {
    let Means { told, counters, snapshots, half_open, mut stop } = means;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the connection of a component could not be accepted");
                counters.component("accept_failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&half_open).try_acquire_owned() else {
            counters.component("half_open_limit");
            continue;
        };
        let wiring = Wiring {
            told: told.clone(),
            counters: Arc::clone(&counters),
            snapshots: snapshots.clone(),
            stop: stop.clone(),
        };
        connections.spawn(serve(socket, peer, wiring, place));
    }
    while connections.join_next().await.is_some() {}
}
