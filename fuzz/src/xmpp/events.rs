//! What a reader of XML understood, in a form that two readers can be compared by.

use xmpp::xml::{ElementRef, NodeRef};

/// Namespace and local name.
pub type Name = (String, String);

/// One step through a document. Text that touches is one step; prefixes and spellings are left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A start tag with its attributes in order of their names.
    Start(Name, Vec<(Name, String)>),
    /// Characters.
    Text(String),
    /// An end tag.
    End,
}

/// Appends text to the last step if that is text.
pub fn push_text(events: &mut Vec<Event>, text: &str) {
    match events.last_mut() {
        _ if text.is_empty() => {}
        Some(Event::Text(last)) => last.push_str(text),
        _ => events.push(Event::Text(text.to_owned())),
    }
}

/// The start tag of `element`.
pub fn start_of(element: ElementRef<'_>) -> Event {
    let name = |namespace: &str, local: &str| (namespace.to_owned(), local.to_owned());
    let mut attributes: Vec<_> =
        element.attributes().map(|a| (name(a.namespace(), a.name()), a.value().into_owned())).collect();
    attributes.sort();
    Event::Start(name(element.namespace(), element.name()), attributes)
}

/// The steps through `element`.
pub fn walk(element: ElementRef<'_>, events: &mut Vec<Event>) {
    events.push(start_of(element));
    for node in element.nodes() {
        match node {
            NodeRef::Element(child) => walk(child, events),
            NodeRef::Text(text) => push_text(events, &text),
        }
    }
    events.push(Event::End);
}
