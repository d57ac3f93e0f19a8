//! Stanzas that came in: judged by their addresses, passed on in runs.
//!
//! Consecutive stanzas of one pair leave as one slice of the batch they came in. Their domains are compared as spelled
//! with those of the stanza before; only a new spelling is normalised.

use lexicon::{DomainPair, JidRef, Now};

use super::{core::Core, error::Condition, event::Output, keep_alive};
use crate::{stanza::StanzaRef, xml::Batch};

/// Domains as the last stanza spelled them.
pub(super) struct Spelled {
    local: String,
    remote: String,
    pair: DomainPair,
}

impl Core {
    /// Judges the stanza at `index`. What stands from `run` on is passed on where a run ends; `run` then moves.
    pub(super) fn stanza(
        &mut self,
        now: Now,
        batch: &Batch,
        run: &mut usize,
        index: usize,
        stanza: &StanzaRef<'_>,
    ) -> Result<(), (Condition, &'static str)> {
        if !self.is_last_spelled(stanza) {
            self.pass(now, batch, *run, index);
            *run = index;
            self.admit(stanza)?;
        }
        if keep_alive::is_answer(stanza) {
            self.pass(now, batch, *run, index);
            *run = index + 1;
            self.received.consume();
            if let Some(spelled) = &self.last {
                let proof = Output::ProofOfLife(spelled.pair.clone());
                self.emit(proof);
            }
        }
        Ok(())
    }

    /// Lets the stanzas `first..end` go; all are of the pair last spelled.
    pub(super) fn pass(&mut self, now: Now, batch: &Batch, first: usize, end: usize) {
        let Some(spelled) = self.last.as_ref().filter(|_| first < end) else { return };
        let output = Output::Stanzas(spelled.pair.clone(), batch.slice(first..end));
        let alone = (end - first == 1).then(|| batch.element(first)).filter(|element| element.name() == "iq");
        let ping = alone.and_then(StanzaRef::of).is_some_and(|stanza| keep_alive::is_ping(&stanza));
        if !ping {
            self.stanza_seen(now);
        }
        self.received.pass(end - first);
        self.emit(output);
    }

    /// The pair last spelled may no longer be what it was.
    pub(super) fn forget_last_spelled(&mut self) {
        self.last = None;
    }

    fn is_last_spelled(&self, stanza: &StanzaRef<'_>) -> bool {
        let Some(last) = &self.last else { return false };
        let same = |text: Option<&str>, domain: &str| {
            text.and_then(|text| JidRef::split(text).ok()).is_some_and(|jid| jid.domain == domain)
        };
        same(stanza.to(), &last.local) && same(stanza.from(), &last.remote)
    }

    /// Judges a stanza whose domains are spelled differently from the last one's (RFC 6120 §8.1.1.2, §8.1.2.2).
    fn admit(&mut self, stanza: &StanzaRef<'_>) -> Result<(), (Condition, &'static str)> {
        if self.facts.authorised.is_empty() {
            return Err((Condition::NotAuthorized, "a stanza before authorisation"));
        }
        let missing = (Condition::ImproperAddressing, "a stanza without from and to");
        let (to, from) = (stanza.to().ok_or(missing)?, stanza.from().ok_or(missing)?);
        let malformed = (Condition::ImproperAddressing, "a stanza with a malformed address");
        let (to, from) = (JidRef::split(to).map_err(|_| malformed)?, JidRef::split(from).map_err(|_| malformed)?);
        let domain = |jid: JidRef<'_>| jid.to_bare().map(|bare| bare.domain().clone()).map_err(|_| malformed);
        let pair = DomainPair { local: domain(to)?, remote: domain(from)? };
        if !self.receives(&pair) {
            return Err((Condition::InvalidFrom, "a stanza of a pair that is not authorised on this stream"));
        }
        self.last = Some(Spelled { local: to.domain.to_owned(), remote: from.domain.to_owned(), pair });
        Ok(())
    }
}
