//! Tokenizer and writer: what is accepted can be copied by every way there is and means the same afterwards.

use xmpp::{
    stanza::{Condition, StanzaRef, bounce},
    xml::{Batch, ElementRef, Frame, Framer, Limits, XmlWriter, ns},
};

use super::events::{Event, walk};

/// The input is a batch of first-level elements.
pub fn run(data: &[u8]) {
    let Ok(batch) = Batch::from_xml(data) else { return };
    for (index, element) in batch.elements().enumerate() {
        let meaning = meaning_of(element);
        let again = Batch::from_xml(element.raw()).expect("an element alone is one");
        assert_eq!(meaning_of(again.element(0)), meaning, "its own bytes");
        assert_eq!(meaning_of(batch.detached(index).element(0)), meaning, "spliced");
        let mut writer = XmlWriter::new();
        writer.element(element);
        assert_eq!(meaning_of(writer.into_batch().element(0)), meaning, "written anew");
        forwarded_elsewhere(element, &meaning);
        if let Some(stanza) = StanzaRef::of(element) {
            let _ = (stanza.body(), stanza.subject(), stanza.thread(), stanza.error());
            let _ = bounce(&stanza, &Condition::Gone.into());
        }
    }
}

/// Into a stream with other bindings, behind another element.
fn forwarded_elsewhere(element: ElementRef<'_>, meaning: &[Event]) {
    let mut writer =
        XmlWriter::within(&[("", "urn:elsewhere"), ("p", "urn:p"), ("s", "jabber:server"), ("stream", ns::STREAM)]);
    writer.stream_header(&[]);
    writer.forward(element, &[]);
    writer.stream_end();
    let stream = writer.finish();
    let mut framer = Framer::new(Limits::own());
    let mut input = bytes::BytesMut::from(&stream[..]);
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = framer.next(&mut input) {
        frames.push(frame);
    }
    let [_, Frame::Elements(batch), _] = frames.as_slice() else { panic!("not a stream of one element") };
    assert_eq!(meaning_of(batch.element(0)), meaning, "forwarded to another stream");
}

fn meaning_of(element: ElementRef<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    walk(element, &mut events);
    events
}
