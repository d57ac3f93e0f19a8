use super::build::{Head, Message};
use super::*;
use crate::xml::Batch;

fn stanza(batch: &Batch) -> StanzaRef<'_> {
    StanzaRef::of(batch.element(0)).unwrap()
}

fn batch(text: &str) -> Batch {
    Batch::from_xml(text).unwrap()
}

const HEAD: Head<'_> = Head { from: "a@contoso.example/r", to: "b@fabrikam.example", id: Some("i'1") };

/// RFC 6120 §8.4: only these three in the content namespace are stanzas.
#[test]
fn recognises_stanzas_by_expanded_name() {
    for (text, kind) in [
        ("<message/>", Some(StanzaKind::Message)),
        ("<presence/>", Some(StanzaKind::Presence)),
        ("<iq/>", Some(StanzaKind::Iq)),
        ("<s:iq xmlns:s='jabber:server'/>", Some(StanzaKind::Iq)),
        ("<message xmlns='jabber:client'/>", None),
        ("<message xmlns='urn:other'/>", None),
        ("<Message/>", None),
        ("<db:result xmlns:db='jabber:server:dialback'/>", None),
    ] {
        assert_eq!(StanzaRef::of(batch(text).element(0)).map(|stanza| stanza.kind()), kind, "{text}");
    }
}

#[test]
fn reads_only_attributes_without_a_namespace() {
    let batch =
        batch("<message xmlns:e='urn:e' e:from='evil' from='a@x' to='b&amp;c@y' id='' type='chat' e:to='evil'/>");
    let stanza = stanza(&batch);
    assert_eq!(
        (stanza.from(), stanza.to(), stanza.id(), stanza.stanza_type()),
        (Some("a@x"), Some("b&c@y"), Some(""), Some("chat"))
    );
}

/// RFC 6121 §5.2.3: bodies differ by language.
#[test]
fn prefers_the_body_in_the_language_of_the_stanza() {
    for (text, body) in [
        ("<message><body>hi</body></message>", Some("hi")),
        ("<message><body xml:lang='de'>hallo</body><body>hi</body></message>", Some("hi")),
        (
            "<message xml:lang='de'><body xml:lang='en'>hi</body><body xml:lang='de'>hallo</body></message>",
            Some("hallo"),
        ),
        ("<message><body xml:lang='de'>hallo</body></message>", Some("hallo")),
        ("<message><body xmlns='urn:other'>no</body></message>", None),
        ("<message><forwarded xmlns='urn:f'><body xmlns='jabber:server'>no</body></forwarded></message>", None),
    ] {
        assert_eq!(stanza(&batch(text)).body().as_deref(), body, "{text}");
    }
}

#[test]
fn a_built_message_reads_back() {
    let batch = build::message(
        HEAD,
        Message {
            message_type: Some("chat"),
            body: Some("1 < 2"),
            subject: Some("s"),
            thread: Some("t"),
            lang: Some("en"),
        },
    );
    let message = stanza(&batch);
    assert_eq!((message.from(), message.to(), message.id()), (Some(HEAD.from), Some(HEAD.to), HEAD.id));
    assert_eq!(message.stanza_type(), Some("chat"));
    assert_eq!(message.body().as_deref(), Some("1 < 2"));
    assert_eq!((message.subject().as_deref(), message.thread().as_deref()), (Some("s"), Some("t")));
    assert_eq!(message.element().lang().as_deref(), Some("en"));
}

#[test]
fn an_error_reads_back_as_written() {
    let error = StanzaError::new(Condition::PolicyViolation)
        .with_type(ErrorType::Wait)
        .with_text("too <many>")
        .with_application("stanza-too-big", "urn:xmpp:errors");
    let batch = build::error(StanzaKind::Presence, HEAD, &error);
    assert_eq!(stanza(&batch).error(), Some(StanzaError { application: None, ..error }));
}

/// RFC 6120 §8.3.2: what is not known is `undefined-condition`.
#[test]
fn survives_errors_that_it_does_not_know() {
    const NS: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'";
    for (inside, condition, error_type) in [
        (String::new(), Condition::UndefinedCondition, ErrorType::Cancel),
        ("<error/>".into(), Condition::UndefinedCondition, ErrorType::Cancel),
        ("<error type='wait'><forbidden/></error>".into(), Condition::UndefinedCondition, ErrorType::Wait),
        (format!("<error type='nonsense'><conflict {NS}/></error>"), Condition::Conflict, ErrorType::Cancel),
        (format!("<error type='auth'><new-condition {NS}/></error>"), Condition::UndefinedCondition, ErrorType::Auth),
        (format!("<error type='modify'><text {NS}/><gone {NS}>x</gone></error>"), Condition::Gone, ErrorType::Modify),
    ] {
        let batch = batch(&format!("<message type='error'>{inside}</message>"));
        let error = stanza(&batch).error().unwrap();
        assert_eq!((error.condition, error.error_type), (condition, error_type), "{inside}");
    }
    assert_eq!(stanza(&batch("<message/>")).error(), None);
}

/// RFC 6120 §8.3.1.
#[test]
fn a_bounce_swaps_addresses_and_keeps_kind_and_id() {
    let sent = batch("<message from='a@x/r' to='b@y' id='7' type='chat'><body>hi</body></message>");
    let bounced = bounce(&stanza(&sent), &Condition::ItemNotFound.into()).unwrap();
    assert_eq!(
        bounced.element(0).raw(),
        "<message from='b@y' to='a@x/r' id='7' type='error'><body>hi</body><error type='cancel'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    );
    let reported = stanza(&bounced);
    assert_eq!(reported.error(), Some(Condition::ItemNotFound.into()));
    assert!(bounce(&reported, &Condition::ItemNotFound.into()).is_none());
}

#[test]
fn nothing_bounces_that_must_not_be_answered() {
    for (text, answered) in [
        ("<message from='a@x' to='b@y'/>", true),
        ("<presence from='a@x' to='b@y' type='probe'/>", true),
        ("<iq from='a@x' to='b@y' type='get' id='1'/>", true),
        ("<iq from='a@x' to='b@y' type='result' id='1'/>", false),
        ("<iq from='a@x' to='b@y' type='error' id='1'/>", false),
        ("<message from='a@x' to='b@y' type='error'/>", false),
        ("<message to='b@y'/>", false),
        ("<message from='a@x'/>", false),
    ] {
        assert_eq!(bounce(&stanza(&batch(text)), &Condition::Gone.into()).is_some(), answered, "{text}");
    }
}

#[test]
fn a_big_payload_is_not_echoed() {
    let body = "x".repeat(error::ECHO_BYTES_MAX);
    let sent = batch(&format!("<message from='a@x' to='b@y'><body>{body}</body></message>"));
    let bounced = bounce(&stanza(&sent), &Condition::Gone.into()).unwrap();
    assert_eq!(stanza(&bounced).body(), None);
}

/// RFC 6120 §8.3.3: 22 conditions, each with its recommended type.
#[test]
fn knows_every_condition_of_the_standard() {
    let table = [
        ("bad-request", "modify"),
        ("conflict", "cancel"),
        ("feature-not-implemented", "cancel"),
        ("forbidden", "auth"),
        ("gone", "cancel"),
        ("internal-server-error", "cancel"),
        ("item-not-found", "cancel"),
        ("jid-malformed", "modify"),
        ("not-acceptable", "modify"),
        ("not-allowed", "cancel"),
        ("not-authorized", "auth"),
        ("policy-violation", "modify"),
        ("recipient-unavailable", "wait"),
        ("redirect", "modify"),
        ("registration-required", "auth"),
        ("remote-server-not-found", "cancel"),
        ("remote-server-timeout", "wait"),
        ("resource-constraint", "wait"),
        ("service-unavailable", "cancel"),
        ("subscription-required", "auth"),
        ("undefined-condition", "cancel"),
        ("unexpected-request", "wait"),
    ];
    let ours: Vec<_> = Condition::ALL.iter().map(|c| (c.as_str(), c.recommended_type().as_str())).collect();
    assert_eq!(ours, table);
}
