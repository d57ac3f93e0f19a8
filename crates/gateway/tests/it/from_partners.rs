//! Stanzas of partners.

use interwork::message::PAGE_BYTES_MAX;
use sip::Name;
use xmpp::stanza::Condition;

use crate::{partner::message, scene::Scene};

const JULIET: &str = "juliet@fabrikam.example/balcony";
const ROMEO: &str = "romeo@contoso.example";

#[tokio::test]
async fn a_message_reaches_every_contact_of_the_user() {
    let mut scene = Scene::start().await;
    let mut desk = scene.registered("romeo").await;
    let mut mobile = scene.registered_by_tcp("romeo").await;
    scene.edge.send(&message(JULIET, ROMEO, "Art thou not Romeo?"));
    let request = desk.next_request().await;
    assert_eq!(request.headers.from().unwrap().uri.to_string(), "sip:juliet@fabrikam.example", "no resource");
    assert_eq!(request.headers.to().unwrap().uri.to_string(), "sip:romeo@contoso.example");
    assert_eq!(request.uri.to_string(), desk.contact());
    assert_eq!(request.headers.first(Name::ContentType), Some("text/plain;charset=UTF-8"));
    assert_eq!(request.body().as_ref(), b"Art thou not Romeo?");
    desk.reply(&request, 486).await;
    assert_eq!(mobile.hear(200).await, "Art thou not Romeo?");
    assert_eq!(scene.edge.outcome().await, Ok(()), "the first 2xx is success");
    scene.is_well().await;
}

/// RFC 3261 §16.7 step 6 and RFC 7247 §7.2.
#[tokio::test]
async fn without_success_the_best_answer_counts() {
    let mut scene = Scene::start().await;
    let mut desk = scene.registered("romeo").await;
    let mut mobile = scene.registered("romeo").await;
    for (first, second, condition) in [
        (486, 603, Condition::RecipientUnavailable),
        (500, 415, Condition::NotAcceptable),
        (404, 404, Condition::ItemNotFound),
        (503, 606, Condition::NotAcceptable),
    ] {
        scene.edge.send(&message(JULIET, ROMEO, "x"));
        desk.hear(first).await;
        mobile.hear(second).await;
        assert_eq!(scene.edge.outcome().await.unwrap_err().condition, condition, "{first} {second}");
    }
    scene.is_well().await;
}

#[tokio::test]
async fn a_user_who_is_not_signed_in_is_unavailable_at_once() {
    let mut scene = Scene::start().await;
    assert_eq!(scene.edge.say(JULIET, ROMEO, "x").await, Err(Condition::RecipientUnavailable));
    let mut romeo = scene.registered("romeo").await;
    scene.edge.send(&message(JULIET, ROMEO, "x"));
    romeo.hear(200).await;
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

#[tokio::test]
async fn a_long_text_is_split_for_datagrams_and_whole_for_streams() {
    let mut scene = Scene::start().await;
    let mut desk = scene.registered("romeo").await;
    let mut mobile = scene.registered_by_tcp("romeo").await;
    let text = "\u{fc}".repeat(1400);
    scene.edge.send(&message(JULIET, ROMEO, &text));
    assert_eq!(mobile.hear(200).await, text);
    let mut whole = String::new();
    let mut count = 0;
    loop {
        let request = desk.next_request().await;
        assert!(request.to_bytes().len() <= PAGE_BYTES_MAX);
        let part = String::from_utf8(request.body().to_vec()).unwrap();
        let (number, rest) = part.split_once(' ').unwrap();
        let (n, of) = number.trim_matches(['(', ')']).split_once('/').unwrap();
        count += 1;
        assert_eq!(n, count.to_string());
        whole.push_str(rest);
        desk.reply(&request, 200).await;
        if n == of {
            break;
        }
    }
    assert_eq!(whole, text);
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

#[tokio::test]
async fn a_text_beyond_the_limit_is_a_policy_violation_that_names_it() {
    let mut scene = Scene::start().await;
    let _desk = scene.registered("romeo").await;
    let error = scene.edge.pass(&message(JULIET, ROMEO, &"x".repeat(20_000))).await.unwrap_err();
    assert_eq!(error.condition, Condition::PolicyViolation);
    assert!(error.text.unwrap().contains("8 messages"));
    scene.is_well().await;
}

#[tokio::test]
async fn one_message_at_a_time_goes_to_a_contact_in_order() {
    let mut scene = Scene::start().await;
    let mut desk = scene.registered("romeo").await;
    for n in 0..10 {
        scene.edge.send(&message(JULIET, ROMEO, &n.to_string()));
    }
    for n in 0..10 {
        assert_eq!(desk.hear(200).await, n.to_string());
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
}

#[tokio::test]
async fn everyday_stanzas_end_as_decided() {
    let mut scene = Scene::start().await;
    let mut desk = scene.registered("romeo").await;
    let to_romeo =
        |kind: &str, content: &str| format!("<message from='{JULIET}' to='{ROMEO}' {kind}>{content}</message>");
    let corrected = "<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>";
    scene.edge.send(&to_romeo("", corrected));
    assert_eq!(desk.hear(200).await, "Correction: new");
    assert_eq!(scene.edge.outcome().await, Ok(()));

    let encrypted = "<encrypted xmlns='eu.siacs.conversations.axolotl'/><body>I sent you an OMEMO message</body>";
    for _ in 0..2 {
        scene.edge.send(&to_romeo("type='chat'", encrypted));
        assert_eq!(desk.hear(200).await, "I sent you an OMEMO message");
        assert_eq!(scene.edge.outcome().await, Ok(()));
    }
    let hint = scene.edge.next().await;
    assert_eq!((hint.from.as_str(), hint.to.as_str()), (ROMEO, JULIET));
    assert!(hint.body.as_deref().is_some_and(|body| body.contains("encrypted")));
    hint.written();
    assert!(scene.edge.is_silent().await, "one hint");

    let state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    assert_eq!(scene.edge.pass(&to_romeo("type='chat'", state)).await, Ok(()));
    assert_eq!(scene.dropped("chat_state"), 1);
    let error = scene.edge.pass(&to_romeo("type='groupchat'", "<body>all</body>")).await.unwrap_err();
    assert_eq!(error.condition, Condition::ServiceUnavailable);
    assert!(error.text.unwrap().contains("Group chat"));
    scene.is_well().await;
}

#[tokio::test]
async fn an_iq_for_a_user_is_refused_and_one_for_the_domain_answered() {
    let mut scene = Scene::start().await;
    let iq = |to: &str, payload: &str| format!("<iq type='get' id='q1' from='{JULIET}' to='{to}'>{payload}</iq>");
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    let error = scene.edge.pass(&iq(ROMEO, ping)).await.unwrap_err();
    assert_eq!(error.condition, Condition::ServiceUnavailable);
    for payload in
        [ping, "<query xmlns='http://jabber.org/protocol/disco#info'/>", "<query xmlns='jabber:iq:version'/>"]
    {
        assert_eq!(scene.edge.pass(&iq("contoso.example", payload)).await, Ok(()));
        let answer = scene.edge.next().await;
        assert_eq!((answer.from.as_str(), answer.to.as_str(), answer.id.as_str()), ("contoso.example", JULIET, "q1"));
        assert_eq!(answer.kind.as_deref(), Some("result"));
        answer.written();
    }
    let unknown = scene.edge.pass(&iq("contoso.example", "<query xmlns='jabber:iq:roster'/>")).await;
    assert_eq!(unknown.unwrap_err().condition, Condition::ServiceUnavailable);
    scene.is_well().await;
}

#[tokio::test]
async fn an_address_outside_the_pair_or_malformed_is_refused() {
    let mut scene = Scene::start().await;
    for to in ["ro meo@contoso.example", "&quot;romeo@contoso.example"] {
        assert_eq!(scene.edge.say(JULIET, to, "x").await, Err(Condition::JidMalformed), "{to}");
    }
    scene.is_well().await;
}
