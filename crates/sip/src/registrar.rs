//! Where internal users are: bindings of addresses to contacts (RFC 3261 §10.3).
//!
//! A REGISTER is taken wholly or not at all. Who may register for an address, and that the domain is ours, has been decided
//! before. A contact that did not answer is skipped until it registers again. Bindings are kept in memory only: endpoints
//! renew them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    message::{Contacts, FieldError, MediaType, Name, NameAddr, Request, Scheme, Status, Uri, same_resource},
    transaction::{Flow, FlowId},
};

mod update;

/// What a registrar accepts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Life of a binding that asks for none, in seconds.
    pub expires_default_s: u32,
    /// Shortest life, in seconds; at most 3600 (§10.3 step 7).
    pub expires_min_s: u32,
    /// Longest life, in seconds.
    pub expires_max_s: u32,
    /// Contacts of one address.
    pub contacts_max: usize,
    /// Contacts in all.
    pub bindings_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expires_default_s: 3600,
            expires_min_s: 60,
            expires_max_s: 7200,
            contacts_max: 10,
            bindings_max: 100_000,
        }
    }
}

/// One contact of a user.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Where requests for the user go.
    pub contact: Uri,
    /// The flow that the REGISTER came on.
    pub flow: Flow,
    /// Where the REGISTER came from.
    pub source: SocketAddr,
    /// The way to the contact (RFC 3327), topmost first.
    pub path: Vec<NameAddr>,
    /// `+sip.instance` (RFC 5626), without quotes.
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626).
    pub reg_id: Option<String>,
    /// Preference in thousandths.
    pub q: u16,
    /// What the endpoint accepts, if the REGISTER said so.
    pub accept: Option<Vec<MediaType>>,
    /// When it ends.
    pub expires_at: Instant,
    /// Whether it failed to answer since it last registered.
    pub is_unreachable: bool,
    call_id: String,
    cseq: u32,
    id: u64,
}

impl Binding {
    /// The value of Contact in the answer to REGISTER.
    pub fn contact_value(&self, now: Instant) -> String {
        let mut address = NameAddr::new(self.contact.clone());
        let left = self.expires_at.saturating_duration_since(now);
        address.params.set("expires", Some(&left.as_secs().to_string()));
        if self.q != Q_DEFAULT {
            address.params.set("q", Some(&format!("{}.{:03}", self.q / 1000, self.q % 1000)));
        }
        if let Some(instance) = &self.instance {
            address.params.set("+sip.instance", Some(&crate::message::quote(instance)));
        }
        if let Some(reg_id) = &self.reg_id {
            address.params.set("reg-id", Some(reg_id));
        }
        address.to_string()
    }
}

const Q_DEFAULT: u16 = 1000;

/// Why a REGISTER was not taken. Nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RegisterError {
    /// The interval asked for is shorter than this many seconds, which go into Min-Expires.
    #[error("Interval Too Brief")]
    IntervalTooBrief(u32),
    /// A field is wrong, or `*` comes with more than it may.
    #[error(transparent)]
    Malformed(#[from] FieldError),
    /// An older REGISTER of the same Call-ID came after a newer one.
    #[error("Registration Out Of Order")]
    OutOfOrder,
    /// The address has as many contacts as it may.
    #[error("Too Many Contacts")]
    TooManyContacts,
    /// The registrar is full.
    #[error("Registrar Full")]
    Full,
    /// A contact is not a `sip:` URI.
    #[error("Unsupported Contact Scheme")]
    UnsupportedScheme,
}

impl RegisterError {
    /// The status of the answer.
    pub fn status(self) -> Status {
        match self {
            Self::IntervalTooBrief(_) => Status::INTERVAL_TOO_BRIEF,
            Self::Malformed(_) => Status::BAD_REQUEST,
            Self::OutOfOrder => Status::SERVER_INTERNAL_ERROR,
            Self::TooManyContacts => Status::FORBIDDEN,
            Self::Full => Status::SERVICE_UNAVAILABLE,
            Self::UnsupportedScheme => Status::UNSUPPORTED_URI_SCHEME,
        }
    }
}

/// All bindings of a shard, by address. The caller names a user by one text always, such as the bare address.
#[derive(Debug)]
pub struct Registrar {
    limits: Limits,
    users: BTreeMap<Arc<str>, Vec<Binding>>,
    expiries: BTreeSet<(Instant, u64, Arc<str>)>,
    changed: BTreeSet<Arc<str>>,
    made: u64,
}

impl Registrar {
    /// A registrar without bindings.
    pub fn new(limits: Limits) -> Self {
        Self { limits, users: BTreeMap::new(), expiries: BTreeSet::new(), changed: BTreeSet::new(), made: 0 }
    }

    /// Takes a REGISTER for the user `address`. The answer then lists [`Self::contact_values`].
    pub fn register(
        &mut self,
        now: Instant,
        address: &str,
        request: &Request,
        flow: &Flow,
        source: SocketAddr,
    ) -> Result<(), RegisterError> {
        self.expire(now);
        let bindings = self.users.get(address).cloned().unwrap_or_default();
        let kept = bindings.len();
        let bindings = update::apply(&self.limits, now, bindings, request, flow, source)?;
        let others = self.expiries.len() - kept;
        if bindings.len() > kept && others + bindings.len() > self.limits.bindings_max {
            return Err(RegisterError::Full);
        }
        self.replace(address, bindings);
        Ok(())
    }

    /// The bindings of a user that have not ended, best preference first.
    pub fn bindings(&self, now: Instant, address: &str) -> Vec<&Binding> {
        let all = self.users.get(address).into_iter().flatten();
        let mut live: Vec<_> = all.filter(|binding| binding.expires_at > now).collect();
        live.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        live
    }

    /// The values of Contact in the answer to REGISTER, one for each binding.
    pub fn contact_values(&self, now: Instant, address: &str) -> Vec<String> {
        self.bindings(now, address).into_iter().map(|binding| binding.contact_value(now)).collect()
    }

    /// A contact did not answer: it is marked until it registers again.
    pub fn mark_unreachable(&mut self, address: &str, contact: &Uri) {
        let Some(bindings) = self.users.get_mut(address) else { return };
        let before = is_reachable(bindings);
        for binding in bindings.iter_mut().filter(|binding| binding.contact == *contact) {
            binding.is_unreachable = true;
        }
        if before != is_reachable(bindings) {
            self.changed.insert(address.into());
        }
    }

    /// Takes away the bindings of a stream that has ended; its endpoints will register anew.
    pub fn flow_lost(&mut self, flow: FlowId) {
        let touched: Vec<_> = self
            .users
            .iter()
            .filter(|(_, bindings)| bindings.iter().any(|binding| binding.flow.id == flow))
            .map(|(address, _)| Arc::clone(address))
            .collect();
        for address in touched {
            self.retain(&address, |binding| binding.flow.id != flow);
        }
    }

    /// Takes away all bindings of a user: the account is gone or disabled.
    pub fn remove(&mut self, address: &str) {
        self.replace(address, Vec::new());
    }

    /// Takes away what has ended.
    pub fn expire(&mut self, now: Instant) {
        while let Some((at, id, address)) = self.expiries.first().cloned() {
            if at > now {
                return;
            }
            self.retain(&address, |binding| binding.id != id);
        }
    }

    /// When [`Self::expire`] is next of use.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, ..)| *at)
    }

    /// The users who have become reachable, or have ceased to be, since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.expiries.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.expiries.is_empty()
    }

    fn retain(&mut self, address: &str, keep: impl Fn(&Binding) -> bool) {
        let mut bindings = self.users.get(address).cloned().unwrap_or_default();
        bindings.retain(keep);
        self.replace(address, bindings);
    }

    /// Puts the bindings of one user in place of the former ones.
    fn replace(&mut self, address: &str, mut bindings: Vec<Binding>) {
        let (address, old) = match self.users.remove_entry(address) {
            Some(entry) => entry,
            None => (Arc::from(address), Vec::new()),
        };
        if is_reachable(&old) != is_reachable(&bindings) {
            self.changed.insert(Arc::clone(&address));
        }
        for binding in old {
            self.expiries.remove(&(binding.expires_at, binding.id, Arc::clone(&address)));
        }
        for binding in &mut bindings {
            self.made += 1;
            binding.id = self.made;
            self.expiries.insert((binding.expires_at, binding.id, Arc::clone(&address)));
        }
        if !bindings.is_empty() {
            self.users.insert(address, bindings);
        }
    }
}

fn is_reachable(bindings: &[Binding]) -> bool {
    bindings.iter().any(|binding| !binding.is_unreachable)
}

#[cfg(test)]
mod tests;
