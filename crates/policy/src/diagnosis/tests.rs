use lexicon::{
    Domain, Method, MethodSet, RowId, Timestamp,
    report::{CertificateSeen, Dial, Leg, Lookup, Offered, Purpose, TlsUsed, Tried},
};

use super::*;

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn report(direction: Direction, code: Code) -> Report {
    Report {
        id: RowId::new(Timestamp::from_millis(0), [0; 10]),
        at: Timestamp::from_millis(0),
        duration_ms: 0,
        direction,
        purpose: Purpose::Stanzas,
        leg: Leg::Partner,
        local: Some(domain("contoso.example")),
        remote: Some(domain("it.fabrikam.example")),
        partner: Some(domain("fabrikam.example")),
        peer: None,
        lookup: None,
        dials: Vec::new(),
        tls: None,
        certificate: None,
        offered: None,
        tries: Vec::new(),
        stage: None,
        method: None,
        result: code.into(),
        detail: String::new(),
    }
}

#[test]
fn every_code_has_words_and_a_remedy_that_name_who_is_concerned() {
    for code in Code::ALL {
        let ways = [Direction::Inbound, Direction::Outbound].map(|way| [(way, Leg::Partner), (way, Leg::Inner)]);
        for (direction, leg) in ways.into_iter().flatten() {
            let found = diagnose(&Report { leg, ..report(direction, *code) });
            let remedy = found.remedy.clone().unwrap_or_default();
            assert!(found.summary.ends_with('.'), "{code}: {found:?}");
            assert_eq!(remedy.is_empty(), *code == Code::Ok, "{code}: {found:?}");
            let names = ["contoso.example", "fabrikam.example"];
            assert!(*code == Code::Ok || names.iter().any(|name| remedy.contains(name)), "{code}: {found:?}");
            assert!(!format!("{}{remedy}", found.summary).contains(['{', '}']), "{code}: {found:?}");
            assert!(!found.summary.contains("  ") && !remedy.contains("  "), "{code}: {found:?}");
        }
    }
}

#[test]
fn a_question_about_a_key_connects_nobody() {
    let asked = Report { purpose: Purpose::Verification, ..report(Direction::Inbound, Code::Ok) };
    assert!(diagnose(&asked).summary.contains("dialback key"), "{asked:?}");
}

#[test]
fn a_code_of_a_later_version_is_told_as_it_was_written() {
    let later = Report {
        result: "quantum_refused".into(),
        detail: "no entanglement".to_owned(),
        ..report(Direction::Inbound, Code::Ok)
    };
    let found = diagnose(&later);
    assert_eq!((found.summary.as_str(), found.remedy), ("quantum_refused: no entanglement", None));
}

#[test]
fn the_steps_tell_the_verdicts_about_a_certificate_apart() {
    let mut told = report(Direction::Outbound, Code::CertificateWrongName);
    told.lookup = Some(Lookup {
        via: None,
        addresses: vec!["192.0.2.1:5269".to_owned(), "192.0.2.2:5269".to_owned()],
        result: Code::Ok.into(),
        detail: String::new(),
    });
    told.dials = [("192.0.2.1:5269", Code::ConnectRefused), ("192.0.2.2:5269", Code::Ok)]
        .map(|(address, code)| Dial { address: address.to_owned(), result: code.into() })
        .into();
    told.tls = Some(TlsUsed { version: "TLS 1.3".to_owned(), cipher: "TLS13_AES_256_GCM_SHA384".to_owned() });
    told.certificate = Some(CertificateSeen {
        subject: "CN=fabrikam.example".to_owned(),
        issuer: "CN=Fabrikam CA".to_owned(),
        names: vec!["fabrikam.example".to_owned()],
        not_before: None,
        not_after: Some(Timestamp::from_millis(1_795_422_480_123)),
        spki_sha256: String::new(),
        chain: Some(Code::Ok.into()),
        identity: Some(Code::CertificateWrongName.into()),
    });
    let detail = "the certificate does not name the domain".to_owned();
    told.tries = vec![Tried { method: Method::SaslOverTls, result: Code::CertificateWrongName.into(), detail }];
    let texts: Vec<_> = steps(&told).into_iter().map(|step| format!("{}: {}", step.name, step.text)).collect();
    assert_eq!(
        texts,
        [
            "lookup: The server of it.fabrikam.example was found at 192.0.2.1:5269, 192.0.2.2:5269.",
            "connect: 192.0.2.1:5269 refused the connection.",
            "connect: 192.0.2.2:5269 accepted the connection.",
            "tls: TLS 1.3 with TLS13_AES_256_GCM_SHA384.",
            "certificate_chain: The certificate of CN=fabrikam.example, issued by CN=Fabrikam CA and valid until \
             2026-11-23T08:28:00.123Z, is trusted.",
            "certificate_identity: The certificate names fabrikam.example and not it.fabrikam.example.",
            "method: SASL over TLS failed: the certificate does not name the domain.",
            "result: The certificate of it.fabrikam.example does not name it.fabrikam.example.",
        ]
    );
}

/// product.md, "partner state".
#[test]
fn a_partner_is_what_its_last_attempts_say() {
    use Direction::{Inbound, Outbound};
    use Method::{SaslOverTls, TlsDialback};
    let both = MethodSet::of(&[SaslOverTls, TlsDialback]);
    let last = |direction, remote, method, strongest| LastAttempt {
        direction,
        local: None,
        remote: domain(remote),
        method,
        strongest,
    };
    let (good, bad) = (
        |direction, remote| last(direction, remote, Some(SaslOverTls), Some(SaslOverTls)),
        |direction, remote| last(direction, remote, None, Some(SaslOverTls)),
    );
    let (a, b) = ("fabrikam.example", "it.fabrikam.example");
    let weaker = last(Outbound, a, Some(TlsDialback), Some(SaslOverTls));
    for (attempts, state) in [
        (vec![], PartnerState::NotTried),
        (vec![good(Outbound, a)], PartnerState::Up),
        (vec![good(Outbound, a), good(Inbound, a)], PartnerState::Up),
        (vec![good(Outbound, a), bad(Inbound, a)], PartnerState::Degraded),
        (vec![good(Outbound, a), bad(Outbound, b)], PartnerState::Degraded),
        (vec![bad(Outbound, a)], PartnerState::Down),
        (vec![bad(Outbound, a), bad(Inbound, a)], PartnerState::Down),
        (vec![weaker.clone()], PartnerState::Degraded),
    ] {
        assert_eq!(partner_state(true, both, &attempts), state, "{attempts:?}");
        assert_eq!(partner_state(false, both, &attempts), PartnerState::Disabled);
    }
    assert_eq!(partner_state(true, MethodSet::of(&[TlsDialback]), &[weaker]), PartnerState::Up);
}

/// partner-policy §2: the rows whose method was seen to work, inside TLS and without; what was only offered counts for nothing.
#[test]
fn the_rows_that_work_are_those_whose_method_has_worked() {
    use Method::{SaslOverTls, TcpDialback, TlsDialback};
    let seen = |tls: bool, tries: &[(Method, Code)]| {
        let mechanisms = vec!["EXTERNAL".to_owned()];
        let tried =
            |(method, code): &(Method, Code)| Tried { method: *method, result: (*code).into(), detail: String::new() };
        Report {
            tls: tls.then(TlsUsed::default),
            offered: Some(Offered { starttls: tls, mechanisms, dialback: true, ..Offered::default() }),
            tries: tries.iter().map(tried).collect(),
            ..report(Direction::Outbound, Code::Timeout)
        }
    };
    let (ok, failed) = (Code::Ok, Code::DialbackRefused);
    for (seen, numbers) in [
        (seen(true, &[(SaslOverTls, ok), (TlsDialback, ok)]), vec![1, 2, 3, 4, 7, 8, 9, 10, 13, 15]),
        (seen(true, &[(SaslOverTls, ok), (TlsDialback, failed)]), vec![1, 2, 3, 4, 7, 8, 9, 10]),
        (seen(true, &[(SaslOverTls, ok)]), vec![1, 2, 3, 4, 7, 8, 9, 10]),
        (seen(true, &[(SaslOverTls, Code::OurCertificateRefused), (TlsDialback, ok)]), vec![7, 9, 13, 15]),
        (seen(true, &[]), vec![]),
        (seen(false, &[(TcpDialback, ok)]), vec![9, 15, 17]),
        (seen(false, &[(TcpDialback, failed)]), vec![]),
        (seen(false, &[]), vec![]),
        (report(Direction::Outbound, Code::ConnectRefused), vec![]),
    ] {
        let rows: Vec<_> = rows_that_work(&seen).iter().map(|working| working.row.number).collect();
        assert_eq!(rows, numbers, "{seen:?}");
    }
}
