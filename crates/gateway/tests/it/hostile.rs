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
    for (method, status) in [(Method::Other("REFER".into()), 501), (Method::Other("SERVICE".into()), 501)] {
        let request = phone.request(method.clone(), juliet, us, juliet);
        let response = phone.ask(request).await;
        assert_eq!(response.status.code(), status, "{method}");
        assert_eq!(
            response.headers.first(Name::Allow),
            Some("ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PUBLISH, REGISTER, SUBSCRIBE, UPDATE")
        );
    }
    for method in [Method::Info, Method::Bye, Method::Update] {
        let request = phone.request(method.clone(), juliet, us, juliet);
        assert_eq!(phone.ask(request).await.status.code(), 481, "{method} belongs into a dialog");
    }
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

/// RFC 3261 §21.5.7 where an answer can be made, and the end of the connection.
#[tokio::test]
async fn a_head_without_end_is_refused_and_costs_no_more_than_the_limit() {
    let mut scene = Scene::start().await;
    let long = format!("Subject: {}\r\n", "x".repeat(1_000_000));
    let many = "X-A: b\r\n".repeat(10_000);
    let folded = format!("Subject: a\r\n{}", " b\r\n".repeat(100_000));
    for (what, rest) in [("1 MB header", &long), ("10,000 headers", &many), ("100,000 folded lines", &folded)] {
        let bytes = message(HEAD, &format!("{rest}Content-Length: 0\r\n\r\n"));
        let mut bad = crate::phone::Phone::tcp(scene.gateway.sip_tcp()[0], "romeo").await;
        bad.try_write(&bytes).await;
        let answer = bad.read().await;
        if let Some(sip::Message::Response(response)) = answer {
            assert_eq!(response.status.code(), 513, "{what}");
            assert!(bad.is_closed().await, "{what}");
        }
        honest(&mut scene, what).await;
    }
    let mut datagram = scene.phone("romeo").await;
    datagram.write(message(HEAD, &format!("{}Content-Length: 0\r\n\r\n", "X-A: b\r\n".repeat(4000)))).await;
    assert_eq!(datagram.response().await.status.code(), 513);
    honest(&mut scene, "the same in a datagram").await;
}

#[tokio::test]
async fn a_stream_cut_at_every_byte_and_messages_in_one_segment_are_the_same_messages() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered_by_tcp("romeo").await;
    let request = romeo.text_request("sip:juliet@fabrikam.example", "byte by byte");
    let bytes = romeo.prepared(request).to_bytes();
    for byte in bytes.iter() {
        romeo.write(vec![*byte]).await;
        tokio::task::yield_now().await;
    }
    let sent = scene.edge.next().await;
    assert_eq!(sent.body.as_deref(), Some("byte by byte"));
    sent.written();
    assert_eq!(romeo.response().await.status.code(), 202);

    let mut segment = Vec::new();
    for n in 0..3 {
        let request = romeo.text_request("sip:juliet@fabrikam.example", &n.to_string());
        segment.extend_from_slice(&romeo.prepared(request).to_bytes());
        segment.extend_from_slice(StreamFramer::PONG);
    }
    romeo.write(segment).await;
    for n in 0..3 {
        let sent = scene.edge.next().await;
        assert_eq!(sent.body, Some(n.to_string()));
        sent.written();
        assert_eq!(romeo.response().await.status.code(), 202);
    }
    scene.is_well().await;
}

/// 500 connections that send nothing, or a little now and then: an honest one always gets in.
#[tokio::test]
async fn connections_that_never_say_anything_keep_nobody_out() {
    let mut scene = Scene::start().await;
    let address = scene.gateway.sip_tcp()[0];
    let mut open = Vec::new();
    for n in 0..500 {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut socket, b"MESSAGE sip:juliet@fabrikam.example SIP/2.0\r\n")
                    .await;
        }
        open.push(socket);
    }
    honest(&mut scene, "500 half-open connections").await;
    let drip = async {
        loop {
            for socket in &mut open {
                let _ = tokio::io::AsyncWriteExt::write_all(socket, b"V").await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        () = honest(&mut scene, "slow senders") => {}
    }
}

/// A response counts only with the branch of a request of ours, which holds what nobody can guess (RFC 3261 §17.1.3).
#[tokio::test]
async fn a_forged_answer_decides_nothing() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    scene.edge.send(&crate::partner::message("juliet@fabrikam.example", "romeo@contoso.example", "x"));
    let request = romeo.next_request().await;
    let mut mallory = scene.phone("tybalt").await;
    let forged = sip::Response::to(&request, sip::Status::OK, "forged").to_bytes();
    let text = String::from_utf8(forged.to_vec()).unwrap();
    let branch = request.headers.via().unwrap().branch().to_owned();
    let (number, token) = branch.rsplit_once('.').unwrap();
    for other in [format!("{number}.{}", "0".repeat(token.len())), "z9hG4bK1.".to_owned(), "z9hG4bK".to_owned()] {
        mallory.write(text.replace(&branch, &other)).await;
    }
    assert_eq!(mallory.options().await.status.code(), 200);
    assert_eq!(scene.sip_count("responses_stray"), 3);
    romeo.reply(&request, 486).await;
    assert_eq!(scene.edge.outcome().await.unwrap_err().condition, xmpp::stanza::Condition::RecipientUnavailable);
    scene.is_well().await;
}

/// An honest user registers, writes, and is answered.
async fn honest(scene: &mut Scene, after: &str) {
    let mut tybalt = scene.registered_by_tcp("tybalt").await;
    tybalt.begin("sip:juliet@fabrikam.example", after).await;
    let sent = scene.edge.next().await;
    assert_eq!(sent.body.as_deref(), Some(after));
    sent.written();
    assert_eq!(tybalt.response().await.status.code(), 202, "{after}");
    scene.is_well().await;
}
