//! What waits to be written to one connection: bounded by bytes, and written together.
//!
//! The shard puts messages in without waiting, the connection's writing task takes all there is at once. An endpoint's
//! connection holds little; that of a trunk carries the messages of a whole deployment, which may come in one burst.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// Bytes that wait on the connection of an endpoint.
pub(crate) const ENDPOINT_BYTES_MAX: usize = 512 << 10;
/// Bytes that wait on the connection of a trunk: deliveries at their limit, each as a page.
pub(crate) const TRUNK_BYTES_MAX: usize = 16 << 20;
/// Messages that wait, however small.
const MESSAGES_MAX: usize = 16_384;
/// Bytes taken together.
const TOGETHER_BYTES: usize = 64 << 10;

/// There is no room: the other end reads too slowly.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

/// The shard's end. Dropping it ends the connection once everything is written.
#[derive(Debug)]
pub(crate) struct Outbox {
    messages: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// The end of the writing task.
#[derive(Debug)]
pub(crate) struct Queue {
    messages: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// Puts keep-alives in, and does not keep the connection open.
#[derive(Debug)]
pub(crate) struct Pings(mpsc::WeakSender<Bytes>);

/// Makes the two ends.
pub(crate) fn outbox(bytes_max: usize) -> (Outbox, Queue) {
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    let waiting = Arc::<AtomicUsize>::default();
    (Outbox { messages: sender, waiting: Arc::clone(&waiting), bytes_max }, Queue { messages: receiver, waiting })
}

impl Outbox {
    /// Puts a message in.
    pub(crate) fn put(&self, bytes: Bytes) -> Result<(), Full> {
        let length = bytes.len();
        if self.waiting.load(Ordering::Relaxed) + length > self.bytes_max {
            return Err(Full);
        }
        self.waiting.fetch_add(length, Ordering::Relaxed);
        // After an error the connection is given up, and with it the count.
        self.messages.try_send(bytes).map_err(|_| Full)
    }

    /// The connection is that of a trunk.
    pub(crate) fn is_of_trunk(&mut self) {
        self.bytes_max = TRUNK_BYTES_MAX;
    }

    pub(crate) fn pings(&self) -> Pings {
        Pings(self.messages.downgrade())
    }
}

impl Queue {
    /// Waits for messages; none once the shard has dropped its end and everything was taken. Cancel safe.
    pub(crate) async fn take(&mut self) -> Option<Bytes> {
        let first = self.messages.recv().await?;
        let Ok(second) = self.messages.try_recv() else {
            return Some(self.taken(first));
        };
        let mut together = BytesMut::with_capacity(first.len() + second.len());
        together.extend_from_slice(&first);
        together.extend_from_slice(&second);
        while together.len() < TOGETHER_BYTES
            && let Ok(next) = self.messages.try_recv()
        {
            together.extend_from_slice(&next);
        }
        Some(self.taken(together.freeze()))
    }

    fn taken(&self, bytes: Bytes) -> Bytes {
        let less = |waiting: usize| Some(waiting.saturating_sub(bytes.len()));
        // The closure always gives a value.
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        bytes
    }

    /// The next message, if there is one.
    #[cfg(test)]
    pub(crate) fn try_recv(&mut self) -> Option<Bytes> {
        self.messages.try_recv().ok()
    }
}

impl Pings {
    /// Puts a keep-alive in. Where there is no room something is written anyway.
    pub(crate) fn put(&self, ping: Bytes) {
        if let Some(messages) = self.0.upgrade() {
            let _ = messages.try_send(ping);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_is_written_together_and_beyond_its_bytes_refused() {
        let (mut outbox, mut queue) = outbox(1000);
        let message = Bytes::from(vec![b'x'; 400]);
        outbox.put(message.clone()).unwrap();
        outbox.put(message.clone()).unwrap();
        assert_eq!(outbox.put(message.clone()), Err(Full));
        assert_eq!(queue.take().await.unwrap().len(), 800);
        outbox.put(message.clone()).unwrap();
        outbox.is_of_trunk();
        for _ in 0..1000 {
            outbox.put(message.clone()).unwrap();
        }
        drop(outbox);
        let mut taken = 0;
        while let Some(bytes) = queue.take().await {
            taken += bytes.len();
        }
        assert_eq!(taken, 1001 * 400);
    }

    #[test]
    fn a_keep_alive_holds_no_connection_open() {
        let (outbox, mut queue) = outbox(ENDPOINT_BYTES_MAX);
        let pings = outbox.pings();
        pings.put(Bytes::from_static(b"\r\n\r\n"));
        assert_eq!(queue.try_recv().as_deref(), Some(&b"\r\n\r\n"[..]));
        drop(outbox);
        pings.put(Bytes::from_static(b"\r\n\r\n"));
        assert!(queue.messages.is_closed());
    }
}
