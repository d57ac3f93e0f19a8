//! Moves bytes between a socket and a stream machine.
//!
//! Reads and writes are polled together and nothing ever awaits a complete write: a peer that does not read cannot stop
//! us from seeing its end, a deadline, or a change of policy. STARTTLS replaces the socket in place; the handshake is one
//! more thing that is polled. Every wait here is cancel safe.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use lexicon::{Direction, Domain, Now};
use net::{
    batch_io::{READ_BYTES_MAX, WriteQueue, poll_read},
    clock,
    tls::{PeerChain, Secured, Tls, TlsError},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Sleep, sleep, sleep_until, timeout},
};
use xmpp::stream::{Inbound, Input, Outbound, Output, StreamFacts};

use crate::edge::CLOSE_TIMEOUT;

/// Bytes that a peer may still send after our end before we stop listening to it.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// How long a peer may take nothing of what waits for it.
const STALL_MAX: Duration = Duration::from_secs(60);

/// What both stream machines have in common.
pub(crate) trait Machine {
    fn handle(&mut self, now: Now, input: Input<'_>);
    fn poll(&mut self) -> Option<Output>;
    fn drain(&mut self, into: &mut Vec<Bytes>);
    fn deadline(&self) -> Option<Instant>;
    fn facts(&self) -> &StreamFacts;
    /// How many bytes may be read from the socket now.
    fn read_bytes_max(&self) -> usize;
    /// How many bytes of stanzas it would take now.
    fn send_room(&self) -> usize;
    /// Stanzas sent that the peer has not acknowledged; none if nothing is acknowledged.
    fn unacked(&self) -> Option<u64>;
}

macro_rules! machine {
    ($name:ident, read: $read:expr, send: $send:expr) => {
        impl Machine for $name {
            fn handle(&mut self, now: Now, input: Input<'_>) {
                $name::handle(self, now, input);
            }

            fn poll(&mut self) -> Option<Output> {
                $name::poll(self)
            }

            fn drain(&mut self, into: &mut Vec<Bytes>) {
                $name::drain(self, into);
            }

            fn deadline(&self) -> Option<Instant> {
                $name::deadline(self)
            }

            fn facts(&self) -> &StreamFacts {
                $name::facts(self)
            }

            fn read_bytes_max(&self) -> usize {
                let limit: fn(&$name) -> usize = $read;
                limit(self).min(READ_BYTES_MAX)
            }

            fn send_room(&self) -> usize {
                let room: fn(&$name) -> usize = $send;
                room(self)
            }

            fn unacked(&self) -> Option<u64> {
                $name::unacked(self)
            }
        }
    };
}

machine!(Inbound, read: Inbound::room, send: Inbound::send_room);
machine!(Outbound, read: |_| READ_BYTES_MAX, send: Outbound::room);

/// A machine with its socket.
pub(crate) struct Pump<M> {
    pub(crate) machine: M,
    socket: Socket,
    direction: Direction,
    tls: Arc<Tls>,
    chain: Option<PeerChain>,
    start_tls: Option<(Domain, Option<Domain>)>,
    input: BytesMut,
    output: WriteQueue,
    pieces: Vec<Bytes>,
    flushed: u64,
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
    /// Runs while bytes wait.
    stall: Option<Pin<Box<Sleep>>>,
}

/// What had been handed to a connection when it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Handed {
    /// Bytes; what lies behind them never left.
    pub(crate) bytes: u64,
    /// That was everything, and it has left.
    pub(crate) all: bool,
}

/// A connection at its start.
pub(crate) enum Connected {
    /// In plaintext.
    Plain(TcpStream),
    /// Inside direct TLS (XEP-0368).
    Secured(Box<Secured<TcpStream>>),
}

enum Socket {
    Plain(TcpStream),
    Handshaking(Pin<Box<dyn Future<Output = Result<Secured<TcpStream>, TlsError>> + Send>>),
    Tls(Box<Secured<TcpStream>>),
    Gone,
}

/// What [`Pump::step`] waited for.
#[derive(Debug)]
enum Event {
    Arrived,
    Deadline,
    Ended(String),
    Flushed,
    Handshake,
    Secured(Box<Result<Secured<TcpStream>, TlsError>>),
}

impl<M: Machine> Pump<M> {
    /// With direct TLS the machine learns of it here, before anything else.
    pub(crate) fn new(mut machine: M, connected: Connected, direction: Direction, tls: Arc<Tls>) -> Self {
        let (socket, chain) = match connected {
            Connected::Plain(stream) => (Socket::Plain(stream), None),
            Connected::Secured(secured) => {
                machine.handle(clock::now(), Input::Tls(secured.facts().clone()));
                let chain = secured.peer_chain().clone();
                (Socket::Tls(secured), Some(chain))
            }
        };
        Self {
            machine,
            socket,
            direction,
            tls,
            chain,
            start_tls: None,
            input: BytesMut::new(),
            output: WriteQueue::default(),
            pieces: Vec::new(),
            flushed: 0,
            unflushed: false,
            timer: Box::pin(sleep_until(tokio::time::Instant::now())),
            stall: None,
        }
    }

    /// The certificates that the peer showed; none before TLS.
    pub(crate) fn chain(&self) -> Option<&PeerChain> {
        self.chain.as_ref()
    }

    /// Feeds the machine. Its outputs must be taken before the next call.
    pub(crate) fn feed(&mut self, input: Input<'_>) {
        self.machine.handle(clock::now(), input);
    }

    /// The answer to `Output::StartTls`: once everything drained is written, the handshake begins.
    pub(crate) fn start_tls(&mut self, local: Domain, remote: Option<Domain>) {
        self.start_tls = Some((local, remote));
    }

    /// Takes what the machine wants written; the count of all bytes ever taken.
    pub(crate) fn collect(&mut self) -> u64 {
        self.machine.drain(&mut self.pieces);
        for piece in self.pieces.drain(..) {
            self.output.push(piece);
        }
        self.output.written() + self.output.len() as u64
    }

    /// Bytes that wait for the socket.
    pub(crate) fn backlog(&self) -> usize {
        self.output.len()
    }

    /// The count of bytes that have left for the network.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed
    }

    /// What was handed over so far, where nothing more will be; else all that still waits counts as handed over too.
    pub(crate) fn handed(&self) -> Handed {
        let waiting = if matches!(self.socket, Socket::Gone) { 0 } else { self.output.len() as u64 };
        Handed { bytes: self.output.written() + waiting, all: false }
    }

    /// Hands over what the socket takes at once, without waiting; an error is met again by [`step`](Self::step).
    pub(crate) async fn write_now(&mut self) {
        self.collect();
        poll_fn(|cx| {
            let _ = self.poll_write(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Waits until something happened: the machine was fed, or bytes have left. Take the outputs, then call again.
    pub(crate) async fn step(&mut self, may_read: bool) {
        self.collect();
        match poll_fn(|cx| self.poll_event(cx, may_read)).await {
            Event::Arrived => self.machine.handle(clock::now(), Input::Bytes(&mut self.input)),
            Event::Deadline => self.feed(Input::Deadline),
            Event::Ended(text) => {
                self.socket = Socket::Gone;
                self.feed(Input::Disconnected(&text));
            }
            Event::Flushed => {}
            Event::Handshake => self.begin_handshake(),
            Event::Secured(done) => match *done {
                Ok(secured) => {
                    let facts = secured.facts().clone();
                    self.chain = Some(secured.peer_chain().clone());
                    self.socket = Socket::Tls(Box::new(secured));
                    self.feed(Input::Tls(facts));
                }
                Err(error) => self.feed(Input::TlsFailed(&error.to_string())),
            },
        }
    }

    /// Writes what is left, closes, and reads on for a moment: closing with unread bytes would reset the connection and
    /// take our last words from the peer.
    pub(crate) async fn finish(mut self) -> Handed {
        let handed = self.write_out().await;
        self.linger().await;
        handed
    }

    /// The first half of [`finish`](Self::finish).
    pub(crate) async fn write_out(&mut self) -> Handed {
        self.collect();
        let _ = timeout(CLOSE_TIMEOUT, poll_fn(|cx| self.poll_finish(cx))).await;
        Handed { bytes: self.output.written(), all: self.output.is_empty() && !self.unflushed }
    }

    /// The second half: reads on for a moment.
    pub(crate) async fn linger(mut self) {
        let mut left = LINGER_BYTES_MAX;
        let linger = poll_fn(|cx| {
            while left > 0 {
                self.input.clear();
                match self.poll_read(cx, READ_BYTES_MAX) {
                    Poll::Ready(Ok(count)) if count > 0 => left = left.saturating_sub(count),
                    Poll::Ready(_) => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        });
        let _ = timeout(CLOSE_TIMEOUT / 5, linger).await;
    }

    fn begin_handshake(&mut self) {
        let Some((local, remote)) = self.start_tls.take() else { return };
        match std::mem::replace(&mut self.socket, Socket::Gone) {
            Socket::Plain(stream) => {
                let tls = Arc::clone(&self.tls);
                self.input.clear();
                self.socket = Socket::Handshaking(match (self.direction, remote) {
                    (Direction::Outbound, Some(remote)) => {
                        Box::pin(async move { tls.connect(stream, &local, &remote).await })
                    }
                    _ => Box::pin(async move { tls.accept(stream, Some(&local)).await }),
                });
            }
            other => {
                self.socket = other;
                self.feed(Input::TlsFailed("the connection is not in plaintext"));
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<Event> {
        if let Some(deadline) = self.machine.deadline() {
            let deadline = tokio::time::Instant::from_std(deadline);
            if self.timer.deadline() != deadline {
                self.timer.as_mut().reset(deadline);
            }
            if self.timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Deadline);
            }
        }
        if let Socket::Handshaking(handshake) = &mut self.socket {
            return handshake.as_mut().poll(cx).map(|done| Event::Secured(Box::new(done)));
        }
        match self.poll_write(cx) {
            Ok(true) => return Poll::Ready(Event::Flushed),
            Ok(false) => {}
            Err(error) => return Poll::Ready(Event::Ended(error.to_string())),
        }
        if self.poll_stall(cx).is_ready() {
            return Poll::Ready(Event::Ended("the peer takes no bytes".to_owned()));
        }
        if self.start_tls.is_some() {
            let ready = self.output.is_empty() && !self.unflushed;
            return if ready { Poll::Ready(Event::Handshake) } else { Poll::Pending };
        }
        let limit = self.machine.read_bytes_max();
        if !may_read || limit == 0 {
            return Poll::Pending;
        }
        self.poll_read(cx, limit).map(|read| match read {
            Ok(0) => Event::Ended(String::new()),
            Ok(_) => Event::Arrived,
            Err(error) => Event::Ended(error.to_string()),
        })
    }

    /// Writes and flushes as much as the socket takes; true when bytes have left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut stream = match &mut self.socket {
            Socket::Plain(stream) => Transport::Plain(stream),
            Socket::Tls(stream) => Transport::Tls(stream),
            Socket::Handshaking(_) | Socket::Gone => return Ok(false),
        };
        while !self.output.is_empty() {
            let written = match &mut stream {
                Transport::Plain(stream) => self.output.poll_write(*stream, cx),
                Transport::Tls(stream) => self.output.poll_write(*stream, cx),
            };
            match written {
                Poll::Ready(written) => written?,
                Poll::Pending => break,
            };
            self.unflushed = true;
            self.stall = None;
        }
        if !self.unflushed {
            return Ok(false);
        }
        let flushed = match &mut stream {
            Transport::Plain(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        };
        let Poll::Ready(flushed) = flushed else { return Ok(false) };
        flushed?;
        self.unflushed = false;
        self.flushed = self.output.written();
        Ok(true)
    }

    /// Ready when bytes have waited too long without one being taken.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.output.is_empty() && !self.unflushed {
            self.stall = None;
            return Poll::Pending;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
        stall.as_mut().poll(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write(cx)?;
        if !self.output.is_empty() || self.unflushed {
            return Poll::Pending;
        }
        match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Socket::Handshaking(_) | Socket::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(stream) => read(stream, cx, limit, &mut self.input),
            Socket::Tls(stream) => read(&mut **stream, cx, limit, &mut self.input),
            Socket::Handshaking(_) => Poll::Ready(Ok(0)),
            Socket::Gone => Poll::Pending,
        }
    }
}

fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    limit: usize,
    into: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    poll_read(stream, cx, limit, into)
}

enum Transport<'a> {
    Plain(&'a mut TcpStream),
    Tls(&'a mut Secured<TcpStream>),
}
