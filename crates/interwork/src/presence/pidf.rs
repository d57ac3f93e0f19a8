//! PIDF (RFC 3863) with the data model's person (RFC 4479) and RPID activities (RFC 4480).
//!
//! Prefixes are written as the RFCs' examples have them, since endpoints look for them by text.

use xmpp::xml::{ElementRef, XmlWriter};

use super::{Endpoint, NOTES_MAX, Note, Show, note};
use crate::document;

/// Most bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 65_536;

/// Tuples that are taken of one document.
const TUPLES_MAX: usize = 32;
/// Longest id of a tuple, in bytes: that of a resource (RFC 7622 §3.4).
const ID_BYTES_MAX: usize = 1023;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf";
const DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";
const RPID: &str = "urn:ietf:params:xml:ns:pidf:rpid";
const CLIENT: &str = "jabber:client";
const CONTEXT: &[(&str, &str)] = &[("", NAMESPACE), ("dm", DATA_MODEL), ("rpid", RPID)];

/// Before the resource in the id of a tuple: an xs:ID does not begin with a digit (RFC 8048 table 1, note 2).
const ID_PREFIX: &str = "ID-";

/// A body that is no PIDF that we read: a 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PidfError {
    /// No XML, more than [`DOCUMENT_BYTES_MAX`], or XML with a document type, comments or foreign entities.
    #[error("The presence document is not well-formed XML of at most 65536 bytes")]
    Document,
    /// Another root element.
    #[error("The body is no presence document")]
    Root,
    /// A tuple without id or status (RFC 3863 §4.1.2, §4.1.3).
    #[error("A tuple of the presence document has no id or no status")]
    Tuple,
}

/// The endpoints that a document tells of, in its order. A tuple without `<basic/>` is taken as open if the user is
/// shown by anything else.
pub fn read(body: &[u8]) -> Result<Vec<Endpoint>, PidfError> {
    let batch = document::read(body, DOCUMENT_BYTES_MAX).ok_or(PidfError::Document)?;
    let root = batch.element(0);
    if !root.is("presence", NAMESPACE) {
        return Err(PidfError::Root);
    }
    let person = root.children().find(|child| child.is("person", DATA_MODEL));
    let of_person = person.and_then(activity);
    let mut shared: Vec<Note> = notes(root);
    shared.extend(person.map(notes).unwrap_or_default());
    let tuples = root.children().filter(|child| child.is("tuple", NAMESPACE)).take(TUPLES_MAX);
    let mut endpoints = tuples.map(endpoint).collect::<Result<Vec<_>, _>>()?;
    for endpoint in &mut endpoints {
        if endpoint.is_available {
            endpoint.show = endpoint.show.or(of_person);
        }
        if endpoint.notes.is_empty() {
            endpoint.notes = shared.iter().take(NOTES_MAX).cloned().collect();
        }
    }
    Ok(endpoints)
}

fn endpoint(tuple: ElementRef<'_>) -> Result<Endpoint, PidfError> {
    let id = tuple.attribute("id").filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX).ok_or(PidfError::Tuple)?;
    let status = tuple.child("status", NAMESPACE).ok_or(PidfError::Tuple)?;
    let basic = status.child("basic", NAMESPACE).map(|basic| basic.text().trim_ascii().to_owned());
    let shown = show(status).or_else(|| activity(tuple)).or_else(|| activity(status)).or_else(|| extended(status));
    let is_available = basic.map_or(shown.is_some(), |basic| basic == "open");
    let contact = tuple.child("contact", NAMESPACE).and_then(|contact| contact.attribute("priority"));
    Ok(Endpoint {
        id: id.strip_prefix(ID_PREFIX).filter(|id| !id.is_empty()).unwrap_or(&id).to_owned(),
        is_available,
        show: shown.filter(|_| is_available),
        priority: contact.map_or(0, |value| priority_of(&value)),
        notes: notes(tuple),
    })
}

/// RFC 8048 table 2, note 7.
fn show(status: ElementRef<'_>) -> Option<Show> {
    Show::of(&status.child("show", CLIENT)?.text())
}

/// The first RPID activity that XMPP has a word for (RFC 4480 §3.2).
fn activity(holder: ElementRef<'_>) -> Option<Show> {
    let activities = holder.children().filter(|child| child.is("activities", RPID));
    activities.flat_map(ElementRef::children).find_map(|activity| match activity.name() {
        "away" | "appointment" | "breakfast" | "dinner" | "in-transit" | "meal" | "steering" | "travel" => {
            Some(Show::Away)
        }
        "holiday" | "permanent-absence" | "sleeping" | "vacation" => Some(Show::Xa),
        "busy" | "meeting" | "on-the-phone" | "presentation" => Some(Show::Dnd),
        _ => None,
    })
}

/// The extended status of some endpoints, in a namespace of theirs.
fn extended(status: ElementRef<'_>) -> Option<Show> {
    let extended = status.children().find(|child| child.name() == "extended")?;
    match extended.text().trim_ascii() {
        "away" => Some(Show::Away),
        "extended-away" => Some(Show::Xa),
        "busy" => Some(Show::Dnd),
        _ => None,
    }
}

/// The notes of a presence, a tuple or a person; each is in the namespace of its holder (RFC 3863 §4.1.6, RFC 4479 §3.6),
/// those of RPID in its own.
fn notes(holder: ElementRef<'_>) -> Vec<Note> {
    let of = |holder: ElementRef<'_>| {
        let found = holder
            .children()
            .filter(|child| child.name() == "note" && [NAMESPACE, DATA_MODEL, RPID].contains(&child.namespace()));
        found.filter_map(|found| note(found.lang().map(Into::into), &found.text())).collect::<Vec<_>>()
    };
    let mut notes = of(holder);
    notes.extend(holder.children().filter(|child| child.is("activities", RPID)).flat_map(of));
    notes.truncate(NOTES_MAX);
    notes
}

/// RFC 8048 table 1, note 6, backwards: ⌈127·q⌉.
fn priority_of(value: &str) -> i8 {
    let (whole, fraction) = value.trim_ascii().split_once('.').unwrap_or((value.trim_ascii(), ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let thousandths = match (whole, digits.parse::<u32>()) {
        ("1", _) => 1000,
        ("0" | "", Ok(thousandths)) => thousandths,
        _ => 0,
    };
    i8::try_from((127 * thousandths).div_ceil(1000)).unwrap_or(0)
}

/// The same forwards: ⌊1000·p/127⌋ thousandths.
fn priority_text(priority: i8) -> Option<String> {
    let thousandths = 1000 * u32::try_from(priority).ok().filter(|priority| *priority > 0)? / 127;
    Some(if thousandths == 1000 { "1".to_owned() } else { format!("0.{thousandths:03}") })
}

/// The document that tells of `endpoints` of the user with this `sip:` URI; of none: closed.
pub fn write(user: &sip::Uri, endpoints: &[Endpoint]) -> String {
    let text = user.to_string();
    let entity = format!("pres:{}", text.strip_prefix("sip:").unwrap_or(&text));
    let mut writer = XmlWriter::within(CONTEXT);
    writer.start("presence", NAMESPACE).attribute("xmlns", NAMESPACE);
    writer.attribute("xmlns:dm", DATA_MODEL).attribute("xmlns:rpid", RPID).attribute("entity", &entity);
    for endpoint in endpoints {
        tuple(&mut writer, endpoint, &text);
    }
    if endpoints.is_empty() {
        tuple(&mut writer, &Endpoint { id: "offline".to_owned(), ..Endpoint::default() }, &text);
    }
    let best = endpoints.iter().filter(|endpoint| endpoint.is_available).max_by_key(|endpoint| endpoint.priority);
    if let Some(activity) = best.and_then(|best| best.show).and_then(activity_name) {
        writer.start("person", DATA_MODEL).attribute("id", "person");
        writer.start("activities", RPID).start(activity, RPID).end().end().end();
    }
    writer.end();
    document::write(writer)
}

/// Elements in the order of the schema (RFC 3863 §4.4).
fn tuple(writer: &mut XmlWriter, endpoint: &Endpoint, contact: &str) {
    writer.start("tuple", NAMESPACE).attribute("id", &tuple_id(&endpoint.id));
    writer.start("status", NAMESPACE);
    writer.leaf("basic", NAMESPACE, if endpoint.is_available { "open" } else { "closed" });
    if let Some(show) = endpoint.show {
        writer.leaf("show", CLIENT, show.as_str());
    }
    writer.end();
    if let Some(priority) = priority_text(endpoint.priority).filter(|_| endpoint.is_available) {
        writer.start("contact", NAMESPACE).attribute("priority", &priority).text(contact).end();
    }
    for note in &endpoint.notes {
        writer.start("note", NAMESPACE).attribute_if("xml:lang", note.language.as_deref()).text(&note.text).end();
    }
    writer.end();
}

fn activity_name(show: Show) -> Option<&'static str> {
    match show {
        Show::Away | Show::Xa => Some("away"),
        Show::Dnd => Some("busy"),
        Show::Chat => None,
    }
}

/// A resource as an xs:ID (XML Namespaces' NCName): what may not stand in one is written as `_` and its octets in
/// hexadecimal.
fn tuple_id(resource: &str) -> String {
    let mut id = ID_PREFIX.to_owned();
    for byte in resource.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => id.push(char::from(byte)),
            _ => id.push_str(&format!("_{byte:02x}")),
        }
    }
    id
}
