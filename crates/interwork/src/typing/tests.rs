use lexicon::Jid;
use proptest::prelude::*;

use super::*;

fn active(seconds: u64) -> Activity {
    Activity::Active { refresh: Duration::from_secs(seconds) }
}

/// The two documents of RFC 3994 §5.
#[test]
fn the_examples_of_the_standard_are_read() {
    let first = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"\n \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n xsi:schemaLocation=\"urn:ietf:params:xml:ns:im-composing\n \
        iscomposing.xsd\">\n <state>active</state>\n <contenttype>text/plain</contenttype>\n <refresh>90</refresh>\n\
        </isComposing>\n";
    let composing = IsComposing::read(first.as_bytes()).unwrap();
    assert_eq!(composing.content_type.as_deref(), Some("text/plain"));
    assert_eq!(composing.activity(), active(90));
    assert_eq!(read("application/im-iscomposing+xml;charset=UTF-8", first.as_bytes()), Some(Ok(active(90))));
    let second = "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>idle</state>\
        <lastactive>2003-01-27T10:43:00Z</lastactive><contenttype>audio</contenttype></isComposing>";
    let composing = IsComposing::read(second.as_bytes()).unwrap();
    assert_eq!(composing.last_active.as_deref(), Some("2003-01-27T10:43:00Z"));
    assert_eq!(composing.activity(), Activity::Idle);
    assert_eq!(IsComposing::read(composing.to_xml().as_bytes()).unwrap(), composing);
}

/// RFC 3994 §3.2, §3.3 and §3.5.
#[test]
fn a_state_holds_for_its_refresh_interval() {
    for (content, activity) in [
        ("<state>active</state>", active(120)),
        ("<state> active </state><refresh>60</refresh>", active(60)),
        ("<state>active</state><refresh>0</refresh>", active(120)),
        ("<state>active</state><refresh>soon</refresh>", active(120)),
        ("<state>active</state><refresh>99999999</refresh>", active(600)),
        ("<state>dreaming</state><refresh>60</refresh>", Activity::Idle),
        ("<x xmlns='urn:other'/><state>active</state>", active(120)),
    ] {
        let document = format!("<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>{content}</isComposing>");
        assert_eq!(read(COMPOSING, document.as_bytes()), Some(Ok(activity)), "{content}");
    }
}

/// The document of the gateway's reference; no real server was at hand.
#[test]
fn keyboard_activity_is_read() {
    for (status, activity) in [("type", active(120)), ("idle", Activity::Idle), ("else", Activity::Idle)] {
        for head in ["", "<?xml version=\"1.0\"?>", "<?xml version='1.0' encoding='utf-8'?>\r\n"] {
            let body = format!("{head}<KeyboardActivity><status status=\"{status}\"/></KeyboardActivity>");
            assert_eq!(read("application/xml", body.as_bytes()), Some(Ok(activity)), "{body}");
        }
    }
}

#[test]
fn what_is_written_is_read_alike() {
    for activity in [active(120), Activity::Idle] {
        for form in [Form::IsComposing, Form::KeyboardActivity] {
            assert_eq!(read(form.content_type(), form.body(activity).as_bytes()), Some(Ok(activity)));
        }
    }
    assert_eq!(
        Form::KeyboardActivity.body(active(120)),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<KeyboardActivity><status status='type'/></KeyboardActivity>"
    );
    assert_eq!(
        Form::IsComposing.body(Activity::Idle),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<isComposing \
         xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>idle</state></isComposing>"
    );
}

#[test]
fn what_is_no_notification_is_refused() {
    let large =
        format!("<KeyboardActivity><status status='type'/>{}</KeyboardActivity>", " ".repeat(DOCUMENT_BYTES_MAX));
    for (content_type, body) in [
        (COMPOSING, "<isComposing/>"),
        (COMPOSING, "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'/>"),
        (COMPOSING, ""),
        (KEYBOARD, "<other><status status='type'/></other>"),
        (KEYBOARD, "<KeyboardActivity/>"),
        (KEYBOARD, "<KeyboardActivity><status/></KeyboardActivity>"),
        (KEYBOARD, "<KeyboardActivity><status status='type'/></KeyboardActivity><a/>"),
        (KEYBOARD, "<!DOCTYPE a><KeyboardActivity><status status='type'/></KeyboardActivity>"),
        (
            KEYBOARD,
            "<?xml version='1.0' encoding='utf-16'?><KeyboardActivity><status status='type'/></KeyboardActivity>",
        ),
        (KEYBOARD, large.as_str()),
    ] {
        assert_eq!(read(content_type, body.as_bytes()), Some(Err(Malformed)), "{body}");
    }
    assert_eq!(read(KEYBOARD, b"\xff"), Some(Err(Malformed)));
    assert_eq!(read("text/plain", b"a"), None);
    assert_eq!(read("", b""), None);
}

/// RFC 7573 §6, tables 3 and 4.
#[test]
fn states_map_as_the_standard_says() {
    assert_eq!(active(60).to_xmpp(), ChatState::Composing);
    assert_eq!(Activity::Idle.to_xmpp(), ChatState::Active);
    for (state, activity) in [
        (ChatState::Active, Some(Activity::Idle)),
        (ChatState::Inactive, Some(Activity::Idle)),
        (ChatState::Gone, None),
        (ChatState::Composing, Some(active(120))),
        (ChatState::Paused, Some(Activity::Idle)),
    ] {
        assert_eq!(state.to_sip(), activity, "{state}");
    }
}

/// RFC 7573, example 22, and XEP-0085 §5.1.
#[test]
fn a_state_is_written_alone_or_beside_a_text() {
    let (from, to) = (Jid::parse("romeo@example.net").unwrap(), Jid::parse("juliet@example.com").unwrap());
    let addresses = Addresses { from: &from, to: &to, id: "hs61v397" };
    for state in ChatState::ALL {
        let batch = stanza(addresses, None, state, Some("F6989A8C"));
        let alone = StanzaRef::of(batch.element(0)).unwrap();
        assert_eq!(ChatState::of(&alone), Some(state));
        assert_eq!((alone.stanza_type(), alone.thread().as_deref()), (Some("chat"), Some("F6989A8C")));
        assert_eq!(alone.element().children().count(), 2, "XEP-0085 \u{a7}5.6: nothing but the state and the thread");
    }
    let text = Text { body: "a < b".into(), language: Some("en".into()), ..Text::default() };
    let batch = stanza(addresses, Some(&text), ChatState::Active, None);
    let beside = StanzaRef::of(batch.element(0)).unwrap();
    assert_eq!((beside.body().as_deref(), ChatState::of(&beside)), (Some("a < b"), Some(ChatState::Active)));
    assert_eq!(beside.element().lang().as_deref(), Some("en"));
    let other = Batch::from_xml("<message from='a@b' to='c@d'><body>x</body><composing xmlns='urn:other'/></message>");
    assert_eq!(ChatState::of(&StanzaRef::of(other.unwrap().element(0)).unwrap()), None);
}

proptest! {
    #[test]
    fn no_document_panics(body in "(<|>|/|\\?xml |\\?>|isComposing|KeyboardActivity|status|='| xmlns|&|;|\u{fc}| ){0,40}") {
        let _composing = read(COMPOSING, body.as_bytes());
        let _keyboard = read(KEYBOARD, body.as_bytes());
    }
}
