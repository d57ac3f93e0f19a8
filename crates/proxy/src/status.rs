//! The live streams, for people and for the answer to "does a key that we issued stand behind this question?".

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lexicon::{Direction, DomainPair, Method, PeerCertificate, Timestamp, TlsFacts, report::TlsUsed};
use tokio::sync::{Notify, watch};

use crate::reports::tls_used;

/// One live connection.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// A number of this process, for logs and for closing.
    pub number: u64,
    /// Who opened the connection.
    pub direction: Direction,
    /// The partner's address.
    pub peer: SocketAddr,
    /// When it was accepted or made.
    pub since: Timestamp,
    /// The pairs that may carry stanzas, with the method that authorised each.
    pub authorised: Vec<(DomainPair, Method)>,
    /// Version and cipher suite; none without TLS.
    pub tls: Option<TlsUsed>,
    /// The certificate that the partner's server showed; none without TLS.
    pub certificate: Option<PeerCertificate>,
    /// What it has carried.
    pub carried: Arc<Carried>,
}

/// Stanzas that a connection has carried, counted as it goes on.
#[derive(Debug, Default)]
pub struct Carried {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Carried {
    /// From the partner's server, of authorised pairs.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Handed to the connection for the partner's server.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn receive(&self, stanzas: usize) {
        self.received.fetch_add(stanzas as u64, Ordering::Relaxed);
    }

    pub(crate) fn send(&self, stanzas: usize) {
        self.sent.fetch_add(stanzas as u64, Ordering::Relaxed);
    }
}

/// A live connection is in the list as long as this lives.
#[derive(Debug)]
pub(crate) struct Listed(Arc<Streams>, u64);

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.close(self.1);
    }
}

/// Numbers for streams, each given once: proxies that share them share no number. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StreamNumbers(Arc<AtomicU64>);

/// Live connections and the dialback keys that are in flight on them.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    numbers: StreamNumbers,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: BTreeMap<u64, StreamStatus>,
    /// (pair, stream id chosen by the partner) of keys that were sent and not decided, with the connection's number.
    keys: BTreeMap<(DomainPair, Box<str>), u64>,
    /// Told why, when an administrator closes the connection.
    closers: BTreeMap<u64, watch::Sender<Box<str>>>,
    /// Woken when the partner answered a ping of the connection on another one.
    proofs: BTreeMap<u64, Arc<Notify>>,
}

impl Streams {
    pub(crate) fn numbered(numbers: &StreamNumbers) -> Self {
        Self { numbers: numbers.clone(), inner: Mutex::default() }
    }

    pub(crate) fn open(&self, direction: Direction, peer: SocketAddr, since: Timestamp) -> u64 {
        let number = self.number();
        self.open_as(number, direction, peer, since);
        number
    }

    /// A number for a connection that is still to be made.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A connection that got its number before.
    pub(crate) fn open_as(&self, number: u64, direction: Direction, peer: SocketAddr, since: Timestamp) {
        let (authorised, carried) = (Vec::new(), Arc::default());
        let status = StreamStatus { number, direction, peer, since, authorised, tls: None, certificate: None, carried };
        self.inner().live.insert(number, status);
    }

    /// Where the connection `number` counts what it carries.
    pub(crate) fn carried(&self, number: u64) -> Arc<Carried> {
        self.inner().live.get(&number).map(|stream| Arc::clone(&stream.carried)).unwrap_or_default()
    }

    /// Has the connection `number` [closed](Self::close) when dropped, however its task ends.
    pub(crate) fn listed(self: &Arc<Self>, number: u64) -> Listed {
        Listed(Arc::clone(self), number)
    }

    /// TLS is up: how, and what the partner's server showed.
    pub(crate) fn secure(&self, number: u64, facts: Option<&TlsFacts>) {
        let certificate = facts.and_then(|facts| facts.peer.as_ref().ok()).cloned();
        if let Some(stream) = self.inner().live.get_mut(&number) {
            stream.tls = facts.map(tls_used);
            stream.certificate = certificate;
        }
    }

    pub(crate) fn authorise(&self, number: u64, pair: &DomainPair, method: Method) {
        let mut inner = self.inner();
        inner.keys.retain(|(of, _), on| *on != number || of != pair);
        if let Some(stream) = inner.live.get_mut(&number) {
            stream.authorised.retain(|(of, _)| of != pair);
            stream.authorised.push((pair.clone(), method));
        }
    }

    pub(crate) fn deauthorise(&self, number: u64, pair: &DomainPair) {
        let mut inner = self.inner();
        inner.keys.retain(|(of, _), on| *on != number || of != pair);
        if let Some(stream) = inner.live.get_mut(&number) {
            stream.authorised.retain(|(of, _)| of != pair);
        }
    }

    /// A key for `pair` was sent on the stream that the partner named `id`.
    pub(crate) fn key_sent(&self, number: u64, pair: DomainPair, id: Box<str>) {
        self.inner().keys.insert((pair, id), number);
    }

    /// Whether such a key is in flight.
    pub(crate) fn has_key(&self, pair: &DomainPair, id: &str) -> bool {
        self.inner().keys.contains_key(&(pair.clone(), id.into()))
    }

    /// Woken by proof that the partner lives, for the connection `number` to await.
    pub(crate) fn proof_of_life(&self, number: u64) -> Arc<Notify> {
        Arc::clone(self.inner().proofs.entry(number).or_default())
    }

    /// The partner has answered a ping of the pair: wakes the connections that carry the pair to it.
    pub(crate) fn prove_life(&self, pair: &DomainPair) {
        let inner = self.inner();
        for (number, proof) in &inner.proofs {
            let carries = |stream: &StreamStatus| stream.authorised.iter().any(|(of, _)| of == pair);
            if inner.live.get(number).is_some_and(carries) {
                proof.notify_one();
            }
        }
    }

    /// Where the connection `number` learns that an administrator closes it, and why.
    pub(crate) fn closing(&self, number: u64) -> watch::Receiver<Box<str>> {
        self.inner().closers.entry(number).or_default().subscribe()
    }

    /// Has the connection closed; whether there is one.
    pub(crate) fn close_for(&self, number: u64, reason: &str) -> bool {
        self.inner().closers.get(&number).is_some_and(|closer| closer.send(reason.into()).is_ok())
    }

    pub(crate) fn close(&self, number: u64) {
        let mut inner = self.inner();
        inner.live.remove(&number);
        inner.closers.remove(&number);
        inner.proofs.remove(&number);
        inner.keys.retain(|_, on| *on != number);
    }

    pub(crate) fn list(&self) -> Vec<StreamStatus> {
        self.inner().live.values().cloned().collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
