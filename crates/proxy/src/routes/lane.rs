//! From a route that is up to the stream that carries its pair: the route puts in, the stream takes out when its socket
//! has room. Bounded like the route's own queue, for a partner that reads slowly.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use lexicon::DomainPair;
use tokio::sync::Notify;

use super::parcel::Parcel;

/// The lane of one pair on one connection.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) pair: DomainPair,
    inner: Mutex<Inner>,
    /// Wakes the stream.
    ready: Arc<Notify>,
    /// Bytes of all lanes of the process.
    bytes_total: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Inner {
    parcels: VecDeque<Parcel>,
    stanzas: usize,
    bytes: usize,
}

impl Lane {
    pub(crate) fn new(pair: DomainPair, ready: Arc<Notify>, bytes_total: Arc<AtomicU64>) -> Self {
        Self { pair, inner: Mutex::default(), ready, bytes_total }
    }

    /// Puts in; the parcel comes back when so many stanzas or bytes wait already. One stanza always fits.
    pub(crate) fn put(&self, parcel: Parcel, stanzas_max: usize, bytes_max: usize) -> Result<(), Parcel> {
        let mut inner = self.inner();
        let within = inner.stanzas + parcel.count() <= stanzas_max && inner.bytes + parcel.bytes() <= bytes_max;
        let alone = inner.parcels.is_empty() && parcel.count() == 1;
        if !within && !alone {
            return Err(parcel);
        }
        self.count(&mut inner, &parcel);
        inner.parcels.push_back(parcel);
        drop(inner);
        self.ready.notify_one();
        Ok(())
    }

    /// Takes the oldest.
    pub(crate) fn take(&self) -> Option<Parcel> {
        let mut inner = self.inner();
        let parcel = inner.parcels.pop_front()?;
        self.discount(&mut inner, &parcel);
        Some(parcel)
    }

    /// Takes those whose sender has given up.
    pub(crate) fn take_expired(&self, now: Instant) -> VecDeque<Parcel> {
        let mut inner = self.inner();
        let parcels = std::mem::take(&mut inner.parcels);
        let (expired, waiting): (VecDeque<_>, VecDeque<_>) =
            parcels.into_iter().partition(|parcel| parcel.ticket.deadline <= now);
        inner.parcels = waiting;
        for parcel in &expired {
            self.discount(&mut inner, parcel);
        }
        expired
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner().parcels.is_empty()
    }

    /// Puts back in front what was taken and not sent, oldest first.
    pub(crate) fn put_back(&self, parcels: impl DoubleEndedIterator<Item = Parcel>) {
        let mut inner = self.inner();
        for parcel in parcels.rev() {
            self.count(&mut inner, &parcel);
            inner.parcels.push_front(parcel);
        }
    }

    fn count(&self, inner: &mut Inner, parcel: &Parcel) {
        inner.stanzas += parcel.count();
        inner.bytes += parcel.bytes();
        self.bytes_total.fetch_add(parcel.bytes() as u64, Ordering::Relaxed);
    }

    fn discount(&self, inner: &mut Inner, parcel: &Parcel) {
        inner.stanzas -= parcel.count();
        inner.bytes -= parcel.bytes();
        self.bytes_total.fetch_sub(parcel.bytes() as u64, Ordering::Relaxed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
