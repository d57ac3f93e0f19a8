//! Reading through a scratch buffer and writing several pieces with one call.
//!
//! An idle stream owns no read buffer: bytes are read into a scratch buffer of the worker thread and only what really
//! arrived is copied, once, to the stream's own buffer.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes taken from a socket at once: a TLS record.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// Most pieces handed to one vectored write.
const PIECES_MAX: usize = 32;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
}

/// Reads once and appends what arrived, at most `limit` bytes, to `into`. Zero means the end of the stream.
pub fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    limit: usize,
    into: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let take = limit.min(scratch.len());
        let mut buffer = ReadBuf::new(&mut scratch[..take]);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        into.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

/// Bytes waiting to be written, in order.
#[derive(Debug, Default)]
pub struct WriteQueue {
    pieces: VecDeque<Bytes>,
    length: usize,
    written: u64,
}

impl WriteQueue {
    /// Appends a piece.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes ever handed to the stream.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.length = 0;
    }

    /// Writes as much as the stream takes now: ready with the count of bytes taken (zero when nothing waits).
    pub fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let taken = ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?;
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(taken);
        Poll::Ready(Ok(taken))
    }

    fn advance(&mut self, mut taken: usize) {
        self.length -= taken;
        self.written += taken as u64;
        while let Some(piece) = self.pieces.front_mut() {
            if taken < piece.len() {
                piece.advance(taken);
                return;
            }
            taken -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn what_is_queued_arrives_in_order_through_a_narrow_pipe() {
        let (mut near, mut far) = duplex(7);
        let mut queue = WriteQueue::default();
        for piece in ["one ", "", "two and ", "a longer third piece"] {
            queue.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(queue.len(), 32);
        let mut received = BytesMut::new();
        while received.len() < 32 {
            poll_fn(|cx| {
                let _ = queue.poll_write(&mut near, cx).map(Result::unwrap);
                poll_read(&mut far, cx, 5, &mut received)
            })
            .await
            .unwrap();
        }
        assert_eq!(&received[..], b"one two and a longer third piece");
        assert!(queue.is_empty());
        assert_eq!(queue.written(), 32);
    }
}
