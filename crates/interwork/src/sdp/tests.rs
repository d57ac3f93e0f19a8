use proptest::prelude::*;
use sip::{Method, Uri};

use super::*;

/// An offer in the form of the gateway's reference ("IM session"); no real server was at hand.
const LYNC: &str = "v=0\r\no=- 0 0 IN IP4 192.0.2.7\r\ns=session\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
    m=message 5060 sip null\r\na=accept-types:text/plain multipart/alternative image/gif text/rtf text/html \
    application/im-iscomposing+xml application/ms-imdn+xml text/x-msmsgsinvite\r\n";

fn with(media: &str) -> String {
    format!("v=0\no=- 0 0 IN IP4 192.0.2.7\ns= \nc=IN IP4 192.0.2.7\nt=0 0\n{media}")
}

fn read(text: &str) -> Result<Description, Refusal> {
    Description::read(text.as_bytes())
}

#[test]
fn an_offer_of_lync_is_read_and_answered() {
    let offer = read(LYNC).unwrap();
    for (essence, accepted) in
        [("text/plain", true), ("application/im-iscomposing+xml", true), ("message/cpim", false), ("text/xml", false)]
    {
        assert_eq!(offer.accepts(essence), accepted, "{essence}");
    }
    let answer = "v=0\r\no=- 0 0 IN IP4 198.51.100.1\r\ns=session\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
        m=message 5060 sip null\r\n\
        a=accept-types:text/plain text/html multipart/alternative application/im-iscomposing+xml\r\n";
    assert_eq!(offer.answer("198.51.100.1".parse().unwrap(), 5060), answer);
}

#[test]
fn our_offer_is_one_that_we_would_take() {
    let ours = offer("2001:db8::1".parse().unwrap(), 5061);
    assert!(ours.contains("o=- 0 0 IN IP6 2001:db8::1\r\n") && ours.contains("m=message 5061 sip null\r\n"), "{ours}");
    assert_eq!(read(&ours).unwrap().answer("2001:db8::1".parse().unwrap(), 5061), ours);
}

#[test]
fn old_servers_and_the_answers_of_clients_are_read() {
    for media in [
        "m=x-ms-message 5060 sip sip:juliet@example.com\na=accept-types:*\n",
        "m=message 5060 SIP null",
        "m=message 5060 sip null\r\n\r\n",
        "m=message 5060/1 sip null\na=accept-types:text/*\n",
        "m=message 5060 sip sip:romeo@example.net\r\na=accept-types:TEXT/PLAIN;charset=UTF-8\r\na=x:y\r\n",
    ] {
        let description = read(&with(media)).unwrap();
        assert!(description.accepts("text/plain"), "{media}");
    }
    let old = read(&with("m=x-ms-message 5060 sip null\n")).unwrap();
    assert!(old.answer("192.0.2.1".parse().unwrap(), 5060).contains("m=x-ms-message 5060 sip null\r\n"));
    assert!(!old.accepts("text/html"), "without a list: plain text");
    let wrapped = read(&with("m=message 1 sip null\na=accept-types:text/plain\na=accept-wrapped-types:text/html\n"));
    assert_eq!(wrapped.unwrap().wrapped_types(), ["text/html"]);
}

/// RFC 3264 §6: as many media lines in the same order; a refused one has port 0.
#[test]
fn other_media_are_answered_with_port_0() {
    let offer = read(&with(
        "m=audio 49170 RTP/AVP 0 8\na=rtpmap:0 PCMU/8000\nm=message 5060 sip null\na=accept-types:text/plain\nm=message 7394 \
         TCP/MSRP *\n",
    ));
    let answer = offer.unwrap().answer("192.0.2.1".parse().unwrap(), 5060);
    let media: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=audio 0 RTP/AVP 0 8", "m=message 5060 sip null", "m=message 0 TCP/MSRP *"]);
}

/// RFC 3264 §6.1.
#[test]
fn a_direction_is_answered_by_its_counterpart() {
    for (offered, answered) in [
        ("sendonly", Some("recvonly")),
        ("recvonly", Some("sendonly")),
        ("inactive", Some("inactive")),
        ("sendrecv", None),
    ] {
        for media in [
            format!("m=message 5060 sip null\na={offered}\n"),
            format!("a={offered}\nm=message 5060 sip null\nm=audio 1 RTP/AVP 0\na=inactive\n"),
        ] {
            let answer = read(&with(&media)).unwrap().answer("192.0.2.1".parse().unwrap(), 5060);
            let found = answer.lines().filter_map(|line| line.strip_prefix("a=")).find(|line| !line.contains(':'));
            assert_eq!(found, answered, "{media}");
        }
    }
}

/// RFC 3261 §20.43 and §21.4.26; the MSRP line is that of RFC 7573 example 2.
#[test]
fn what_is_no_message_session_is_refused_with_its_warning() {
    for (media, refusal, warning) in [
        ("m=message 7313 TCP/MSRP *\n", Refusal::Transport, "302 gw.example "),
        ("m=audio 49170 RTP/AVP 0\n", Refusal::Media, "304 gw.example "),
        ("", Refusal::Media, "304 gw.example "),
        ("m=message 0 sip null\n", Refusal::Media, "304 gw.example "),
        ("m=message 5060 sip null\na=accept-types:text/html\n", Refusal::Format, "305 gw.example "),
        ("m=message 5060 sip null\na=accept-types:\n", Refusal::Format, "305 gw.example "),
    ] {
        assert_eq!(read(&with(media)), Err(refusal), "{media}");
        assert_eq!(refusal.answer().status, Status::NOT_ACCEPTABLE_HERE);
        assert!(refusal.fields("gw.example")[0].1.starts_with(warning), "{refusal}");
    }
    assert!(Refusal::Media.fields("a b\"")[0].1.starts_with("304 - \""));
}

#[test]
fn a_broken_description_is_malformed() {
    let long = with(&format!("m=message 5060 sip null\na={}\n", "x".repeat(SDP_BYTES_MAX)));
    let many = with(&"m=message 5060 sip null\n".repeat(MEDIA_MAX + 1));
    for text in [
        "",
        "\r\n",
        "v=1\r\n",
        "o=- 0 0 IN IP4 192.0.2.7\ns=-\nt=0 0\nm=message 5060 sip null\n",
        "v=0\ns=-\nt=0 0\nm=message 5060 sip null\n",
        "v=0\no=- 0 0 IN IP4\ns=-\nt=0 0\nm=message 5060 sip null\n",
        "v=0\no=- 0 0 IN IP4 192.0.2.7\nt=0 0\nm=message 5060 sip null\n",
        "v=0\no=- 0 0 IN IP4 192.0.2.7\ns=-\nm=message 5060 sip null\n",
        &with("m=message 5060 sip\n"),
        &with("m=message x sip null\n"),
        &with("m=message 65536 sip null\n"),
        &with("m=message +1 sip null\n"),
        &with("m=message 5060 sip null\n\na=x\n"),
        &with("m=message 5060 sip null\n \n"),
        &with("m=message 5060 sip null\nt=0 0\n"),
        &with("m=message 5060 sip null\nv=0\n"),
        &with("m=message 5060 sip null\nx=0\n"),
        &with("m=message 5060 sip null\nmm=0\n"),
        &with("m=message 5060 sip null\na=a\0b\n"),
        &with("m=message 5060 sip null\ra=b\n"),
        &long,
        &many,
    ] {
        assert_eq!(read(text), Err(Refusal::Malformed), "{text}");
    }
    assert_eq!(Description::read(b"v=0\n\xff"), Err(Refusal::Malformed));
    assert_eq!(Refusal::Malformed.answer().status, Status::BAD_REQUEST);
    let most = with(&"m=message 5060 sip null\n".repeat(MEDIA_MAX));
    assert!(read(&most).is_ok());
}

fn invite(content_type: &str, body: &str) -> Request {
    let mut request = Request::new(Method::Invite, Uri::parse("sip:juliet@example.com").unwrap());
    request.set_body(content_type, body.to_owned()).unwrap();
    request
}

#[test]
fn the_type_of_the_body_decides_first() {
    assert_eq!(Description::of_request(&invite("application/SDP", LYNC)), read(LYNC).map(Some));
    assert_eq!(Description::of_request(&invite(SDP, "")), Ok(None), "the offer is ours to make");
    for content_type in ["text/plain", "multipart/mixed;boundary=x"] {
        assert_eq!(Description::of_request(&invite(content_type, LYNC)), Err(Refusal::ContentType));
    }
    assert_eq!(Refusal::ContentType.answer().status, Status::UNSUPPORTED_MEDIA_TYPE);
    assert!(Refusal::ContentType.fields("h").contains(&("Accept", SDP.to_owned())));
    let mut encoded = invite(SDP, LYNC);
    encoded.headers.push(Name::ContentEncoding, "gzip").unwrap();
    assert_eq!(Description::of_request(&encoded), Err(Refusal::ContentEncoding));
    let mut untyped = invite(SDP, LYNC);
    untyped.headers.remove(Name::ContentType);
    assert_eq!(Description::of_request(&untyped), Err(Refusal::ContentType));
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _read = Description::read(&body);
    }

    #[test]
    fn an_answer_has_the_media_of_its_offer(lines in proptest::collection::vec(
        "(m=(message|audio|x-ms-message) [0-9]{1,5} (sip|TCP/MSRP|RTP/AVP) [a-z0-9*]{1,5}|a=[a-z:/* -]{0,20}|c=IN IP4 a|b=x:1)",
        0..20,
    )) {
        if let Ok(offer) = read(&with(&lines.join("\n"))) {
            let answer = offer.answer(IpAddr::from([192, 0, 2, 1]), 5060);
            let again = read(&answer);
            prop_assert!(again.is_ok(), "{}", answer);
            prop_assert_eq!(answer.matches("\r\nm=").count(), lines.iter().filter(|line| line.starts_with("m=")).count());
            prop_assert!(answer.lines().filter(|line| line.starts_with("m=") && !line.contains(" 0 ")).count() == 1);
        }
    }
}
