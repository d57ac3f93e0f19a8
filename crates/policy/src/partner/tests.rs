use proptest::prelude::*;

use super::*;
use crate::{FieldError, Requirement};

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// contoso.example is ours; litware.example with it.litware.example is a partner.
fn directory() -> Directory {
    let mut litware = Partner::new(domain("litware.example"));
    litware.additional_domains = vec![domain("it.litware.example")];
    Directory::new([&domain("contoso.example")], [&litware])
}

fn draft(primary: &str, changes: PartnerChanges) -> Result<Checked, Vec<FieldError>> {
    PartnerDraft { primary_domain: primary.to_owned(), changes }.check(&directory())
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn codes(errors: &[FieldError]) -> Vec<(&'static str, &'static str)> {
    errors.iter().map(|error| (error.field, error.code)).collect()
}

/// The column "default" of partner-policy.md §1.
#[test]
fn a_new_partner_has_the_documented_defaults() {
    let partner = draft("Fabrikam.Example.", PartnerChanges::default()).unwrap().partner;
    assert_eq!(partner.primary_domain.as_ascii(), "fabrikam.example");
    assert_eq!(&*partner.description, "");
    assert!(partner.additional_domains.is_empty());
    assert_eq!(partner.partner_type, PartnerType::PublicUnverified);
    assert_eq!(partner.negotiation.tls, Requirement::Required);
    assert_eq!(partner.negotiation.sasl, Requirement::Required);
    assert!(partner.negotiation.dialback && partner.keep_alive && partner.enabled);
    assert_eq!(partner.connection_limit, None);
    assert_eq!(partner.proxy_fqdn, None);
    assert_eq!(partner.trust_roots, TrustRoots::System);
    assert!(partner.pins.is_empty());
}

#[test]
fn every_field_can_be_given() {
    let checked = draft(
        "fabrikam.example",
        PartnerChanges {
            description: Some("Ring +1 555 0100".to_owned()),
            additional_domains: Some(texts(&["IT.fabrikam.example", "bücher.example"])),
            partner_type: Some("federated".to_owned()),
            tls: Some("optional".to_owned()),
            sasl: Some("not_supported".to_owned()),
            dialback: Some(true),
            connection_limit: Some(Some(2)),
            keep_alive: Some(false),
            proxy_fqdn: Some("xmpp.fabrikam.example:15269".to_owned()),
            trust_roots: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned()),
            pins: Some(vec!["ab".repeat(32), "AB".repeat(32)]),
            enabled: Some(false),
            ..PartnerChanges::default()
        },
    )
    .unwrap();
    let partner = checked.partner;
    assert_eq!(partner.additional_domains, [domain("it.fabrikam.example"), domain("xn--bcher-kva.example")]);
    assert_eq!(partner.partner_type, PartnerType::Federated);
    assert_eq!(partner.row().number, 15);
    assert_eq!(partner.connection_limit, Some(2));
    assert!(!partner.keep_alive && !partner.enabled);
    assert_eq!(partner.proxy_fqdn.unwrap().port(), 15269);
    assert!(matches!(partner.trust_roots, TrustRoots::Pem(_)));
    assert_eq!(partner.pins, [Pin([0xab; 32])]);
    assert_eq!(checked.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["plaintext_possible"]);
}

#[test]
fn all_errors_are_shown_at_once() {
    let errors = draft(
        "192.0.2.1",
        PartnerChanges {
            description: Some("é".repeat(1025)),
            additional_domains: Some(texts(&["a..example", "contoso.example", "x.example", "X.example"])),
            partner_type: Some("friend".to_owned()),
            tls: Some("not_supported".to_owned()),
            sasl: Some("required".to_owned()),
            connection_limit: Some(Some(1)),
            proxy_fqdn: Some("192.0.2.2:5269".to_owned()),
            trust_roots: Some("none".to_owned()),
            pins: Some(texts(&["abc"])),
            ..PartnerChanges::default()
        },
    )
    .unwrap_err();
    assert_eq!(
        codes(&errors),
        [
            ("primary_domain", "domain_invalid"),
            ("description", "too_long"),
            ("additional_domains", "domain_invalid"),
            ("additional_domains", "domain_is_internal"),
            ("additional_domains", "domain_repeated"),
            ("partner_type", "not_a_choice"),
            ("sasl", "sasl_requires_tls"),
            ("connection_limit", "out_of_range"),
            ("proxy_fqdn", "host_invalid"),
            ("trust_roots", "pem_invalid"),
            ("pins", "pin_invalid"),
        ]
    );
}

#[test]
fn a_domain_is_on_one_partner_and_never_internal() {
    for (primary, additional, code, named) in [
        ("", &[][..], "required", "a domain name is required"),
        ("litware.example", &[], "domain_in_use", "litware.example is already a partner"),
        ("IT.litware.example", &[], "domain_in_use", "partner litware.example"),
        ("contoso.example", &[], "domain_is_internal", "contoso.example"),
        ("fabrikam.example", &["it.litware.example"], "domain_in_use", "partner litware.example"),
        ("fabrikam.example", &["Contoso.Example"], "domain_is_internal", "contoso.example"),
        ("fabrikam.example", &["FABRIKAM.example"], "domain_repeated", "primary domain"),
        ("fabrikam.example", &["a.example", "a.example."], "domain_repeated", "a.example is listed twice"),
    ] {
        let changes = PartnerChanges { additional_domains: Some(texts(additional)), ..PartnerChanges::default() };
        let errors = draft(primary, changes).unwrap_err();
        assert_eq!(errors.len(), 1, "{primary} {additional:?}");
        assert_eq!(errors[0].code, code, "{primary} {additional:?}");
        assert!(errors[0].message.contains(named), "{}", errors[0].message);
    }
    // Sub-domains of an internal domain or of another partner are names of their own.
    for primary in ["hr.litware.example", "it.contoso.example"] {
        assert!(draft(primary, PartnerChanges::default()).is_ok(), "{primary}");
    }
}

/// All 18 rows: an invalid one is refused with its code at the field, a valid one shows its warnings.
#[test]
fn a_partner_is_saved_exactly_with_a_valid_row() {
    for row in &crate::negotiation::ROWS {
        let changes = PartnerChanges {
            tls: Some(row.negotiation.tls.to_string()),
            sasl: Some(row.negotiation.sasl.to_string()),
            dialback: Some(row.negotiation.dialback),
            ..PartnerChanges::default()
        };
        match (draft("fabrikam.example", changes), row.invalid()) {
            (Ok(checked), None) => {
                let expected: Vec<_> = row.warnings().iter().map(|warning| warning.as_str()).collect();
                assert_eq!(checked.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), expected);
            }
            (Err(errors), Some(invalid)) => assert_eq!(codes(&errors), [("sasl", invalid.as_str())]),
            (found, _) => panic!("row {}: {found:?}", row.number),
        }
    }
}

#[test]
fn what_is_not_changed_stays() {
    let directory = directory();
    let stored = draft(
        "fabrikam.example",
        PartnerChanges {
            additional_domains: Some(texts(&["a.example", "b.example"])),
            connection_limit: Some(Some(7)),
            proxy_fqdn: Some("xmpp.example".to_owned()),
            pins: Some(vec!["00".repeat(32)]),
            ..PartnerChanges::default()
        },
    )
    .unwrap()
    .partner;
    assert_eq!(PartnerChanges::default().check(&stored, &directory).unwrap().partner, stored);

    let changes = PartnerChanges {
        add_domains: texts(&["c.example"]),
        remove_domains: texts(&["A.example"]),
        sasl: Some("optional".to_owned()),
        connection_limit: Some(None),
        proxy_fqdn: Some(String::new()),
        pins: Some(Vec::new()),
        ..PartnerChanges::default()
    };
    let changed = changes.check(&stored, &directory).unwrap().partner;
    assert_eq!(changed.additional_domains, [domain("b.example"), domain("c.example")]);
    assert_eq!(changed.row().number, 7);
    assert_eq!((changed.connection_limit, &changed.proxy_fqdn), (None, &None));
    assert!(changed.pins.is_empty());
}

#[test]
fn a_change_is_judged_together_with_what_stays() {
    let directory = directory();
    let stored = draft("fabrikam.example", PartnerChanges::default()).unwrap().partner;
    for (changes, code) in [
        (PartnerChanges { tls: Some("not_supported".to_owned()), ..PartnerChanges::default() }, "sasl_requires_tls"),
        (
            PartnerChanges {
                sasl: Some("not_supported".to_owned()),
                dialback: Some(false),
                ..PartnerChanges::default()
            },
            "no_authentication_method",
        ),
        (PartnerChanges { remove_domains: texts(&["a.example"]), ..PartnerChanges::default() }, "domain_not_listed"),
        (PartnerChanges { add_domains: texts(&["litware.example"]), ..PartnerChanges::default() }, "domain_in_use"),
        (PartnerChanges { add_domains: texts(&["fabrikam.example"]), ..PartnerChanges::default() }, "domain_repeated"),
    ] {
        let errors = changes.check(&stored, &directory).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), [code]);
    }
    // Its own domains are not another partner's.
    let own = Directory::new([], [&stored]);
    let changes = PartnerChanges { additional_domains: Some(texts(&["a.example"])), ..PartnerChanges::default() };
    assert!(changes.check(&stored, &own).is_ok());
}

#[test]
fn lists_and_texts_have_limits() {
    let names = |count: usize| (0..count).map(|n| format!("d{n}.example")).collect::<Vec<_>>();
    let pins = |count: usize| (0..count).map(|n| format!("{n:064x}")).collect::<Vec<_>>();
    for (changes, fits) in [
        (PartnerChanges { additional_domains: Some(names(256)), ..PartnerChanges::default() }, true),
        (PartnerChanges { additional_domains: Some(names(257)), ..PartnerChanges::default() }, false),
        (PartnerChanges { description: Some("é".repeat(1024)), ..PartnerChanges::default() }, true),
        (PartnerChanges { connection_limit: Some(Some(-1)), ..PartnerChanges::default() }, false),
        (PartnerChanges { connection_limit: Some(Some(i64::MAX)), ..PartnerChanges::default() }, false),
        (PartnerChanges { pins: Some(pins(16)), ..PartnerChanges::default() }, true),
        (PartnerChanges { pins: Some(pins(17)), ..PartnerChanges::default() }, false),
    ] {
        assert_eq!(draft("fabrikam.example", changes).is_ok(), fits);
    }
}

#[test]
fn a_look_alike_name_is_accepted_with_a_warning() {
    let changes = PartnerChanges {
        sasl: Some("optional".to_owned()),
        additional_domains: Some(texts(&["пример.example"])),
        ..PartnerChanges::default()
    };
    let checked = draft("f\u{430}brikam.example", changes).unwrap();
    let found: Vec<_> = checked.warnings.iter().map(|warning| (warning.field, warning.code)).collect();
    assert_eq!(found, [("primary_domain", "look_alike_domain")]);
}

#[test]
fn an_internal_domain_is_in_no_other_use() {
    for (text, code) in [
        ("Contoso.example", Some("domain_exists")),
        ("it.litware.example", Some("domain_in_use")),
        ("192.0.2.1", Some("domain_invalid")),
        ("", Some("required")),
        ("it.contoso.example", None),
    ] {
        let found = directory().check_internal("domain", text);
        assert_eq!(found.err().map(|error| error.code), code, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_check_panic(text in any::<String>(), other in "\\PC{0,40}") {
        let changes = PartnerChanges {
            description: Some(text.clone()),
            additional_domains: Some(vec![text.clone(), other.clone()]),
            tls: Some(other.clone()),
            proxy_fqdn: Some(text.clone()),
            trust_roots: Some(text.clone()),
            pins: Some(vec![text.clone(), other]),
            ..PartnerChanges::default()
        };
        let _ = draft(&text, changes);
    }
}
