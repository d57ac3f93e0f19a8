//! The API and the pages over HTTPS (RFC 9112 inside TLS), with a bounded number of connections.
//!
//! A handshake and the head of a request must come in their time, so that silent connections give their places back. The
//! other end is not asked for a certificate: browsers would ask people for one.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use net::{
    listen::{ListenError, listen},
    tls::{CertificateFileError, CertificateFiles, Identities, Tls, TlsError},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time,
};
use tower_service::Service as _;

use crate::{
    Means,
    access::Remote,
    api::{self, v1::Stopped},
};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// How long a TLS handshake, and then the head of each request, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a request may take, its body included: the largest import fits.
const REQUEST_MAX: Duration = Duration::from_secs(120);
/// How long a failing accept (no file descriptors left) rests.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long running requests may take to end at a stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Why the API cannot be served over HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateFileError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The certificates that are shown. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebCertificates(Arc<watch::Sender<Tls>>);

impl WebCertificates {
    /// Those that new connections show.
    pub fn in_use(&self) -> Tls {
        self.0.borrow().clone()
    }

    /// Reads `files`, for connections from now on. After an error the old ones stay in use.
    pub fn reload(&self, files: &[CertificateFiles]) -> Result<(), WebError> {
        self.0.send_replace(Tls::new(Identities::load(files)?)?);
        Ok(())
    }
}

/// Sockets that are bound, on which nothing is served yet.
#[derive(Debug)]
pub struct WebListeners {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    certificates: WebCertificates,
}

impl WebListeners {
    /// Binds these addresses, which may be none; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// An address cannot be listened on, or a certificate cannot be used.
    pub fn bind(addresses: &[SocketAddr], files: &[CertificateFiles]) -> Result<Self, WebError> {
        let certificates = WebCertificates(Arc::new(watch::Sender::new(Tls::new(Identities::load(files)?)?)));
        let sockets = addresses.iter().map(|address| listen(*address)).collect::<Result<Vec<_>, _>>()?;
        let addresses = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
        Ok(Self { sockets, addresses, certificates })
    }

    /// Where it will be served, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// For those who read the certificates again.
    pub fn certificates(&self) -> WebCertificates {
        self.certificates.clone()
    }

    /// Serves the API.
    pub fn serve(self, means: Means) -> Web {
        let (stop, stopped) = watch::channel(false);
        let (router, permits) = (api::for_web(means), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        let tls = self.certificates.0.subscribe();
        let mut listeners = JoinSet::new();
        for socket in self.sockets {
            listeners.spawn(accept(socket, tls.clone(), router.clone(), Arc::clone(&permits), stopped.clone()));
        }
        Web { addresses: self.addresses, stop, listeners }
    }
}

/// The API while it is served over HTTPS.
#[derive(Debug)]
pub struct Web {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
}

impl Web {
    /// Where it is served, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts no more connections and lets running requests end for a while.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.listeners.join_next().await.is_some() {} };
        let _ = time::timeout(STOP_GRACE, ended).await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: watch::Receiver<Tls>,
    router: Router,
    permits: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                let connection = Connection { tls: tls.borrow().clone(), router: router.clone(), remote, permit };
                connections.spawn(connection.serve(stream, stopped.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTPS connection could not be accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

struct Connection {
    tls: Tls,
    router: Router,
    remote: SocketAddr,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
        let Self { tls, router, remote, permit } = self;
        let secured = match time::timeout(PATIENCE, tls.accept_web(stream)).await {
            Ok(Ok(secured)) => secured,
            Ok(Err(error)) => return tracing::debug!(%remote, %error, "an HTTPS connection came to nothing"),
            Err(_) => return tracing::debug!(%remote, "an HTTPS handshake took too long"),
        };
        let stopping = Stopped(stopped.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Remote(remote));
            request.extensions_mut().insert(stopping.clone());
            answer_within(REQUEST_MAX, router.clone(), request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(secured), service);
        tokio::pin!(connection);
        let stop = async { drop(stopped.wait_for(|stop| *stop).await) };
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stop => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%remote, %error, "an HTTPS connection ended");
        }
        drop(permit);
    }
}

/// The answer, or 408 after this time: who sends a body slowly gives the place back too.
async fn answer_within(limit: Duration, mut router: Router, request: Request) -> Result<Response, Infallible> {
    match time::timeout(limit, router.call(request)).await {
        Ok(answer) => answer,
        Err(_) => Ok(StatusCode::REQUEST_TIMEOUT.into_response()),
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, routing::post};

    use super::*;

    /// A body that never ends, before a handler that reads it all.
    #[tokio::test]
    async fn a_body_that_does_not_come_ends_its_request() {
        struct Never;
        impl hyper::body::Body for Never {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
                std::task::Poll::Pending
            }
        }
        let router = Router::new().route("/", post(|_: Bytes| async { "read" }));
        let request = |body: Body| Request::builder().method("POST").uri("/").body(body).unwrap();
        let limit = Duration::from_millis(50);
        let slow = answer_within(limit, router.clone(), request(Body::new(Never))).await.unwrap();
        assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);
        let whole = answer_within(limit, router, request(Body::empty())).await.unwrap();
        assert_eq!(whole.status(), StatusCode::OK);
    }
}
