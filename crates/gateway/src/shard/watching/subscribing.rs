//! SUBSCRIBE (RFC 6665 §4.2.1): who may watch, and the answer.

use ::sip::{
    Name, Response, Status,
    event::{Reason, State, SubscribeError, Subscribed},
    publication,
};
use interwork::{
    error::{Answer, RETRY_AFTER_SECONDS},
    presence, uri,
};
use lexicon::BareJid;
use policy::contact::{Outbound, PresenceKind, StanzaKind, judge_outbound};

use super::{Watcher, document};
use crate::shard::{
    Shard,
    memory::Pair,
    outward::{address_answer, unavailable},
    request::Incoming,
};

impl Shard {
    /// Takes a SUBSCRIBE outside of dialogs.
    pub(in crate::shard) fn subscribe(&mut self, mut incoming: Incoming) {
        let Some(from) = self.sender(&mut incoming) else { return };
        if let Err((answer, field)) = is_understood(&incoming) {
            self.counters.sip("subscription_refused");
            return self.answer(&incoming, answer, &[field]);
        }
        let to = match uri::to_jid(&incoming.request.uri) {
            Ok(to) => to.into_bare(),
            Err(error) => return self.answer(&incoming, address_answer(error), &[]),
        };
        let Some(edge) = self.snapshot() else {
            return self.answer(&incoming, unavailable("The gateway is starting"), &[]);
        };
        if edge.is_internal(to.domain()) {
            return self.subscribe_inside(&incoming, from, to);
        }
        let is_fetch = incoming.request.headers.expires() == Some(0);
        let kind = if is_fetch { PresenceKind::Probe } else { PresenceKind::Subscribe };
        let partner = edge.partner_of(to.domain()).map(AsRef::as_ref);
        let contact = self.book.contact(&from, &to);
        let has_access = partner.is_some_and(|partner| self.access.judge(&from, partner).is_allowed());
        match judge_outbound(StanzaKind::Presence(kind), Outbound { partner, contact, has_access }) {
            Err(refusal) => {
                self.counters.sip("subscription_refused");
                self.count_refused_to(to.domain(), refusal.as_str());
                let text = refusal.text(to.domain()).to_string();
                self.answer(&incoming, Answer::new(Status::FORBIDDEN).with_text(&text), &[]);
            }
            Ok(effect) => {
                let pair = Pair { internal: from, partner: to };
                let Some(taken) = self.take_subscription(&incoming, &pair) else { return };
                if taken.expires_s == 0 {
                    return self.fetch(&pair, taken);
                }
                self.notify_pair(&pair);
                self.add_then_ask(effect.widens(contact), pair);
            }
        }
    }

    /// Of an internal user: those of one domain see each other.
    fn subscribe_inside(&mut self, incoming: &Incoming, from: BareJid, to: BareJid) {
        if from.domain() != to.domain() || !self.is_registered_here(&to) {
            self.counters.sip("subscription_refused");
            let answer = Answer::new(Status::FORBIDDEN).with_text("The presence of this user is not shown to you");
            return self.answer(incoming, answer, &[]);
        }
        if !self.book.exists(&to) {
            return self.answer(incoming, Answer::new(Status::NOT_FOUND), &[]);
        }
        let pair = Pair { internal: from, partner: to };
        let Some(taken) = self.take_subscription(incoming, &pair) else { return };
        let endpoints = self.endpoints_of(&pair.partner);
        let watched = self.watching.pairs.entry(pair.clone()).or_default();
        (watched.is_permitted, watched.endpoints) = (true, endpoints);
        self.watching.inside.entry(pair.partner.clone()).or_default().insert(pair.internal.clone());
        if taken.expires_s == 0 {
            return self.fetch(&pair, taken);
        }
        self.notify_pair(&pair);
    }

    /// Takes a SUBSCRIBE in a dialog, from where the dialog is: nobody else turns its notifications to themselves.
    pub(in crate::shard) fn resubscribe(&mut self, incoming: &Incoming) {
        let known = self.watching.notifier.of_request(&incoming.request);
        let way = known.and_then(|id| self.watching.watchers.get(&id));
        if let Some((origin, source)) = way.map(|watcher| (watcher.origin.clone(), watcher.source))
            && !self.comes_from(incoming, &origin, source)
        {
            self.counters.sip("subscription_stranger");
            return self.refuse_subscription(incoming, SubscribeError::Unknown);
        }
        let max = self.expires_max_s();
        match self.watching.notifier.resubscribe(self.now.instant, &incoming.request, max) {
            Ok(taken) => {
                let source = self.flows.remote(incoming.flow.id);
                let Some(watcher) = self.watching.watchers.get_mut(&taken.id) else { return };
                (watcher.flow, watcher.source) = (incoming.flow.clone(), source);
                let pair = watcher.pair.clone();
                self.accept_subscription(incoming, taken, "");
                if taken.expires_s == 0 {
                    let watched = self.watching.pairs.get(&pair).filter(|watched| watched.is_permitted);
                    let body = watched.and_then(|watched| document(&pair, &watched.endpoints));
                    let state = State::Terminated(Reason::Timeout);
                    return self.watching.notifier.set(self.now.instant, taken.id, state, body);
                }
                self.notify_pair(&pair);
                if self.watching.pairs.get(&pair).is_some_and(|watched| !watched.is_permitted) {
                    self.ask_partner(&pair);
                }
            }
            Err(error) => self.refuse_subscription(incoming, error),
        }
    }

    fn take_subscription(&mut self, incoming: &Incoming, pair: &Pair) -> Option<Subscribed> {
        let origin = incoming.origin.clone()?;
        let tag = self.tokens.make();
        let contact = self.contact(incoming.flow.transport, &incoming.flow.sent_by);
        let (now, max, watcher) = (self.now.instant, self.expires_max_s(), pair.internal.to_string());
        match self.watching.notifier.subscribe(now, &incoming.request, &watcher, &tag, &contact, max) {
            Ok(taken) => {
                let (flow, source) = (incoming.flow.clone(), self.flows.remote(incoming.flow.id));
                self.watching.watchers.insert(taken.id, Watcher { pair: pair.clone(), origin, flow, source });
                self.watching.pairs.entry(pair.clone()).or_default().subscriptions.push(taken.id);
                self.accept_subscription(incoming, taken, &tag);
                Some(taken)
            }
            Err(error) => {
                self.refuse_subscription(incoming, error);
                None
            }
        }
    }

    /// 200 with the life that was granted; Record-Route is repeated for the dialog's sake (RFC 3261 §12.1.1).
    fn accept_subscription(&mut self, incoming: &Incoming, taken: Subscribed, tag: &str) {
        let contact = self.contact(incoming.flow.transport, &incoming.flow.sent_by);
        let mut response = Response::to(&incoming.request, Status::OK, tag);
        for route in incoming.request.headers.fields(Name::RecordRoute) {
            // It was read from a header; what was read can be written.
            let _left_out = response.headers.push(Name::RecordRoute, route);
        }
        let _left_out = response.headers.push(Name::Contact, contact);
        let _left_out = response.headers.push(Name::Expires, taken.expires_s);
        self.respond(incoming.id, response);
    }

    fn refuse_subscription(&mut self, incoming: &Incoming, error: SubscribeError) {
        self.counters.sip("subscription_refused");
        let answer = Answer::new(error.status()).with_text(&error.to_string());
        match error {
            SubscribeError::IntervalTooBrief(seconds) => {
                self.answer(incoming, answer, &[("Min-Expires", &seconds.to_string())]);
            }
            SubscribeError::Full => {
                self.answer(incoming, Answer { retry_after: Some(RETRY_AFTER_SECONDS), ..answer }, &[]);
            }
            _ => self.answer(incoming, answer, &[]),
        }
    }

    /// The state at this time, and no more (RFC 6665 §4.4.3). What is not known is asked for, for the next time.
    fn fetch(&mut self, pair: &Pair, taken: Subscribed) {
        let watched = self.watching.pairs.get(pair).filter(|watched| watched.is_permitted);
        let body = watched.and_then(|watched| document(pair, &watched.endpoints));
        if body.is_none() {
            self.send_presence_of(pair, "probe");
        }
        self.watching.notifier.set(self.now.instant, taken.id, State::Terminated(Reason::Timeout), body);
    }

    pub(in crate::shard) fn expires_max_s(&self) -> u32 {
        let interval = self.snapshot().map(|edge| edge.settings().subscription_refresh_interval);
        interval.and_then(|interval| u32::try_from(interval.as_secs()).ok()).unwrap_or(28_800)
    }
}

/// RFC 6665 §4.2.1.1: another Event is 489; RFC 3261 §21.4.7: who takes no PIDF is 406.
fn is_understood(incoming: &Incoming) -> Result<(), (Answer, (&'static str, &'static str))> {
    if !publication::is_presence(&incoming.request) {
        return Err((Answer::new(Status::BAD_EVENT), ("Allow-Events", publication::PRESENCE)));
    }
    let ranges = incoming.request.headers.accept();
    if ranges.is_some_and(|ranges| !ranges.iter().any(|range| range.covers(presence::PIDF))) {
        return Err((Answer::new(Status::NOT_ACCEPTABLE), ("Accept", presence::PIDF)));
    }
    Ok(())
}
