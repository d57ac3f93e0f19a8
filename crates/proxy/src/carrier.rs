//! The sending half of a connection: from the lanes of its pairs to the stream machine, and on to the end of each stanza.
//!
//! A stanza whose bytes have left is delivered, or, where the partner acknowledges (XEP-0198), beyond recall until it does.
//! When the connection breaks, what not one byte of was handed to it waits for the next one; of the rest nobody can tell
//! what the partner made, so it ends as `delivery_unknown` and is never sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::DomainPair;
use tokio::sync::{Notify, mpsc};
use xmpp::{
    route::RouteFailure,
    stream::{self, Refusal, StreamFailure, UnsentReason},
};

use crate::{
    edge::Edge,
    failure,
    pump::Handed,
    routes::{
        lane::Lane,
        parcel::{Parcel, Ticket},
    },
};

/// Stanzas are written together up to about this many bytes.
const WRITE_TOGETHER_BYTES: usize = 16 << 10;

/// How often waiting stanzas are looked through for those whose time has passed.
pub(crate) const EXPIRY_TICK: Duration = Duration::from_millis(500);

/// What the routes learn of a connection, by its number.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) connection: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// The pair's stanzas flow.
    Authorised(DomainPair, Carriage),
    /// A connection that the partner opened carries the pair's stanzas too (XEP-0288).
    Offered(Arc<Lane>),
    /// The pair will not flow here, or no longer; the connection lives on.
    Lost(DomainPair, Option<RouteFailure>),
    /// Where the server of the pair's remote domain is, for a pair that shares a connection; none if it is not found.
    Located(DomainPair, Vec<SocketAddr>),
    /// The connection is over, with every pair on it. None: closed cleanly.
    Closed(Option<RouteFailure>),
}

/// Who else a connection may carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Carriage {
    /// The address that was dialled.
    pub(crate) peer: SocketAddr,
    /// The partner's server understands dialback errors: other domains that are found at the same address may be added
    /// (XEP-0220 §2.6.2).
    pub(crate) other_targets: bool,
}

pub(crate) struct Carrier {
    edge: Arc<Edge>,
    connection: u64,
    news: mpsc::Sender<News>,
    /// Woken when a lane has something.
    pub(crate) ready: Arc<Notify>,
    /// The lane of every pair that is, or may come to be, carried here.
    lanes: BTreeMap<DomainPair, Arc<Lane>>,
    /// The lanes of those that are.
    open: Vec<Arc<Lane>>,
    /// Whose turn it is among them.
    turn: usize,
    /// Handed to the machine, with the bytes of the connection between which each lies; bounded by the machine's room.
    sent: VecDeque<Sent>,
    /// What has left and awaits the partner's acknowledgement; bounded like it.
    awaited: VecDeque<Sent>,
    /// Bounded: at most a few for each pair.
    untold: VecDeque<Event>,
    /// Why the machine gave the stanzas of the last input back, if it did.
    pub(crate) unsent: Option<UnsentReason>,
}

struct Sent {
    begins: u64,
    ends: u64,
    load: Load,
}

enum Load {
    /// Still whole, and from where it came.
    Parcel(Arc<Lane>, Parcel),
    /// It has left.
    Ticket(DomainPair, Ticket),
}

impl Sent {
    fn count(&self) -> usize {
        match &self.load {
            Load::Parcel(_, parcel) => parcel.count(),
            Load::Ticket(_, ticket) => ticket.count(),
        }
    }

    fn into_ticket(self) -> Ticket {
        match self.load {
            Load::Parcel(_, parcel) => parcel.ticket,
            Load::Ticket(_, ticket) => ticket,
        }
    }

    /// What has left is kept no longer, except for the duty to end it.
    fn left(self) -> Self {
        let load = match self.load {
            Load::Parcel(lane, parcel) => {
                let (_, ticket) = parcel.into_parts();
                Load::Ticket(lane.pair.clone(), ticket)
            }
            left @ Load::Ticket(..) => left,
        };
        Self { load, ..self }
    }
}

impl Carrier {
    pub(crate) fn new(edge: Arc<Edge>, connection: u64, news: mpsc::Sender<News>, ready: Arc<Notify>) -> Self {
        Self {
            edge,
            connection,
            news,
            ready,
            lanes: BTreeMap::new(),
            open: Vec::new(),
            turn: 0,
            sent: VecDeque::new(),
            awaited: VecDeque::new(),
            untold: VecDeque::new(),
            unsent: None,
        }
    }

    /// A pair that may come to be carried.
    pub(crate) fn add(&mut self, lane: Arc<Lane>) {
        self.lanes.insert(lane.pair.clone(), lane);
    }

    /// The pair is authorised on a connection of ours.
    pub(crate) fn authorised(&mut self, pair: DomainPair, carriage: Carriage) {
        if let Some(lane) = self.lanes.get(&pair) {
            self.open.push(Arc::clone(lane));
            self.untold.push_back(Event::Authorised(pair, carriage));
        }
    }

    /// The pair may be carried on a connection of the partner's.
    pub(crate) fn offer(&mut self, pair: DomainPair) {
        let total = Arc::clone(&self.edge.lane_bytes);
        let lane = Arc::new(Lane::new(pair, Arc::clone(&self.ready), total));
        self.add(Arc::clone(&lane));
        self.open.push(Arc::clone(&lane));
        self.untold.push_back(Event::Offered(lane));
    }

    /// The pair is not carried here, or no longer.
    pub(crate) fn lose(&mut self, pair: DomainPair, failure: Option<RouteFailure>) {
        self.open.retain(|lane| lane.pair != pair);
        if self.lanes.remove(&pair).is_some() {
            self.untold.push_back(Event::Lost(pair, failure));
        }
    }

    /// Tells the routes what they do not know yet; they never keep anybody waiting.
    pub(crate) async fn tell(&mut self) {
        while let Some(event) = self.untold.pop_front() {
            // The routes end only with the proxy, and then nobody listens.
            let _ = self.news.send(News { connection: self.connection, event }).await;
        }
    }

    /// The pairs carried now.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = &DomainPair> {
        self.open.iter().map(|lane| &lane.pair)
    }

    pub(crate) fn has_waiting(&self) -> bool {
        self.lanes.values().any(|lane| !lane.is_empty())
    }

    /// Refuses what has waited too long for a partner that reads slowly.
    pub(crate) fn expire(&self) {
        let now = Instant::now();
        for lane in self.lanes.values() {
            for parcel in lane.take_expired(now) {
                self.refuse_late(parcel, &lane.pair);
            }
        }
    }

    fn refuse_late(&self, parcel: Parcel, pair: &DomainPair) {
        let late = StreamFailure::Timeout(stream::Stage::Open).into();
        parcel.ticket.refused(&self.edge.counters, failure::answer(&late, pair));
    }

    /// Stanzas of the pair whose turn it is, to be written together; those whose time has passed, or that are longer than
    /// the partner's `bytes_max`, are refused.
    pub(crate) fn take_some(&mut self, bytes_max: u64) -> Option<(Arc<Lane>, Vec<Parcel>)> {
        for _ in 0..self.open.len() {
            self.turn = (self.turn + 1) % self.open.len();
            let lane = Arc::clone(&self.open[self.turn]);
            let parcels = self.take_from(&lane, bytes_max);
            if !parcels.is_empty() {
                return Some((lane, parcels));
            }
        }
        None
    }

    fn take_from(&self, lane: &Lane, bytes_max: u64) -> Vec<Parcel> {
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        let now = Instant::now();
        while bytes < WRITE_TOGETHER_BYTES {
            let Some(parcel) = lane.take() else { break };
            if parcel.ticket.deadline <= now {
                self.refuse_late(parcel, &lane.pair);
                continue;
            }
            bytes += parcel.bytes();
            // XEP-0478 §3: a stanza above what the peer accepts would end the stream for all others.
            if parcel.longest() as u64 <= bytes_max {
                parcels.push(parcel);
                continue;
            }
            for single in parcel.singles() {
                if single.longest() as u64 <= bytes_max {
                    parcels.push(single);
                } else {
                    self.refuse_long(single, &lane.pair, bytes_max);
                }
            }
        }
        parcels
    }

    pub(crate) fn refuse_long(&self, parcel: Parcel, pair: &DomainPair, bytes_max: u64) {
        parcel.ticket.refused(&self.edge.counters, failure::too_long(pair, bytes_max));
    }

    /// The machine took the parcels, whose bytes lie between these two counts.
    pub(crate) fn sent(&mut self, lane: &Arc<Lane>, parcels: Vec<Parcel>, (begins, ends): (u64, u64)) {
        let sent = |parcel| Sent { begins, ends, load: Load::Parcel(Arc::clone(lane), parcel) };
        self.sent.extend(parcels.into_iter().map(sent));
    }

    /// Stanzas that were not taken wait for the next stream, or end with the reason of this one.
    pub(crate) fn give_back(&mut self, lane: &Arc<Lane>, parcels: Vec<Parcel>) {
        self.open.retain(|open| open.pair != lane.pair);
        if self.lanes.remove(&lane.pair).is_some() {
            lane.put_back(parcels.into_iter());
            self.untold.push_back(Event::Lost(lane.pair.clone(), None));
            return;
        }
        for parcel in parcels {
            let error = failure::refusal(Refusal::RulesChanged, &lane.pair);
            parcel.ticket.refused(&self.edge.counters, error);
        }
    }

    /// The partner has acknowledged so many more stanzas, the oldest.
    pub(crate) fn acknowledged(&mut self, mut stanzas: usize) {
        while stanzas > 0 {
            let awaited = self.awaited.pop_front();
            let Some(sent) = awaited.or_else(|| self.sent.pop_front()) else { return };
            let count = sent.count();
            if count <= stanzas {
                stanzas -= count;
                sent.into_ticket().delivered(&self.edge.counters);
                continue;
            }
            let mut sent = sent.left();
            if let Load::Ticket(_, ticket) = &mut sent.load {
                ticket.split_off_first(stanzas).delivered(&self.edge.counters);
            }
            return self.awaited.push_front(sent);
        }
    }

    /// So many bytes have left for the network: what lies within them is delivered, or, where the partner acknowledges,
    /// beyond recall.
    pub(crate) fn flushed(&mut self, bytes: u64, acknowledges: bool) {
        if !acknowledges {
            for sent in self.awaited.drain(..) {
                sent.into_ticket().delivered(&self.edge.counters);
            }
        }
        while let Some(sent) = self.sent.pop_front_if(|sent| sent.ends <= bytes) {
            if !acknowledges {
                sent.into_ticket().delivered(&self.edge.counters);
                continue;
            }
            if let Load::Parcel(_, parcel) = &sent.load {
                parcel.ticket.written();
            }
            self.awaited.push_back(sent.left());
        }
    }

    /// The connection is over. Ends what it had taken, gives back what it had not begun to send, and tells the routes.
    pub(crate) async fn end(mut self, failure: Option<RouteFailure>, handed: Handed, acknowledges: bool) {
        if failure.is_none() && handed.all {
            self.flushed(handed.bytes, acknowledges);
        }
        let broke = || StreamFailure::PeerClosed(stream::Stage::Open).into();
        let why = failure.clone().unwrap_or_else(broke);
        let mut unbegun: BTreeMap<DomainPair, Vec<Parcel>> = BTreeMap::new();
        let left = std::mem::take(&mut self.awaited);
        for Sent { begins, load, .. } in left.into_iter().chain(std::mem::take(&mut self.sent)) {
            match load {
                Load::Parcel(lane, parcel) if begins >= handed.bytes && self.lanes.contains_key(&lane.pair) => {
                    unbegun.entry(lane.pair.clone()).or_default().push(parcel);
                }
                Load::Parcel(lane, parcel) => {
                    parcel.ticket.lost(&self.edge.counters, failure::unknown(&why, &lane.pair));
                }
                Load::Ticket(pair, ticket) => ticket.lost(&self.edge.counters, failure::unknown(&why, &pair)),
            }
        }
        for (pair, parcels) in unbegun {
            if let Some(lane) = self.lanes.get(&pair) {
                lane.put_back(parcels.into_iter());
            }
        }
        self.untold.push_back(Event::Closed(failure));
        self.tell().await;
    }
}
