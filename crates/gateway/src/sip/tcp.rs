//! The TCP listener and its connections: a reading and a writing half each.
//!
//! An accepted connection counts against a limit in all and for its source address. One that sends nothing whole for
//! [`IDLE_MAX`] is closed; endpoints keep theirs with CRLF (RFC 5626 §3.5.1) or by registering again. One that does not
//! take what we write within [`WRITE_MAX`] is closed too.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::sip::{
    FlowId,
    message::{Limits, StreamFramer},
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};

use super::{Arrival, Connection};
use crate::counters::Counters;

/// Connections in all.
const CONNECTIONS_MAX: usize = 10_000;
/// Connections of one source address.
const CONNECTIONS_PER_SOURCE_MAX: usize = 256;
/// Messages that wait to be written to one connection.
const OUTBOX_MAX: usize = 256;
/// A connection without a frame for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(3900);
/// How long the peer may take to accept what is written.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Least room for reading.
const READ_BYTES: usize = 4096;

/// Numbers of TCP flows; those of UDP flows are below.
static NEXT_FLOW: AtomicU64 = AtomicU64::new(1 << 63);

/// Accepts connections until the shard is gone or `stop` says so.
pub(crate) async fn accept(
    listener: TcpListener,
    arrivals: mpsc::Sender<Arrival>,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) {
    let sources = Arc::new(Sources::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a SIP connection could not be accepted");
                counters.sip("accept_failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = Sources::enter(&sources, peer.ip()) else {
            counters.sip("connection_limit");
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let flow = FlowId(NEXT_FLOW.fetch_add(1, Ordering::Relaxed));
        let (outbox, queue) = mpsc::channel(OUTBOX_MAX);
        let connection = Connection { peer, sent_by: local.to_string().into(), outbox };
        if arrivals.send(Arrival::Opened { flow, connection }).await.is_err() {
            return;
        }
        tokio::spawn(serve(stream, flow, queue, arrivals.clone(), stop.clone(), place));
    }
}

/// Serves one connection until either side ends it.
async fn serve(
    stream: TcpStream,
    flow: FlowId,
    queue: mpsc::Receiver<Bytes>,
    arrivals: mpsc::Sender<Arrival>,
    mut stop: watch::Receiver<bool>,
    place: Place,
) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let mut writing = pin!(write(writer, queue));
    let mut broken = false;
    let defect = tokio::select! {
        defect = read(reader, flow, &arrivals) => defect,
        () = &mut writing => {
            broken = true;
            None
        }
        _ = stop.wait_for(|stop| *stop) => None,
    };
    drop(place);
    let _ = arrivals.send(Arrival::Closed { flow, defect }).await;
    if !broken {
        // What is queued still goes out, and the answer to a defect; it ends when the shard has dropped its end.
        let _ = timeout(WRITE_MAX, writing).await;
    }
}

/// Reads frames until the end, an error, or bytes that cannot be framed.
async fn read(
    mut reader: OwnedReadHalf,
    flow: FlowId,
    arrivals: &mpsc::Sender<Arrival>,
) -> Option<Box<::sip::message::Defect>> {
    let mut framer = StreamFramer::new(Limits::default());
    let mut buffer = BytesMut::new();
    loop {
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(frame)) => arrivals.send(Arrival::Frame { flow, frame }).await.ok()?,
                Ok(None) => break,
                Err(defect) => return Some(Box::new(defect)),
            }
        }
        buffer.reserve(READ_BYTES);
        match timeout(IDLE_MAX, reader.read_buf(&mut buffer)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return None,
        }
    }
}

/// Writes what the shard sends until it drops its end.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = queue.recv().await {
        match timeout(WRITE_MAX, writer.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = timeout(WRITE_MAX, writer.shutdown()).await;
}

/// Connections by source address.
#[derive(Debug, Default)]
struct Sources(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The place of one connection; dropping it gives it back.
#[derive(Debug)]
struct Place {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Sources {
    fn enter(sources: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut counts = sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = counts.by_source.get(&source).copied().unwrap_or_default();
        if counts.total >= CONNECTIONS_MAX || of_source >= CONNECTIONS_PER_SOURCE_MAX {
            return None;
        }
        counts.total += 1;
        counts.by_source.insert(source, of_source + 1);
        Some(Place { sources: Arc::clone(sources), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(of_source) = counts.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}
