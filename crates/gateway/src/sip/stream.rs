//! A connection, whoever opened it: a reading and a writing half.
//!
//! One that was accepted must send something whole within [`FIRST_MAX`], and go on doing so within [`IDLE_MAX`];
//! endpoints keep theirs with CRLF (RFC 5626 §3.5.1) or by registering again. A message that was begun must be whole within
//! [`MESSAGE_MAX`], so that a slow sender holds nothing for long. On a connection that we opened the keep-alive is ours: a
//! double CRLF when nothing was read for a while, after which something must come. One that does not take what we write
//! within [`WRITE_MAX`] is closed.

use std::{
    fmt,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ::sip::{
    FlowId,
    message::{Defect, Limits, StreamFramer},
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};

use super::{
    Arrival,
    outbox::{Pings, Queue},
    seats::Seat,
};

/// How long an accepted connection may take for its first message.
const FIRST_MAX: Duration = Duration::from_secs(30);
/// How long a message may take from its first byte to its last.
pub(crate) const MESSAGE_MAX: Duration = Duration::from_secs(30);
/// A connection without a frame for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(3900);
/// How long the peer may take to accept what is written.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Least room for reading.
const READ_BYTES: usize = 4096;
/// RFC 5626 §4.4.1: two CRLF.
const PING: Bytes = Bytes::from_static(b"\r\n\r\n");

/// Numbers of connections; those of UDP flows are below.
static NEXT_FLOW: AtomicU64 = AtomicU64::new(1 << 63);

/// A name for a new connection.
pub(crate) fn next_flow() -> FlowId {
    FlowId(NEXT_FLOW.fetch_add(1, Ordering::Relaxed))
}

/// Our keep-alive on a connection that we opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    /// After how long without anything read.
    pub(crate) interval: Duration,
    /// Within which time something must come then.
    pub(crate) patience: Duration,
}

impl KeepAlive {
    /// Between 64 and 80 s, so that connections do not ping in step; 10 s for the answer (RFC 5626 §4.4.1).
    pub(crate) fn of(flow: FlowId) -> Self {
        Self { interval: Duration::from_secs(64 + flow.0 % 17), patience: Duration::from_secs(10) }
    }
}

/// What ends or keeps a connection.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Accepted, with its seat and the word that the seat is given away.
    Accepted(Seat, oneshot::Receiver<()>),
    /// Opened by us.
    Opened(KeepAlive),
}

/// The shard's ends of a connection.
#[derive(Debug)]
pub(crate) struct Wiring {
    pub(crate) flow: FlowId,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) queue: Queue,
    /// For our own keep-alives.
    pub(crate) pings: Pings,
    /// [`MESSAGE_MAX`].
    pub(crate) message_max: Duration,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a connection has ended, where the other end did not just close it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// It was half open, and another one took its place.
    Displaced,
    /// Nothing whole came in time.
    Slow,
    /// Our keep-alive had no answer.
    Silent,
    /// The other end took nothing for too long.
    Stalled,
    /// What the operating system or TLS says.
    Failed(String),
}

impl Ending {
    /// The word in the counters.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Displaced => "connection_displaced",
            Self::Slow => "connection_slow",
            Self::Silent => "connection_silent",
            Self::Stalled => "connection_stalled",
            Self::Failed(_) => "connection_failed",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Displaced => "another connection took its place",
            Self::Slow => "nothing whole came in time",
            Self::Silent => "the keep-alive was not answered",
            Self::Stalled => "the other end took nothing for too long",
            Self::Failed(words) => words,
        })
    }
}

/// How reading ended.
#[derive(Debug, Default)]
struct End {
    defect: Option<Box<Defect>>,
    reason: Option<Ending>,
}

impl End {
    fn because(reason: Ending) -> Self {
        Self { defect: None, reason: Some(reason) }
    }
}

/// Serves one connection, whose two halves are given, until either side ends it.
pub(crate) async fn serve(
    (reader, writer): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    wiring: Wiring,
    hold: Hold,
) {
    let Wiring { flow, arrivals, queue, pings, message_max, mut stop } = wiring;
    let mut writing = pin!(write(writer, queue));
    let mut broken = false;
    let (seat, mut displaced, keep_alive) = match hold {
        Hold::Accepted(seat, displaced) => (Some(seat), Some(displaced), None),
        Hold::Opened(keep_alive) => (None, None, Some(keep_alive)),
    };
    let mut reading = Reading { flow, arrivals: &arrivals, seat: seat.as_ref(), keep_alive, pings, message_max };
    let end = tokio::select! {
        end = reading.run(reader) => end,
        reason = &mut writing => {
            broken = true;
            reason.map(End::because).unwrap_or_default()
        }
        () = given_away(&mut displaced) => End::because(Ending::Displaced),
        _ = stop.wait_for(|stop| *stop) => End::default(),
    };
    drop(seat);
    let _ = arrivals.send(Arrival::Closed { flow, defect: end.defect, reason: end.reason }).await;
    if !broken {
        // What is queued still goes out, and the answer to a defect; it ends when the shard has dropped its end.
        let _ = timeout(WRITE_MAX, writing).await;
    }
}

/// Waits for the word that the seat is given away: it never comes once the seat is kept.
async fn given_away(displaced: &mut Option<oneshot::Receiver<()>>) {
    if let Some(word) = displaced
        && word.await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

struct Reading<'a> {
    flow: FlowId,
    arrivals: &'a mpsc::Sender<Arrival>,
    seat: Option<&'a Seat>,
    keep_alive: Option<KeepAlive>,
    pings: Pings,
    message_max: Duration,
}

impl Reading<'_> {
    /// Reads frames until the end, an error, bytes that cannot be framed, or a silence that is too long.
    async fn run(&mut self, mut reader: impl AsyncRead + Unpin) -> End {
        let mut framer = StreamFramer::new(Limits::default());
        let mut buffer = BytesMut::new();
        let mut deadline = Instant::now() + if self.seat.is_some() { FIRST_MAX } else { IDLE_MAX };
        let (mut begun, mut heard, mut pinged) = (false, Instant::now(), None);
        loop {
            loop {
                match framer.next(&mut buffer) {
                    Ok(Some(frame)) => {
                        if let Some(seat) = self.seat {
                            seat.proved();
                        }
                        if self.arrivals.send(Arrival::Frame { flow: self.flow, frame }).await.is_err() {
                            return End::default();
                        }
                        (deadline, begun) = (Instant::now() + IDLE_MAX, false);
                    }
                    Ok(None) => break,
                    Err(defect) => return End { defect: Some(Box::new(defect)), reason: None },
                }
            }
            // A lone CRLF is the answer to a keep-alive, or the first half of one.
            if !begun && buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                (deadline, begun) = (deadline.min(Instant::now() + self.message_max), true);
            }
            buffer.reserve(READ_BYTES);
            let wake = self.wake(heard, pinged).map_or(deadline, |at| at.min(deadline));
            match timeout_at(wake, reader.read_buf(&mut buffer)).await {
                Ok(Ok(1..)) => (heard, pinged) = (Instant::now(), None),
                Ok(Ok(0)) => return End::default(),
                Ok(Err(error)) => return End::because(Ending::Failed(error.to_string())),
                Err(_) if Instant::now() >= deadline => return End::because(Ending::Slow),
                Err(_) if pinged.is_some() => return End::because(Ending::Silent),
                Err(_) => {
                    pinged = Some(Instant::now());
                    self.pings.put(PING);
                }
            }
        }
    }

    /// When the keep-alive has something to do.
    fn wake(&self, heard: Instant, pinged: Option<Instant>) -> Option<Instant> {
        let keep_alive = self.keep_alive?;
        Some(pinged.map_or(heard + keep_alive.interval, |pinged| pinged + keep_alive.patience))
    }
}

/// Writes what the shard sends until it drops its end; why it stopped before.
async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: Queue) -> Option<Ending> {
    while let Some(bytes) = queue.take().await {
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        match timeout(WRITE_MAX, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(Ending::Failed(error.to_string())),
            Err(_) => return Some(Ending::Stalled),
        }
    }
    let _ = timeout(WRITE_MAX, writer.shutdown()).await;
    None
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::sip::outbox::{Outbox, outbox};

    /// The far end of a connection that we opened, and what the shard hears.
    fn opened(keep_alive: KeepAlive, message_max: Duration) -> (DuplexStream, mpsc::Receiver<Arrival>, Shard) {
        let (near, far) = duplex(1024);
        let (arrivals, heard) = mpsc::channel(8);
        let (outbox, queue) = outbox(1024);
        let (stop, stopped) = watch::channel(false);
        let pings = outbox.pings();
        let wiring = Wiring { flow: FlowId(1), arrivals, queue, pings, message_max, stop: stopped };
        tokio::spawn(serve(tokio::io::split(near), wiring, Hold::Opened(keep_alive)));
        (far, heard, Shard { _outbox: outbox, _stop: stop })
    }

    /// Its ends.
    struct Shard {
        _outbox: Outbox,
        _stop: watch::Sender<bool>,
    }

    async fn reason(heard: &mut mpsc::Receiver<Arrival>) -> Option<Ending> {
        loop {
            match heard.recv().await.unwrap() {
                Arrival::Closed { reason, .. } => return reason,
                Arrival::Frame { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// RFC 5626 §4.4.1: a double CRLF, answered by one CRLF.
    #[tokio::test]
    async fn a_silent_connection_is_pinged_and_closed_without_an_answer() {
        let (interval, patience) = (Duration::from_millis(100), Duration::from_millis(200));
        let (mut far, mut heard, _shard) = opened(KeepAlive { interval, patience }, MESSAGE_MAX);
        let mut ping = [0; 4];
        for _ in 0..3 {
            let before = Instant::now();
            far.read_exact(&mut ping).await.unwrap();
            assert_eq!(&ping, b"\r\n\r\n");
            assert!(before.elapsed() >= interval / 2, "not before its time");
            far.write_all(b"\r\n").await.unwrap();
        }
        far.read_exact(&mut ping).await.unwrap();
        assert_eq!(reason(&mut heard).await, Some(Ending::Silent));
    }

    #[tokio::test]
    async fn a_message_that_is_never_whole_is_not_waited_for() {
        let quiet = KeepAlive::of(FlowId(1));
        let (mut far, mut heard, _shard) = opened(quiet, Duration::from_millis(300));
        let sender = tokio::spawn(async move {
            for byte in b"OPTIONS sip:contoso.example SIP/2.0\r\n".iter().cycle() {
                if far.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert_eq!(reason(&mut heard).await, Some(Ending::Slow));
        sender.abort();
    }
}
