use proptest::prelude::*;
use xmpp::{
    stanza::{StanzaRef, build::Head},
    xml::Batch,
};

use super::*;

const HEAD: Head<'_> = Head { from: "a@b.example/c", to: "d@e.example", id: None };

fn user() -> sip::Uri {
    sip::Uri::parse("sip:juliet@example.com").unwrap()
}

fn pidf(inside: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf' \
         xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' \
         entity='pres:juliet@example.com'>{inside}</presence>\n"
    )
}

fn of_stanza(content: &str) -> Endpoint {
    let batch =
        Batch::from_xml(format!("<presence from='a@b.example/c' to='d@e.example'>{content}</presence>")).unwrap();
    Endpoint::of(&StanzaRef::of(batch.element(0)).unwrap(), "c").unwrap()
}

/// RFC 8048 §6.3, the document of its example.
#[test]
fn the_document_of_rfc_8048_is_a_presence_with_show_and_resource() {
    let body = pidf(
        "<tuple id='ID-dr4hcr0st3lup4c'><status><basic>open</basic><show xmlns='jabber:client'>away</show></status></tuple>",
    );
    let away = Endpoint { show: Some(Show::Away), ..Endpoint::available("dr4hcr0st3lup4c") };
    assert_eq!(read(body.as_bytes()), Ok(vec![away]));
}

/// RFC 4480 §3.2, and the table of sip-interworking.md §1.5.
#[test]
fn activities_are_read_after_show_and_before_the_extended_status() {
    let person = |activity: &str| {
        pidf(&format!(
            "<tuple id='a'><status><basic>open</basic></status></tuple>\
             <dm:person id='p'><rpid:activities>{activity}</rpid:activities></dm:person>"
        ))
    };
    for (activity, show) in [
        ("<rpid:away/>", Some(Show::Away)),
        ("<rpid:unknown/><rpid:vacation/>", Some(Show::Xa)),
        ("<rpid:busy/>", Some(Show::Dnd)),
        ("<rpid:on-the-phone/>", Some(Show::Dnd)),
        ("<rpid:meeting/>", Some(Show::Dnd)),
        ("<rpid:worship/>", None),
    ] {
        assert_eq!(read(person(activity).as_bytes()).unwrap()[0].show, show, "{activity}");
    }
    let both = pidf(
        "<tuple id='a'><status><basic>open</basic><show xmlns='jabber:client'>xa</show></status>\
         <rpid:activities><rpid:busy/></rpid:activities></tuple>",
    );
    assert_eq!(read(both.as_bytes()).unwrap()[0].show, Some(Show::Xa));
    let extended =
        pidf("<tuple id='a'><status><basic>open</basic><extended xmlns='x'>busy</extended></status></tuple>");
    assert_eq!(read(extended.as_bytes()).unwrap()[0].show, Some(Show::Dnd));
}

#[test]
fn who_is_closed_shows_nothing() {
    let body = pidf(
        "<tuple id='a'><status><basic>closed</basic></status><note xml:lang='de'>weg</note></tuple>\
         <dm:person id='p'><rpid:activities><rpid:away/></rpid:activities></dm:person>",
    );
    let endpoint = read(body.as_bytes()).unwrap().remove(0);
    assert_eq!((endpoint.is_available, endpoint.show), (false, None));
    assert_eq!(endpoint.notes, [Note { language: Some("de".to_owned()), text: "weg".to_owned() }]);
}

#[test]
fn notes_of_the_document_and_the_person_are_those_of_tuples_without_one() {
    let body = pidf(
        "<tuple id='a'><status><basic>open</basic></status><note>own</note></tuple>\
         <tuple id='b'><status><basic>open</basic></status></tuple>\
         <note>all</note><dm:person id='p'><dm:note>person</dm:note></dm:person>",
    );
    let endpoints = read(body.as_bytes()).unwrap();
    let texts = |n: usize| endpoints[n].notes.iter().map(|note| note.text.as_str()).collect::<Vec<_>>();
    assert_eq!((texts(0), texts(1)), (vec!["own"], vec!["all", "person"]));
}

/// RFC 8048 table 1, note 6: its values.
#[test]
fn priorities_are_those_of_the_note() {
    for (priority, written) in [(1, "0.007"), (2, "0.015"), (126, "0.992"), (127, "1")] {
        let endpoint = Endpoint { priority, ..Endpoint::available("a") };
        let body = write(&user(), std::slice::from_ref(&endpoint));
        assert!(body.contains(&format!("priority='{written}'")), "{body}");
        assert_eq!(read(body.as_bytes()).unwrap(), [endpoint]);
    }
    let negative = write(&user(), &[Endpoint { priority: -1, ..Endpoint::available("a") }]);
    assert!(!negative.contains("priority"), "{negative}");
}

#[test]
fn nobody_is_there_is_a_closed_tuple() {
    let endpoints = read(write(&user(), &[]).as_bytes()).unwrap();
    assert_eq!(endpoints.iter().map(|endpoint| endpoint.is_available).collect::<Vec<_>>(), [false]);
}

#[test]
fn activities_are_written_with_the_prefix_that_endpoints_look_for() {
    for (show, text) in [(Show::Dnd, "<rpid:busy/>"), (Show::Xa, "<rpid:away/>"), (Show::Away, "<rpid:away/>")] {
        let body = write(&user(), &[Endpoint { show: Some(show), ..Endpoint::available("1 a") }]);
        assert!(body.contains(text), "{body}");
        assert!(body.contains("entity='pres:juliet@example.com'") && body.contains("id='ID-1_20a'"), "{body}");
    }
}

/// The bad input: a document type, 10 MB, another namespace, nothing.
#[test]
fn what_is_no_presence_document_is_refused() {
    let ten_megabytes = pidf(&format!("<note>{}</note>", "a".repeat(10_000_000)));
    for (body, error) in [
        ("<!DOCTYPE p [<!ENTITY a 'b'>]><presence xmlns='urn:ietf:params:xml:ns:pidf'/>", PidfError::Document),
        (ten_megabytes.as_str(), PidfError::Document),
        ("<presence xmlns='urn:ietf:params:xml:ns:pidf:wrong'/>", PidfError::Root),
        ("<presence/>", PidfError::Root),
        ("", PidfError::Document),
        ("<presence xmlns='urn:ietf:params:xml:ns:pidf'>", PidfError::Document),
    ] {
        assert_eq!(read(body.as_bytes()), Err(error), "{:.60}", body);
    }
    for tuple in ["<tuple><status/></tuple>", "<tuple id='a'/>", "<tuple id=''><status/></tuple>"] {
        assert_eq!(read(pidf(tuple).as_bytes()), Err(PidfError::Tuple), "{tuple}");
    }
}

#[test]
fn a_stanza_says_what_it_was_read_from() {
    let endpoint = of_stanza(
        "<show>dnd</show><status>Busy</status><status xml:lang='ko'>바쁨</status><priority>5</priority><c xmlns='x'/>",
    );
    assert_eq!((endpoint.show, endpoint.priority, endpoint.notes.len()), (Some(Show::Dnd), 5, 2));
    let batch = endpoint.to_stanza(HEAD, None);
    assert_eq!(Endpoint::of(&StanzaRef::of(batch.element(0)).unwrap(), "c"), Some(endpoint.clone()));
    let bare = endpoint.bare().to_stanza(HEAD, None);
    let raw = bare.element(0).raw().to_owned();
    assert!(!raw.contains("status") && raw.contains("<show>dnd</show>"), "{raw}");
    assert_eq!(of_stanza("<show>dancing</show><priority>900</priority>"), Endpoint::available("c"));
}

proptest! {
    /// What XMPP says survives the way through PIDF, but for negative priorities and the form of resources.
    #[test]
    fn presence_survives_pidf(
        show in proptest::option::of(0..4_usize),
        priority in 0..=127_i8,
        texts in proptest::collection::vec("[a-zé<&\"' ]{0,20}", 0..3),
    ) {
        let notes = texts.iter().filter_map(|text| note(None, text)).collect();
        let show = show.map(|index| Show::ALL[index]);
        let endpoint = Endpoint { show, priority, notes, ..Endpoint::available("home") };
        prop_assert_eq!(read(write(&user(), std::slice::from_ref(&endpoint)).as_bytes()), Ok(vec![endpoint]));
    }

    #[test]
    fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
    }
}
