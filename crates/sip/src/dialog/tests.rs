use super::*;
use crate::message::{NameAddr, Status};

fn invite(fields: &[(Name, &str)]) -> Request {
    let uri = Uri::parse("sip:bob@biloxi.example").unwrap();
    let from = NameAddr::parse("\"Alice\" <sip:alice@atlanta.example>;tag=1928301774").unwrap();
    let mut request =
        Request::out_of_dialog(Method::Invite, uri.clone(), &from, &NameAddr::new(uri), "a84b4c76e66710", 314159)
            .unwrap();
    for (name, value) in fields {
        request.headers.push(*name, value).unwrap();
    }
    request
}

fn accepted(request: &Request, fields: &[(Name, &str)]) -> Response {
    let mut response = Response::to(request, Status::OK, "a6c85cf");
    for (name, value) in fields {
        response.headers.push(*name, value).unwrap();
    }
    response
}

fn routes(request: &Request) -> Vec<&str> {
    request.headers.fields(Name::Route).collect()
}

/// §12.1.1 and §12.1.2: the called side keeps the order of Record-Route, the caller turns it round.
#[test]
fn both_sides_have_the_route_set_in_their_order() {
    let record =
        [(Name::RecordRoute, "<sip:p2.example;lr>, <sip:p1.example;lr>"), (Name::RecordRoute, "<sip:p0.example;lr>")];
    let request = invite(&[&record[..], &[(Name::Contact, "<sip:alice@pc33.atlanta.example>")]].concat());
    let response = accepted(&request, &[&record[..], &[(Name::Contact, "<sip:bob@192.0.2.4>")]].concat());

    let mut uac = Dialog::as_uac(&request, &response).unwrap();
    let bye = uac.request(Method::Bye).unwrap();
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.4");
    assert_eq!(routes(&bye), ["<sip:p0.example;lr>", "<sip:p1.example;lr>", "<sip:p2.example;lr>"]);
    assert_eq!(uac.next_hop().unwrap().to_string(), "sip:p0.example;lr");
    assert_eq!(bye.headers.first(Name::From), Some("\"Alice\" <sip:alice@atlanta.example>;tag=1928301774"));
    assert_eq!(bye.headers.first(Name::To), Some("<sip:bob@biloxi.example>;tag=a6c85cf"));
    assert_eq!(bye.headers.first(Name::CSeq), Some("314160 BYE"));
    assert_eq!(uac.ack(314159).unwrap().headers.first(Name::CSeq), Some("314159 ACK"));

    let mut uas = Dialog::as_uas(&request, "a6c85cf").unwrap();
    let message = uas.request(Method::Message).unwrap();
    assert_eq!(message.uri.to_string(), "sip:alice@pc33.atlanta.example");
    assert_eq!(routes(&message), ["<sip:p2.example;lr>", "<sip:p1.example;lr>", "<sip:p0.example;lr>"]);
    assert_eq!(message.headers.first(Name::CSeq), Some("1 MESSAGE"));
    assert!(uas.is_of(&bye) && uac.is_of(&message) && !uas.is_of(&message));
}

/// §12.2.1.1: "if the route set is … <sip:proxy1>, <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4> and the remote target URI is
/// set to sip:user@remoteua, the request will be formed with … METHOD sip:proxy1, Route: <sip:proxy2>,<sip:proxy3;lr>,
/// <sip:proxy4>,<sip:user@remoteua>".
#[test]
fn a_strict_router_takes_the_place_of_the_target() {
    let request = invite(&[
        (Name::RecordRoute, "<sip:proxy1>, <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>"),
        (Name::Contact, "<sip:user@remoteua>"),
    ]);
    let bye = Dialog::as_uas(&request, "b").unwrap().request(Method::Bye).unwrap();
    assert_eq!(bye.uri.to_string(), "sip:proxy1");
    assert_eq!(routes(&bye), ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]);
}

/// §12.1.1: "a UAS MUST be prepared to receive a request without a tag in the From field, in which case the tag is
/// considered to have a value of null"; the same of To in §12.1.2.
#[test]
fn a_peer_without_tags_has_the_tag_null() {
    let mut request = invite(&[(Name::Contact, "<sip:alice@pc33.atlanta.example>")]);
    request.headers.set(Name::From, "sip:alice@atlanta.example").unwrap();
    let mut uas = Dialog::as_uas(&request, "b").unwrap();
    assert_eq!(uas.remote_tag(), "");
    let bye = uas.request(Method::Bye).unwrap();
    assert_eq!(bye.headers.first(Name::To), Some("sip:alice@atlanta.example"));
    let mut theirs = request.clone();
    theirs.headers.set(Name::To, "<sip:bob@biloxi.example>;tag=b").unwrap();
    assert!(uas.is_of(&theirs));

    let mut response = accepted(&request, &[]);
    response.headers.set(Name::To, "<sip:bob@biloxi.example>").unwrap();
    let uac = Dialog::as_uac(&request, &response).unwrap();
    assert_eq!((uac.remote_tag(), uac.target().unwrap().to_string()), ("", "sip:bob@biloxi.example".to_owned()));
}

#[test]
fn a_request_that_makes_no_dialog_is_refused() {
    assert_eq!(Dialog::as_uas(&invite(&[]), "b"), Err(FieldError::Missing("Contact").into()));
    let star = invite(&[(Name::Contact, "*")]);
    assert_eq!(Dialog::as_uas(&star, "b"), Err(FieldError::Address.into()));
    let unreadable = [(Name::Contact, "<sip:a@b.example>"), (Name::RecordRoute, "<sip:a@b@c>")];
    assert_eq!(Dialog::as_uas(&invite(&unreadable), "b"), Err(FieldError::Address.into()));
}

/// §12.2.2: lower numbers are out of order, and gaps are none.
#[test]
fn numbers_only_grow() {
    let request = invite(&[(Name::Contact, "<sip:alice@pc33.atlanta.example>")]);
    let mut dialog = Dialog::as_uas(&request, "b").unwrap();
    let mut next = |cseq: &str| {
        let mut message = request.clone();
        message.headers.set(Name::CSeq, cseq).unwrap();
        dialog.receive(&message)
    };
    assert_eq!(next("314200 MESSAGE"), Ok(()));
    assert_eq!(next("314199 MESSAGE"), Err(OutOfOrder));
    assert_eq!(next("314201 MESSAGE"), Ok(()));
    assert_eq!(next("314201 MESSAGE"), Ok(()), "only a lower number is out of order");
}

#[test]
fn a_peer_that_moves_is_followed() {
    let request = invite(&[(Name::Contact, "<sip:alice@pc33.atlanta.example>")]);
    let mut dialog = Dialog::as_uas(&request, "b").unwrap();
    for (contact, target) in [
        ("<sip:alice@192.0.2.9:5070;transport=tcp>", "sip:alice@192.0.2.9:5070;transport=tcp"),
        ("*", "sip:alice@192.0.2.9:5070;transport=tcp"),
        ("<sip:alice@192.0.2.9?Subject=a>", "sip:alice@192.0.2.9"),
    ] {
        dialog.refresh_target(&invite(&[(Name::Contact, contact)]).headers);
        assert_eq!(dialog.request(Method::Info).unwrap().uri.to_string(), target);
    }
}

#[test]
fn the_table_finds_by_call_id_and_our_tag_and_is_bounded() {
    let mut table = Dialogs::new(2, [7; 32]);
    assert_eq!(table.insert("c1", "b", 1), Ok(()));
    assert_eq!(table.insert("c1", "b2", 2), Ok(()));
    assert_eq!(table.insert("c3", "b", 3), Err(3));
    assert_eq!(table.insert("c1", "b", 4), Ok(()), "in the place of the first");
    let mut request = invite(&[]);
    request.headers.set(Name::CallId, "c1").unwrap();
    assert_eq!(table.find(&request), None, "a request without our tag is in no dialog");
    request.headers.set(Name::To, "<sip:bob@biloxi.example>;tag=b").unwrap();
    assert_eq!(table.find(&request), Some(&4));
    assert_eq!(table.remove("c1", "b"), Some(4));
    assert_eq!((table.find(&request), table.len()), (None, 1));
}
