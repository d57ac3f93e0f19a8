//! Presence of users behind trunks, as partners' users see it (RFC 8048 §5.2, RFC 6665 §4.1, sip-gateway.md).
//!
//! A partner's user who asks is permitted by the deployment alone: our SUBSCRIBE in their name is the question, the first
//! active NOTIFY the answer, and that answer is stored like a registrar user's. Subscriptions are losable: after a start
//! one is opened for every stored permission, few at a time, and nobody is asked again. While the partner's user is
//! offline there is none, until they come back or probe. What the deployment shows is passed on at most every
//! [`SHOW_INTERVAL`], the state at that time alone; who may see what of it is decided where it is shown (`presence`).
//!
//! An address that the deployment does not know is met with silence, as an unknown user is.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use ::sip::{
    Request, Response,
    event::{Ended, Subscriber, Wanted, WatchId, Watched},
    transaction::Ticket,
};
use interwork::{presence::Endpoint, uri};
use lexicon::BareJid;
use policy::contact::PresenceKind;
use store::{Backend, Step};

use super::{Shard, WRITES_MAX, inward::Arrived, memory::Pair, request::Origin};

mod notice;

/// Shortest time between two showings of one user to one watcher (RFC 3856 §6.10).
const SHOW_INTERVAL: Duration = Duration::from_secs(5);
/// Subscriptions at most.
const WATCHES_MAX: usize = 100_000;
/// Subscriptions that are opened at the same time after a start.
const OPENING_MAX: usize = 64;
/// Endpoints of a user that are shown.
const ENDPOINTS_MAX: usize = 16;

/// What is known for one watcher of one user.
#[derive(Debug)]
struct Seen {
    id: WatchId,
    /// None before the deployment has said anything. Those that have gone are among them until that was shown.
    endpoints: Option<Vec<Endpoint>>,
    not_before: Instant,
    is_due: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct TrunkPresence {
    subscriber: Subscriber,
    seen: HashMap<Pair, Seen>,
    pairs: HashMap<WatchId, Pair>,
    tickets: HashMap<Ticket, WatchId>,
    due: BTreeSet<(Instant, WatchId)>,
    /// To be watched when there is room; none twice.
    starting: VecDeque<Pair>,
    queued: HashSet<Pair>,
}

impl TrunkPresence {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            subscriber: Subscriber::new(WATCHES_MAX, seed),
            seen: HashMap::new(),
            pairs: HashMap::new(),
            tickets: HashMap::new(),
            due: BTreeSet::new(),
            starting: VecDeque::new(),
            queued: HashSet::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, _)| *at);
        self.subscriber.deadline().into_iter().chain(due).min()
    }

    fn forget(&mut self, pair: &Pair) {
        if let Some(seen) = self.seen.remove(pair) {
            self.due.remove(&(seen.not_before, seen.id));
            self.pairs.remove(&seen.id);
        }
    }
}

impl Shard {
    /// Whether the presence of an address is its deployment's.
    pub(super) fn is_behind_trunk(&self, user: &BareJid) -> bool {
        matches!(self.serving.backend_of(user), Some(Backend::Trunk(_)))
    }

    /// Takes a request of a partner's user about the presence of a user behind a trunk, which the contact rules let pass.
    pub(super) fn ask_trunk(&mut self, kind: PresenceKind, arrived: Arrived<'_>) {
        let pair = Pair { internal: arrived.to.bare().clone(), partner: arrived.from.bare().clone() };
        let is_permitted = self.book.contact(&pair.internal, &pair.partner).authorised;
        match kind {
            PresenceKind::Unsubscribe if is_permitted => {
                return self.change_watching(pair, Step::Declined, Some(arrived.receipt));
            }
            PresenceKind::Unsubscribe => self.stop_watching_trunk(&pair),
            PresenceKind::Subscribe if is_permitted => self.tell_permission(&pair, true),
            PresenceKind::Subscribe => self.watch_trunk(&pair),
            _ if is_permitted => {
                let is_known = self.trunk_presence.seen.get(&pair).is_some_and(|seen| seen.endpoints.is_some());
                if is_known {
                    self.show_anew(&pair.internal, &pair.partner);
                } else {
                    self.watch_trunk(&pair);
                }
            }
            _ => return self.silence(arrived.receipt, "not_watching"),
        }
        self.counters.from_partners.answered();
        arrived.receipt.done();
    }

    /// A partner's user shows that they are there, or that none of theirs is: nobody watches without them. That one of their
    /// endpoints goes says nothing of the others.
    pub(super) fn watcher_shows(&mut self, kind: PresenceKind, pair: &Pair, is_all: bool) {
        if !self.is_behind_trunk(&pair.internal) || !self.may_watch_trunk(pair) {
            return;
        }
        match kind {
            PresenceKind::Available => self.watch_trunk(pair),
            PresenceKind::Unavailable if is_all => self.stop_watching_trunk(pair),
            _ => {}
        }
    }

    /// Whether what is stored and configured permits a partner's user to see a user behind a trunk.
    fn may_watch_trunk(&self, pair: &Pair) -> bool {
        let contact = self.book.contact(&pair.internal, &pair.partner);
        let edge = self.snapshot();
        let partner = edge.as_ref().and_then(|edge| edge.partner_of(pair.partner.domain()));
        let may_use =
            |partner: &Arc<policy::Partner>| partner.enabled && self.access.judge(&pair.internal, partner).is_allowed();
        contact.authorised && !contact.blocked && partner.is_some_and(may_use)
    }

    /// Something has changed that decides what a partner's user sees: they are shown it, and a deployment is asked for nothing
    /// that may not be shown.
    pub(super) fn show_changed(&mut self, pair: &Pair) {
        let (is_behind, may_watch) = (self.is_behind_trunk(&pair.internal), self.may_watch_trunk(pair));
        if is_behind && may_watch && !self.trunk_presence.seen.contains_key(pair) {
            // What there is to show the first NOTIFY tells.
            return self.watch_trunk(pair);
        }
        self.show_anew(&pair.internal, &pair.partner);
        if is_behind && !may_watch {
            self.stop_watching_trunk(pair);
        }
    }

    /// Watches in its turn, unless that is done already.
    fn watch_trunk(&mut self, pair: &Pair) {
        let waiting = &mut self.trunk_presence;
        if waiting.seen.contains_key(pair) || waiting.queued.contains(pair) {
            return;
        }
        if waiting.starting.len() >= WATCHES_MAX {
            return self.counters.sip("watch_limit");
        }
        waiting.queued.insert(pair.clone());
        waiting.starting.push_back(pair.clone());
    }

    /// Opens a subscription.
    fn open_watch(&mut self, pair: &Pair) {
        let Some(Backend::Trunk(name)) = self.serving.backend_of(&pair.internal).cloned() else { return };
        let (Ok(from), Ok(to)) = (uri::to_sip(&pair.partner), uri::to_sip(&pair.internal)) else {
            return self.counters.sip("watcher_without_uri");
        };
        let Some((transport, host)) = self.own_host(&name) else { return self.counters.sip("watch_without_way") };
        let contact = self.contact(transport, &host);
        let wanted = Wanted { from, to, contact: contact.to_string(), expires_s: self.expires_max_s() };
        let Some(id) = self.trunk_presence.subscriber.watch(self.now.instant, wanted) else {
            return self.counters.sip("watch_limit");
        };
        let seen = Seen { id, endpoints: None, not_before: self.now.instant, is_due: false };
        self.trunk_presence.seen.insert(pair.clone(), seen);
        self.trunk_presence.pairs.insert(id, pair.clone());
    }

    /// Ends the subscription of a pair; what was shown is not shown any more.
    pub(super) fn stop_watching_trunk(&mut self, pair: &Pair) {
        self.trunk_presence.queued.remove(pair);
        if let Some(seen) = self.trunk_presence.seen.get(pair) {
            let id = seen.id;
            // A NOTIFY for it is answered as long as its dialog stands, and means nothing.
            self.trunk_presence.forget(pair);
            self.trunk_presence.subscriber.stop(self.now.instant, id);
        }
    }

    /// A partner's user was told whether they may see the presence of an internal user.
    pub(super) fn trunk_permission_told(&mut self, watching: &crate::book::Watching) {
        let pair = Pair { internal: watching.internal.clone(), partner: watching.partner.clone() };
        match watching.permitted {
            true if self.is_behind_trunk(&pair.internal) => self.watch_trunk(&pair),
            true => {}
            false => self.stop_watching_trunk(&pair),
        }
    }

    /// Watches for all stored permissions of users behind trunks, and for none of those who are so no more.
    pub(super) fn watch_trunks(&mut self) {
        let watched = self.trunk_presence.seen.keys();
        let moved: Vec<_> = watched.filter(|pair| !self.is_behind_trunk(&pair.internal)).cloned().collect();
        moved.iter().for_each(|pair| self.stop_watching_trunk(pair));
        let pairs = self.book.watching_pairs().filter(|(internal, _)| self.is_behind_trunk(internal));
        let pairs = pairs.map(|(internal, partner)| Pair { internal: internal.clone(), partner: partner.clone() });
        let is_wanted = |pair: &Pair| !self.trunk_presence.seen.contains_key(pair) && self.may_watch_trunk(pair);
        let wanted: Vec<_> = pairs.filter(is_wanted).collect();
        wanted.iter().for_each(|pair| self.watch_trunk(pair));
    }

    /// What a partner's user may be shown of a user behind a trunk, as far as it is known.
    pub(super) fn seen_behind_trunk(&self, pair: &Pair) -> Vec<Endpoint> {
        let seen = self.trunk_presence.seen.get(pair);
        seen.and_then(|seen| seen.endpoints.clone()).unwrap_or_default()
    }

    pub(super) fn tick_trunk_presence(&mut self) {
        let now = self.now.instant;
        while self.trunk_presence.tickets.len() < OPENING_MAX
            && let Some(pair) = self.trunk_presence.starting.pop_front()
        {
            if self.trunk_presence.queued.remove(&pair) {
                self.open_watch(&pair);
                self.settle_trunk_presence();
            }
        }
        self.trunk_presence.subscriber.tick(now);
        while let Some((at, id)) = self.trunk_presence.due.first().copied() {
            if at > now {
                break;
            }
            self.trunk_presence.due.pop_first();
            if let Some(pair) = self.trunk_presence.pairs.get(&id).cloned() {
                self.show_seen(&pair);
            }
        }
    }

    /// Sends what the subscriber has to say.
    pub(super) fn settle_trunk_presence(&mut self) {
        while let Some(output) = self.trunk_presence.subscriber.poll() {
            match output {
                Watched::Subscribe { id, request } => self.send_subscribe(id, *request),
                Watched::Interrupted(id) => self.interrupted(id),
                Watched::Ended { id, why } => self.watch_ended(id, why),
            }
        }
    }

    fn send_subscribe(&mut self, id: WatchId, request: Request) {
        let to = request.headers.to().ok().and_then(|to| uri::to_jid(&to.uri).ok());
        let backend = to.and_then(|to| self.serving.backend_of(to.bare()).cloned());
        let Some(Backend::Trunk(name)) = backend else {
            return self.trunk_presence.subscriber.answered(self.now.instant, id, None);
        };
        let ticket = self.next_ticket();
        self.trunk_presence.tickets.insert(ticket, id);
        self.send_by_trunk(ticket, name, request);
    }

    /// A SUBSCRIBE has ended; whether the ticket was one.
    pub(super) fn subscribed(&mut self, ticket: Ticket, answer: Option<&Response>) -> bool {
        let Some(id) = self.trunk_presence.tickets.remove(&ticket) else { return false };
        if !answer.is_some_and(|answer| answer.status.is_success()) {
            self.counters.sip("subscribe_failed");
        }
        self.trunk_presence.subscriber.answered(self.now.instant, id, answer);
        true
    }

    fn interrupted(&mut self, id: WatchId) {
        let Some(pair) = self.trunk_presence.pairs.get(&id).cloned() else { return };
        self.see(&pair, Vec::new());
    }

    fn watch_ended(&mut self, id: WatchId, why: Ended) {
        let Some(pair) = self.trunk_presence.pairs.get(&id).cloned() else { return };
        if why == Ended::Invariant {
            return;
        }
        let is_permitted = self.book.contact(&pair.internal, &pair.partner).authorised;
        match why {
            Ended::Rejected | Ended::NoResource if is_permitted => self.store_watching(pair.clone(), Step::Declined),
            Ended::Rejected | Ended::NoResource => self.tell_permission(&pair, false),
            Ended::NotFound => self.counters.sip("watched_not_found"),
            Ended::Unsupported => self.counters.sip("presence_unsupported"),
            Ended::Invariant | Ended::Stopped => {}
        }
        self.show_end(&pair);
        self.trunk_presence.forget(&pair);
    }

    /// What was shown is over.
    fn show_end(&mut self, pair: &Pair) {
        self.see(pair, Vec::new());
        self.show_seen(pair);
    }

    /// Takes what the deployment shows, and shows it in its time.
    fn see(&mut self, pair: &Pair, mut endpoints: Vec<Endpoint>) {
        let now = self.now.instant;
        let Some(seen) = self.trunk_presence.seen.get_mut(pair) else { return };
        endpoints.truncate(ENDPOINTS_MAX);
        if seen.endpoints.as_ref() == Some(&endpoints) {
            return;
        }
        let before = seen.endpoints.take().unwrap_or_default();
        let is_gone = |known: &&Endpoint| !endpoints.iter().any(|endpoint| endpoint.id == known.id);
        let gone: Vec<_> = before.iter().filter(is_gone).map(|gone| gone.id.clone()).collect();
        endpoints.extend(gone.into_iter().map(|id| Endpoint { id, ..Endpoint::default() }));
        seen.endpoints = Some(endpoints);
        if !std::mem::replace(&mut seen.is_due, true) {
            seen.not_before = seen.not_before.max(now);
            self.trunk_presence.due.insert((seen.not_before, seen.id));
        }
    }

    fn show_seen(&mut self, pair: &Pair) {
        let Some(seen) = self.trunk_presence.seen.get_mut(pair) else { return };
        self.trunk_presence.due.remove(&(seen.not_before, seen.id));
        (seen.is_due, seen.not_before) = (false, self.now.instant + SHOW_INTERVAL);
        self.show_anew(&pair.internal, &pair.partner);
    }

    /// Those that are gone were shown to be so.
    pub(super) fn seen_shown(&mut self, pair: &Pair) {
        if let Some(endpoints) = self.trunk_presence.seen.get_mut(pair).and_then(|seen| seen.endpoints.as_mut()) {
            endpoints.retain(|endpoint| endpoint.is_available);
        }
    }

    /// Stores who watches; the partner's user is told when it is durable.
    fn store_watching(&mut self, pair: Pair, step: Step) {
        if self.writes >= WRITES_MAX {
            // The next NOTIFY or the next request says it again.
            return self.counters.sip("overloaded");
        }
        self.change_watching(pair, step, None);
    }

    /// `subscribed` or `unsubscribed`, where nothing that is stored has changed.
    fn tell_permission(&mut self, pair: &Pair, permitted: bool) {
        let (internal, partner) = (pair.internal.clone(), pair.partner.clone());
        self.tell(&crate::book::Watching { internal, partner, permitted });
    }

    /// Whether a request comes from the trunk that serves a user.
    fn comes_from_trunk_of(&mut self, incoming: &super::request::Incoming, user: &BareJid) -> bool {
        let Some(Backend::Trunk(name)) = self.serving.backend_of(user).cloned() else { return false };
        self.comes_from(incoming, &Origin::Trunk(name), None)
    }
}
