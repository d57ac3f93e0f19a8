//! The torture messages of RFC 4475, bit for bit as its appendix has them.

use bytes::{Bytes, BytesMut};
use sip::{
    FieldError, Limits, Message, Name, Request, Status,
    message::{Contacts, Flaw, Frame, StreamFramer, datagram},
};

fn vector(name: &str) -> Bytes {
    let path = format!("{}/../../tests/vectors/rfc4475/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = std::fs::read(path).unwrap();
    if name == "baddn" {
        // The archive lacks its blank line, which is not what the message is about.
        bytes.extend_from_slice(b"\r\n");
    }
    Bytes::from(bytes)
}

fn read(name: &str) -> Message {
    datagram(vector(name), &Limits::default()).unwrap_or_else(|defect| panic!("{name}: {}", defect.flaw)).unwrap()
}

fn request(name: &str) -> Request {
    match read(name) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{name} is a request"),
    }
}

/// §3.1.1, §3.3, §3.4 and baddate, which only matters to who uses the date.
const WELL_FORMED: [&str; 28] = [
    "wsinv",
    "intmeth",
    "esc01",
    "escnull",
    "esc02",
    "lwsdisp",
    "longreq",
    "dblreq",
    "semiuri",
    "transports",
    "mpart01",
    "unreason",
    "noreason",
    "baddate",
    "badbranch",
    "unkscm",
    "novelsc",
    "unksm2",
    "bext01",
    "invut",
    "regaut01",
    "bcast",
    "zeromf",
    "cparam01",
    "cparam02",
    "regescrt",
    "sdp01",
    "inv2543",
];

#[test]
fn accepts_what_is_well_formed_and_writes_it_back() {
    for name in WELL_FORMED {
        let message = read(name);
        let again = datagram(message.to_bytes(), &Limits::default());
        let again = again.unwrap_or_else(|defect| panic!("{name} again: {}", defect.flaw)).unwrap();
        let fields = |message: &Message| -> Vec<(String, String)> {
            let all = message.headers().iter().filter(|(name, _)| *name != "Content-Length");
            all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(fields(&message), fields(&again), "{name}");
        assert_eq!(message.body(), again.body(), "{name}");
        if let (Message::Request(one), Message::Request(other)) = (&message, &again) {
            assert_eq!((&one.method, &one.uri), (&other.method, &other.uri), "{name}");
        }
    }
}

/// §3.1.2, §3.3.1, §3.3.8, §3.3.9.
#[test]
fn refuses_what_is_malformed_with_the_right_status() {
    let field = Flaw::Field;
    for (name, flaw, status) in [
        ("badinv01", field(FieldError::Via), Status::BAD_REQUEST),
        ("clerr", Flaw::BodyShort, Status::BAD_REQUEST),
        ("ncl", Flaw::ContentLength("Malformed"), Status::BAD_REQUEST),
        ("scalar02", field(FieldError::CSeq), Status::BAD_REQUEST),
        ("quotbal", field(FieldError::Address), Status::BAD_REQUEST),
        ("ltgtruri", field(FieldError::Uri), Status::BAD_REQUEST),
        ("lwsruri", Flaw::StartLine, Status::BAD_REQUEST),
        ("lwsstart", Flaw::StartLine, Status::BAD_REQUEST),
        ("trws", Flaw::StartLine, Status::BAD_REQUEST),
        ("escruri", field(FieldError::Uri), Status::BAD_REQUEST),
        ("regbadct", field(FieldError::Address), Status::BAD_REQUEST),
        ("badaspec", field(FieldError::Address), Status::BAD_REQUEST),
        ("baddn", field(FieldError::Address), Status::BAD_REQUEST),
        ("badvers", Flaw::Version, Status::VERSION_NOT_SUPPORTED),
        ("mismatch01", field(FieldError::CSeq), Status::BAD_REQUEST),
        ("mismatch02", field(FieldError::CSeq), Status::BAD_REQUEST),
        ("insuf", field(FieldError::Missing("From")), Status::BAD_REQUEST),
        ("multi01", field(FieldError::Repeated("From")), Status::BAD_REQUEST),
        ("mcl01", Flaw::ContentLength("Repeated"), Status::BAD_REQUEST),
    ] {
        let defect = datagram(vector(name), &Limits::default()).expect_err(name);
        assert_eq!((&defect.flaw, defect.flaw.status()), (&flaw, status), "{name}");
        // Their Via cannot be copied: the one is empty of sense, the other of another protocol version.
        if matches!(name, "badinv01" | "badvers") {
            assert!(defect.answer.is_none(), "{name}");
            continue;
        }
        let answer = defect.answer.expect(name);
        assert_eq!((answer.status, answer.phrase()), (status, flaw.to_string().as_str()), "{name}");
        assert!(answer.headers.via().is_ok(), "{name}");
    }
}

/// §3.1.2.5, §3.1.2.19: an element simply drops these.
#[test]
fn drops_malformed_responses_in_silence() {
    for name in ["scalarlg", "bigcode"] {
        assert!(datagram(vector(name), &Limits::default()).expect_err(name).answer.is_none());
    }
}

#[test]
fn reads_what_each_message_is_about() {
    let wsinv = request("wsinv");
    assert_eq!(wsinv.headers.max_forwards(), Some(68));
    assert_eq!(wsinv.headers.cseq().unwrap().number, 9);
    assert_eq!(wsinv.headers.from().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(wsinv.headers.vias().count(), 3);
    assert_eq!(wsinv.headers.first(Name::Subject), Some(""));
    assert_eq!(wsinv.headers.named("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    assert_eq!(wsinv.body().len(), 150);

    let intmeth = request("intmeth");
    assert_eq!(intmeth.method.as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(intmeth.headers.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));

    let esc01 = request("esc01");
    assert_eq!(esc01.uri.user_text().as_deref(), Some("sips:user@example.com"));
    let Contacts::List(contacts) = esc01.headers.contacts().unwrap() else { panic!("a contact") };
    assert!(contacts[0].uri.params().iter().any(|(_, value)| value == Some("v%61lue%25%34%31")));

    let Contacts::List(contacts) = request("esc02").headers.contacts().unwrap() else { panic!("contacts") };
    assert_eq!(contacts.len(), 2);
    assert_eq!(request("semiuri").uri.user_text().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(request("mpart01").body().len(), 553);
    assert_eq!(request("dblreq").body().len(), 0);
    assert_eq!(request("zeromf").headers.max_forwards(), Some(0));
    assert_eq!(request("inv2543").headers.max_forwards(), None);

    let Contacts::List(contacts) = request("cparam01").headers.contacts().unwrap() else { panic!("a contact") };
    assert!(contacts[0].params.has("unknownparam") && !contacts[0].uri.params().has("unknownparam"));
    let Contacts::List(contacts) = request("cparam02").headers.contacts().unwrap() else { panic!("a contact") };
    assert!(!contacts[0].params.has("unknownparam") && contacts[0].uri.params().has("unknownparam"));
    let Contacts::List(contacts) = request("regescrt").headers.contacts().unwrap() else { panic!("a contact") };
    assert_eq!(contacts[0].uri.headers(), Some("Route=%3Csip:sip.example.com%3E"));
}

/// §3.3.9, §3.1.2.3: on a stream the framing error is not recoverable. §3.1.2.2: the receiver waits for more.
#[test]
fn a_stream_ends_where_framing_is_lost() {
    for name in ["mcl01", "ncl", "inv2543"] {
        let mut buffer = BytesMut::from(&vector(name)[..]);
        assert!(StreamFramer::new(Limits::default()).next(&mut buffer).is_err(), "{name}");
    }
    let mut buffer = BytesMut::from(&vector("clerr")[..]);
    assert!(StreamFramer::new(Limits::default()).next(&mut buffer).unwrap().is_none());
    let mut buffer = BytesMut::from(&vector("dblreq")[..]);
    let mut framer = StreamFramer::new(Limits::default());
    assert!(matches!(framer.next(&mut buffer), Ok(Some(Frame::Message(_)))));
}
