//! The stream header (RFC 6120 §4.7, §4.8).

use lexicon::Domain;

use super::error::Condition;
use crate::xml::{Batch, XmlWriter, ns};

/// Bindings of a stream on which dialback is spoken (XEP-0220 §2.4.1).
pub(crate) const WITH_DIALBACK: &[(&str, &str)] = &[("", ns::SERVER), ("stream", ns::STREAM), ("db", ns::DIALBACK)];
/// Bindings of a stream on which it is not.
pub(crate) const WITHOUT_DIALBACK: &[(&str, &str)] = &[("", ns::SERVER), ("stream", ns::STREAM)];

/// Longest stream id of a peer that is accepted, in octets.
const ID_OCTETS_MAX: usize = 256;

/// An address in a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    Absent,
    Malformed,
    Is(Domain),
}

impl Address {
    fn read(text: Option<&str>) -> Self {
        match text.map(Domain::parse) {
            None => Self::Absent,
            Some(Ok(domain)) => Self::Is(domain),
            Some(Err(_)) => Self::Malformed,
        }
    }

    pub(crate) fn domain(&self) -> Option<&Domain> {
        match self {
            Self::Is(domain) => Some(domain),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// A peer's header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) id: Option<Box<str>>,
    /// Version 1.0 or later; else the peer knows neither features nor TLS nor SASL (§4.7.5).
    pub(crate) version_1: bool,
    /// The version to answer with: the lower one; none to a header without (§4.7.5).
    pub(crate) answer: Option<Box<str>>,
    /// The dialback namespace is declared: what dialback's support looked like before there were features.
    pub(crate) dialback: bool,
    /// What is wrong with it, if anything is.
    pub(crate) fault: Option<(Condition, &'static str)>,
}

/// Reads a header. Addresses are read even of one that is wrong, since an answering header still has to go out (§4.9.1.2).
pub(crate) fn read(batch: &Batch) -> Header {
    let root = batch.element(0);
    let written = root.attribute("version");
    let version = version_number(written.as_deref());
    let id = root.attribute("id").filter(|id| !id.is_empty() && id.len() <= ID_OCTETS_MAX);
    let fault = if root.namespace() != ns::STREAM {
        Some((Condition::InvalidNamespace, "the stream namespace is wrong"))
    } else if root.name() != "stream" {
        Some((Condition::BadFormat, "the root element is not a stream"))
    } else if root.declaration("") != Some(ns::SERVER) {
        Some((Condition::InvalidNamespace, "the content namespace is not jabber:server"))
    } else if version.is_none() {
        Some((Condition::UnsupportedVersion, "the version is not a version"))
    } else {
        None
    };
    Header {
        from: Address::read(root.attribute("from").as_deref()),
        to: Address::read(root.attribute("to").as_deref()),
        id: id.map(|id| id.into()),
        version_1: version.unwrap_or_default() >= (1, 0),
        answer: version.filter(|_| written.is_some()).map(|version| {
            let (major, minor) = version.min((1, 0));
            format!("{major}.{minor}").into()
        }),
        dialback: root.declarations().any(|(_, namespace)| namespace == ns::DIALBACK),
        fault,
    }
}

/// Major and minor version; 0.9 for a header without one (§4.7.5 rule 4).
fn version_number(text: Option<&str>) -> Option<(u32, u32)> {
    let Some(text) = text else { return Some((0, 9)) };
    let (major, minor) = text.split_once('.')?;
    let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?;
    Some((number(major)?, number(minor)?))
}

/// What our own header says.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnHeader<'a> {
    /// None for an answer to a header whose `to` is missing or not served.
    pub(crate) from: Option<&'a Domain>,
    pub(crate) to: Option<&'a Domain>,
    pub(crate) id: Option<&'a str>,
    /// Not to a peer that said none.
    pub(crate) version: Option<&'a str>,
}

/// Writes a header.
pub(crate) fn write(writer: &mut XmlWriter, header: &OwnHeader<'_>) {
    writer.stream_header(&[
        // The receiving side of a stream for nobody it knows says that it is nobody (§4.9.1.3).
        ("from", Some(header.from.map_or("", Domain::as_unicode))),
        ("to", header.to.map(Domain::as_unicode)),
        ("id", header.id),
        ("version", header.version),
        ("xml:lang", Some("en")),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6120 §4.7.5.
    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, version) in [
            (None, Some((0, 9))),
            (Some("1.0"), Some((1, 0))),
            (Some("01.00"), Some((1, 0))),
            (Some("1.13"), Some((1, 13))),
            (Some("12.3"), Some((12, 3))),
            (Some("0.9"), Some((0, 9))),
            (Some("1"), None),
            (Some(""), None),
            (Some("1."), None),
            (Some("one.zero"), None),
            (Some("-1.0"), None),
        ] {
            assert_eq!(version_number(text), version, "{text:?}");
        }
    }
}
