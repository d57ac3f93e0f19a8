//! Moves bytes between the socket of a component and its machine.
//!
//! Reads and writes are polled together and nothing awaits a complete write: a component that does not read cannot keep
//! its end, a deadline or a command of ours from being seen. There is no TLS (XEP-0114 §2). Every wait is cancel safe.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use net::{
    batch_io::{READ_BYTES_MAX, WriteQueue, poll_read},
    clock,
};
use tokio::{
    io::AsyncWrite as _,
    net::TcpStream,
    time::{Sleep, sleep, sleep_until, timeout},
};
use xmpp::component::{Component, Input};

/// How long a component may take none of the bytes that wait for it.
const STALL_MAX: Duration = Duration::from_secs(60);
/// Bytes that it may still send after our end before we stop listening to it.
const LINGER_BYTES_MAX: usize = 256 << 10;
/// How long its last bytes may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// A machine with its socket.
pub(super) struct Pump {
    pub(super) machine: Component,
    socket: Option<TcpStream>,
    input: BytesMut,
    output: WriteQueue,
    pieces: Vec<Bytes>,
    timer: Pin<Box<Sleep>>,
    /// Runs while bytes wait.
    stall: Option<Pin<Box<Sleep>>>,
}

enum Event {
    Arrived,
    Deadline,
    Ended(String),
    Written,
}

impl Pump {
    pub(super) fn new(machine: Component, socket: TcpStream) -> Self {
        Self {
            machine,
            socket: Some(socket),
            input: BytesMut::new(),
            output: WriteQueue::default(),
            pieces: Vec::new(),
            timer: Box::pin(sleep_until(tokio::time::Instant::now())),
            stall: None,
        }
    }

    /// Feeds the machine. Its outputs must be taken before the next call.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.machine.handle(clock::now(), input);
    }

    /// Takes what the machine wants written; the count of all bytes ever taken.
    pub(super) fn collect(&mut self) -> u64 {
        self.machine.drain(&mut self.pieces);
        for piece in self.pieces.drain(..) {
            self.output.push(piece);
        }
        self.output.written() + self.output.len() as u64
    }

    /// Bytes that wait for the socket.
    pub(super) fn backlog(&self) -> usize {
        self.output.len()
    }

    /// The count of bytes that the operating system has taken.
    pub(super) fn written(&self) -> u64 {
        self.output.written()
    }

    /// Waits until something happened: the machine was fed, or bytes have left. Take the outputs, then call again.
    pub(super) async fn step(&mut self, may_read: bool) {
        self.collect();
        match poll_fn(|cx| self.poll_event(cx, may_read)).await {
            Event::Arrived => self.machine.handle(clock::now(), Input::Bytes(&mut self.input)),
            Event::Deadline => self.feed(Input::Deadline),
            Event::Ended(text) => {
                self.socket = None;
                self.feed(Input::Disconnected(&text));
            }
            Event::Written => {}
        }
    }

    /// Writes what is left, and closes.
    pub(super) async fn finish(mut self) {
        self.collect();
        let Some(mut socket) = self.socket.take() else { return };
        let output = &mut self.output;
        let last = poll_fn(|cx| {
            while !output.is_empty() {
                match output.poll_write(&mut socket, cx) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Pin::new(&mut socket).poll_shutdown(cx)
        });
        let _ = timeout(CLOSE_MAX, last).await;
        // Closing with unread bytes would reset the connection and take our last words from the component.
        let (input, mut left) = (&mut self.input, LINGER_BYTES_MAX);
        let linger = poll_fn(|cx| {
            while left > 0 {
                input.clear();
                match poll_read(&mut socket, cx, READ_BYTES_MAX, input) {
                    Poll::Ready(Ok(count @ 1..)) => left = left.saturating_sub(count),
                    Poll::Ready(_) => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        });
        let _ = timeout(CLOSE_MAX / 2, linger).await;
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<Event> {
        if self.poll_deadline(cx, self.machine.deadline()).is_ready() {
            return Poll::Ready(Event::Deadline);
        }
        match self.poll_write(cx) {
            Ok(true) => return Poll::Ready(Event::Written),
            Ok(false) => {}
            Err(error) => return Poll::Ready(Event::Ended(error.to_string())),
        }
        if self.poll_stall(cx).is_ready() {
            return Poll::Ready(Event::Ended("it takes no bytes".to_owned()));
        }
        let limit = self.machine.room().min(READ_BYTES_MAX);
        let Some(socket) = self.socket.as_mut().filter(|_| may_read && limit > 0) else { return Poll::Pending };
        poll_read(socket, cx, limit, &mut self.input).map(|read| match read {
            Ok(0) => Event::Ended(String::new()),
            Ok(_) => Event::Arrived,
            Err(error) => Event::Ended(error.to_string()),
        })
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx)
    }

    /// Writes as much as the socket takes; true when bytes have left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let Some(socket) = &mut self.socket else { return Ok(false) };
        let before = self.output.written();
        while !self.output.is_empty() {
            match self.output.poll_write(socket, cx) {
                Poll::Ready(written) => written?,
                Poll::Pending => break,
            };
        }
        let has_moved = self.output.written() > before;
        if has_moved {
            self.stall = None;
        }
        Ok(has_moved)
    }

    /// Ready when bytes have waited too long without one being taken.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.output.is_empty() {
            self.stall = None;
            return Poll::Pending;
        }
        self.stall.get_or_insert_with(|| Box::pin(sleep(STALL_MAX))).as_mut().poll(cx)
    }
}
