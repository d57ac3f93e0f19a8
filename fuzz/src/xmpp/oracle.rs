//! A foreign reader of restricted XML: we may be stricter than it, never laxer.

use rxml::{Event as Step, Parse as _, Parser, error::EndOrError};

use super::events::{Event, push_text};

/// What rxml understands of a whole stream; none if it refuses it.
///
/// Line ends are normalised first, as a reader has to do before anything else (XML 1.0 §2.11): rxml reads some single
/// carriage returns wrongly.
pub fn read(stream: &[u8]) -> Option<Vec<Event>> {
    let mut parser = Parser::new();
    let stream = with_line_feeds(stream);
    let mut input = &stream[..];
    let mut events = Vec::new();
    loop {
        match parser.parse(&mut input, true) {
            Ok(Some(Step::StartElement(_, (namespace, name), attributes))) => {
                let mut attributes: Vec<_> = attributes
                    .into_iter()
                    .map(|((namespace, name), value)| ((namespace.as_str().to_owned(), name.to_string()), value))
                    .collect();
                attributes.sort();
                events.push(Event::Start((namespace.as_str().to_owned(), name.to_string()), attributes));
            }
            Ok(Some(Step::Text(_, text))) => push_text(&mut events, &text),
            Ok(Some(Step::EndElement(_))) => events.push(Event::End),
            Ok(Some(_)) => {}
            Ok(None) => return Some(events),
            Err(EndOrError::NeedMoreData | EndOrError::Error(_)) => return None,
        }
    }
}

fn with_line_feeds(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stream.len());
    let mut bytes = stream.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
            out.push(b'\n');
        } else {
            out.push(byte);
        }
    }
    out
}
