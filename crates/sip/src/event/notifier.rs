//! All subscriptions of a notifier.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Limits, NOTIFY_INTERVAL, Output, Reason, Said, State, SubscribeError, Subscribed, SubscriptionId, is_fatal,
    state_text,
};
use crate::{
    dialog::{Dialog, DialogError},
    message::{FieldError, Method, Name, Request, Status, Uri},
};

#[derive(Debug)]
struct Subscription {
    dialog: Dialog,
    watcher: Arc<str>,
    /// Event of our requests: the subscriber's, with its `id`.
    event: String,
    /// Contact of our requests.
    contact: String,
    expires_at: Instant,
    said: Said,
    /// Whether something is to be told.
    is_due: bool,
    not_before: Instant,
    in_flight: bool,
    /// Whether its last NOTIFY was sent.
    is_over: bool,
    armed: Option<Instant>,
}

impl Subscription {
    fn deadline(&self) -> Option<Instant> {
        if self.in_flight || self.is_over {
            return None;
        }
        let not_before = self.is_due.then_some(self.not_before);
        let is_ending = matches!(self.said.state, State::Terminated(_));
        let expiry = (!is_ending).then_some(self.expires_at);
        not_before.into_iter().chain(expiry).min()
    }
}

/// See the module above.
#[derive(Debug)]
pub struct Notifier {
    limits: Limits,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// By Call-ID and our tag.
    dialogs: BTreeMap<(Box<str>, Box<str>), SubscriptionId>,
    watchers: BTreeMap<Arc<str>, usize>,
    deadlines: BTreeSet<(Instant, SubscriptionId)>,
    outputs: VecDeque<Output>,
    made: u64,
}

impl Notifier {
    /// One without subscriptions.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            subscriptions: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            watchers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            made: 0,
        }
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Takes a SUBSCRIBE outside of dialogs, whose Event and Accept have been judged. `tag` is that of the 200, `contact` the
    /// value of our Contact, `expires_max_s` the longest life.
    pub fn subscribe(
        &mut self,
        now: Instant,
        request: &Request,
        watcher: &str,
        tag: &str,
        contact: &str,
        expires_max_s: u32,
    ) -> Result<Subscribed, SubscribeError> {
        let expires_s = self.lifetime(request, expires_max_s)?;
        let of_watcher = self.watchers.get(watcher).copied().unwrap_or_default();
        if self.subscriptions.len() >= self.limits.subscriptions_max || of_watcher >= self.limits.per_watcher_max {
            return Err(SubscribeError::Full);
        }
        let dialog = Dialog::as_uas(request, tag).map_err(field_error)?;
        self.made += 1;
        let (id, watcher): (_, Arc<str>) = (SubscriptionId(self.made), watcher.into());
        self.dialogs.insert((dialog.call_id().into(), dialog.local_tag().into()), id);
        *self.watchers.entry(Arc::clone(&watcher)).or_default() += 1;
        let subscription = Subscription {
            dialog,
            watcher,
            event: request.headers.first(Name::Event).unwrap_or_default().to_owned(),
            contact: contact.to_owned(),
            expires_at: now + Duration::from_secs(expires_s.into()),
            said: Said { state: State::Pending, body: None },
            is_due: true,
            not_before: now,
            in_flight: false,
            is_over: false,
            armed: None,
        };
        self.subscriptions.insert(id, subscription);
        self.arm(id);
        Ok(Subscribed { id, expires_s })
    }

    /// The subscription whose dialog a request names.
    pub fn of_request(&self, request: &Request) -> Option<SubscriptionId> {
        let tag = request.headers.to().ok()?.tag().unwrap_or_default().to_owned();
        self.dialogs.get(&(request.headers.call_id().ok()?.into(), tag.into())).copied()
    }

    /// Takes a SUBSCRIBE in a dialog: a refresh, or the end. The state is told again by [`Self::set`].
    pub fn resubscribe(
        &mut self,
        now: Instant,
        request: &Request,
        expires_max_s: u32,
    ) -> Result<Subscribed, SubscribeError> {
        let id = self.of_request(request).ok_or(SubscribeError::Unknown)?;
        let expires_s = self.lifetime(request, expires_max_s)?;
        let subscription = self.subscriptions.get_mut(&id).ok_or(SubscribeError::Unknown)?;
        let event = request.headers.first(Name::Event).unwrap_or_default();
        // A dialog is not shared with another subscription (§4.5.2); events are compared byte by byte (§8.2.1).
        let is_its = subscription.dialog.is_of(request) && event == subscription.event;
        if !is_its || matches!(subscription.said.state, State::Terminated(_)) {
            return Err(SubscribeError::Unknown);
        }
        subscription.dialog.receive(request).map_err(|_| SubscribeError::OutOfOrder)?;
        subscription.dialog.refresh_target(&request.headers);
        subscription.expires_at = now + Duration::from_secs(expires_s.into());
        (subscription.is_due, subscription.not_before) = (true, now);
        Ok(Subscribed { id, expires_s })
    }

    /// RFC 6665 §4.2.1.1.
    fn lifetime(&self, request: &Request, expires_max_s: u32) -> Result<u32, SubscribeError> {
        let asked = request.headers.expires().unwrap_or(self.limits.expires_default_s);
        let min = self.limits.expires_min_s.min(3600);
        if asked > 0 && asked < min {
            return Err(SubscribeError::IntervalTooBrief(min));
        }
        Ok(asked.min(expires_max_s))
    }

    /// How a subscription stands from now on. Told at once after a SUBSCRIBE and at the end, else in its time, and not if it
    /// was told before.
    pub fn set(&mut self, now: Instant, id: SubscriptionId, state: State, body: Option<Bytes>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if matches!(subscription.said.state, State::Terminated(_)) {
            return;
        }
        let said = Said { state, body };
        if said != subscription.said {
            subscription.said = said;
            subscription.is_due = true;
        }
        if matches!(state, State::Terminated(_)) {
            subscription.not_before = now;
        }
        self.flush(now, id);
    }

    /// The NOTIFY of a subscription has ended: its final answer, or none.
    pub fn answered(&mut self, now: Instant, id: SubscriptionId, answer: Option<Status>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.in_flight = false;
        if subscription.is_over || is_fatal(answer) {
            return self.end(id);
        }
        // What was refused for now has not been told.
        subscription.is_due |= !answer.is_some_and(Status::is_success);
        self.flush(now, id);
    }

    /// What time does: subscriptions end, and what waited is told.
    pub fn tick(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.armed = None;
            }
            self.flush(now, id);
        }
    }

    /// When [`Self::tick`] is next of use.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Sends what is due, if it may be sent now.
    fn flush(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let is_ending = matches!(subscription.said.state, State::Terminated(_));
        if subscription.expires_at <= now && !is_ending {
            subscription.said.state = State::Terminated(Reason::Timeout);
            (subscription.is_due, subscription.not_before) = (true, now);
        }
        if subscription.is_due && !subscription.in_flight && subscription.not_before <= now {
            match notify(subscription, now) {
                Ok((next_hop, request)) => {
                    self.outputs.push_back(Output::Notify { id, next_hop, request: Box::new(request) })
                }
                // Its Contact or Route cannot be used: nobody can be told anything.
                Err(_) => return self.end(id),
            }
        }
        self.arm(id);
    }

    fn arm(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let deadline = subscription.deadline();
        if deadline != subscription.armed {
            if let Some(at) = subscription.armed {
                self.deadlines.remove(&(at, id));
            }
            if let Some(at) = deadline {
                self.deadlines.insert((at, id));
            }
            subscription.armed = deadline;
        }
    }

    fn end(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.remove(&id) else { return };
        if let Some(at) = subscription.armed {
            self.deadlines.remove(&(at, id));
        }
        self.dialogs.remove(&(subscription.dialog.call_id().into(), subscription.dialog.local_tag().into()));
        if let Some(count) = self.watchers.get_mut(&subscription.watcher) {
            *count -= 1;
            if *count == 0 {
                self.watchers.remove(&subscription.watcher);
            }
        }
        self.outputs.push_back(Output::Ended(id));
    }
}

/// The NOTIFY of what is due: From is the notifier, which the examples of RFC 8048 have the wrong way round.
fn notify(subscription: &mut Subscription, now: Instant) -> Result<(Uri, Request), DialogError> {
    let next_hop = subscription.dialog.next_hop()?;
    let mut request = subscription.dialog.request(Method::Notify)?;
    let left = subscription.expires_at.saturating_duration_since(now);
    request.headers.push(Name::Contact, &subscription.contact)?;
    request.headers.push(Name::Event, &subscription.event)?;
    request.headers.push(Name::SubscriptionState, state_text(subscription.said.state, left))?;
    if let Some(body) = &subscription.said.body {
        request.set_body("application/pidf+xml", body.clone())?;
    }
    (subscription.is_due, subscription.in_flight) = (false, true);
    subscription.not_before = now + NOTIFY_INTERVAL;
    subscription.is_over = matches!(subscription.said.state, State::Terminated(_));
    Ok((next_hop, request))
}

fn field_error(error: DialogError) -> SubscribeError {
    match error {
        DialogError::Field(error) => SubscribeError::Malformed(error),
        _ => SubscribeError::Malformed(FieldError::Missing("Contact")),
    }
}
