use super::*;
use crate::{
    message::{Method, NameAddr},
    transaction::Transport,
};

const HANA: &str = "hana@contoso.example";

struct Desk {
    registrar: Registrar,
    now: Instant,
}

#[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
fn desk() -> Desk {
    let limits = Limits { contacts_max: 2, bindings_max: 3, ..Limits::default() };
    Desk { registrar: Registrar::new(limits), now: Instant::now() }
}

fn register(call_id: &str, cseq: u32, contacts: &[&str], expires: Option<u32>) -> Request {
    let address = NameAddr::new(Uri::parse("sip:hana@contoso.example").unwrap());
    let uri = Uri::parse("sip:contoso.example").unwrap();
    let mut request =
        Request::out_of_dialog(Method::Register, uri, &address.clone().with_tag("a"), &address, call_id, cseq).unwrap();
    for contact in contacts {
        request.headers.push(Name::Contact, contact).unwrap();
    }
    if let Some(expires) = expires {
        request.headers.push(Name::Expires, expires).unwrap();
    }
    request
}

fn flow(id: u64) -> Flow {
    Flow { id: FlowId(id), transport: Transport::Udp, sent_by: "127.0.0.1:5060".into() }
}

impl Desk {
    fn take(&mut self, request: &Request) -> Result<Vec<String>, RegisterError> {
        self.take_for(HANA, request)
    }

    fn take_for(&mut self, address: &str, request: &Request) -> Result<Vec<String>, RegisterError> {
        let source = "127.0.0.1:40000".parse().unwrap();
        self.registrar.register(self.now, address, request, &flow(1), source)?;
        Ok(self.registrar.contact_values(self.now, address))
    }
}

#[test]
fn adds_refreshes_and_removes_a_contact() {
    let mut desk = desk();
    let contact = "<sip:hana@192.0.2.1:5060>";
    assert_eq!(desk.take(&register("c", 1, &[contact], None)).unwrap(), ["<sip:hana@192.0.2.1:5060>;expires=3600"]);
    assert_eq!(desk.take(&register("c", 2, &[contact], Some(120))).unwrap(), ["<sip:hana@192.0.2.1:5060>;expires=120"]);
    assert_eq!(desk.take(&register("c", 3, &[], None)).unwrap().len(), 1, "a query changes nothing");
    assert!(desk.take(&register("c", 4, &["<sip:hana@192.0.2.1:5060>;expires=0"], None)).unwrap().is_empty());
    assert!(desk.registrar.is_empty());
}

#[test]
fn the_parameter_of_the_contact_outweighs_the_field() {
    let mut desk = desk();
    let values = desk.take(&register("c", 1, &["<sip:a@b.example>;expires=600;q=0.5", "<sip:c@d.example>"], Some(90)));
    assert_eq!(values.unwrap(), ["<sip:c@d.example>;expires=90", "<sip:a@b.example>;expires=600;q=0.500"]);
}

#[test]
fn a_star_removes_all_and_needs_zero() {
    let mut desk = desk();
    desk.take(&register("c", 1, &["<sip:a@b.example>", "<sip:c@d.example>"], None)).unwrap();
    let malformed = Err(RegisterError::Malformed(FieldError::Number("Expires")));
    assert_eq!(desk.take(&register("c", 2, &["*"], None)), malformed);
    assert_eq!(desk.take(&register("c", 2, &["*"], Some(60))), malformed);
    assert!(desk.take(&register("c", 2, &["*", "<sip:a@b.example>"], Some(0))).is_err());
    assert_eq!(desk.take(&register("c", 1, &["*"], Some(0))), Err(RegisterError::OutOfOrder));
    assert_eq!(desk.registrar.len(), 2);
    assert!(desk.take(&register("c", 2, &["*"], Some(0))).unwrap().is_empty());
}

#[test]
fn an_older_request_of_the_same_call_changes_nothing() {
    let mut desk = desk();
    desk.take(&register("c", 5, &["<sip:a@b.example>"], None)).unwrap();
    for (contacts, cseq) in
        [(&["<sip:a@b.example>;expires=0"][..], 4), (&["<sip:x@y.example>", "<sip:a@b.example>"], 5)]
    {
        assert_eq!(desk.take(&register("c", cseq, contacts, None)), Err(RegisterError::OutOfOrder));
        assert_eq!(desk.registrar.len(), 1);
    }
    desk.take(&register("other", 1, &["<sip:a@b.example>;expires=0"], None)).unwrap();
    assert!(desk.registrar.is_empty());
}

#[test]
fn refuses_what_it_cannot_hold() {
    let mut desk = desk();
    let brief = desk.take(&register("c", 1, &["<sip:a@b.example>;expires=59"], None));
    assert_eq!(brief, Err(RegisterError::IntervalTooBrief(60)));
    let three = ["<sip:a@b.example>", "<sip:c@b.example>", "<sip:d@b.example>"];
    assert_eq!(desk.take(&register("c", 1, &three, None)), Err(RegisterError::TooManyContacts));
    assert_eq!(desk.take(&register("c", 1, &["<tel:+31>"], None)), Err(RegisterError::UnsupportedScheme));
    assert!(desk.registrar.is_empty());
    desk.take(&register("c", 1, &three[..2], None)).unwrap();
    assert_eq!(desk.take_for("other", &register("d", 1, &three[..2], None)), Err(RegisterError::Full));
    desk.take_for("other", &register("d", 1, &three[..1], None)).unwrap();
    let large = desk.take_for("other", &register("d", 2, &["<sip:a@b.example>;expires=99999999999"], None)).unwrap();
    assert_eq!(large, ["<sip:a@b.example>;expires=7200"]);
}

#[test]
fn bindings_end_by_time_and_with_their_flow() {
    let mut desk = desk();
    desk.take(&register("c", 1, &["<sip:a@b.example>;expires=60", "<sip:c@d.example>"], None)).unwrap();
    assert_eq!(desk.registrar.deadline(), Some(desk.now + Duration::from_secs(60)));
    desk.now += Duration::from_secs(60);
    assert_eq!(desk.registrar.bindings(desk.now, HANA).len(), 1, "an ended binding is not used");
    desk.registrar.expire(desk.now);
    assert_eq!(desk.registrar.len(), 1);
    desk.registrar.flow_lost(FlowId(2));
    assert_eq!(desk.registrar.len(), 1);
    desk.registrar.flow_lost(FlowId(1));
    assert_eq!((desk.registrar.len(), desk.registrar.deadline()), (0, None));
}

#[test]
fn an_unreachable_contact_is_reachable_again_when_it_registers() {
    let mut desk = desk();
    desk.take(&register("c", 1, &["<sip:a@b.example>"], None)).unwrap();
    desk.registrar.mark_unreachable(HANA, &Uri::parse("sip:a@b.example").unwrap());
    assert!(desk.registrar.bindings(desk.now, HANA)[0].is_unreachable);
    desk.take(&register("c", 2, &["<sip:a@b.example>"], None)).unwrap();
    assert!(!desk.registrar.bindings(desk.now, HANA)[0].is_unreachable);
}

/// RFC 5626 §6: the same instance and reg-id is the same flow, whatever its address.
#[test]
fn an_instance_replaces_its_own_binding() {
    let mut desk = desk();
    let from = |port: u16| format!("<sip:a@192.0.2.1:{port}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    desk.take(&register("c", 1, &[&from(1000)], None)).unwrap();
    let values = desk.take(&register("d", 1, &[&from(2000)], None)).unwrap();
    let expected = "<sip:a@192.0.2.1:2000>;expires=3600;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    assert_eq!(values, [expected]);
}
