use super::*;
use crate::xml::{Frame, Framer, Limits};

fn written(write: impl FnOnce(&mut XmlWriter)) -> String {
    let mut writer = XmlWriter::new();
    write(&mut writer);
    String::from_utf8(writer.finish().to_vec()).unwrap()
}

#[test]
fn declares_a_namespace_where_it_differs() {
    let text = written(|w| {
        w.start("iq", ns::SERVER).attribute("id", "1");
        w.start("query", "u:q").start("item", "u:q").end().start("x", "").end().end();
        w.start("verify", ns::DIALBACK).end();
        w.start("y", ns::SERVER).end().end();
    });
    assert_eq!(text, "<iq id='1'><query xmlns='u:q'><item/><x xmlns=''/></query><db:verify/><y/></iq>");
}

#[test]
fn writes_a_stream_header() {
    let text = written(|w| {
        w.stream_header(&[("from", Some("a.example")), ("to", None), ("version", Some("1.0"))]);
        w.start("features", ns::STREAM).end().stream_end();
    });
    assert_eq!(
        text,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='a.example' version='1.0'><stream:features/></stream:stream>"
    );
}

#[test]
fn whatever_is_written_reads_back() {
    let nasty = "a<b>&\"' ]]> \t\r\n\u{0}\u{1f}\u{fffe}\u{ffff}\u{feff}\u{10ffff}";
    let batch = {
        let mut w = XmlWriter::new();
        w.start("message", ns::SERVER).attribute("id", nasty).leaf("body", ns::SERVER, nasty).end();
        w.into_batch()
    };
    let readable = "a<b>&\"' ]]> \t\r\n\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{feff}\u{10ffff}";
    let message = batch.element(0);
    assert_eq!(message.attribute("id").unwrap(), readable);
    assert_eq!(message.child("body", ns::SERVER).unwrap().text(), readable);
}

/// A stanza of a peer whose header is `header`, as another stream between servers would get it.
fn forwarded(header: &str, stanza: &str, replaced: &[(&str, &str)]) -> String {
    let mut framer = Framer::new(Limits::stanzas(10_000));
    let mut input = bytes::BytesMut::from(format!("{header}{stanza}").as_str());
    assert!(matches!(framer.next(&mut input), Ok(Some(Frame::Header(_)))));
    let Ok(Some(Frame::Elements(batch))) = framer.next(&mut input) else { panic!("{stanza} is no element") };
    written(|w| {
        w.forward(batch.element(0), replaced);
    })
}

#[test]
fn forwarding_keeps_the_payload_and_its_meaning() {
    let usual = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>";
    let prefixed = "<s xmlns='u:other' xmlns:j='jabber:server' xmlns:x='u:x'>";
    for (header, stanza, expected) in [
        // The common case: new start tag, old bytes.
        (
            usual,
            "<message to=\"a@b\" id='1'><body >h&#105;</body></message>",
            "<message id='1' to='x@y'><body >h&#105;</body></message>",
        ),
        (usual, "<message/>", "<message to='x@y'/>"),
        (
            usual,
            "<message xml:lang='en'>  <e xmlns='u:e'/></message>",
            "<message xml:lang='en' to='x@y'>  <e xmlns='u:e'/></message>",
        ),
        // The stanza declares the content namespace itself.
        (prefixed, "<message xmlns='jabber:server'><body/></message>", "<message to='x@y'><body/></message>"),
        // Prefixes borrowed from the start tag and from the stream header are declared again.
        (
            usual,
            "<message xmlns:p='u:p'><p:e/></message>",
            "<message to='x@y' xmlns:p='u:p' xmlns:stream='http://etherx.jabber.org/streams'><p:e/></message>",
        ),
        (
            prefixed,
            "<message xmlns='jabber:server'><x:e/></message>",
            "<message to='x@y' xmlns:j='jabber:server' xmlns:x='u:x'><x:e/></message>",
        ),
        (
            usual,
            "<message xmlns:p='u:p' p:k='v'/>",
            "<message xmlns:p='u:p' xmlns:stream='http://etherx.jabber.org/streams' p:k='v' to='x@y'/>",
        ),
        // Another default namespace is borrowed: written anew.
        (
            prefixed,
            "<j:message><j:body>a<![CDATA[&]]></j:body><e x:k='v'/></j:message>",
            "<message to='x@y'><body>a&amp;</body><e xmlns='u:other' xmlns:a0='u:x' a0:k='v'/></message>",
        ),
    ] {
        assert_eq!(forwarded(header, stanza, &[("to", "x@y")]), expected);
    }
}

#[test]
fn what_stays_as_it_is_keeps_its_bytes_where_they_mean_the_same() {
    let usual = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>";
    let other = "<s xmlns='u:other' xmlns:j='jabber:server' xmlns:x='u:x'>";
    for (header, stanza) in [
        (usual, "<message  to=\"a'b\" xml:lang='en' id='&#49;'><body >h&#105;</body></message >"),
        (usual, "<message xmlns:p='u:p'><e xmlns='u:e' xmlns:q='u:q' q:k=''><q:e/></e></message>"),
        (other, "<message xmlns='jabber:server'><body/></message>"),
    ] {
        assert_eq!(forwarded(header, stanza, &[]), stanza);
    }
    for (header, stanza, expected) in [
        (other, "<message/>", "<message xmlns='u:other'/>"),
        (other, "<j:message/>", "<message/>"),
        (other, "<message xmlns='jabber:server' x:k='v'/>", "<message xmlns:j='jabber:server' xmlns:x='u:x' x:k='v'/>"),
        (
            other,
            "<message xmlns='jabber:server'><x:e/></message>",
            "<message xmlns:j='jabber:server' xmlns:x='u:x'><x:e/></message>",
        ),
    ] {
        assert_eq!(forwarded(header, stanza, &[]), expected);
    }
}

#[test]
fn a_detached_element_keeps_no_other_bytes() {
    let batch = Batch::from_xml("<a><b/></a> <c xmlns='u:c' k='v'>d</c>").unwrap();
    let detached = batch.detached(1);
    assert_eq!(detached.element(0).raw(), "<c xmlns='u:c' k='v'>d</c>");
    assert_eq!(detached.bytes_retained(), detached.bytes());
}

/// Escaping makes names longer than the limit that they have passed.
#[test]
fn the_longest_namespace_name_can_be_copied() {
    let name = "\"".repeat(Limits::own().namespace_bytes_max);
    let batch = Batch::from_xml(format!("<a xmlns:p='{name}'><p:b/></a><c xmlns='{name}'/>")).unwrap();
    for index in 0..2 {
        let copied = batch.detached(index).detached(0);
        let element = copied.element(0).children().next().unwrap_or(copied.element(0));
        assert_eq!(element.namespace(), name);
    }
}

#[test]
fn as_many_attributes_as_allowed_can_be_forwarded_with_others() {
    let attributes: String = (0..Limits::own().attributes_max).map(|n| format!(" a{n}=''")).collect();
    let batch = Batch::from_xml(format!("<message{attributes}/>")).unwrap();
    let mut writer = XmlWriter::new();
    writer.forward(batch.element(0), &[("from", "a@x"), ("to", "b@y")]);
    assert_eq!(writer.into_batch().element(0).attribute("to").as_deref(), Some("b@y"));
}
