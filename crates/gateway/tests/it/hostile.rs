//! What must not harm: broken messages, unsupported requests, loops.

use sip::{Method, Name, message::StreamFramer};

use crate::scene::Scene;

const HEAD: &str = "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx;rport\r\nMax-Forwards: 70\r\n\
                    From: <sip:romeo@contoso.example>;tag=a\r\nTo: <sip:juliet@fabrikam.example>\r\n\
                    Call-ID: c1\r\nCSeq: 1 MESSAGE\r\n";

fn message(head: &str, rest: &str) -> Vec<u8> {
    format!("MESSAGE sip:juliet@fabrikam.example SIP/2.0\r\n{head}{rest}").into_bytes()
}

#[tokio::test]
async fn a_broken_datagram_is_answered_where_it_can_be_and_harms_nothing() {
    let scene = Scene::start().await;
    let without = |name: &str| HEAD.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect::<String>();
    let not_utf_8 = [message(HEAD, "Subject: ").as_slice(), b"\xff\r\nContent-Length: 0\r\n\r\n"].concat();
    for (what, bytes, status) in [
        ("two Content-Length", message(HEAD, "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Some(400)),
        ("a shorter body", message(HEAD, "Content-Length: 10\r\n\r\nab"), Some(400)),
        ("no From", message(&without("From"), "Content-Length: 0\r\n\r\n"), None),
        ("no CSeq", message(&without("CSeq"), "Content-Length: 0\r\n\r\n"), None),
        ("a header that is not UTF-8", not_utf_8, Some(400)),
        ("no blank line", message(HEAD, ""), None),
        ("no SIP at all", b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
        ("a bare line feed", message(&HEAD.replace("\r\n", "\n"), "\n"), None),
        ("zeros", vec![0; 4096], None),
        ("a number that is too large", message(HEAD, "Content-Length: 99999999999999999999\r\n\r\n"), Some(413)),
    ] {
        let mut phone = scene.phone("romeo").await;
        phone.write(bytes).await;
        if let Some(status) = status {
            assert_eq!(phone.response().await.status.code(), status, "{what}");
        }
        scene.is_well().await;
    }
    assert_eq!(scene.sip_count("malformed"), 10);
}

#[tokio::test]
async fn bytes_behind_the_body_of_a_datagram_are_discarded() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let request = romeo.text_request("sip:juliet@fabrikam.example", "abc");
    let request = romeo.prepared(request);
    romeo.write([request.to_bytes().as_ref(), b"def"].concat()).await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.body.as_deref(), Some("abc"));
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);
}

#[tokio::test]
async fn a_stream_that_cannot_be_framed_is_closed_and_others_go_on() {
    let mut scene = Scene::start().await;
    let mut good = scene.registered_by_tcp("tybalt").await;
    for rest in ["\r\nhello", "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"] {
        let mut bad = crate::phone::Phone::tcp(scene.gateway.sip_tcp()[0], "romeo").await;
        bad.write(message(HEAD, rest)).await;
        assert_eq!(bad.response().await.status.code(), 400);
        assert!(bad.is_closed().await);
    }
    good.begin("sip:juliet@fabrikam.example", "still here").await;
    scene.edge.next().await.written();
    assert_eq!(good.response().await.status.code(), 202);
}

#[tokio::test]
async fn a_message_cut_anywhere_on_a_stream_arrives_whole() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered_by_tcp("romeo").await;
    let request = romeo.text_request("sip:juliet@fabrikam.example", "in pieces");
    let bytes = romeo.prepared(request).to_bytes();
    for piece in bytes.chunks(7) {
        romeo.write(piece.to_vec()).await;
        tokio::task::yield_now().await;
    }
    let sent = scene.edge.next().await;
    assert_eq!(sent.body.as_deref(), Some("in pieces"));
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);
    romeo.write(StreamFramer::PONG.repeat(2)).await;
    assert_eq!(romeo.options().await.status.code(), 200, "a keep-alive disturbs nothing");
}

#[tokio::test]
async fn what_is_not_supported_is_refused_with_what_is() {
    let scene = Scene::start().await;
    let mut phone = scene.phone("romeo").await;
    let (us, juliet) = ("sip:romeo@contoso.example", "sip:juliet@fabrikam.example");
    for (method, status) in [
        (Method::Info, 405),
        (Method::Bye, 405),
        (Method::Subscribe, 489),
        (Method::Publish, 489),
        (Method::Other("SERVICE".into()), 501),
    ] {
        let request = phone.request(method.clone(), juliet, us, juliet);
        let response = phone.ask(request).await;
        assert_eq!(response.status.code(), status, "{method}");
        assert_eq!(response.headers.first(Name::Allow), Some("MESSAGE, OPTIONS, REGISTER"));
    }
    let invite = phone.request(Method::Invite, juliet, us, juliet);
    let response = phone.ask(invite).await;
    assert_eq!(response.status.code(), 405);
    scene.is_well().await;
}

#[tokio::test]
async fn a_request_that_must_not_go_on_is_refused() {
    let scene = Scene::start().await;
    let mut phone = scene.registered("romeo").await;
    let juliet = "sip:juliet@fabrikam.example";
    let mut exhausted = phone.text_request(juliet, "x");
    exhausted.headers.set(Name::MaxForwards, 0).unwrap();
    let mut secure = phone.text_request(juliet, "x");
    secure.headers.set(Name::To, "<sips:juliet@fabrikam.example>").unwrap();
    let mut telephone = phone.text_request(juliet, "x");
    telephone.uri = sip::Uri::parse("tel:+15551234").unwrap();
    let mut in_dialog = phone.text_request(juliet, "x");
    in_dialog.headers.set(Name::To, "<sip:juliet@fabrikam.example>;tag=gone").unwrap();
    let mut looped = phone.text_request(juliet, "x");
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKours", scene.gateway.sip_udp()[0]);
    looped.headers.push_front(Name::Via, via).unwrap();
    let mut demanding = phone.text_request(juliet, "x");
    demanding.headers.push(Name::Require, "100rel").unwrap();
    for (request, status) in
        [(exhausted, 483), (secure, 416), (telephone, 416), (in_dialog, 481), (looped, 482), (demanding, 420)]
    {
        let response = phone.ask(request).await;
        assert_eq!(response.status.code(), status);
        if status == 420 {
            assert_eq!(response.headers.first(Name::Unsupported), Some("100rel"));
        }
    }
    scene.is_well().await;
}

/// The messages of RFC 4475, whole, cut and with bytes overwritten: none becomes a stanza or a registration, none harms.
#[tokio::test]
async fn torture_makes_no_stanza_and_no_harm() {
    let mut scene = Scene::start().await;
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/rfc4475");
    let mut count = 0;
    for entry in std::fs::read_dir(vectors).unwrap() {
        let whole = std::fs::read(entry.unwrap().path()).unwrap();
        let half = whole[..whole.len() / 2].to_vec();
        let mut overwritten = whole.clone();
        overwritten.iter_mut().step_by(101).for_each(|byte| *byte = 0);
        for bytes in [whole, half, overwritten] {
            let mut datagram = scene.phone("romeo").await;
            datagram.write(bytes.clone()).await;
            let mut stream = crate::phone::Phone::tcp(scene.gateway.sip_tcp()[0], "romeo").await;
            stream.write(bytes).await;
            count += 1;
        }
        assert_eq!(scene.phone("tybalt").await.options().await.status.code(), 200);
    }
    assert!(count > 100);
    assert!(scene.gateway.registrations().await.is_empty());
    assert!(scene.edge.is_silent().await);
    scene.is_well().await;
}
