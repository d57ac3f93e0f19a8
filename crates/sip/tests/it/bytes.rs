//! Bytes as they come: cut anywhere, too many, too few, of any kind.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sip::{
    FieldError, Limits, NameAddr, Status, Uri, Via,
    message::{Defect, Flaw, Frame, StreamFramer, datagram},
};

const HEAD: &str = "MESSAGE sip:user2@domain.com SIP/2.0\n\
    Via: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse\n\
    Max-Forwards: 70\n\
    From: sip:user1@domain.com;tag=49583\n\
    To: sip:user2@domain.com\n\
    Call-ID: asd88asd77a@1.2.3.4\n\
    CSeq: 1 MESSAGE\n\
    Content-Type: text/plain\n";

/// RFC 3428 §10, message F1, with other lines at its end.
fn message(lines: &str, body: &str) -> Vec<u8> {
    format!("{HEAD}{lines}\n{body}").replace('\n', "\r\n").into_bytes()
}

fn flaw_of(bytes: &[u8]) -> Flaw {
    datagram(Bytes::copy_from_slice(bytes), &Limits::default()).expect_err("malformed").flaw
}

fn describe(frame: &Frame) -> String {
    match frame {
        Frame::Message(message) => format!("{:?}", message.to_bytes()),
        Frame::Ping => "ping".to_owned(),
        Frame::Pong => "pong".to_owned(),
        Frame::Refused(defect) => format!("refused {}", defect.flaw),
    }
}

/// The frames of a stream that comes in these chunks, and how it ended if it did.
fn frames<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut framer, mut buffer, mut seen) = (StreamFramer::new(Limits::default()), BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(frame)) => seen.push(describe(&frame)),
                Ok(None) => break,
                Err(defect) => {
                    seen.push(format!("closed {}", defect.flaw));
                    return seen;
                }
            }
        }
    }
    seen
}

fn stream() -> Vec<u8> {
    let mut stream = b"\r\n\r\n".to_vec();
    stream.extend(message("Content-Length: 6\n", "Watson"));
    stream.extend(b"\r\n\r\n\r\n\r\n");
    stream.extend(message("l: 0\nX-Folded: a\n b\n\tc\n", ""));
    stream.extend(message("Subject: \u{ff}\nl: 4\n", "l: 5").iter().map(|b| if *b == 0xc3 { 0xff } else { *b }));
    stream.extend(b"\r\n");
    stream.extend(message("Content-Length : 2\n", "ok"));
    stream
}

#[test]
fn a_stream_reads_alike_wherever_it_is_cut() {
    let stream = stream();
    let whole = frames(std::iter::once(&stream[..]));
    assert_eq!(whole.len(), 8);
    assert_eq!(whole[0], "ping");
    assert_eq!(whole[5], "refused Header Field Not UTF-8");
    assert_eq!(whole[6], "pong");
    for at in 0..stream.len() {
        assert_eq!(frames([&stream[..at], &stream[at..]].into_iter()), whole, "cut at {at}");
    }
    assert_eq!(frames(stream.chunks(1)), whole);
}

/// RFC 3261 §18.3: a datagram's surplus is discarded, a missing Content-Length means to its end.
#[test]
fn a_datagram_ends_its_body() {
    for (lines, body, expected) in [("", "Watson", "Watson"), ("l: 3\n", "Watson", "Wat"), ("l: 0\n", "", "")] {
        let read = datagram(message(lines, body).into(), &Limits::default()).unwrap().unwrap();
        assert_eq!(read.body(), expected);
    }
    assert_eq!(flaw_of(&message("l: 7\n", "Watson")), Flaw::BodyShort);
    for keep_alive in ["", "\r\n\r\n", "\r\n"] {
        assert!(datagram(Bytes::from(keep_alive), &Limits::default()).unwrap().is_none());
    }
}

#[test]
fn content_length_comes_once_and_is_a_number() {
    for (lines, flaw) in [
        ("l: 6\nContent-Length: 6\n", Flaw::ContentLength("Repeated")),
        ("l: 6\nl: 5\n", Flaw::ContentLength("Repeated")),
        ("l: 6, 6\n", Flaw::ContentLength("Malformed")),
        ("l: +6\n", Flaw::ContentLength("Malformed")),
        ("l: -6\n", Flaw::ContentLength("Malformed")),
        ("l:\n", Flaw::ContentLength("Malformed")),
        ("l: 6 6\n", Flaw::ContentLength("Malformed")),
        ("l: 99999999999999999999999999\n", Flaw::BodyTooLarge),
        ("l: 65537\n", Flaw::BodyTooLarge),
    ] {
        let bytes = message(lines, "Watson");
        assert_eq!(flaw_of(&bytes), flaw, "{lines}");
        let closed = frames(std::iter::once(&bytes[..]));
        assert_eq!(closed, [format!("closed {flaw}")], "{lines}");
    }
    let closed = frames(std::iter::once(&message("", "Watson")[..]));
    assert_eq!(closed, ["closed Missing Content-Length"]);
}

/// Two readers that take different bytes for a line end see different fields.
#[test]
fn only_crlf_ends_a_line() {
    for (good, bad) in [("To: sip", "To: a\n\rX: sip"), ("Max", "X: a\nMax"), ("Max", "X: a\rMax")] {
        let text = String::from_utf8(message("l: 0\n", "")).unwrap().replacen(good, bad, 1);
        assert_eq!(flaw_of(text.as_bytes()), Flaw::LineEnd, "{bad:?}");
        assert_eq!(frames(std::iter::once(text.as_bytes())), ["closed Malformed Line End"]);
    }
    assert_eq!(flaw_of(b"MESSAGE sip:a@b.example SIP/2.0\r\nVia: x"), Flaw::LineEnd);
}

#[test]
fn a_message_beyond_its_limits_is_refused() {
    let long = format!("X: {}\nl: 0\n", "a".repeat(16 * 1024));
    assert_eq!(flaw_of(&message(&long, "")), Flaw::HeadTooLarge);
    assert_eq!(flaw_of(&message(&"X: a\n".repeat(128), "")), Flaw::HeadTooLarge);
    assert_eq!(Flaw::HeadTooLarge.status(), Status::MESSAGE_TOO_LARGE);
    let endless = "a".repeat(16 * 1024 + 1);
    assert_eq!(frames(endless.as_bytes().chunks(1000)), ["closed Header Section Too Large"]);
}

/// A megabyte of header, and ten thousand fields: refused at the limit, on a stream before the rest is read.
#[test]
fn a_head_of_any_size_costs_no_more_than_the_limit() {
    let limits = Limits::default();
    let huge = message(&format!("X: {}\nl: 0\n", "a".repeat(1 << 20)), "");
    let many = message(&format!("{}l: 0\n", "Y: a\n".repeat(10_000)), "");
    for bytes in [huge, many] {
        assert_eq!(flaw_of(&bytes), Flaw::HeadTooLarge);
        let (mut framer, mut buffer, mut fed) = (StreamFramer::new(limits), BytesMut::new(), 0);
        let flaw = bytes.chunks(1024).find_map(|chunk| {
            buffer.extend_from_slice(chunk);
            fed += chunk.len();
            framer.next(&mut buffer).map(|frame| assert!(frame.is_none())).err()
        });
        let defect = flaw.unwrap();
        assert_eq!((defect.flaw.clone(), defect.flaw.status()), (Flaw::HeadTooLarge, Status::MESSAGE_TOO_LARGE));
        assert!(fed <= limits.head_bytes_max + 1024, "{fed}");
        assert!(defect.answer.is_some(), "its fields came before");
    }
    // 128 fields fit, and one more does not.
    let fields = |count: usize| message(&format!("{}l: 0\n", "Y: a\n".repeat(count - 8)), "");
    assert!(datagram(fields(128).into(), &limits).is_ok());
    assert_eq!(flaw_of(&fields(129)), Flaw::HeadTooLarge);
}

/// Two messages of one segment are two, also where the first is refused.
#[test]
fn messages_of_one_segment_are_told_apart() {
    let good = message("l: 6\n", "Watson");
    let bad = String::from_utf8(message("l: 6\n", "Watson")).unwrap().replace("CSeq: 1", "CSeq: x").into_bytes();
    let both = |one: &[u8], other: &[u8]| frames(std::iter::once(&[one, other].concat()[..]));
    let seen = both(&good, &good);
    assert_eq!((seen.len(), &seen[0]), (2, &seen[1]));
    assert_eq!(both(&bad, &good), ["refused Malformed CSeq", &seen[0]]);
    // In a datagram the second is surplus (RFC 3261 §18.3).
    let read = datagram([&good[..], &good].concat().into(), &Limits::default()).unwrap().unwrap();
    assert_eq!(read.body(), "Watson");
    let (one, other) = (good.split_at(good.len() - 3).0, &good[..]);
    let torn = both(one, other);
    assert_ne!(torn[0], seen[0], "a body that is cut takes from what follows, and only its length says so");
}

#[test]
fn a_missing_field_is_named() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text = String::from_utf8(message("l: 0\n", "")).unwrap().replace(&format!("{name}:"), "X:");
        assert_eq!(flaw_of(text.as_bytes()), Flaw::Field(FieldError::Missing(name)));
    }
    let text = String::from_utf8(message("l: 0\n", "")).unwrap().replace("Max-Forwards:", "X:");
    assert!(datagram(text.into(), &Limits::default()).is_ok());
}

/// The header that is not UTF-8 does not take the others with it.
#[test]
fn an_answer_to_bytes_that_are_not_utf8_keeps_the_other_fields() {
    let mut bytes = message("l: 0\n", "");
    let at = bytes.windows(6).position(|w| w == b"user1@").unwrap();
    bytes[at] = 0xff;
    let defect = datagram(bytes.into(), &Limits::default()).expect_err("not UTF-8");
    assert_eq!(defect.flaw, Flaw::NotUtf8);
    let answer = defect.answer.unwrap();
    assert!(answer.headers.from().is_err());
    assert_eq!(answer.headers.call_id(), Ok("asd88asd77a@1.2.3.4"));
    assert!(answer.headers.to().unwrap().tag().is_some());
}

#[test]
fn an_ack_or_a_response_is_never_answered() {
    let text = String::from_utf8(message("l: 0\n", "")).unwrap();
    for start in ["ACK sip:user2@domain.com SIP/2.0", "SIP/2.0 200 OK"] {
        let text = text.replace("MESSAGE sip:user2@domain.com SIP/2.0", start).replace("CSeq: 1 MESSAGE", "CSeq: x");
        let defect: Defect = datagram(text.into(), &Limits::default()).expect_err("malformed");
        assert!(defect.answer.is_none());
    }
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(sizes in proptest::collection::vec(1_usize..200, 1..60)) {
        let stream = stream();
        let (mut rest, mut chunks) = (&stream[..], Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(frames(chunks.into_iter()), frames(std::iter::once(&stream[..])));
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = datagram(Bytes::copy_from_slice(&bytes), &Limits::default());
        let _ = frames(bytes.chunks(7));
    }

    #[test]
    fn no_change_of_a_message_makes_reading_panic(at in 0_usize..400, with in any::<[u8; 3]>()) {
        let mut bytes = message("Contact: \"a\" <sip:a@b.example>;expires=5, <sip:c@d.example>\nl: 6\n", "Watson");
        for (offset, byte) in with.into_iter().enumerate() {
            let length = bytes.len();
            bytes[(at + offset) % length] = byte;
        }
        if let Ok(Some(message)) = datagram(bytes.clone().into(), &Limits::default()) {
            prop_assert!(datagram(message.to_bytes(), &Limits::default()).is_ok());
        }
        let _ = frames(bytes.chunks(13));
    }

    #[test]
    fn values_are_written_as_they_are_read(text in "[\\x09\\x20-\\x7e\u{e9}]{0,60}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
        }
        if let Ok(address) = NameAddr::parse(&text) {
            prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
        }
        if let Ok(via) = Via::parse(&text) {
            prop_assert_eq!(Via::parse(&via.to_string()), Ok(via));
        }
    }

    #[test]
    fn any_user_part_survives_the_uri(user in "\\PC{1,30}") {
        let uri = Uri::sip(Some(&user), "contoso.example", None).unwrap();
        let again = Uri::parse(&uri.to_string()).unwrap();
        prop_assert_eq!(again.user_text(), Some(user));
    }
}
