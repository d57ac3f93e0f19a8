use super::*;

fn parse(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

/// RFC 3261 §19.1.4.
#[test]
fn compares_the_examples_of_the_standard() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=off"),
    ] {
        assert!(same_resource(&parse(a), &parse(b)), "{a} and {b}");
        assert!(same_resource(&parse(b), &parse(a)), "{b} and {a}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b.example", "sips:a@b.example"),
        ("sip:a@b.example;user=phone", "sip:a@b.example"),
        ("sip:a@b.example;maddr=192.0.2.1", "sip:a@b.example"),
        ("sip:a:b@b.example", "sip:a@b.example"),
        ("sip:a%3Bb@b.example", "sip:a;b@b.example"),
    ] {
        assert!(!same_resource(&parse(a), &parse(b)), "{a} and {b}");
    }
}

#[test]
fn takes_a_uri_apart_and_writes_it_back() {
    // The longest is of RFC 4475 §3.1.1.2.
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4:5070",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:user@[2001:db8::10]:5070;lr",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "tel:+31-641044153",
        "soap.beep://192.0.2.103:3002",
        "im:juliet@example.com",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
    let uri = parse("sip:user;par=u%40example.net@example.com");
    assert_eq!(uri.user_text().unwrap(), "user;par=u@example.net");
    let uri = parse("sip:null-%00-null@example.com");
    assert_eq!(uri.user_text().unwrap(), "null-\0-null");
    let uri = parse("sip:romeo@example.net;gr=a%3Bb");
    assert_eq!(uri.gr().unwrap(), "a;b");
}

#[test]
fn refuses_what_is_not_a_uri() {
    for text in [
        "",
        "alice",
        "sip:",
        "sip:@a.example",
        "sip:a@",
        "sip:a@b@c.example",
        "sip:a b@c.example",
        "sip:a@b.example; lr",
        "sip:a@b.example:",
        "sip:a@b.example:0",
        "sip:a@b.example:70000",
        "sip:a@b.example:5x",
        "sip:a@[::1",
        "sip:a@[zz]",
        "sip:a%4@b.example",
        "sip:a%zz@b.example",
        "sip:\u{fc}@b.example",
        "sip:a@b.example;;lr",
        "sip:a@b.example?a\"b",
        "1x:abc",
        "tel:<1>",
    ] {
        assert_eq!(Uri::parse(text), Err(FieldError::Uri), "{text}");
    }
}

/// RFC 7247 §6.5 step 5: what a SIP user part cannot hold is percent-encoded.
#[test]
fn escapes_a_user_part() {
    let uri = Uri::sip(Some("tsch\u{fc}ss #%[\\]^`{|}@"), "XMPP.example", None).unwrap();
    assert_eq!(uri.to_string(), "sip:tsch%C3%BCss%20%23%25%5B%5C%5D%5E%60%7B%7C%7D%40@xmpp.example");
    assert_eq!(uri.user_text().unwrap(), "tsch\u{fc}ss #%[\\]^`{|}@");
    let uri = Uri::sip(Some("baz"), "xmpp.example", None).unwrap().with_param("gr", Some("q;u/x@"));
    assert_eq!(uri.to_string(), "sip:baz@xmpp.example;gr=q%3Bu/x%40");
    assert!(Uri::sip(Some("a"), "b.example\r\nX: y", None).is_err());
}

#[test]
fn an_address_of_record_is_user_and_host_alone() {
    let uri = parse("sip:%6Aoe:pw@A.Example:5070;transport=tcp?x=y");
    assert_eq!(uri.address_of_record().to_string(), "sip:joe@a.example");
}
