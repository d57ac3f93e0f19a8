//! A conversation in the dialect of Lync and Skype for Business.
//!
//! No real server was at hand: the messages are written from the gateway's reference (§2 there, which names what an
//! interoperating client sends and takes), with the texts and addresses of the RFCs.

use std::time::{Duration, Instant};

use interwork::{
    diagnostics::{self, Diagnostics},
    error::Answer,
    first_text, message,
    sdp::{self, Description},
    session::{Input, Outcome, Output, Session, Settings},
    typing::{self, Activity, ChatState, Form},
};
use sip::{Limits, Message, Method, Name, Request, Response, Status, Uri, message::datagram};

const GATEWAY: &str = "198.51.100.1";

/// A message with the given start line and further lines; the body is what stands after an empty line.
fn parse(start: &str, method: &str, lines: &str) -> Message {
    let (fields, body) = lines.split_once("\n\n").unwrap_or((lines, ""));
    let body = body.replace('\n', "\r\n");
    let text = format!(
        "{start}\r\nVia: SIP/2.0/TLS 192.0.2.7:5061;branch=z9hG4bK776asdhds\r\nMax-Forwards: 70\r\n\
         From: <sip:romeo@contoso.example>;tag=1928301774;epid=63fe4dc9bb\r\nTo: <sip:juliet@example.com>;tag=a6c85cf\r\n\
         Call-ID: a84b4c76e66710\r\nCSeq: 2 {method}\r\nContact: <sip:romeo@contoso.example;opaque=user:epid:x;gruu>\r\n\
         {}\r\nContent-Length: {}\r\n\r\n{body}",
        fields.replace('\n', "\r\n"),
        body.len()
    );
    datagram(text.into_bytes().into(), &Limits::default()).unwrap().unwrap()
}

fn request(method: &str, lines: &str) -> Request {
    match parse(&format!("{method} sip:juliet@example.com SIP/2.0"), method, lines) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn response(status: &str, method: &str, lines: &str) -> Response {
    match parse(&format!("SIP/2.0 {status}"), method, lines) {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a response"),
    }
}

const INVITE: &str = "\
User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)
Supported: ms-dialog-route-set-update
Supported: ms-sender
Supported: timer
Ms-Conversation-ID: Ac3hV9kmYlZB+VI1TdqgQ0Mrj1HBxA==
ms-text-format: text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAA0ACgA=;ms-body=QXJ0IHRob3Ugbm90IFJvbWVvPw==
Roster-Manager: sip:romeo@contoso.example
EndPoints: <sip:romeo@contoso.example>, <sip:juliet@example.com>
Content-Type: application/sdp

v=0
o=- 0 0 IN IP4 192.0.2.7
s=session
c=IN IP4 192.0.2.7
t=0 0
m=message 5060 sip null
a=accept-types:text/plain multipart/alternative image/gif text/rtf text/html application/im-iscomposing+xml application/ms-imdn+xml text/x-msmsgsinvite
";

#[test]
fn an_invite_opens_a_session_with_its_first_text() {
    let invite = request("INVITE", INVITE);
    assert_eq!(first_text::read(&invite.headers).as_deref(), Some("Art thou not Romeo?"));
    let offer = Description::of_request(&invite).unwrap().unwrap();
    assert!(offer.accepts(typing::COMPOSING));
    let mut answer = Response::to(&invite, Status::OK, "t");
    answer.headers.push(Name::Supported, first_text::MS_TEXT_FORMAT).unwrap();
    answer.set_body(sdp::SDP, offer.answer(GATEWAY.parse().unwrap(), 5061)).unwrap();
    // What we answer is what we would take as an answer.
    assert!(first_text::was_taken(&answer.headers));
    assert!(Description::of_response(&answer).unwrap().is_some());
}

#[test]
fn an_invite_of_ours_is_answered_by_a_client() {
    let mut invite = Request::new(Method::Invite, Uri::parse("sip:romeo@contoso.example").unwrap());
    let value = first_text::write("Neither, fair saint").unwrap();
    invite.headers.push_named(first_text::MS_TEXT_FORMAT, value).unwrap();
    invite.set_body(sdp::SDP, sdp::offer(GATEWAY.parse().unwrap(), 5061)).unwrap();
    assert_eq!(first_text::read(&invite.headers).as_deref(), Some("Neither, fair saint"));
    let body = "Content-Type: application/sdp\n\nv=0\no=- 0 0 IN IP4 192.0.2.7\ns=session\nc=IN IP4 192.0.2.7\nt=0 0\n\
        m=message 5060 sip sip:romeo@contoso.example\na=accept-types:text/plain text/html image/gif multipart/alternative \
        application/im-iscomposing+xml application/ms-imdn+xml\n";
    for (supported, taken) in [("Supported: ms-text-format\n", true), ("Supported: ms-sender\n", false)] {
        let ok = response("200 OK", "INVITE", &format!("{supported}{body}"));
        assert_eq!(first_text::was_taken(&ok.headers), taken);
        assert!(Description::of_response(&ok).unwrap().unwrap().accepts("text/plain"));
    }
}

#[test]
fn texts_of_the_session_are_read() {
    let plain = "Content-Type: text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAC0ASQBNAC0ARgBvAHIAbQBhAHQAOgAgAEYATgA9AE0AUwA=\n\n\
        Neither, fair saint";
    let html = "Content-Type: text/html; charset=UTF-8\n\n<DIV style=\"font-family:'MS Shell Dlg 2'; font-size:10pt\">Neither, \
        fair&nbsp;saint</DIV>";
    let both = "Content-Type: multipart/alternative;boundary=\"----=_NextPart_0\"\n\n------=_NextPart_0\nContent-Type: text/rtf\n\n\
        {\\rtf1 x}\n------=_NextPart_0\nContent-Type: text/plain;charset=\"UTF-8\"\n\nNeither, fair saint\n------=_NextPart_0--\n";
    for body in [plain, html, both] {
        let text = message::text_of(&request("MESSAGE", body)).unwrap();
        assert_eq!(text.body, "Neither, fair saint", "{body}");
    }
    let rtf = message::text_of(&request("MESSAGE", "Content-Type: text/rtf\n\n{\\rtf1 x}")).unwrap_err();
    assert_eq!(rtf.answer().status, Status::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn typing_comes_by_info_or_message() {
    let info = request(
        "INFO",
        "Content-Type: application/xml\n\n<?xml version=\"1.0\"?>\n<KeyboardActivity>\n <status \
        status=\"type\" />\n</KeyboardActivity>",
    );
    let composing = request(
        "MESSAGE",
        "Content-Type: application/im-iscomposing+xml\n\n<?xml version=\"1.0\"?>\n<isComposing \
        xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\">\n<state>idle</state>\n</isComposing>",
    );
    let read = |request: &Request| typing::read(request.headers.first(Name::ContentType).unwrap(), request.body());
    assert_eq!(read(&info).unwrap().unwrap().to_xmpp(), ChatState::Composing);
    assert_eq!(read(&composing).unwrap().unwrap(), Activity::Idle);
    assert_eq!(read(&request("MESSAGE", "Content-Type: text/plain\n\nx")), None);
    let mut ours = Request::new(Method::Info, Uri::parse("sip:romeo@contoso.example").unwrap());
    let form = Form::KeyboardActivity;
    ours.set_body(form.content_type(), form.body(Activity::Idle)).unwrap();
    assert_eq!(read(&ours), Some(Ok(Activity::Idle)));
}

#[test]
fn failures_say_why() {
    let failed = response(
        "480 Temporarily Unavailable",
        "MESSAGE",
        "ms-diagnostics: 15030;reason=\"Failed to route to Exchange\";source=\"fe.contoso.example\"",
    );
    assert_eq!(diagnostics::failure(&failed).text.as_deref(), Some("Failed to route to Exchange"));
    let mut refused = Response::to(&request("INVITE", INVITE), Status::FORBIDDEN, "t");
    let answer = Answer::new(Status::FORBIDDEN).with_text("example.com is not a federation partner");
    let value = Diagnostics::of(&answer, "gw.contoso.example").value();
    refused.headers.push_named(diagnostics::MS_DIAGNOSTICS, value).unwrap();
    assert_eq!(diagnostics::failure(&refused).text, answer.text);
}

/// The whole of a conversation that a client begins and ends.
#[test]
#[expect(clippy::disallowed_methods, reason = "the one look at the clock; from here on the test moves time")]
fn a_conversation_goes_from_invite_to_bye() {
    let now = Instant::now();
    let mut session: Session<u8, String> = Session::new(now, Settings::default());
    let give = |session: &mut Session<u8, String>, input| {
        session.handle(now, input);
        std::iter::from_fn(|| session.poll()).collect::<Vec<_>>()
    };
    let leg = session.leg();
    let did = give(&mut session, Input::Invited { leg, has_text: true });
    assert!(matches!(did[..], [Output::Accept(_)]));
    give(&mut session, Input::Established { leg, first_taken: false });
    let deadline = now + Duration::from_secs(20);
    let did = give(&mut session, Input::Text { token: 1, deadline, has_state: true });
    assert!(matches!(did[..], [Output::Message { text: 1, .. }]));
    let ok = response("200 OK", "MESSAGE", "");
    let outcome = Outcome::of_message(ok.status, diagnostics::failure(&ok));
    let did = give(&mut session, Input::Answered { leg, outcome });
    assert!(matches!(did[..], [Output::Settle { token: 1, result: Ok(()) }]));
    let did = give(&mut session, Input::Received { leg, message: "Nic z ob\u{11b}ho".to_owned() });
    assert!(matches!(&did[..], [Output::Deliver(text)] if text == "Nic z ob\u{11b}ho"));
    let did = give(&mut session, Input::Ended(leg));
    assert!(matches!(did[..], [Output::State(ChatState::Gone)]));
    assert!(session.is_over());
}
