use lexicon::Jid;
use sip::{Method, Name, NameAddr, Request, Status, Uri};
use xmpp::stanza::{Condition, StanzaError, StanzaRef};

use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

/// The MESSAGE of RFC 7572, example 4, with another body.
fn message(content_type: Option<&str>, body: &[u8]) -> Request {
    let romeo = NameAddr::new(uri("sip:romeo@example.net")).with_tag("vwxyz");
    let juliet = NameAddr::new(uri("sip:juliet@example.com"));
    let call_id = "9E97FB43-85F4-4A00-8751-1124FD4C7B2E";
    let mut request =
        Request::out_of_dialog(Method::Message, uri("sip:juliet@example.com"), &romeo, &juliet, call_id, 1).unwrap();
    request.set_body(content_type.unwrap_or("text/plain"), body.to_vec()).unwrap();
    if content_type.is_none() {
        request.headers.remove(Name::ContentType);
    }
    request
}

fn text(body: &str) -> Text {
    Text { body: body.into(), ..Text::default() }
}

/// RFC 7572 §5, table 2 and examples 4 to 7.
#[test]
fn a_sip_message_becomes_a_stanza() {
    let mut request = message(Some("text/plain"), "Nic z ob\u{e9}ho, m\u{e1} d\u{11b}vo".as_bytes());
    request.headers.push(Name::ContentLanguage, "cs").unwrap();
    request.headers.push(Name::Subject, "  Verona ").unwrap();
    let text = text_of(&request).unwrap();
    let (from, to) = (Jid::parse("romeo@example.net").unwrap(), Jid::parse("juliet@example.com").unwrap());
    let batch = stanza(Addresses { from: &from, to: &to, id: "m1" }, &text, "chat", Some("c@h"));
    let stanza = StanzaRef::of(batch.element(0)).unwrap();
    assert_eq!(
        (stanza.from(), stanza.to(), stanza.id()),
        (Some("romeo@example.net"), Some("juliet@example.com"), Some("m1"))
    );
    assert_eq!(stanza.stanza_type(), Some("chat"));
    assert_eq!(stanza.body().as_deref(), Some("Nic z ob\u{e9}ho, m\u{e1} d\u{11b}vo"));
    assert_eq!(stanza.subject().as_deref(), Some("Verona"));
    assert_eq!(stanza.thread().as_deref(), Some("c@h"));
    assert_eq!(stanza.element().lang().as_deref(), Some("cs"));
}

#[test]
fn a_body_with_a_text_form_is_taken() {
    for (content_type, body, result) in [
        (Some("text/plain"), &b"a"[..], Ok("a")),
        (Some("Text/Plain;charset=UTF-8"), b"a", Ok("a")),
        (Some("text/plain; charset=\"utf-8\""), b"a\r\nb\rc\n", Ok("a\nb\nc\n")),
        (Some("text/plain;charset=us-ascii;msgr=WAA"), b"a", Ok("a")),
        (Some("text/plain;charset=UTF-8;msgr=WAAtAE0ATQBTAA0ACgA="), b"a", Ok("a")),
        (Some("text/plain;charset=koi8-r"), b"a", Err(BodyError::Charset)),
        (Some("text/html"), b"<p>a</p>", Ok("a")),
        (Some("multipart/alternative;boundary=b"), b"--b\r\n\r\na\r\n--b--\r\n", Ok("a")),
        (Some("text/rtf"), b"{\\rtf1 a}", Err(BodyError::ContentType)),
        (Some("application/im-iscomposing+xml"), b"a", Err(BodyError::ContentType)),
        (Some("message/cpim"), b"a", Err(BodyError::Envelope(crate::cpim::Malformed))),
        (Some("message/cpim"), b"\r\nContent-Type: text/html\r\n\r\n<p>a</p>", Ok("a")),
        (Some("message/cpim"), b"\r\nContent-Type: message/cpim\r\n\r\n\r\n\r\na", Err(BodyError::ContentType)),
        (None, b"a", Err(BodyError::ContentType)),
        (Some("plain"), b"a", Err(BodyError::Malformed)),
        (Some("text/plain"), b"\xff", Err(BodyError::Undecodable)),
        (Some("text/plain"), b"", Err(BodyError::Empty)),
    ] {
        let found = text_of(&message(content_type, body)).map(|text| text.body);
        assert_eq!(found, result.map(str::to_owned), "{content_type:?}");
    }
    let mut encoded = message(Some("text/plain"), b"a");
    encoded.headers.push(Name::ContentEncoding, "gzip").unwrap();
    assert_eq!(text_of(&encoded), Err(BodyError::ContentEncoding));
}

const TAKEN: &str = "text/plain, text/html, multipart/alternative, message/cpim, application/im-iscomposing+xml";

#[test]
fn an_unsupported_body_is_answered_with_what_we_take() {
    for (error, field) in [
        (BodyError::Charset, ("Accept", TAKEN)),
        (BodyError::ContentType, ("Accept", TAKEN)),
        (BodyError::ContentEncoding, ("Accept-Encoding", "identity")),
    ] {
        assert_eq!(error.answer().status, Status::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(error.fields(), [field]);
    }
    assert_eq!(BodyError::Undecodable.answer().status, Status::BAD_REQUEST);
}

fn sent(text: &Text, path: Path) -> Result<Vec<Request>, StanzaError> {
    let (contact, from, to) =
        (uri("sip:romeo@192.0.2.7:5070;ob"), uri("sip:juliet@example.com"), uri("sip:romeo@example.net"));
    let mut count = 0;
    requests(text, Target { uri: &contact, from: &from, to: &to, path, enclosing: None }, || {
        count += 1;
        Ids { call_id: format!("call-{count}@gateway.example.net"), tag: format!("tag{count}") }
    })
}

/// RFC 7572 §4, table 1 and example 2; the resource stays away.
#[test]
fn a_stanza_becomes_a_sip_message() {
    let text = Text { subject: Some("Ver\nona".into()), language: Some("en".into()), ..text("Art thou not Romeo?") };
    let requests = sent(&text, Path::Any).unwrap();
    let [request] = requests.as_slice() else { panic!("one request") };
    assert_eq!(
        (&request.method, request.uri.to_string()),
        (&Method::Message, "sip:romeo@192.0.2.7:5070;ob".to_owned())
    );
    let headers = &request.headers;
    assert_eq!(headers.from().unwrap().to_string(), "<sip:juliet@example.com>;tag=tag1");
    assert_eq!(headers.to().unwrap().to_string(), "<sip:romeo@example.net>");
    assert_eq!(headers.call_id().unwrap(), "call-1@gateway.example.net");
    assert_eq!(headers.first(Name::Subject), Some("Ver ona"));
    assert_eq!(headers.first(Name::ContentLanguage), Some("en"));
    assert_eq!(headers.first(Name::ContentType), Some("text/plain;charset=UTF-8"));
    assert_eq!(headers.first(Name::Contact), None, "RFC 3428 \u{a7}4");
    assert_eq!(request.body().as_ref(), b"Art thou not Romeo?");
}

#[test]
fn a_long_text_is_split_where_a_datagram_may_carry_it() {
    let body = "\u{fc}".repeat(1500);
    let requests = sent(&text(&body), Path::Any).unwrap();
    assert!((3..=PARTS_MAX).contains(&requests.len()), "{}", requests.len());
    let mut call_ids: Vec<_> = requests.iter().map(|r| r.headers.call_id().unwrap().to_owned()).collect();
    call_ids.dedup();
    assert_eq!(call_ids.len(), requests.len(), "each part is a request of its own");
    for request in &requests {
        assert!(request.to_bytes().len() <= PAGE_BYTES_MAX);
        assert!(std::str::from_utf8(request.body()).is_ok());
    }
    assert_eq!(sent(&text(&body), Path::CongestionSafe).unwrap().len(), 1);
}

#[test]
fn a_text_beyond_the_limit_is_refused_with_the_limit() {
    for (path, length, limit) in
        [(Path::Any, 10_000, "8 messages"), (Path::CongestionSafe, BODY_BYTES_MAX + 1, "65536 bytes")]
    {
        let error = sent(&text(&"x".repeat(length)), path).unwrap_err();
        assert_eq!(error.condition, Condition::PolicyViolation);
        assert!(error.text.unwrap().contains(limit));
    }
    assert!(sent(&text(&"x".repeat(BODY_BYTES_MAX)), Path::CongestionSafe).is_ok());
}

#[test]
fn a_failure_after_acceptance_is_told_in_words() {
    for (error, notice) in [
        (StanzaError::new(Condition::ItemNotFound), "Not delivered: there is no such address"),
        (StanzaError::new(Condition::Forbidden).with_text("Add me\nfirst"), "Not delivered: Add me first"),
    ] {
        assert_eq!(failure_notice(&error).body, notice);
    }
    for &condition in Condition::ALL {
        assert!(failure_notice(&StanzaError::new(condition)).body.len() > 20, "{condition}");
    }
}
