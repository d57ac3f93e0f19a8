//! Components (XEP-0114): who may serve a domain, and what its stanzas become.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lexicon::Now;
use xmpp::{
    component::{Component, ComponentFailure, ComponentRefusal, ComponentSecret, Input, Output},
    stanza::StanzaRef,
    stream::{Condition, StreamLimits},
    xml::Batch,
};

use crate::pair::{domain, start};

const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' \
     to='plays.shakespeare.lit'>";

struct Script {
    machine: Component,
    now: Now,
    answer: Result<ComponentSecret, ComponentRefusal>,
    stanzas: Vec<Batch>,
    ready: bool,
    unsent: usize,
    closed: Option<Option<ComponentFailure>>,
    written: String,
}

impl Script {
    fn new(answer: Result<ComponentSecret, ComponentRefusal>) -> Self {
        let now = start();
        let machine = Component::new(StreamLimits::default(), [3; 32], now);
        let (stanzas, written) = (Vec::new(), String::new());
        Self { machine, now, answer, stanzas, ready: false, unsent: 0, closed: None, written }
    }

    fn ready() -> Self {
        let mut script = Self::new(Ok(ComponentSecret::new("test")));
        script.say(HEADER);
        let handshake = handshake(&script.hear(), "test");
        assert_eq!(script.say(&handshake).hear(), "<handshake/>");
        assert!(script.ready);
        script
    }

    fn say(&mut self, text: &str) -> &mut Self {
        self.input(Input::Bytes(&mut BytesMut::from(text)))
    }

    fn input(&mut self, input: Input<'_>) -> &mut Self {
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll() {
            assert!(self.closed.is_none(), "nothing comes after the end");
            match output {
                Output::AskDomain(asked) => {
                    assert_eq!(asked, domain("plays.shakespeare.lit"));
                    let answer = self.answer.clone();
                    self.machine.handle(self.now, Input::Domain(answer));
                }
                Output::Ready(_) => self.ready = true,
                Output::Stanzas(batch) => self.stanzas.push(batch),
                Output::Unsent(_) => self.unsent += 1,
                Output::Closed(failure) => self.closed = Some(failure),
            }
        }
        let mut bytes: Vec<Bytes> = Vec::new();
        self.machine.drain(&mut bytes);
        bytes.iter().for_each(|bytes| self.written.push_str(std::str::from_utf8(bytes).expect("streams are UTF-8")));
        self
    }

    fn hear(&mut self) -> String {
        std::mem::take(&mut self.written)
    }

    fn condition(&self) -> Option<Condition> {
        self.closed.as_ref().expect("it has ended").as_ref().and_then(ComponentFailure::condition)
    }
}

/// The handshake that answers the header `heard`.
fn handshake(heard: &str, secret: &str) -> String {
    use sha1::{Digest, Sha1};
    let id = heard.split(" id='").nth(1).and_then(|rest| rest.split('\'').next()).expect("the header has an id");
    let digest = Sha1::digest(format!("{id}{secret}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("<handshake>{hex}</handshake>")
}

#[test]
fn the_header_is_answered_with_the_domain_and_an_id() {
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    let heard = script.say(HEADER).hear();
    for part in ["xmlns='jabber:component:accept'", "from='plays.shakespeare.lit'", " id='"] {
        assert!(heard.contains(part), "{heard}");
    }
    assert_eq!(heard.matches("version=").count(), 1, "that of XML alone: {heard}");
}

/// §3: errors about a header come after one of ours.
#[test]
fn wrong_headers_are_answered_by_name() {
    for (header, condition) in [
        (HEADER.replace("component:accept", "server"), "invalid-namespace"),
        (HEADER.replace("component:accept", "component:connect"), "invalid-namespace"),
        (HEADER.replace("etherx", "example"), "invalid-namespace"),
        (HEADER.replace(" to='plays.shakespeare.lit'", ""), "improper-addressing"),
        (HEADER.replace("plays.shakespeare.lit", "a@b"), "improper-addressing"),
        (HEADER.replace("stream:stream ", "stream:streams "), "bad-format"),
    ] {
        let mut script = Script::new(Ok(ComponentSecret::new("test")));
        let heard = script.say(&header).hear();
        assert!(heard.starts_with("<?xml version='1.0'?><stream:stream "), "{heard}");
        assert!(heard.contains(&format!("<{condition} ")) && heard.ends_with("</stream:stream>"), "{header}: {heard}");
    }
}

#[test]
fn a_domain_that_is_not_for_components_or_taken_is_refused() {
    for (refusal, condition) in
        [(ComponentRefusal::HostUnknown, Condition::HostUnknown), (ComponentRefusal::Conflict, Condition::Conflict)]
    {
        let mut script = Script::new(Err(refusal));
        let heard = script.say(HEADER).hear();
        assert!(heard.contains(&format!("<{condition} ")), "{heard}");
        assert_eq!(script.condition(), Some(condition));
    }
}

#[test]
fn only_the_secret_lets_a_component_in() {
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    script.say(HEADER);
    let wrong = handshake(&script.hear(), "other");
    let heard = script.say(&wrong).say("<message from='plays.shakespeare.lit' to='a@contoso.example'/>").hear();
    assert!(heard.contains("<not-authorized ") && heard.ends_with("</stream:stream>"), "{heard}");
    assert!(matches!(script.closed, Some(Some(ComponentFailure::HandshakeFailed(_)))));
    assert!(!script.ready && script.stanzas.is_empty());
}

#[test]
fn nothing_passes_before_the_handshake() {
    let stanza = "<message from='plays.shakespeare.lit' to='a@contoso.example'/>";
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    script.say(HEADER).say(stanza);
    assert!(script.hear().contains("<not-authorized ") && script.stanzas.is_empty());
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    script.say(HEADER).input(Input::Close(None, "")).say(stanza);
    assert!(script.stanzas.is_empty());
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    script.say(HEADER).input(Input::Send(Batch::from_xml("<message/>").unwrap()));
    assert_eq!(script.unsent, 1);
}

#[test]
fn a_component_that_says_too_much_or_nothing_is_ended() {
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    script.say(HEADER).say(&format!("<handshake>{}</handshake>", "0".repeat(10_000)));
    assert_eq!(script.condition(), Some(Condition::PolicyViolation));
    let mut script = Script::new(Ok(ComponentSecret::new("test")));
    script.say(HEADER);
    script.now = script.now + Duration::from_secs(60);
    assert_eq!(script.input(Input::Deadline).condition(), Some(Condition::ConnectionTimeout));
    assert_eq!(Script::ready().machine.deadline(), None, "one that serves may be silent");
}

/// Namespaces of the stanza and its own children change; a foreign payload keeps what it holds.
#[test]
fn stanzas_come_out_as_those_of_a_server() {
    for stanza in [
        "<message from='romeo@plays.shakespeare.lit/x' to='a@contoso.example' xml:lang='en'><body>hi &amp; ho</body>\
         <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:component:accept'/></forwarded></message>",
        "<c:message xmlns:c='jabber:component:accept' from='romeo@plays.shakespeare.lit/x' to='a@contoso.example' \
         xml:lang='en'><c:body>hi &amp; ho</c:body><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:component:accept'/></forwarded></c:message>",
    ] {
        let mut script = Script::ready();
        script.say(stanza);
        let batch = &script.stanzas[0];
        let stanza = StanzaRef::of(batch.element(0)).expect("a stanza of jabber:server");
        assert_eq!((stanza.from(), stanza.to()), (Some("romeo@plays.shakespeare.lit/x"), Some("a@contoso.example")));
        assert_eq!(stanza.body().as_deref(), Some("hi & ho"));
        assert_eq!(stanza.element().lang().as_deref(), Some("en"));
        let forwarded = stanza.child("forwarded", "urn:xmpp:forward:0").unwrap();
        assert!(forwarded.child("message", "jabber:component:accept").is_some());
    }
}

#[test]
fn stanzas_go_in_as_those_of_the_component() {
    let mut script = Script::ready();
    let stanza = "<message from='a@contoso.example' to='romeo@plays.shakespeare.lit'><body>hi</body>\
         <x xmlns='urn:example:x'><body xmlns='jabber:server'/></x></message>";
    let heard = script.input(Input::Send(Batch::from_xml(stanza).unwrap())).hear();
    assert_eq!(heard, stanza, "the default namespace of the stream does the renaming");
    let prefixed = "<s:presence xmlns:s='jabber:server' from='a@contoso.example' to='plays.shakespeare.lit'/>";
    let heard = script.input(Input::Send(Batch::from_xml(prefixed).unwrap())).hear();
    assert_eq!(heard, "<presence from='a@contoso.example' to='plays.shakespeare.lit'/>");
}

/// §3: the sender must be one of the component's domain; both addresses must be there.
#[test]
fn a_component_speaks_for_its_own_domain_only() {
    for (stanza, condition) in [
        ("<message from='romeo@contoso.example' to='a@contoso.example'/>", Condition::InvalidFrom),
        ("<message from='romeo@other.plays.shakespeare.lit' to='a@contoso.example'/>", Condition::InvalidFrom),
        ("<message to='a@contoso.example'/>", Condition::ImproperAddressing),
        ("<message from='plays.shakespeare.lit'/>", Condition::ImproperAddressing),
        ("<message from='@' to='a@contoso.example'/>", Condition::ImproperAddressing),
        ("<letter from='plays.shakespeare.lit' to='a@contoso.example'/>", Condition::UnsupportedStanzaType),
        (
            "<message xmlns='jabber:server' from='plays.shakespeare.lit' to='a@contoso.example'/>",
            Condition::UnsupportedStanzaType,
        ),
        ("<!-- x -->", Condition::RestrictedXml),
    ] {
        let mut script = Script::ready();
        let good = "<presence from='Plays.Shakespeare.Lit' to='a@contoso.example'/>";
        script.say(&format!("{good}{stanza}{good}"));
        assert_eq!(script.condition(), Some(condition), "{stanza}");
        assert_eq!(script.stanzas.iter().map(Batch::len).sum::<usize>(), 1, "what came before is kept: {stanza}");
    }
}

#[test]
fn both_sides_may_close_in_good_order() {
    let mut script = Script::ready();
    assert_eq!(script.say("</stream:stream>").hear(), "</stream:stream>");
    assert_eq!(script.closed, Some(None));
    let mut script = Script::ready();
    assert_eq!(script.input(Input::Close(None, "")).hear(), "</stream:stream>");
    script.say("<presence from='plays.shakespeare.lit' to='a@contoso.example'/></stream:stream>");
    assert_eq!((script.closed, script.stanzas.len()), (Some(None), 1));
    let mut script = Script::ready();
    let heard = script.input(Input::Close(Some(Condition::Conflict), "replaced")).hear();
    assert!(heard.contains("<conflict ") && heard.contains("replaced"), "{heard}");
    let mut script = Script::ready();
    script.input(Input::Disconnected(""));
    assert!(matches!(script.closed, Some(Some(ComponentFailure::Disconnected(_)))));
}

#[test]
fn a_slow_component_is_given_no_more_than_the_limit() {
    let mut script = Script::ready();
    assert!(script.machine.send_room() > 0 && script.machine.room() > 0);
    let body = "x".repeat(StreamLimits::default().write_bytes_max);
    let stanza = format!("<message from='a@contoso.example' to='plays.shakespeare.lit'><body>{body}</body></message>");
    script.machine.handle(script.now, Input::Send(Batch::from_xml(stanza).unwrap()));
    assert_eq!((script.machine.send_room(), script.machine.room()), (0, 0));
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_stanzas() {
    let text = "<message from='plays.shakespeare.lit' to='a@contoso.example'><body>é</body></message> \
         <iq type='get' id='1' from='plays.shakespeare.lit' to='contoso.example'/></stream:stream>";
    let mut script = Script::ready();
    for byte in text.as_bytes() {
        script.input(Input::Bytes(&mut BytesMut::from(&[*byte][..])));
    }
    assert_eq!(script.stanzas.iter().map(Batch::len).sum::<usize>(), 2);
    assert_eq!(script.closed, Some(None));
}
