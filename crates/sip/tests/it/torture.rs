//! The torture messages of RFC 4475, bit for bit as its appendix has them, and those of RFC 5118 as its text has them: one
//! row each, with the verdict that the RFC gives.

use std::{net::IpAddr, time::Instant};

use bytes::{Bytes, BytesMut};
use lexicon::{Now, Timestamp};
use sip::{
    FieldError, Flow, FlowId, Layer, Limits, Message, Name, Request, Response, Status, Transport,
    digest::Credentials,
    message::{Contacts, Defect, Flaw, Frame, StreamFramer, datagram},
    registrar::{self, Registrar},
    transaction::{self, Input, Output},
    uas::{Understood, refusal},
};

fn vector(name: &str) -> Bytes {
    let folder = format!("{}/../../tests/vectors", env!("CARGO_MANIFEST_DIR"));
    let set = if ROWS_5118.iter().any(|(row, ..)| *row == name) { "rfc5118" } else { "rfc4475" };
    let mut bytes = std::fs::read(format!("{folder}/{set}/{name}.dat")).unwrap();
    if name == "baddn" {
        // The archive lacks its blank line, which is not what the message is about.
        bytes.extend_from_slice(b"\r\n");
    }
    let printed = [("ipv6-in-sdp", "268"), ("mult-ip-in-sdp", "181"), ("ipv4-mapped-ipv6", "236")];
    if let Some((_, length)) = printed.iter().find(|(row, _)| *row == name) {
        // The printed Content-Length is not that of the printed body, which is not what the message is about.
        let text = String::from_utf8(bytes).unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1.len();
        bytes = text.replace(&format!("Content-Length: {length}"), &format!("Content-Length: {body}")).into_bytes();
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

/// What the RFC says that an endpoint does.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Verdict {
    /// It is well formed, and there is nothing against it.
    Takes,
    /// It is well formed and refused with this status by what it asks.
    Answers(u16),
    /// It is well formed, and its credentials are none that we know: the gateway challenges (401).
    Challenges,
    /// It is malformed and answered by the status of the flaw.
    Refuses(Flaw, u16),
    /// It is a malformed response.
    Drops,
    /// It is a well-formed response to nothing that we sent, or not to us.
    Discards,
}
use Verdict::{Answers, Challenges, Discards, Drops, Refuses, Takes};

type Row = (&'static str, &'static str, Verdict);

const ADDRESS: Flaw = Flaw::Field(FieldError::Address);
const CSEQ: Flaw = Flaw::Field(FieldError::CSeq);
const URI: Flaw = Flaw::Field(FieldError::Uri);

const ROWS_4475: [Row; 49] = [
    ("wsinv", "3.1.1.1", Takes),
    ("intmeth", "3.1.1.2", Answers(501)),
    ("esc01", "3.1.1.3", Takes),
    ("escnull", "3.1.1.4", Takes),
    ("esc02", "3.1.1.5", Answers(501)),
    ("lwsdisp", "3.1.1.6", Takes),
    ("longreq", "3.1.1.7", Takes),
    ("dblreq", "3.1.1.8", Takes),
    ("semiuri", "3.1.1.9", Takes),
    ("transports", "3.1.1.10", Takes),
    ("mpart01", "3.1.1.11", Takes),
    ("unreason", "3.1.1.12", Discards),
    ("noreason", "3.1.1.13", Discards),
    ("badinv01", "3.1.2.1", Refuses(Flaw::Field(FieldError::Via), 400)),
    ("clerr", "3.1.2.2", Refuses(Flaw::BodyShort, 400)),
    ("ncl", "3.1.2.3", Refuses(Flaw::ContentLength("Malformed"), 400)),
    ("scalar02", "3.1.2.4", Refuses(CSEQ, 400)),
    ("scalarlg", "3.1.2.5", Drops),
    ("quotbal", "3.1.2.6", Refuses(ADDRESS, 400)),
    ("ltgtruri", "3.1.2.7", Refuses(URI, 400)),
    ("lwsruri", "3.1.2.8", Refuses(Flaw::StartLine, 400)),
    ("lwsstart", "3.1.2.9", Refuses(Flaw::StartLine, 400)),
    ("trws", "3.1.2.10", Refuses(Flaw::StartLine, 400)),
    ("escruri", "3.1.2.11", Refuses(URI, 400)),
    ("baddate", "3.1.2.12", Takes),
    ("regbadct", "3.1.2.13", Refuses(ADDRESS, 400)),
    ("badaspec", "3.1.2.14", Refuses(ADDRESS, 400)),
    ("baddn", "3.1.2.15", Refuses(ADDRESS, 400)),
    ("badvers", "3.1.2.16", Refuses(Flaw::Version, 505)),
    ("mismatch01", "3.1.2.17", Refuses(CSEQ, 400)),
    ("mismatch02", "3.1.2.18", Refuses(Flaw::MethodMismatch, 501)),
    ("bigcode", "3.1.2.19", Drops),
    ("badbranch", "3.2.1", Takes),
    ("insuf", "3.3.1", Refuses(Flaw::Field(FieldError::Missing("From")), 400)),
    ("unkscm", "3.3.2", Answers(416)),
    ("novelsc", "3.3.3", Answers(416)),
    ("unksm2", "3.3.4", Answers(400)),
    ("bext01", "3.3.5", Answers(420)),
    ("invut", "3.3.6", Answers(415)),
    ("regaut01", "3.3.7", Challenges),
    ("multi01", "3.3.8", Refuses(Flaw::Field(FieldError::Repeated("From")), 400)),
    ("mcl01", "3.3.9", Refuses(Flaw::ContentLength("Repeated"), 400)),
    ("bcast", "3.3.10", Discards),
    ("zeromf", "3.3.11", Takes),
    ("cparam01", "3.3.12", Takes),
    ("cparam02", "3.3.13", Takes),
    ("regescrt", "3.3.14", Takes),
    ("sdp01", "3.3.15", Answers(406)),
    ("inv2543", "3.4.1", Takes),
];

const ROWS_5118: [Row; 12] = [
    ("ipv6-good", "4.1", Takes),
    ("ipv6-bad", "4.2", Refuses(URI, 400)),
    ("port-ambiguous", "4.3", Takes),
    ("port-unambiguous", "4.4", Takes),
    ("via-received-param-with-delim", "4.5", Takes),
    ("via-received-param-no-delim", "4.5", Takes),
    ("ipv6-in-sdp", "4.6", Takes),
    ("mult-ip-in-header", "4.7", Takes),
    ("mult-ip-in-sdp", "4.8", Takes),
    ("ipv4-mapped-ipv6", "4.9", Takes),
    ("ipv6-bug-abnf-3-colons", "4.10", Takes),
    ("ipv6-correct-abnf-2-colons", "4.10", Takes),
];

/// An endpoint with the usual abilities. INVITE needs an answer with a session description.
fn endpoint(request: &Request) -> Understood<'static> {
    Understood {
        methods: "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, REGISTER",
        extensions: &["timer"],
        bodies: &["application/sdp", "text/plain", "multipart/mixed"],
        answers: if request.method == sip::Method::Invite { &["application/sdp"] } else { &[] },
        passes_on: false,
    }
}

#[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
fn now() -> Now {
    Now { instant: Instant::now(), wall: Timestamp::from_millis(1_795_422_480_123) }
}

fn flow() -> Flow {
    Flow { id: FlowId(1), transport: Transport::Udp, sent_by: "192.0.2.2:5060".into() }
}

/// What the transaction layer makes of a message: how many requests come up, and the bytes that answer the first.
fn through_layer(message: Message, status: Status) -> (usize, Vec<Bytes>) {
    let mut layer = Layer::new(transaction::Limits::default(), [7; 32]);
    layer.handle(now(), Input::Received { flow: flow(), message });
    let (mut requests, mut written) = (0, Vec::new());
    while let Some(output) = layer.poll() {
        match output {
            Output::Request { id, request, .. } => {
                requests += 1;
                layer.handle(now(), Input::Respond { id, response: Response::to(&request, status, "b") });
            }
            Output::Transmit { bytes, .. } => written.push(bytes),
            other => panic!("{other:?}"),
        }
    }
    (requests, written)
}

fn judge(name: &str) -> (Verdict, Option<Message>) {
    let message = match datagram(vector(name), &Limits::default()) {
        Ok(message) => message.unwrap(),
        Err(Defect { answer: None, .. }) => return (Drops, None),
        Err(Defect { flaw, answer: Some(answer) }) => {
            assert_eq!((answer.status, answer.phrase()), (flaw.status(), flaw.to_string().as_str()), "{name}");
            return (Refuses(flaw, answer.status.code()), None);
        }
    };
    let verdict = match &message {
        Message::Response(_) => Discards,
        Message::Request(request) => match refusal(request, &endpoint(request)) {
            Some(refusal) => Answers(refusal.status.code()),
            None if request.headers.first(Name::Authorization).is_some() => {
                assert!(Credentials::find(&request.headers, "example.com").is_none());
                Challenges
            }
            None => Takes,
        },
    };
    (verdict, Some(message))
}

#[test]
fn each_message_has_the_verdict_of_its_rfc() {
    for (name, section, verdict) in ROWS_4475.iter().chain(&ROWS_5118) {
        let (found, message) = judge(name);
        assert_eq!(found, *verdict, "{name}, §{section}");
        let Some(message) = message else { continue };
        let (requests, written) = through_layer(message, Status::OK);
        let expected = usize::from(*verdict != Discards);
        assert_eq!((requests, written.len()), (expected, expected), "{name}, §{section}");
        for bytes in written {
            let answer = datagram(bytes, &Limits::default()).unwrap().unwrap();
            assert!(matches!(answer, Message::Response(response) if response.status == Status::OK), "{name}");
        }
    }
}

#[test]
fn each_file_has_its_row() {
    for (folder, rows) in [("rfc4475", &ROWS_4475[..]), ("rfc5118", &ROWS_5118[..])] {
        let path = format!("{}/../../tests/vectors/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".dat", ""))
            .collect();
        let mut names: Vec<_> = rows.iter().map(|(name, ..)| (*name).to_owned()).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
    }
}

#[test]
fn what_is_well_formed_is_written_back() {
    for (name, ..) in ROWS_4475.iter().chain(&ROWS_5118) {
        let Ok(Some(message)) = datagram(vector(name), &Limits::default()) else { continue };
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

/// §3.1.2.1 and §3.1.2.16: the answer goes where the Via says as far as it can be read, and copies it as it came.
#[test]
fn an_answer_copies_a_via_that_is_malformed_or_of_another_version() {
    let source = "192.0.2.9:4000".parse().unwrap();
    for (name, via, port) in [
        ("badinv01", "SIP/2.0/UDP 192.0.2.15;;,;,,", 5060),
        ("badvers", "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw", 5060),
    ] {
        let mut defect = datagram(vector(name), &Limits::default()).expect_err(name);
        let target = defect.note_source(source).unwrap();
        assert_eq!((target.ip(), target.port()), (source.ip(), port), "{name}");
        assert_eq!(defect.answer.unwrap().headers.first(Name::Via), Some(via));
    }
}

/// §3.3.4, §3.3.5, §3.3.11.
#[test]
fn a_refusal_says_what_is_missing_and_a_hop_counts_only_when_passing_on() {
    let refused = |name| {
        let request = request(name);
        let understood = endpoint(&request);
        refusal(&request, &understood).unwrap().response(&request, "b")
    };
    let unsupported = refused("bext01").headers.first(Name::Unsupported).map(str::to_owned);
    assert_eq!(unsupported.as_deref(), Some("nothingSupportsThis, nothingSupportsThisEither"));
    assert_eq!(refused("invut").headers.first(Name::Accept), Some("application/sdp, text/plain, multipart/mixed"));
    assert!(refused("intmeth").headers.first(Name::Allow).is_some());
    let zeromf = request("zeromf");
    let passing = Understood { passes_on: true, ..endpoint(&zeromf) };
    assert_eq!(refusal(&zeromf, &passing).map(|refusal| refusal.status), Some(Status::TOO_MANY_HOPS));
}

/// §3.2.1: "it could fall back to the RFC 2543-style transaction identifier".
#[test]
fn an_empty_transaction_identifier_is_none() {
    let mut layer = Layer::new(transaction::Limits::default(), [7; 32]);
    let mut other = request("badbranch");
    other.headers.set(Name::CallId, "other").unwrap();
    for request in [request("badbranch"), request("badbranch"), other] {
        layer.handle(now(), Input::Received { flow: flow(), message: Message::Request(request) });
    }
    let requests = std::iter::from_fn(|| layer.poll()).filter(|output| matches!(output, Output::Request { .. }));
    assert_eq!((requests.count(), layer.counters().requests_repeated), (2, 1));
}

/// §3.1.1.4, §3.3.12, §3.3.13, §3.3.14.
#[test]
fn registrations_keep_what_belongs_to_the_uri_and_nothing_else() {
    for (name, values) in [
        ("escnull", &["<sip:%00@host5.example.com>", "<sip:%00%00@host5.example.com>"][..]),
        ("cparam01", &["<sip:+19725552222@gw1.example.net>"]),
        ("cparam02", &["<sip:+19725552222@gw1.example.net;unknownparam>"]),
        ("regescrt", &["<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"]),
    ] {
        let mut registrar = Registrar::new(registrar::Limits::default());
        let source = "192.0.2.9:5060".parse().unwrap();
        let now = now().instant;
        registrar.register(now, "user@example.com", &request(name), &flow(), source).unwrap();
        let listed = registrar.contact_values(now, "user@example.com");
        let uris: Vec<_> = listed.iter().map(|value| value.split_once(">;").unwrap().0.to_owned() + ">").collect();
        assert_eq!(uris, values, "{name}");
    }
}

/// RFC 5118.
#[test]
fn ipv6_references_are_read_wherever_they_stand() {
    let uri = |name| request(name).uri;
    assert_eq!((uri("port-ambiguous").host(), uri("port-ambiguous").port()), ("[2001:db8::10:5070]", None));
    assert_eq!((uri("port-unambiguous").host(), uri("port-unambiguous").port()), ("[2001:db8::10]", Some(5070)));
    let received: IpAddr = "2001:db8::9:255".parse().unwrap();
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let via = request(name).headers.via().unwrap();
        assert_eq!((via.host.as_str(), via.received()), ("[2001:db8::9:1]", Some(received)), "{name}");
    }
    // "When sending a request, implementations must not put the delimiting [ and ]".
    let mut bye = request("via-received-param-with-delim");
    let target = bye.note_source("[2001:db8::9:255]:4000".parse().unwrap()).unwrap();
    assert_eq!(target, "[2001:db8::9:255]:5060".parse().unwrap());
    assert_eq!(bye.headers.via().unwrap().params.value("received"), Some("2001:db8::9:255"));

    let vias: Vec<_> = request("mult-ip-in-header").headers.vias().map(Result::unwrap).collect();
    assert_eq!(
        (vias[0].port, vias[1].host.as_str(), vias[2].received()),
        (Some(6050), "192.0.2.1", "192.0.2.200".parse().ok())
    );
    let mapped = request("ipv4-mapped-ipv6").headers.via().unwrap();
    assert_eq!((mapped.host.as_str(), mapped.port), ("[::ffff:192.0.2.10]", Some(19823)));
    // "it may additionally serialize the message without the extra colon".
    assert_eq!(uri("ipv6-bug-abnf-3-colons"), uri("ipv6-correct-abnf-2-colons"));
    assert_eq!(uri("ipv6-bug-abnf-3-colons").to_string(), "sip:user@[2001:db8::192.0.2.1]");
    for name in ["ipv6-in-sdp", "mult-ip-in-sdp"] {
        assert!(request(name).body().ends_with(b"a=rtpmap:107 H263-1998/90000\r\n"), "{name}");
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
