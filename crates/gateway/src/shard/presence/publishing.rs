//! PUBLISH (RFC 3903): what registrar users say of their presence.

use ::sip::{
    Name, Status,
    publication::{self, PublishError},
};
use interwork::{
    error::Answer,
    presence::{self, Endpoint},
    uri,
};

use crate::shard::{
    Shard,
    request::{Incoming, Origin},
};

impl Shard {
    /// Takes a PUBLISH. A user publishes their own presence alone.
    pub(in crate::shard) fn publish(&mut self, mut incoming: Incoming) {
        let Some(user) = self.sender(&mut incoming) else { return };
        if incoming.origin != Some(Origin::RegistrarUser) {
            return self.stranger(&incoming, "trunk_publication", "Presence of your addresses is not kept here");
        }
        if uri::to_jid(&incoming.request.uri).map(lexicon::Jid::into_bare).as_ref() != Ok(&user) {
            return self.stranger(&incoming, "third_party_publication", "You may only publish your own presence");
        }
        if !publication::is_presence(&incoming.request) {
            return self.answer(&incoming, Answer::new(Status::BAD_EVENT), &[("Allow-Events", publication::PRESENCE)]);
        }
        let content = match self.published_content(&incoming) {
            Ok(content) => content,
            Err(answer) => {
                self.counters.sip("publication_refused");
                return self.answer(&incoming, answer, &[("Accept", presence::PIDF)]);
            }
        };
        let (now, address) = (self.now.instant, user.to_string());
        match self.presence.publications.publish(now, &address, &incoming.request, content) {
            Ok(published) => {
                let expires = published.expires_s.to_string();
                let fields = [(publication::ETAG, published.etag.as_str()), ("Expires", expires.as_str())];
                self.answer(&incoming, Answer::new(Status::OK), &fields);
            }
            Err(error) => self.refuse_publication(&incoming, error),
        }
    }

    /// What the body says; none without a body: a refresh or an end.
    fn published_content(&self, incoming: &Incoming) -> Result<Option<Vec<Endpoint>>, Answer> {
        let request = &incoming.request;
        if request.body().is_empty() {
            return Ok(None);
        }
        let kind = request.headers.content_type().ok().flatten();
        let is_encoded =
            request.headers.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity"));
        if is_encoded || kind.is_none_or(|kind| kind.essence != presence::PIDF) {
            return Err(Answer::new(Status::UNSUPPORTED_MEDIA_TYPE));
        }
        let endpoints = presence::read(request.body());
        endpoints.map(Some).map_err(|error| Answer::new(Status::BAD_REQUEST).with_text(&error.to_string()))
    }

    fn refuse_publication(&mut self, incoming: &Incoming, error: PublishError) {
        self.counters.sip("publication_refused");
        let answer = Answer::new(error.status()).with_text(&error.to_string());
        match error {
            PublishError::IntervalTooBrief(seconds) => {
                self.answer(incoming, answer, &[("Min-Expires", &seconds.to_string())]);
            }
            _ => self.answer(incoming, answer, &[]),
        }
    }
}
