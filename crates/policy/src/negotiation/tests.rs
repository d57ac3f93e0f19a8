use super::*;

/// The table of partner-policy.md §2, as it stands there.
const DOCUMENTED: &str = "
| 1 | required | required | true | SASL over TLS | warning `dialback_inoperative` |
| 2 | required | required | false | SASL over TLS | ok |
| 3 | optional | required | true | SASL over TLS | warnings `tls_optional_with_sasl`, `dialback_inoperative` |
| 4 | optional | required | false | SASL over TLS | warning `tls_optional_with_sasl` |
| 5 | not supported | required | true | – | **invalid** `sasl_requires_tls` |
| 6 | not supported | required | false | – | **invalid** `sasl_requires_tls` |
| 7 | required | optional | true | SASL over TLS, TLS dialback | ok |
| 8 | required | optional | false | SASL over TLS | ok |
| 9 | optional | optional | true | SASL over TLS, TLS dialback, TCP dialback | warnings `tls_optional_with_sasl`, `plaintext_possible` |
| 10 | optional | optional | false | SASL over TLS | warning `tls_optional_with_sasl` |
| 11 | not supported | optional | true | – | **invalid** `sasl_requires_tls` |
| 12 | not supported | optional | false | – | **invalid** `sasl_requires_tls` |
| 13 | required | not supported | true | TLS dialback | ok |
| 14 | required | not supported | false | – | **invalid** `no_authentication_method` |
| 15 | optional | not supported | true | TLS dialback, TCP dialback | warning `plaintext_possible` |
| 16 | optional | not supported | false | – | **invalid** `no_authentication_method` |
| 17 | not supported | not supported | true | TCP dialback | warning `plaintext_only` |
| 18 | not supported | not supported | false | – | **invalid** `no_authentication_method` |
";

#[test]
fn every_row_is_as_documented() {
    let mut numbers = Vec::new();
    for line in DOCUMENTED.trim().lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let requirement = |cell: &str| cell.replace(' ', "_").parse().unwrap();
        let negotiation =
            Negotiation { tls: requirement(cells[1]), sasl: requirement(cells[2]), dialback: cells[3] == "true" };
        let row = row(negotiation);
        assert_eq!(row.number.to_string(), cells[0]);
        assert_eq!(row.negotiation, negotiation, "{line}");
        assert_eq!(row.methods.to_string(), cells[4].replace('–', "none"), "{line}");
        let codes: Vec<_> = cells[5].split('`').skip(1).step_by(2).collect();
        match row.verdict {
            Verdict::Permitted(warnings) => {
                assert!(cells[5] == "ok" || cells[5].starts_with("warning"), "{line}");
                assert_eq!(warnings.iter().map(|warning| warning.as_str()).collect::<Vec<_>>(), codes, "{line}");
            }
            Verdict::Invalid(invalid) => {
                assert!(cells[5].starts_with("**invalid**"), "{line}");
                assert_eq!([invalid.as_str()], *codes, "{line}");
            }
        }
        numbers.push(row.number);
    }
    assert_eq!(numbers, (1..=18).collect::<Vec<_>>());
}

/// Decision (b): row 7 never permits TCP dialback; nor does any row with TLS required.
#[test]
fn plaintext_is_never_permitted_where_tls_is_required() {
    for row in &ROWS {
        assert!(
            row.negotiation.tls != Requirement::Required || !row.permits(Method::TcpDialback),
            "row {}",
            row.number
        );
    }
}

#[test]
fn a_row_permits_a_method_exactly_when_it_is_valid() {
    for row in &ROWS {
        assert_eq!(row.is_valid(), !row.methods.is_empty(), "row {}", row.number);
        assert_eq!(row.invalid().is_none(), row.is_valid());
    }
}

/// Decision (d): a partner whose traffic can be unencrypted has a `plaintext_*` warning.
#[test]
fn every_plaintext_method_is_warned_of() {
    for row in &ROWS {
        let warned = row.warnings().iter().any(|warning| warning.is_plaintext());
        assert_eq!(warned, row.permits(Method::TcpDialback), "row {}", row.number);
    }
}

#[test]
fn an_invalid_row_names_reason_and_remedy() {
    let error = FieldError::from(Invalid::SaslRequiresTls);
    assert_eq!((error.field, error.code), ("sasl", "sasl_requires_tls"));
    assert_eq!(error.message, "SASL requires TLS: set TLS to required or optional, or SASL to not_supported");
    let error = FieldError::from(Invalid::NoAuthenticationMethod);
    assert!(error.message.starts_with("SASL or dialback must be enabled: "), "{}", error.message);
}

#[test]
fn the_default_is_the_documented_one() {
    assert_eq!(Negotiation::default().row().number, 1);
}

#[test]
fn refuses_other_words() {
    for text in ["", "Required", "not supported", "none"] {
        assert_eq!(text.parse::<Requirement>(), Err(RequirementError), "{text}");
    }
}
