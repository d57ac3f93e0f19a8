//! Stream features (RFC 6120 §4.3.2): what we advertise, what a peer does.

use super::{ack, bidi, facts::FeaturesSeen};
use crate::xml::{ElementRef, XmlWriter, ns};

/// Server dialback as a feature (XEP-0220 §2.4.2).
const NS_DIALBACK: &str = "urn:xmpp:features:dialback";
/// Stream limits (XEP-0478).
const NS_LIMITS: &str = "urn:xmpp:stream-limits:0";
/// Mechanisms that are remembered of a peer.
const MECHANISMS_MAX: usize = 16;

/// What we advertise in one `<stream:features/>`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Offer {
    /// STARTTLS, and whether it is required.
    pub(crate) starttls: Option<bool>,
    /// SASL EXTERNAL.
    pub(crate) external: bool,
    /// Server dialback with errors.
    pub(crate) dialback: bool,
    /// Stanzas both ways.
    pub(crate) bidi: bool,
    /// Stream management.
    pub(crate) stream_management: bool,
    /// The greatest stanza and the silence in seconds that we accept.
    pub(crate) limits: Option<(usize, u64)>,
}

/// Writes `<stream:features/>`.
pub(crate) fn write(writer: &mut XmlWriter, offer: &Offer) {
    writer.start("features", ns::STREAM);
    if let Some(required) = offer.starttls {
        writer.start("starttls", ns::TLS);
        if required {
            writer.leaf("required", ns::TLS, "");
        }
        writer.end();
    }
    if offer.external {
        writer.start("mechanisms", ns::SASL).leaf("mechanism", ns::SASL, "EXTERNAL").end();
    }
    if offer.dialback {
        writer.start("dialback", NS_DIALBACK).leaf("errors", NS_DIALBACK, "").end();
    }
    if offer.bidi {
        writer.leaf("bidi", bidi::NS_FEATURE, "");
    }
    if offer.stream_management {
        writer.leaf("sm", ack::NS, "");
    }
    if let Some(limits) = offer.limits {
        write_limits(writer, limits);
    }
    writer.end();
}

/// Writes the greatest stanza and the silence in seconds that we accept.
pub(crate) fn write_limits(writer: &mut XmlWriter, (bytes, seconds): (usize, u64)) {
    writer.start("limits", NS_LIMITS);
    writer.leaf("max-bytes", NS_LIMITS, &bytes.to_string());
    writer.leaf("idle-seconds", NS_LIMITS, &seconds.to_string()).end();
}

/// Reads `<stream:features/>`; of unknown ones only whether they are required.
pub(crate) fn read(features: ElementRef<'_>) -> FeaturesSeen {
    let mut seen = FeaturesSeen::default();
    for feature in features.children() {
        if feature.is("starttls", ns::TLS) {
            seen.starttls = true;
            seen.starttls_required = feature.child("required", ns::TLS).is_some();
        } else if feature.is("mechanisms", ns::SASL) {
            let mechanisms = feature.children().filter(|child| child.is("mechanism", ns::SASL));
            seen.mechanisms = mechanisms.take(MECHANISMS_MAX).map(|name| mechanism(&name.text())).collect();
        } else if feature.is("dialback", NS_DIALBACK) {
            seen.dialback = true;
            seen.dialback_errors = feature.child("errors", NS_DIALBACK).is_some();
        } else if feature.is("bidi", bidi::NS_FEATURE) {
            seen.bidi = true;
        } else if feature.is("sm", ack::NS) {
            seen.stream_management = true;
        } else if feature.is("limits", NS_LIMITS) {
            (seen.stanza_bytes_max, seen.idle_seconds) = read_limits(feature);
        } else {
            seen.unknown_required |= feature.child("required", feature.namespace()).is_some();
        }
    }
    seen
}

/// The limits inside `element`, if it holds any.
pub(crate) fn read_limits_in(element: ElementRef<'_>) -> (Option<u64>, Option<u32>) {
    element.child("limits", NS_LIMITS).map_or((None, None), read_limits)
}

/// The greatest stanza and the seconds of silence that a peer accepts; a number that is none is not said.
fn read_limits(limits: ElementRef<'_>) -> (Option<u64>, Option<u32>) {
    let text = |name| limits.child(name, NS_LIMITS).map(|child| child.text().trim().to_owned());
    let number = |text: String| text.parse::<u64>().ok();
    let idle = text("idle-seconds").and_then(number).map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
    (text("max-bytes").and_then(number), idle.filter(|seconds| *seconds > 0))
}

/// A mechanism's name has at most 20 characters (RFC 4422 §3.1).
fn mechanism(text: &str) -> Box<str> {
    text.trim().chars().take(20).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Batch;

    #[test]
    fn what_is_advertised_is_what_is_seen() {
        let offer = Offer {
            starttls: Some(true),
            external: true,
            dialback: true,
            bidi: true,
            stream_management: true,
            limits: Some((262_144, 600)),
        };
        let mut writer = XmlWriter::new();
        write(&mut writer, &offer);
        // Batches of our own bind no `stream` prefix around them.
        let text = String::from_utf8(writer.finish().to_vec()).unwrap();
        let text = text.replacen("<stream:features", &format!("<stream:features xmlns:stream='{}'", ns::STREAM), 1);
        let batch = Batch::from_xml(text).unwrap();
        let seen = read(batch.element(0));
        assert!(
            seen.bidi
                && seen.stream_management
                && seen.starttls
                && seen.starttls_required
                && seen.external()
                && seen.dialback
                && seen.dialback_errors
        );
        assert_eq!((seen.stanza_bytes_max, seen.idle_seconds), (Some(262_144), Some(600)));
    }
}
