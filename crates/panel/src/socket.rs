//! The API on a Unix socket of mode 0600, with a bounded number of callers at a time.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time,
};

use crate::{Means, access::Peer, api};

/// Callers served at a time; more wait to be accepted.
const CALLERS_MAX: usize = 64;
/// How long a failing accept (no file descriptors left) rests.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long running requests may take to end at a stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A server answers on it.
    #[error("the socket {} is in use by another legation process: stop it first", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{} is not a socket: remove it or choose another data directory", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the socket {} cannot be opened: {source}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The API while it is served.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts no more callers, lets running requests end for a while, and removes the socket.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let abort = self.task.abort_handle();
        if time::timeout(STOP_GRACE, self.task).await.is_err() {
            abort.abort();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves the API on a socket at `path`. A socket left by a killed process is replaced.
///
/// # Errors
/// The socket is in use, is something else, or cannot be made.
pub async fn start(path: impl Into<PathBuf>, means: Means) -> Result<Running, SocketError> {
    let path = path.into();
    remove_stale(&path).await?;
    let refused = |source| SocketError::Refused { path: path.clone(), source };
    let listener = UnixListener::bind(&path).map_err(refused)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(refused)?;
    // The owner of what we just made is who we are.
    let own_uid = fs::metadata(&path).map_err(refused)?.uid();
    let router = api::for_socket(means, own_uid);
    let (stop, mut stopped) = watch::channel(false);
    let callers = Callers { listener, permits: Arc::new(Semaphore::new(CALLERS_MAX)) };
    let task = tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<Peer>();
        let until = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = axum::serve(callers, service).with_graceful_shutdown(until).await {
            tracing::error!(%error, "the API ended");
        }
    });
    Ok(Running { path, stop, task })
}

/// Removes a socket on which nobody answers.
async fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket { path: path.to_owned() });
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(SocketError::InUse { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(|source| SocketError::Refused { path: path.to_owned(), source })
}

/// Accepts while there is room.
struct Callers {
    listener: UnixListener,
    permits: Arc<Semaphore>,
}

/// A connection that gives its place back when it ends.
struct Caller {
    stream: UnixStream,
    _permit: OwnedSemaphorePermit,
}

impl Listener for Callers {
    type Io = Caller;
    type Addr = Peer;

    async fn accept(&mut self) -> (Caller, Peer) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let uid = stream.peer_cred().ok().map(|credential| credential.uid());
                    return (Caller { stream, _permit: permit }, Peer { uid });
                }
                Err(error) => {
                    tracing::warn!(%error, "a caller could not be accepted");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { uid: None })
    }
}

impl Connected<IncomingStream<'_, Callers>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Callers>) -> Self {
        *stream.remote_addr()
    }
}

impl AsyncRead for Caller {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Caller {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use store::Store;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::{Live, Status};

    struct Idle;

    impl Live for Idle {
        fn status(&self) -> crate::Answer<'_, crate::Status> {
            Box::pin(async { Status::default() })
        }

        fn in_force(&self, _: store::Revisions) -> crate::Answer<'_, ()> {
            Box::pin(async {})
        }
    }

    /// A listener whose callers all are the user 4242.
    struct Strangers(Callers);

    impl Listener for Strangers {
        type Io = Caller;
        type Addr = Peer;

        async fn accept(&mut self) -> (Caller, Peer) {
            (self.0.accept().await.0, Peer { uid: Some(4242) })
        }

        fn local_addr(&self) -> io::Result<Peer> {
            self.0.local_addr()
        }
    }

    impl Connected<IncomingStream<'_, Strangers>> for Peer {
        fn connect_info(stream: IncomingStream<'_, Strangers>) -> Self {
            *stream.remote_addr()
        }
    }

    #[tokio::test]
    async fn another_user_is_refused_whatever_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let store = Store::open(data.join("legation.db")).await.unwrap();
        let means = Means { store: store.clone(), credentials: |_, _, _| Vec::new(), live: Arc::new(Idle) };
        let path = data.join("legation.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let callers = Strangers(Callers { listener, permits: Arc::new(Semaphore::new(1)) });
        let service = api::for_socket(means, 1000).into_make_service_with_connect_info::<Peer>();
        tokio::spawn(axum::serve(callers, service).into_future());
        let body = r#"{"name":"contoso.example"}"#;
        for request in [
            "GET /api/v1/partners HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
            "GET /api/v1/nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
            format!(
                "POST /api/v1/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        ] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            assert!(answer.contains("uid 4242 may not administer"), "{answer}");
        }
        assert!(store.domains().await.unwrap().is_empty());
    }
}
