//! Asking partners' users for their presence, and what they answer (RFC 8048 §5.3.1, RFC 6121 §3.1).

use ::sip::event::Reason;
use interwork::{presence::Endpoint, subscription};
use policy::contact::PresenceKind;
use store::Step;
use xmpp::stanza::Condition;

use super::ENDPOINTS_MAX;
use crate::shard::{Shard, Stored, WRITES_MAX, inward::Arrived, memory::Pair};

/// The resource of presence that comes from a bare address.
const NAMELESS: &str = "xmpp";

impl Shard {
    /// Stores the contact if this request opens it, and asks the partner's user.
    pub(super) fn add_then_ask(&mut self, opens: bool, pair: Pair) {
        if !opens {
            return self.ask_partner(&pair);
        }
        if self.writes >= WRITES_MAX {
            // It stays pending, and its refresh asks again.
            return self.counters.sip("overloaded");
        }
        self.writes += 1;
        let (store, stored) = (self.store.clone(), self.stored.clone());
        tokio::spawn(async move {
            let contact = match store.contact_step(&pair.internal, &pair.partner, Step::Added).await {
                Ok(contact) => Some(Box::new(contact)),
                Err(error) => {
                    tracing::error!(%error, "a contact could not be stored; its user is not asked");
                    None
                }
            };
            let _ = stored.send(Stored::Added { pair, contact }).await;
        });
    }

    /// The contact is durable, or could not be stored.
    pub(in crate::shard) fn added(&mut self, pair: &Pair, contact: Option<Box<store::Contact>>) {
        let Some(contact) = contact else {
            return self.end_pair(pair, Reason::Probation(subscription::RETRY_AFTER_SECONDS));
        };
        if let Some(watching) = self.book.take_contact(&contact) {
            self.tell(&watching);
        }
        self.ask_partner(pair);
    }

    /// Asks for permission, which the partner's server gives by itself if it was given before; or for what is not known yet.
    pub(super) fn ask_partner(&mut self, pair: &Pair) {
        match self.watching.pairs.get(pair) {
            Some(watched) if !watched.is_permitted => self.send_presence_of(pair, "subscribe"),
            Some(watched) if watched.endpoints.is_empty() => self.send_presence_of(pair, "probe"),
            _ => {}
        }
    }

    /// Takes what a partner's user shows, or how they answer.
    pub(in crate::shard) fn presence_arrived(&mut self, kind: PresenceKind, arrived: Arrived<'_>) {
        let pair = Pair { internal: arrived.to.bare().clone(), partner: arrived.from.bare().clone() };
        self.watcher_shows(kind, &pair, arrived.from.resource().is_none());
        let Some(watched) = self.watching.pairs.get_mut(&pair) else {
            return self.silence(arrived.receipt, "no_watcher");
        };
        match kind {
            PresenceKind::Subscribed => {
                watched.is_permitted = true;
                self.ask_partner(&pair);
                self.notify_pair(&pair);
            }
            PresenceKind::Unsubscribed => self.end_pair(&pair, Reason::Rejected),
            PresenceKind::Error => {
                let error = arrived.stanza.error();
                let condition = error.map_or(Condition::UndefinedCondition, |error| error.condition);
                self.end_pair(&pair, subscription::reason_of(condition));
            }
            _ => {
                watched.is_permitted = true;
                let resource = arrived.from.resource();
                let endpoint = Endpoint::of(&arrived.stanza, resource.unwrap_or(NAMELESS));
                let Some(endpoint) = endpoint else { return self.silence(arrived.receipt, "no_watcher") };
                show(&mut watched.endpoints, endpoint, resource.is_none());
                let is_gone = watched.endpoints.iter().all(|endpoint| !endpoint.is_available);
                if is_gone {
                    self.watcher_shows(PresenceKind::Unavailable, &pair, true);
                }
                self.notify_pair(&pair);
            }
        }
        self.counters.from_partners.delivered();
        arrived.receipt.done();
    }
}

/// Enters what one resource shows; that a bare address is unavailable says it of all.
fn show(endpoints: &mut Vec<Endpoint>, endpoint: Endpoint, is_bare: bool) {
    if is_bare && !endpoint.is_available {
        endpoints.iter_mut().for_each(|known| *known = Endpoint { id: known.id.clone(), ..endpoint.clone() });
        return;
    }
    endpoints.retain(|known| known.id != endpoint.id);
    if endpoints.len() >= ENDPOINTS_MAX {
        endpoints.remove(0);
    }
    endpoints.push(endpoint);
}
