//! NOTIFY (RFC 6665 §4.1.3): what the deployment says of a user.

use ::sip::{
    Name, Request, Response, Status,
    event::{Notice, NotifyError},
    publication,
};
use interwork::{
    error::Answer,
    presence::{self, Endpoint},
};
use store::Step;

use crate::shard::{Shard, request::Incoming};

impl Shard {
    /// Takes a NOTIFY, from the trunk that serves the user whom the subscription is of.
    pub(in crate::shard) fn notice(&mut self, incoming: &Incoming) {
        let known = self.trunk_presence.subscriber.of_request(&incoming.request);
        let pair = known.and_then(|id| self.trunk_presence.pairs.get(&id).cloned());
        if let Some(pair) = &pair
            && !self.comes_from_trunk_of(incoming, &pair.internal)
        {
            self.counters.sip("subscription_stranger");
            return self.refuse_notice(incoming, NotifyError::Unknown);
        }
        let endpoints = match content(&incoming.request) {
            Ok(endpoints) => endpoints,
            // A document that nobody can read is refused only to whom it may come from.
            Err(answer) if pair.is_some() => {
                self.counters.sip("notify_malformed");
                return self.answer(incoming, answer, &[("Accept", presence::PIDF)]);
            }
            Err(_) => Vec::new(),
        };
        let Notice { permitted, .. } = match self.trunk_presence.subscriber.notify(self.now.instant, &incoming.request)
        {
            Ok(notice) => notice,
            Err(error) => return self.refuse_notice(incoming, error),
        };
        self.accept_notice(incoming);
        let Some(pair) = pair else { return };
        let is_stored = self.book.contact(&pair.internal, &pair.partner).authorised;
        match permitted {
            Some(true) if !is_stored => {
                self.see(&pair, endpoints);
                self.store_watching(pair, Step::Authorised);
            }
            Some(true) => self.see(&pair, endpoints),
            // RFC 8048 §5.2.1: nothing is sent for `pending`; what was permitted before is not seen until it is again.
            Some(false) if is_stored => self.see(&pair, Vec::new()),
            // RFC 3856 §6.7.2: the last NOTIFY may still say how the user stands.
            None if is_stored && !incoming.request.body().is_empty() => self.see(&pair, endpoints),
            Some(false) | None => {}
        }
    }

    fn accept_notice(&mut self, incoming: &Incoming) {
        let tag = incoming.request.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        self.respond(incoming.id, Response::to(&incoming.request, Status::OK, &tag));
    }

    fn refuse_notice(&mut self, incoming: &Incoming, error: NotifyError) {
        self.counters.sip("notify_refused");
        let answer = Answer::new(error.status()).with_text(&error.to_string());
        let events: &[_] = match error {
            NotifyError::BadEvent => &[("Allow-Events", publication::PRESENCE)],
            _ => &[],
        };
        self.answer(incoming, answer, events);
    }
}

/// The endpoints of the document; none without one.
fn content(request: &Request) -> Result<Vec<Endpoint>, Answer> {
    if request.body().is_empty() {
        return Ok(Vec::new());
    }
    let kind = request.headers.content_type().ok().flatten();
    let is_encoded =
        request.headers.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity"));
    if is_encoded || kind.is_none_or(|kind| kind.essence != presence::PIDF) {
        return Err(Answer::new(Status::UNSUPPORTED_MEDIA_TYPE));
    }
    presence::read(request.body()).map_err(|error| Answer::new(Status::BAD_REQUEST).with_text(&error.to_string()))
}
