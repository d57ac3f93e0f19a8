//! Streams that carry stanzas both ways (XEP-0288).
//!
//! Who opened the connection asks for it, after TLS and before it proves its identity. Then each pair that is authorised
//! may also be used the other way, once its rules were asked again: exactly these pairs, never more. The feature and the
//! request are in different namespaces, which others have confused.

use lexicon::{DomainPair, Method};

use super::{
    core::Core,
    event::Output,
    features,
    rules::{PairRules, Refusal},
};
use crate::xml::{ElementRef, XmlWriter};

/// The namespace of the feature.
pub(crate) const NS_FEATURE: &str = "urn:xmpp:features:bidi";
/// The namespace of the request.
pub(crate) const NS: &str = "urn:xmpp:bidi";

/// Writes the request, with the greatest stanza and the silence in seconds that we accept (XEP-0478 §3.2).
fn write_request(writer: &mut XmlWriter, limits: (usize, u64)) {
    writer.start("bidi", NS);
    features::write_limits(writer, limits);
    writer.end();
}

impl Core {
    /// Asks for stanzas both ways.
    pub(super) fn request_bidi(&mut self) {
        self.bidi = true;
        let limits = self.own_limits();
        self.write(|writer| write_request(writer, limits));
    }

    /// The peer, which opened the connection, asks for stanzas both ways.
    pub(super) fn bidi_requested(&mut self, request: ElementRef<'_>) {
        self.bidi = true;
        let (stanza_bytes_max, idle_seconds) = features::read_limits_in(request);
        self.set_peer_limits(stanza_bytes_max, idle_seconds);
    }

    /// The rules of an authorised pair have come, for the other way.
    pub(super) fn inverse_judged(&mut self, pair: DomainPair, method: Method, answer: Result<PairRules, Refusal>) {
        let Ok(rules) = answer else { return };
        let certificate = self.certificate(&rules, &pair.remote);
        if self.method_of(&pair) == Some(method) && rules.permit(method, self.facts_tls_up(), certificate) {
            self.facts.inverse.push((pair.clone(), method));
            self.emit(Output::Inverse(pair, method));
        }
    }
}
