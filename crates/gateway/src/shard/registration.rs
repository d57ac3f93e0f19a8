//! REGISTER (RFC 3261 §10.3): the built-in registrar.

use std::time::Instant;

use ::sip::{Status, registrar::RegisterError};
use interwork::{error::Answer, uri};
use lexicon::BareJid;

use super::{
    Shard,
    request::{Incoming, Origin},
};
use crate::Registration;

impl Shard {
    /// Takes a REGISTER. A user registers for their own address alone.
    pub(super) fn register(&mut self, incoming: Incoming) {
        let mut incoming = incoming;
        let Some(user) = self.sender(&mut incoming) else { return };
        if incoming.origin != Some(Origin::RegistrarUser) {
            return self.stranger(&incoming, "trunk_registration", "Your addresses are not registered here");
        }
        let request = &incoming.request;
        let to = request.headers.to().ok().and_then(|to| uri::to_jid(&to.uri).ok());
        if to.map(lexicon::Jid::into_bare).as_ref() != Some(&user) {
            return self.stranger(&incoming, "third_party_registration", "You may only register your own address");
        }
        let Some(source) = self.flows.remote(incoming.flow.id) else { return };
        let (now, address) = (self.now.instant, user.to_string());
        match self.registrar.register(now, &address, request, &incoming.flow, source) {
            Ok(()) => {
                let contacts = self.registrar.contact_values(now, &address);
                tracing::debug!(%user, contacts = contacts.len(), "registered");
                let fields: Vec<_> = contacts.iter().map(|contact| ("Contact", contact.as_str())).collect();
                self.answer(&incoming, Answer::new(Status::OK), &fields);
            }
            Err(error) => self.refuse_registration(&incoming, error),
        }
    }

    fn refuse_registration(&mut self, incoming: &Incoming, error: RegisterError) {
        self.counters.sip("registration_refused");
        let answer = Answer::new(error.status()).with_text(&error.to_string());
        match error {
            RegisterError::IntervalTooBrief(seconds) => {
                self.answer(incoming, answer, &[("Min-Expires", &seconds.to_string())]);
            }
            _ => self.answer(incoming, answer, &[]),
        }
    }

    /// Who is registered now, by address.
    pub(super) fn registrations(&self) -> Vec<Registration> {
        let now = self.now.instant;
        let mut all: Vec<_> = self.book.addresses().flat_map(|address| self.registrations_of(address, now)).collect();
        all.sort_by(|a, b| (&a.address, &a.contact).cmp(&(&b.address, &b.contact)));
        all
    }

    fn registrations_of(&self, address: &BareJid, now: Instant) -> Vec<Registration> {
        let bindings = self.registrar.bindings(now, &address.to_string());
        let registration = |binding: &::sip::registrar::Binding| Registration {
            address: address.clone(),
            contact: binding.contact.to_string(),
            transport: binding.flow.transport.as_str(),
            source: binding.source,
            expires_in: binding.expires_at.saturating_duration_since(now),
            is_unreachable: binding.is_unreachable,
        };
        bindings.into_iter().map(registration).collect()
    }
}
