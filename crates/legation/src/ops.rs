//! What a monitoring system asks: `/metrics` (OpenMetrics), `/healthz`, `/readyz`, over HTTP on loopback.
//!
//! Nobody logs in here, so nothing here changes anything and nothing here is secret: the listener is bound to loopback
//! addresses only, and labels are names of configured partners and fixed words.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use link::Snapshots;
use store::{AuditFilter, Store};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

pub(crate) mod attempts;
mod metrics;

pub(crate) use attempts::Attempts;
pub(crate) use metrics::Measured;

/// The media type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long the store may take over a question before the server counts as not ready.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the answers are made from.
pub(crate) struct Sources {
    pub(crate) store: Store,
    pub(crate) snapshots: Snapshots,
    pub(crate) measured: Measured,
}

/// The listeners at work.
pub(crate) struct Running {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// An address of `[ops] listen` cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics ([ops] listen): {source}")]
pub struct OpsError {
    address: SocketAddr,
    source: io::Error,
}

/// Listens on `listen`, which are loopback addresses.
pub(crate) async fn start(listen: &[SocketAddr], sources: Sources) -> Result<Running, OpsError> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics_page))
        .route("/readyz", get(ready))
        .with_state(Arc::new(sources));
    let (stop, _) = watch::channel(false);
    let (mut addresses, mut tasks) = (Vec::new(), JoinSet::new());
    for address in listen {
        let unusable = |source| OpsError { address: *address, source };
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        addresses.push(listener.local_addr().map_err(unusable)?);
        let (router, mut stopping) = (router.clone(), stop.subscribe());
        tasks.spawn(async move {
            let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
            let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
        });
    }
    Ok(Running { addresses, stop, tasks })
}

impl Running {
    /// The addresses listened on, with their real ports.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops; connections that are kept open are dropped.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(1), ended).await;
    }
}

async fn metrics_page(State(sources): State<Arc<Sources>>) -> Response {
    match sources.measured.encode(&sources.snapshots).await {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics were not written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Ready: policy is in force and the store answers.
async fn ready(State(sources): State<Arc<Sources>>) -> Response {
    let question = AuditFilter { limit: 1, ..AuditFilter::default() };
    let store = timeout(STORE_TIMEOUT, sources.store.audit(&question)).await;
    let problem = match store {
        _ if sources.snapshots.borrow().is_none() => "the proxy has no policy yet",
        Ok(Ok(_)) => return "ready\n".into_response(),
        Ok(Err(_)) => "the store fails",
        Err(_) => "the store does not answer",
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response()
}
