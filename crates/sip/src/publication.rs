//! Published state of users: the event state compositor's half of PUBLISH (RFC 3903 §6), event package `presence`.
//!
//! What a body says is the caller's: it comes in as content that was read before. Who may publish for a user has been
//! decided before. Every success gives a new entity tag, a refresh too. Publications are kept in memory only: endpoints
//! renew them, and one whose tag is not known any more is told so by 412 and publishes afresh.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    message::{Name, Request, Status},
    token::Tokens,
};

/// The one event package (RFC 3856 §6.1).
pub const PRESENCE: &str = "presence";

const IF_MATCH: &str = "SIP-If-Match";
/// Name of the field with the entity tag.
pub const ETAG: &str = "SIP-ETag";

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Life of a publication that asks for none, in seconds.
    pub expires_default_s: u32,
    /// Shortest life, in seconds.
    pub expires_min_s: u32,
    /// Longest life, in seconds.
    pub expires_max_s: u32,
    /// Publications of one user.
    pub per_user_max: usize,
    /// Publications in all.
    pub publications_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expires_default_s: 3600,
            expires_min_s: 60,
            expires_max_s: 7200,
            per_user_max: 10,
            publications_max: 100_000,
        }
    }
}

/// A PUBLISH that was taken: what the 200 says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// SIP-ETag.
    pub etag: String,
    /// Expires, in seconds.
    pub expires_s: u32,
}

/// Why a PUBLISH was not taken. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PublishError {
    /// The entity tag is not that of a publication (§6 step 3).
    #[error("Conditional Request Failed")]
    ConditionFailed,
    /// The interval asked for is shorter than this many seconds, which go into Min-Expires.
    #[error("Interval Too Brief")]
    IntervalTooBrief(u32),
    /// An initial publication without a body (§4.2).
    #[error("An initial PUBLISH has a body")]
    NoBody,
    /// More than one entity tag (§6 step 3).
    #[error("One SIP-If-Match at most")]
    SeveralTags,
    /// The user has as many publications as they may.
    #[error("Too Many Publications")]
    TooMany,
    /// There are as many publications as there may be.
    #[error("Publications Full")]
    Full,
}

impl PublishError {
    /// The status of the answer.
    pub fn status(self) -> Status {
        match self {
            Self::ConditionFailed => Status::CONDITIONAL_REQUEST_FAILED,
            Self::IntervalTooBrief(_) => Status::INTERVAL_TOO_BRIEF,
            Self::NoBody | Self::SeveralTags => Status::BAD_REQUEST,
            Self::TooMany => Status::FORBIDDEN,
            Self::Full => Status::SERVICE_UNAVAILABLE,
        }
    }
}

#[derive(Debug)]
struct Publication<T> {
    etag: String,
    expires_at: Instant,
    id: u64,
    content: T,
}

/// All publications, by user. The caller names a user by one text always, such as the bare address.
#[derive(Debug)]
pub struct Publications<T> {
    limits: Limits,
    users: BTreeMap<Arc<str>, Vec<Publication<T>>>,
    expiries: BTreeSet<(Instant, u64, Arc<str>)>,
    changed: BTreeSet<Arc<str>>,
    tokens: Tokens,
    made: u64,
}

/// Whether a request is of the event package (§6 step 2): otherwise the answer is 489 with Allow-Events.
pub fn is_presence(request: &Request) -> bool {
    let event = request.headers.first(Name::Event).unwrap_or_default();
    event.split(';').next().unwrap_or_default().trim() == PRESENCE
}

impl<T> Publications<T> {
    /// None yet. `seed` is that of the entity tags.
    pub fn new(limits: Limits, seed: [u8; 32]) -> Self {
        Self {
            limits,
            users: BTreeMap::new(),
            expiries: BTreeSet::new(),
            changed: BTreeSet::new(),
            tokens: Tokens::new(seed),
            made: 0,
        }
    }

    /// Takes a PUBLISH of `user`, whose body says `content`.
    pub fn publish(
        &mut self,
        now: Instant,
        user: &str,
        request: &Request,
        content: Option<T>,
    ) -> Result<Published, PublishError> {
        self.expire(now);
        let mut tags = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(IF_MATCH));
        let tag = tags.next().map(|(_, tag)| tag.trim().to_owned());
        if tags.next().is_some() || tag.as_ref().is_some_and(|tag| tag.contains(',')) {
            return Err(PublishError::SeveralTags);
        }
        let known = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let at = match &tag {
            Some(tag) => {
                let at = known.iter().position(|publication| publication.etag == *tag);
                Some(at.ok_or(PublishError::ConditionFailed)?)
            }
            None => None,
        };
        let expires_s = self.lifetime(request)?;
        match (at, content) {
            (Some(at), content) => Ok(self.change(now, user, at, expires_s, content)),
            (None, None) => Err(PublishError::NoBody),
            (None, Some(_)) if expires_s > 0 && known.len() >= self.limits.per_user_max => Err(PublishError::TooMany),
            (None, Some(_)) if expires_s > 0 && self.expiries.len() >= self.limits.publications_max => {
                Err(PublishError::Full)
            }
            (None, Some(content)) => Ok(self.add(now, user, expires_s, content)),
        }
    }

    /// §6 step 4. Zero ends the publication.
    fn lifetime(&self, request: &Request) -> Result<u32, PublishError> {
        let asked = request.headers.expires().unwrap_or(self.limits.expires_default_s);
        if asked > 0 && asked < self.limits.expires_min_s {
            return Err(PublishError::IntervalTooBrief(self.limits.expires_min_s));
        }
        Ok(asked.min(self.limits.expires_max_s))
    }

    fn add(&mut self, now: Instant, user: &str, expires_s: u32, content: T) -> Published {
        let published = Published { etag: self.tokens.make(), expires_s };
        if expires_s > 0 {
            let user: Arc<str> = user.into();
            self.made += 1;
            let (id, expires_at) = (self.made, now + Duration::from_secs(expires_s.into()));
            self.expiries.insert((expires_at, id, Arc::clone(&user)));
            self.changed.insert(Arc::clone(&user));
            let publication = Publication { etag: published.etag.clone(), expires_at, id, content };
            self.users.entry(user).or_default().push(publication);
        }
        published
    }

    /// A refresh, a change, or the end (table 1 of §4).
    fn change(&mut self, now: Instant, user: &str, at: usize, expires_s: u32, content: Option<T>) -> Published {
        let published = Published { etag: self.tokens.make(), expires_s };
        let user: Arc<str> = user.into();
        let Some(publications) = self.users.get_mut(&user) else { return published };
        let mut publication = publications.remove(at);
        self.expiries.remove(&(publication.expires_at, publication.id, Arc::clone(&user)));
        if expires_s == 0 || content.is_some() {
            self.changed.insert(Arc::clone(&user));
        }
        if expires_s > 0 {
            publication.etag.clone_from(&published.etag);
            publication.expires_at = now + Duration::from_secs(expires_s.into());
            publication.content = content.unwrap_or(publication.content);
            self.expiries.insert((publication.expires_at, publication.id, user));
            publications.push(publication);
        } else if publications.is_empty() {
            self.users.remove(&user);
        }
        published
    }

    /// What a user has published, the newest last.
    pub fn contents(&self, user: &str) -> impl Iterator<Item = &T> {
        self.users.get(user).into_iter().flatten().map(|publication| &publication.content)
    }

    /// Takes away all that a user has published.
    pub fn remove(&mut self, user: &str) {
        if let Some((user, publications)) = self.users.remove_entry(user) {
            for publication in publications {
                self.expiries.remove(&(publication.expires_at, publication.id, Arc::clone(&user)));
            }
            self.changed.insert(user);
        }
    }

    /// Takes away what has ended.
    pub fn expire(&mut self, now: Instant) {
        while self.expiries.first().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, id, user)) = self.expiries.pop_first() else { return };
            if let Some(publications) = self.users.get_mut(&user) {
                publications.retain(|publication| publication.id != id);
                if publications.is_empty() {
                    self.users.remove(&user);
                }
            }
            self.changed.insert(user);
        }
    }

    /// When [`Self::expire`] is next of use.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, ..)| *at)
    }

    /// The users whose publications say something else since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests;
