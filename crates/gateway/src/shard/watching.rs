//! SIP users who watch: partners' users, or each other (RFC 8048 §5.3, RFC 6665, sip-gateway.md).
//!
//! A SUBSCRIBE that asks for more than the state at the time *adds* the contact, which is durable before the partner's user is
//! asked. It is answered 200 and `pending` at once; `subscribed` makes it active, `unsubscribed` ends it. What partners'
//! users show of themselves is kept while somebody watches. That the partner's user permits it is not stored: after a
//! restart endpoints subscribe anew, and the partner's server answers `subscribed` by itself (RFC 6121 §3.1.3). Then
//! their presence is asked for by a probe.
//!
//! Users of one internal domain see each other. What a user behind a trunk shows to others is left out.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use ::sip::{
    Flow, Request, Status, Uri,
    event::{self, Notifier, Output, Reason, State, SubscriptionId},
    transaction::{Input, Ticket},
};
use bytes::Bytes;
use interwork::{
    presence::{self, Endpoint},
    uri,
};
use lexicon::BareJid;
use xmpp::stanza::build::{self, Head};

use super::{Shard, memory::Pair, request::Origin, trunks::literal};

mod asking;
mod subscribing;

/// Endpoints of a partner's user that are kept.
const ENDPOINTS_MAX: usize = 16;

/// Somebody who is watched by one internal user.
#[derive(Debug, Default)]
struct Watched {
    /// Whether they permit it, as far as is known.
    is_permitted: bool,
    /// What they show; those that have just gone are among them as unavailable until they were told.
    endpoints: Vec<Endpoint>,
    subscriptions: Vec<SubscriptionId>,
}

/// Who a subscription is for, and the way back.
#[derive(Debug)]
struct Watcher {
    /// `partner` is an internal user where users watch each other.
    pair: Pair,
    origin: Origin,
    flow: Flow,
    source: Option<SocketAddr>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watching {
    notifier: Notifier,
    watchers: HashMap<SubscriptionId, Watcher>,
    pairs: HashMap<Pair, Watched>,
    /// Internal users who are watched by internal users.
    inside: HashMap<BareJid, HashSet<BareJid>>,
    tickets: HashMap<Ticket, SubscriptionId>,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            notifier: Notifier::new(event::Limits::default()),
            watchers: HashMap::new(),
            pairs: HashMap::new(),
            inside: HashMap::new(),
            tickets: HashMap::new(),
        }
    }
}

impl Watching {
    pub(super) fn deadline(&self) -> Option<std::time::Instant> {
        self.notifier.deadline()
    }
}

impl Shard {
    pub(super) fn tick_watching(&mut self) {
        self.watching.notifier.tick(self.now.instant);
    }

    /// A NOTIFY has ended; whether the ticket was one.
    pub(super) fn notified(&mut self, ticket: Ticket, answer: Option<Status>) -> bool {
        let Some(id) = self.watching.tickets.remove(&ticket) else { return false };
        if answer.is_none() {
            self.counters.sip("notify_unanswered");
        }
        self.watching.notifier.answered(self.now.instant, id, answer);
        true
    }

    /// Sends what the notifier has to say.
    pub(super) fn settle_watching(&mut self) {
        while let Some(output) = self.watching.notifier.poll() {
            match output {
                Output::Notify { id, next_hop, request } => self.send_notify(id, &next_hop, *request),
                Output::Ended(id) => self.subscription_ended(id),
            }
        }
    }

    fn send_notify(&mut self, id: SubscriptionId, next_hop: &Uri, request: Request) {
        let origin = self.watching.watchers.get(&id).map(|watcher| watcher.origin.clone());
        let ticket = self.next_ticket();
        match origin {
            Some(Origin::Trunk(name)) => {
                self.watching.tickets.insert(ticket, id);
                self.send_by_trunk(ticket, name, request);
            }
            Some(Origin::RegistrarUser) => match self.way_to_watcher(id, next_hop) {
                Some(flow) => {
                    self.watching.tickets.insert(ticket, id);
                    self.inputs.push_back(Input::Send { ticket, flow, request });
                }
                None => {
                    self.counters.sip("watcher_unreachable");
                    self.watching.notifier.answered(self.now.instant, id, None);
                }
            },
            None => self.watching.notifier.answered(self.now.instant, id, None),
        }
    }

    /// The connection that the SUBSCRIBE came on, or the one that the user has registered by since; a datagram goes to where
    /// it came from, at the port of the contact if that is the same host.
    fn way_to_watcher(&mut self, id: SubscriptionId, next_hop: &Uri) -> Option<Flow> {
        let watcher = self.watching.watchers.get(&id)?;
        let (flow, source, user) = (watcher.flow.clone(), watcher.source, watcher.pair.internal.clone());
        if flow.transport.is_reliable() {
            let alive = self.flows.flow(flow.id);
            return alive.or_else(|| self.reachable(&user.into()).into_iter().next().map(|(_, flow)| flow));
        }
        let source = source?;
        let same = |at: &SocketAddr| at.ip().to_canonical() == source.ip().to_canonical();
        let port = literal(next_hop).filter(same).map_or(source.port(), |at| at.port());
        self.flows.datagrams_like(&flow, SocketAddr::new(source.ip(), port), self.now.instant)
    }

    fn subscription_ended(&mut self, id: SubscriptionId) {
        let Some(Watcher { pair, .. }) = self.watching.watchers.remove(&id) else { return };
        let Some(watched) = self.watching.pairs.get_mut(&pair) else { return };
        watched.subscriptions.retain(|known| *known != id);
        if watched.subscriptions.is_empty() {
            self.watching.pairs.remove(&pair);
            if let Some(watchers) = self.watching.inside.get_mut(&pair.partner) {
                watchers.remove(&pair.internal);
                if watchers.is_empty() {
                    self.watching.inside.remove(&pair.partner);
                }
            }
        }
    }

    /// Tells all subscriptions of a pair how things stand.
    fn notify_pair(&mut self, pair: &Pair) {
        let Some(watched) = self.watching.pairs.get_mut(pair) else { return };
        let (state, body) = match watched.is_permitted {
            true => (State::Active, document(pair, &watched.endpoints)),
            false => (State::Pending, None),
        };
        watched.endpoints.retain(|endpoint| endpoint.is_available);
        for id in watched.subscriptions.clone() {
            self.watching.notifier.set(self.now.instant, id, state, body.clone());
        }
    }

    /// Who watches whom.
    pub(super) fn watched_pairs(&self) -> impl Iterator<Item = &Pair> {
        self.watching.pairs.keys()
    }

    /// Ends all subscriptions of a pair.
    pub(super) fn end_pair(&mut self, pair: &Pair, reason: Reason) {
        let Some(watched) = self.watching.pairs.get(pair) else { return };
        for id in watched.subscriptions.clone() {
            self.watching.notifier.set(self.now.instant, id, State::Terminated(reason), None);
        }
    }

    /// An account is gone or disabled: it watches nobody any more.
    pub(super) fn end_watching_of(&mut self, user: &BareJid) {
        let pairs: Vec<_> = self.watching.pairs.keys().filter(|pair| pair.internal == *user).cloned().collect();
        pairs.iter().for_each(|pair| self.end_pair(pair, Reason::Rejected));
    }

    /// An administrator has ended the contact: the partner's user is told, and the endpoints learn it.
    pub(super) fn contact_unadded(&mut self, pair: &Pair) {
        if self.watching.pairs.contains_key(pair) {
            self.send_presence_of(pair, "unsubscribe");
            self.end_pair(pair, Reason::Rejected);
        }
    }

    /// An internal user is announced: other internal users who watch are told.
    pub(super) fn announce_inside(&mut self, user: &BareJid, endpoints: &[Endpoint]) {
        let watchers: Vec<_> = self.watching.inside.get(user).into_iter().flatten().cloned().collect();
        for internal in watchers {
            let pair = Pair { internal, partner: user.clone() };
            if let Some(watched) = self.watching.pairs.get_mut(&pair) {
                watched.endpoints = endpoints.to_vec();
            }
            self.notify_pair(&pair);
        }
    }

    /// Presence without content from the internal user to the partner's user.
    fn send_presence_of(&mut self, pair: &Pair, kind: &str) {
        let id = self.tokens.make();
        let (from, to) = (pair.internal.to_string(), pair.partner.to_string());
        let batch = build::presence(Head { from: &from, to: &to, id: Some(&id) }, Some(kind));
        self.send_own(&pair.internal, &pair.partner, batch);
    }
}

/// The body that says what somebody shows; none where their address has no SIP form.
fn document(pair: &Pair, endpoints: &[Endpoint]) -> Option<Bytes> {
    let user = uri::to_sip(&pair.partner).ok()?;
    Some(Bytes::from(presence::write(&user, endpoints)))
}
