//! Presence of registrar users, as partners' users see it (RFC 6121 §4, partner-policy §3).
//!
//! A user is available while a contact of theirs is registered and answers; what they publish (RFC 3903) says how. A change
//! is told to all watchers at most every [`ANNOUNCE_INTERVAL`] for each user, the state at that time alone. Who watches is
//! stored with the contacts; what a watcher may see is decided when the stanza is made, so that a change of partner type,
//! policy or block needs no more than to be told anew. Stanzas wait here, one entry for each pair, while the link has no
//! room.
//!
//! The presence of users behind trunks is their deployment's and is had in `trunk_presence`. What partners' users show of
//! themselves is in `watching`.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use ::sip::publication::{self, Publications};
use interwork::presence::Endpoint;
use lexicon::BareJid;
use policy::{EdgeSnapshot, PartnerType, contact::PresenceKind};
use store::{Backend, Step};
use xmpp::stanza::build::Head;

use super::{Shard, Stored, WRITES_MAX, inward::Arrived, memory::Pair};
use crate::book::Watching;

mod publishing;

/// Shortest time between two announcements of a user (RFC 3856 §6.10).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(5);
/// After this long without a registration a watched user counts as gone: watchers may remember what they were told before
/// a restart.
const START_GRACE: Duration = Duration::from_secs(60);
/// Users announced between two looks at everything else.
const USERS_AT_ONCE: usize = 256;
/// Endpoints of a user that are shown.
const ENDPOINTS_MAX: usize = 16;
/// The resource of a user who is registered and has published nothing.
const REGISTERED: &str = "sip";

/// What watchers were told of a user last.
#[derive(Debug)]
struct Announced {
    /// Those that are gone since the time before are among them, as unavailable.
    endpoints: Vec<Endpoint>,
    at: Instant,
}

impl Announced {
    fn open(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|endpoint| endpoint.is_available)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Presence {
    publications: Publications<Vec<Endpoint>>,
    announced: HashMap<BareJid, Announced>,
    due: BTreeSet<(Instant, BareJid)>,
    due_at: HashMap<BareJid, Instant>,
    /// To be told how the user stands, in order; none twice.
    waiting: VecDeque<Pair>,
    queued: HashSet<Pair>,
    /// Those who were told that the user is available.
    seeing: HashSet<Pair>,
    grace_until: Option<Instant>,
    /// The policy that watchers were last told by.
    edge: Option<Arc<EdgeSnapshot>>,
}

impl Presence {
    pub(super) fn new(now: Instant, seed: [u8; 32]) -> Self {
        Self {
            publications: Publications::new(publication::Limits::default(), seed),
            announced: HashMap::new(),
            due: BTreeSet::new(),
            due_at: HashMap::new(),
            waiting: VecDeque::new(),
            queued: HashSet::new(),
            seeing: HashSet::new(),
            grace_until: Some(now + START_GRACE),
            edge: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, _)| *at);
        [self.publications.deadline(), due, self.grace_until].into_iter().flatten().min()
    }

    /// Whether stanzas wait for room on the link.
    pub(super) fn is_holding(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn enqueue(&mut self, pair: Pair) {
        if self.queued.insert(pair.clone()) {
            self.waiting.push_back(pair);
        }
    }

    fn schedule(&mut self, user: BareJid, at: Instant) {
        if !self.due_at.contains_key(&user) {
            self.due_at.insert(user.clone(), at);
            self.due.insert((at, user));
        }
    }
}

impl Shard {
    /// Takes presence of a partner's user that the contact rules let pass.
    pub(super) fn pass_presence(&mut self, kind: PresenceKind, arrived: Arrived<'_>) {
        let is_request = matches!(kind, PresenceKind::Subscribe | PresenceKind::Unsubscribe | PresenceKind::Probe);
        if !is_request {
            return self.presence_arrived(kind, arrived);
        }
        if arrived.to.local().is_some() && self.is_behind_trunk(arrived.to.bare()) {
            return self.ask_trunk(kind, arrived);
        }
        if arrived.to.local().is_none() || !self.is_registered_here(arrived.to.bare()) {
            return self.silence(arrived.receipt, "presence_not_carried");
        }
        let pair = Pair { internal: arrived.to.bare().clone(), partner: arrived.from.bare().clone() };
        let is_watching = self.book.contact(&pair.internal, &pair.partner).authorised;
        match kind {
            PresenceKind::Subscribe if !is_watching => {
                return self.change_watching(pair, Step::Authorised, Some(arrived.receipt));
            }
            PresenceKind::Unsubscribe if is_watching => {
                return self.change_watching(pair, Step::Declined, Some(arrived.receipt));
            }
            // RFC 6121 §3.1.3: who is subscribed already is told so.
            PresenceKind::Subscribe => {
                self.tell(&Watching { internal: pair.internal, partner: pair.partner, permitted: true });
            }
            PresenceKind::Probe => {
                self.presence.enqueue(pair);
                self.release_presence();
            }
            _ => return self.silence(arrived.receipt, "not_watching"),
        }
        self.counters.from_partners.answered();
        arrived.receipt.done();
    }

    /// A probe that counts as a request to see presence: it is answered like one, but never `unsubscribed`.
    pub(super) fn probe_subscribes(&mut self, arrived: Arrived<'_>) {
        self.pass_presence(PresenceKind::Subscribe, arrived);
    }

    /// Stores who watches; what the partner's user is told follows from the contact.
    /// `receipt` is that of the stanza that has changed it.
    pub(super) fn change_watching(&mut self, pair: Pair, step: Step, receipt: Option<link::Receipt>) {
        if self.writes >= WRITES_MAX {
            return match receipt {
                Some(receipt) => self.silence(receipt, "overloaded"),
                None => self.counters.sip("overloaded"),
            };
        }
        self.writes += 1;
        let (store, stored) = (self.store.clone(), self.stored.clone());
        tokio::spawn(async move {
            let contact = match store.contact_step(&pair.internal, &pair.partner, step).await {
                Ok(contact) => Some(Box::new(contact)),
                Err(error) => {
                    tracing::error!(%error, "a contact could not be stored; nothing is answered");
                    None
                }
            };
            let _ = stored.send(Stored::Watched { receipt, contact }).await;
        });
    }

    /// It is durable, or could not be stored: then silence, and the partner's server asks again.
    pub(super) fn watched(&mut self, receipt: Option<link::Receipt>, contact: Option<Box<store::Contact>>) {
        let Some(contact) = contact else {
            return match receipt {
                Some(receipt) => self.silence(receipt, "contact_not_stored"),
                None => self.counters.sip("contact_not_stored"),
            };
        };
        // One that came by the store's revision before was told then.
        if let Some(watching) = self.book.take_contact(&contact) {
            self.tell(&watching);
        }
        if let Some(receipt) = receipt {
            self.counters.from_partners.answered();
            receipt.done();
        }
    }

    /// Whether an address is an account of the registrar, whose presence is ours to tell.
    pub(super) fn is_registered_here(&self, user: &BareJid) -> bool {
        matches!(self.serving.backend_of(user), Some(Backend::Registrar) | None)
    }

    /// Whether partners' users can see the presence of an address: users of components and inner servers show it themselves.
    fn shows_presence(&self, user: &BareJid) -> bool {
        self.is_registered_here(user) || self.is_behind_trunk(user)
    }

    /// A watcher may see something else from now on: permitted, ended, blocked or unblocked.
    pub(super) fn show_anew(&mut self, internal: &BareJid, partner: &BareJid) {
        if self.shows_presence(internal) {
            self.presence.enqueue(Pair { internal: internal.clone(), partner: partner.clone() });
            self.release_presence();
        }
    }

    /// An account is gone or disabled.
    pub(super) fn forget_presence_of(&mut self, user: &BareJid) {
        self.presence.publications.remove(&user.to_string());
    }

    /// What time, registrations and publications do.
    pub(super) fn tick_presence(&mut self) {
        let now = self.now.instant;
        self.presence.publications.expire(now);
        let mut changed = self.registrar.take_changed();
        changed.extend(self.presence.publications.take_changed());
        for user in changed.iter().filter_map(|address| BareJid::parse(address).ok()) {
            let last = self.presence.announced.get(&user).map(|announced| announced.at + ANNOUNCE_INTERVAL);
            self.presence.schedule(user, last.map_or(now, |at| at.max(now)));
        }
        if self.presence.grace_until.take_if(|until| *until <= now).is_some() {
            let silent: Vec<_> =
                self.book.watched().filter(|user| !self.presence.announced.contains_key(*user)).collect();
            let silent: Vec<_> = silent.into_iter().filter(|user| self.is_registered_here(user)).cloned().collect();
            silent.into_iter().for_each(|user| self.presence.schedule(user, now));
        }
        for _ in 0..USERS_AT_ONCE {
            let Some((at, user)) = self.presence.due.pop_first() else { break };
            if at > now {
                self.presence.due.insert((at, user));
                break;
            }
            self.presence.due_at.remove(&user);
            self.announce(user);
        }
        self.release_presence();
    }

    /// Tells all watchers how a user stands, unless they know.
    fn announce(&mut self, user: BareJid) {
        let mut endpoints = self.endpoints_of(&user);
        let last = self.presence.announced.get(&user);
        if last.is_some_and(|last| last.open().eq(endpoints.iter())) {
            return;
        }
        let is_gone = |before: &&Endpoint| !endpoints.iter().any(|endpoint| endpoint.id == before.id);
        let gone = last.into_iter().flat_map(Announced::open).filter(is_gone);
        let gone: Vec<_> = gone.map(|gone| Endpoint { id: gone.id.clone(), ..Endpoint::default() }).collect();
        endpoints.extend(gone);
        self.announce_inside(&user, &endpoints);
        let watchers: Vec<_> = self.book.watchers(&user).cloned().collect();
        for partner in watchers {
            self.presence.enqueue(Pair { internal: user.clone(), partner });
        }
        self.presence.announced.insert(user, Announced { endpoints, at: self.now.instant });
    }

    /// The endpoints of a user that are available now.
    pub(super) fn endpoints_of(&self, user: &BareJid) -> Vec<Endpoint> {
        let address = user.to_string();
        let bindings = self.registrar.bindings(self.now.instant, &address);
        if !self.book.exists(user) || bindings.iter().all(|binding| binding.is_unreachable) {
            return Vec::new();
        }
        let published: Vec<_> = self.presence.publications.contents(&address).flatten().collect();
        if published.is_empty() {
            return vec![Endpoint::available(REGISTERED)];
        }
        let mut endpoints: Vec<Endpoint> = Vec::new();
        // The newest publication of a tuple counts.
        for endpoint in published.into_iter().rev().filter(|endpoint| endpoint.is_available) {
            let is_known = endpoints.iter().any(|known| known.id == endpoint.id);
            if !is_known && endpoints.len() < ENDPOINTS_MAX {
                endpoints.push(endpoint.clone());
            }
        }
        endpoints
    }

    /// Sends what waits, as far as the link takes it.
    pub(super) fn release_presence(&mut self) {
        while let Some(pair) = self.presence.waiting.pop_front() {
            if !self.show(&pair) {
                return self.presence.waiting.push_front(pair);
            }
            self.presence.queued.remove(&pair);
        }
    }

    /// Tells a partner's user how the internal user stands, as far as they may see; `false` if the link has no room.
    fn show(&mut self, pair: &Pair) -> bool {
        let Some(edge) = self.snapshot() else { return true };
        let Some(partner) = edge.partner_of(pair.partner.domain()).filter(|partner| partner.enabled) else {
            self.presence.seeing.remove(pair);
            return true;
        };
        let contact = self.book.contact(&pair.internal, &pair.partner);
        let may_see = contact.authorised
            && contact.sees_presence(partner.partner_type)
            && self.access.judge(&pair.internal, partner).is_allowed();
        let endpoints: Vec<_> = if self.is_behind_trunk(&pair.internal) {
            self.seen_behind_trunk(pair)
        } else {
            let known = self.presence.announced.get(&pair.internal);
            known.map(|known| known.endpoints.clone()).unwrap_or_default()
        };
        let told: Vec<Endpoint> = if may_see {
            endpoints.into_iter().map(|endpoint| visible(endpoint, partner.partner_type)).collect()
        } else if self.presence.seeing.contains(pair) {
            let open = endpoints.into_iter().filter(|endpoint| endpoint.is_available);
            open.map(|endpoint| Endpoint { id: endpoint.id, ..Endpoint::default() }).collect()
        } else {
            return true;
        };
        if !self.show_endpoints(pair, &told) {
            return false;
        }
        if told.iter().any(|endpoint| endpoint.is_available) {
            self.presence.seeing.insert(pair.clone());
        } else {
            self.presence.seeing.remove(pair);
        }
        self.seen_shown(pair);
        true
    }

    fn show_endpoints(&mut self, pair: &Pair, endpoints: &[Endpoint]) -> bool {
        let to = pair.partner.to_string();
        if endpoints.is_empty() {
            let from = pair.internal.to_string();
            let batch = Endpoint::default().to_stanza(Head { from: &from, to: &to, id: None }, None);
            return self.try_send_own(&pair.internal, &pair.partner, batch);
        }
        let abilities = Some(self.abilities_of(pair));
        endpoints.iter().all(|endpoint| {
            let resource = pair.internal.clone().with_resource(&endpoint.id);
            let from = resource.map_or_else(|_| format!("{}/{REGISTERED}", pair.internal), |from| from.to_string());
            let batch = endpoint.to_stanza(Head { from: &from, to: &to, id: None }, abilities);
            self.try_send_own(&pair.internal, &pair.partner, batch)
        })
    }

    /// A partner's type, or whether it is enabled, may have changed: its users are told at once what they may see now.
    pub(super) fn edge_changed(&mut self) {
        let now = self.snapshot();
        let before = std::mem::replace(&mut self.presence.edge, now.clone());
        let (Some(before), Some(now)) = (before, now) else { return };
        let kind = |edge: &EdgeSnapshot, partner: &BareJid| {
            edge.partner_of(partner.domain()).map(|partner| (partner.partner_type, partner.enabled))
        };
        let changed = self.book.watching_pairs().filter(|(_, partner)| kind(&before, partner) != kind(&now, partner));
        let changed: Vec<_> =
            changed.map(|(internal, partner)| Pair { internal: internal.clone(), partner: partner.clone() }).collect();
        changed.iter().for_each(|pair| self.show_changed(pair));
    }
}

/// What users of such a partner see of an endpoint: notes are for federated partners alone.
fn visible(endpoint: Endpoint, kind: PartnerType) -> Endpoint {
    if kind.sees_status_notes() { endpoint } else { endpoint.bare() }
}
