//! Any order of subscriptions, states, answers and time, given to a notifier: no panic, nothing grows beyond its limit, one
//! NOTIFY of a subscription is in flight, none follows its end, and when all are answered and have run out nothing remains.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use sip::{
    Method, Name, NameAddr, Request, Status, Uri,
    event::{Limits, Notifier, Output, Reason, State, SubscriptionId},
};

const SUBSCRIPTIONS_MAX: usize = 6;
const PER_WATCHER_MAX: usize = 4;

/// One input: each byte, with those that it takes after it, is a step.
pub(crate) fn run(data: &[u8]) {
    let mut world = World::new();
    let mut bytes = data.iter().copied().take(400);
    while let Some(step) = bytes.next() {
        world.step(step, &mut || bytes.next().unwrap_or(0));
    }
    world.finish();
}

struct World {
    now: Instant,
    notifier: Notifier,
    known: BTreeSet<SubscriptionId>,
    /// NOTIFY requests under way.
    in_flight: BTreeMap<SubscriptionId, Request>,
    number: u32,
}

fn subscribe(number: u32, call: u8, tag: Option<&str>, expires: u8) -> Option<Request> {
    let address = |text: &str| Some(NameAddr::new(Uri::parse(text).ok()?));
    let from = address("sip:romeo@contoso.example")?.with_tag("r");
    let to = address("sip:juliet@fabrikam.example")?;
    let to = tag.map_or_else(|| to.clone(), |tag| to.clone().with_tag(tag));
    let uri = Uri::parse("sip:juliet@fabrikam.example").ok()?;
    let call_id = format!("c{call}");
    let mut request = Request::out_of_dialog(Method::Subscribe, uri, &from, &to, &call_id, number).ok()?;
    let headers = &mut request.headers;
    headers.push(Name::Via, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa").ok()?;
    headers.push(Name::Event, "presence").ok()?;
    if !call.is_multiple_of(7) {
        headers.push(Name::Contact, "<sip:romeo@192.0.2.7>").ok()?;
    }
    headers.push(Name::Expires, u32::from(expires) * 20).ok()?;
    Some(request)
}

impl World {
    #[allow(clippy::disallowed_methods)]
    fn new() -> Self {
        let limits =
            Limits { per_watcher_max: PER_WATCHER_MAX, subscriptions_max: SUBSCRIPTIONS_MAX, ..Limits::default() };
        Self {
            now: Instant::now(),
            notifier: Notifier::new(limits),
            known: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            number: 1,
        }
    }

    fn step(&mut self, step: u8, next: &mut impl FnMut() -> u8) {
        let (now, at) = (self.now, next());
        match step % 5 {
            0 => {
                let (tag, watcher) = (format!("t{at}"), if at.is_multiple_of(2) { "a" } else { "b" });
                self.number += 1;
                if let Some(request) = subscribe(self.number, at, None, next())
                    && let Ok(taken) = self.notifier.subscribe(now, &request, watcher, &tag, "<sip:192.0.2.1>", 3000)
                {
                    assert!(self.known.insert(taken.id), "a name is given twice");
                    self.notifier.set(now, taken.id, State::Pending, None);
                }
            }
            1 => {
                self.number = self.number.wrapping_add(u32::from(next()) % 3);
                if let Some(request) = subscribe(self.number, at, Some(&format!("t{at}")), next())
                    && let Ok(taken) = self.notifier.resubscribe(now, &request, 3000)
                {
                    assert!(self.known.contains(&taken.id), "one that has ended is refreshed");
                    let state = if taken.expires_s == 0 { State::Terminated(Reason::Timeout) } else { State::Active };
                    self.notifier.set(now, taken.id, state, None);
                }
            }
            2 => {
                let body = at.is_multiple_of(2).then(|| Bytes::copy_from_slice(&[b'a' + at % 3]));
                let state = if at > 200 { State::Terminated(Reason::Rejected) } else { State::Active };
                if let Some(id) = self.known.iter().nth(usize::from(next()) % SUBSCRIPTIONS_MAX) {
                    self.notifier.set(now, *id, state, body);
                }
            }
            3 => {
                let id = self.in_flight.keys().nth(usize::from(at) % SUBSCRIPTIONS_MAX).copied();
                if let Some(id) = id {
                    self.answer(
                        id,
                        [Status::new(200), Status::new(481), Status::new(500), None][usize::from(next() % 4)],
                    );
                }
            }
            _ => {
                self.now += Duration::from_secs(u64::from(at));
                self.notifier.tick(self.now);
            }
        }
        self.take_outputs();
    }

    fn answer(&mut self, id: SubscriptionId, answer: Option<Status>) {
        self.in_flight.remove(&id);
        self.notifier.answered(self.now, id, answer);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.notifier.poll() {
            match output {
                Output::Notify { id, request, .. } => {
                    assert!(self.known.contains(&id), "a NOTIFY after the end");
                    assert!(request.headers.first(Name::SubscriptionState).is_some());
                    assert!(self.in_flight.insert(id, *request).is_none(), "two are in flight");
                }
                Output::Ended(id) => {
                    assert!(self.known.remove(&id), "it ends twice");
                    self.in_flight.remove(&id);
                }
            }
        }
        assert!(self.notifier.len() <= SUBSCRIPTIONS_MAX && self.notifier.len() == self.known.len());
        assert!(self.notifier.deadline().is_none_or(|at| at >= self.now) || !self.known.is_empty());
    }

    /// All run out, and all is answered.
    fn finish(&mut self) {
        for _ in 0..4 {
            self.now += Duration::from_secs(4000);
            self.notifier.tick(self.now);
            self.take_outputs();
            for id in self.in_flight.keys().copied().collect::<Vec<_>>() {
                self.answer(id, Status::new(200));
            }
        }
        assert!(self.notifier.is_empty() && self.notifier.deadline().is_none() && self.known.is_empty());
    }
}
