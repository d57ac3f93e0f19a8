use proptest::prelude::*;

use super::*;

fn jid(text: &str) -> Jid {
    Jid::parse(text).unwrap()
}

fn uri(user: &str, host: &str, gr: Option<&str>) -> Uri {
    let gr = gr.map(|gr| format!(";gr={gr}")).unwrap_or_default();
    Uri::parse(&format!("sip:{user}@{host}{gr}")).unwrap()
}

fn sip_text(address: &str) -> Result<String, UriError> {
    to_sip(&bare(address)).map(|uri| uri.to_string())
}

fn bare(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

/// RFC 7247 §6.4, the table of examples.
#[test]
fn sip_uris_map_as_the_standard_shows() {
    for (user, host, gr, address) in [
        ("f%C3%BC", "sip.example", None, "f\u{fc}@sip.example"),
        ("o'malley", "sip.example", None, "o\\27malley@sip.example"),
        ("foo", "sip.example", Some("bar"), "foo@sip.example/bar"),
    ] {
        assert_eq!(to_jid(&uri(user, host, gr)), Ok(jid(address)), "{user}");
    }
}

/// RFC 7247 §6.5, the table of examples.
#[test]
fn xmpp_addresses_map_as_the_standard_shows() {
    for (address, uri) in [
        ("m\\26m@xmpp.example", "sip:m&m@xmpp.example"),
        ("tsch\u{fc}ss@xmpp.example", "sip:tsch%C3%BCss@xmpp.example"),
        ("baz@xmpp.example/qux", "sip:baz@xmpp.example;gr=qux"),
    ] {
        assert_eq!(to_gruu(&jid(address)).unwrap().to_string(), uri, "{address}");
    }
}

/// XEP-0106 §5.1, table of native addresses, and the addresses of §5.6; the second column is what a user enters.
#[test]
fn user_names_escape_as_xep_0106_shows() {
    for (name, local) in [
        ("space cadet", "space\\20cadet"),
        ("call me \"ishmael\"", "call\\20me\\20\\22ishmael\\22"),
        ("at&t guy", "at\\26t\\20guy"),
        ("d'artagnan", "d\\27artagnan"),
        ("/.fanboy", "\\2f.fanboy"),
        ("::foo::", "\\3a\\3afoo\\3a\\3a"),
        ("<foo>", "\\3cfoo\\3e"),
        ("user@host", "user\\40host"),
        ("c:\\net", "c\\3a\\net"),
        ("c:\\\\net", "c\\3a\\\\net"),
        ("c:\\cool stuff", "c\\3a\\cool\\20stuff"),
        ("c:\\5commas", "c\\3a\\5c5commas"),
        ("\\3and\\2is\\5cool", "\\5c3and\\2is\\5c5cool"),
        ("\\2plus\\2is\\4", "\\2plus\\2is\\4"),
        ("foo\\bar", "foo\\bar"),
        ("foob\\41r", "foob\\41r"),
    ] {
        assert_eq!(escape::to_localpart(name).as_deref(), Ok(local), "{name}");
        assert_eq!(escape::from_localpart(local).as_deref(), Ok(name), "{local}");
        let address = BareJid::of_user(local, Domain::parse("a.example").unwrap()).unwrap();
        assert_eq!(
            to_sip(&address).unwrap().to_string(),
            format!("sip:{}@a.example", escape::encode_user(name)),
            "{name}"
        );
    }
}

/// RFC 7247 §6.2, table 1 and §6.5 step 5.
#[test]
fn characters_reserved_in_a_user_part_are_percent_encoded() {
    for (address, text) in [
        ("#%[\\]^`{|}@a.example", "sip:%23%25%5B%5C%5D%5E%60%7B%7C%7D@a.example"),
        ("!$()*+,-.;=?_~@a.example", "sip:!$()*+,-.;=?_~@a.example"),
        ("a\\40b\\3ac@a.example", "sip:a%40b%3Ac@a.example"),
    ] {
        assert_eq!(sip_text(address).as_deref(), Ok(text));
    }
}

#[test]
fn what_has_no_counterpart_is_refused() {
    for (user, error) in [
        ("", UriError::NoUser),
        ("a%00b", UriError::Control),
        ("a%0Ab", UriError::Control),
        ("a%7Fb", UriError::Control),
        ("a%C2%80b", UriError::Control),
        ("a%", UriError::Percent),
        ("a%4", UriError::Percent),
        ("a%4g", UriError::Percent),
        ("a%+4b", UriError::Percent),
        ("a%FF", UriError::Utf8),
        ("a%C3", UriError::Utf8),
        ("%20a", UriError::Space),
        ("a%20", UriError::Space),
        ("%E2%99%9A", UriError::Address(JidError::Local)),
    ] {
        assert_eq!(jid_of_parts(user, "a.example", None), Err(error), "{user}");
    }
    assert!(matches!(jid_of_parts("a", "192.0.2.1", None), Err(UriError::Address(JidError::Domain(_)))));
    assert!(matches!(to_jid(&uri("a", "[2001:db8::1]", None)), Err(UriError::Address(JidError::Domain(_)))));
    assert_eq!(jid_of_parts("a", "a.example", Some("")), Err(UriError::Address(JidError::Resource)));
    assert_eq!(jid_of_parts("a", "a.example", Some("%00")), Err(UriError::Control));
    assert_eq!(to_sip(&bare("a.example")), Err(UriError::NoUser));
    for (text, error) in [
        ("sips:a@a.example", UriError::Secure),
        ("tel:+15551234", UriError::Scheme),
        ("im:a@a.example", UriError::Scheme),
        ("sip:a.example", UriError::NoUser),
    ] {
        assert_eq!(to_jid(&Uri::parse(text).unwrap()), Err(error), "{text}");
    }
}

/// `foo\5cbar` and `foo\bar` would otherwise be one SIP user.
#[test]
fn a_localpart_that_nothing_escapes_to_is_refused() {
    for local in ["foo\\5cbar", "\\20foo", "foo\\20"] {
        let address = BareJid::of_user(local, Domain::parse("a.example").unwrap()).unwrap();
        assert_eq!(to_sip(&address), Err(UriError::Escape), "{local}");
    }
}

#[test]
fn domains_are_a_labels_in_sip_and_u_labels_in_xmpp() {
    assert_eq!(sip_text("a@b\u{fc}cher.example").as_deref(), Ok("sip:a@xn--bcher-kva.example"));
    assert_eq!(to_jid(&uri("a", "XN--BCHER-KVA.Example", None)), Ok(jid("a@b\u{fc}cher.example")));
}

#[test]
fn what_only_sip_knows_has_no_counterpart() {
    let full = Uri::parse("sip:romeo:secret@a.example:5070;transport=tcp;gr?subject=x").unwrap();
    assert_eq!(to_jid(&full), Ok(jid("romeo@a.example")), "a gr without value marks a temporary GRUU");
}

#[test]
fn a_resource_is_percent_encoded_inside_gr() {
    for (resource, encoded) in [
        ("urn:uuid:f81d", "urn:uuid:f81d"),
        ("a;b/c@d e", "a%3Bb%2Fc%40d%20e"),
        ("\u{fc}", "%C3%BC"),
        ("a=%", "a%3D%25"),
    ] {
        let address = bare("a@a.example").with_resource(resource).unwrap();
        let gruu = to_gruu(&address).unwrap();
        assert_eq!(gruu.to_string(), format!("sip:a@a.example;gr={encoded}"));
        assert_eq!(to_jid(&gruu), Ok(address));
    }
}

/// Localparts are folded in case and width after they were escaped (RFC 8265 §3.3.2).
#[test]
fn no_name_becomes_an_escape_sequence_by_folding() {
    for (name, local, shown) in [
        ("a\\2Fb", "a\\5c2fb", "a\\2fb"),
        ("a\u{ff3c}2fb", "a\\5c2fb", "a\\2fb"),
        ("a\\\u{ff12}fb", "a\\5c2fb", "a\\2fb"),
        ("a\u{ff0f}b", "a\\2fb", "a/b"),
    ] {
        let address = of_name(name, Domain::parse("a.example").unwrap()).unwrap();
        assert_eq!((address.local(), display_name(&address).as_str()), (Some(local), shown), "{name}");
    }
}

#[test]
fn people_see_the_unescaped_name() {
    assert_eq!(display_name(&bare("o\\27malley@a.example")), "o'malley");
    assert_eq!(of_name("o'malley", Domain::parse("a.example").unwrap()), Ok(bare("o\\27malley@a.example")));
    assert_eq!(display_name(&bare("foo\\5cbar@a.example")), "foo\\5cbar");
}

proptest! {
    #[test]
    fn every_user_name_comes_back(name in "[ -~\u{e4}\u{fc}\u{3b1}\u{4e2d}]{1,30}", resource in "\\PC{1,20}") {
        if let Ok(address) = jid_of_parts(&escape::encode_user(&name), "a.example", None) {
            let name_again = escape::from_localpart(address.local().unwrap()).unwrap().into_owned();
            prop_assert_eq!(name_again.to_lowercase(), name.to_lowercase());
            let full = address.bare().clone().with_resource(&resource).unwrap_or(address);
            prop_assert_eq!(to_jid(&to_gruu(&full).unwrap()), Ok(full));
        }
    }

    #[test]
    fn every_xmpp_address_comes_back_or_is_refused(local in "[a-z0-9\\\\2-5cfe#%;=?\u{fc}.]{1,24}") {
        if let Ok(address) = BareJid::of_user(&local, Domain::parse("a.example").unwrap()) {
            match to_sip(&address) {
                Ok(uri) => prop_assert_eq!(to_jid(&uri), Ok(address.into())),
                Err(error) => prop_assert_eq!(error, UriError::Escape),
            }
        }
    }

    #[test]
    fn no_text_makes_mapping_panic(user in any::<String>(), host in any::<String>(), gr in any::<String>()) {
        let _ = jid_of_parts(&user, &host, Some(&gr));
    }
}
