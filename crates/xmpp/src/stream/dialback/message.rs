//! `db:result` and `db:verify` (XEP-0220 §2).

use lexicon::{Domain, DomainPair};

use super::{DialbackCondition, DialbackError, DialbackVerdict};
use crate::{
    stream::error::{Condition, condition_and_text},
    xml::{ElementRef, XmlWriter, ns},
};

/// Which of the two elements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Between initiating and receiving server.
    Result,
    /// Between receiving and authoritative server.
    Verify,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Verify => "verify",
        }
    }
}

/// A dialback element as received. As pair, `local` is its `to`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) pair: DomainPair,
    /// Only that of `db:verify` has a meaning.
    pub(crate) id: Box<str>,
    pub(crate) what: What,
}

/// Request or answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// No type: the key.
    Request(Box<str>),
    /// A type.
    Answer(DialbackVerdict),
    /// A type that no standard knows.
    Unknown,
}

impl Message {
    /// Reads an element of the dialback namespace.
    pub(crate) fn read(element: ElementRef<'_>) -> Result<Self, (Condition, &'static str)> {
        let kind = match element.name() {
            "result" => Kind::Result,
            "verify" => Kind::Verify,
            _ => return Err((Condition::UnsupportedStanzaType, "an unknown dialback element")),
        };
        let address = |name: &str| element.attribute(name).and_then(|text| Domain::parse(&text).ok());
        let (Some(local), Some(remote)) = (address("to"), address("from")) else {
            return Err((Condition::ImproperAddressing, "a dialback element without from and to"));
        };
        let id = element.attribute("id").unwrap_or_default();
        if kind == Kind::Verify && id.is_empty() {
            return Err((Condition::BadFormat, "db:verify without an id"));
        }
        let what = match element.attribute("type").as_deref() {
            None => What::Request(element.text().trim_ascii().into()),
            Some("valid") => What::Answer(DialbackVerdict::Valid),
            Some("invalid") => What::Answer(DialbackVerdict::Invalid),
            Some("error") => What::Answer(DialbackVerdict::Error(read_error(element))),
            Some(_) => What::Unknown,
        };
        Ok(Self { kind, pair: DomainPair { local, remote }, id: id.into(), what })
    }
}

fn read_error(element: ElementRef<'_>) -> DialbackError {
    let error = element.children().find(|child| child.name() == "error");
    let Some(error) = error else { return DialbackError::new(DialbackCondition::NotAcceptable, "") };
    let (name, text) = condition_and_text(error, ns::STANZA_ERROR);
    DialbackError { name, text }
}

/// Writes a request from `pair.local` to `pair.remote`; `id` for `db:verify`.
pub(crate) fn ask(writer: &mut XmlWriter, kind: Kind, pair: &DomainPair, id: Option<&str>, key: &str) {
    start(writer, kind, pair, id);
    writer.text(key).end();
}

/// Writes an answer from `pair.local` to `pair.remote`.
pub(crate) fn answer(
    writer: &mut XmlWriter,
    kind: Kind,
    pair: &DomainPair,
    id: Option<&str>,
    verdict: &DialbackVerdict,
) {
    start(writer, kind, pair, id);
    match verdict {
        DialbackVerdict::Valid => writer.attribute("type", "valid"),
        DialbackVerdict::Invalid => writer.attribute("type", "invalid"),
        DialbackVerdict::Error(error) => {
            // A name that came from elsewhere never becomes an element of ours.
            let condition = error.condition().unwrap_or(DialbackCondition::NotAcceptable);
            writer.attribute("type", "error").start("error", ns::SERVER).attribute("type", error_type(condition));
            writer.leaf(condition.as_str(), ns::STANZA_ERROR, "");
            if !error.text.is_empty() {
                writer.start("text", ns::STANZA_ERROR).attribute("xml:lang", "en").text(&error.text).end();
            }
            writer.end()
        }
    };
    writer.end();
}

fn start(writer: &mut XmlWriter, kind: Kind, pair: &DomainPair, id: Option<&str>) {
    let DomainPair { local, remote } = pair;
    writer.start(kind.name(), ns::DIALBACK).attribute("from", local.as_unicode()).attribute("to", remote.as_unicode());
    writer.attribute_if("id", id);
}

/// The types that RFC 6120 §8.3.3 recommends.
fn error_type(condition: DialbackCondition) -> &'static str {
    match condition {
        DialbackCondition::Forbidden | DialbackCondition::NotAuthorized => "auth",
        DialbackCondition::NotAcceptable | DialbackCondition::PolicyViolation => "modify",
        DialbackCondition::RemoteServerTimeout | DialbackCondition::ResourceConstraint => "wait",
        DialbackCondition::ItemNotFound
        | DialbackCondition::RemoteConnectionFailed
        | DialbackCondition::RemoteServerNotFound => "cancel",
    }
}
