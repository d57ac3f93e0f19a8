//! The 18 rows of partner-policy §2 at the API.

use serde_json::json;

use crate::fixture::Fixture;

/// Methods and warnings of a row that can be saved.
type Saved = (&'static [&'static str], &'static [&'static str]);
/// Number, TLS, SASL, dialback; what is saved, or the code of the refusal.
type Row = (u8, &'static str, &'static str, bool, Result<Saved, &'static str>);

const SASL: &str = "sasl_over_tls";
const TLS: &str = "tls_dialback";
const TCP: &str = "tcp_dialback";

const ROWS: [Row; 18] = [
    (1, "required", "required", true, Ok((&[SASL], &["dialback_inoperative"]))),
    (2, "required", "required", false, Ok((&[SASL], &[]))),
    (3, "optional", "required", true, Ok((&[SASL], &["tls_optional_with_sasl", "dialback_inoperative"]))),
    (4, "optional", "required", false, Ok((&[SASL], &["tls_optional_with_sasl"]))),
    (5, "not_supported", "required", true, Err("sasl_requires_tls")),
    (6, "not_supported", "required", false, Err("sasl_requires_tls")),
    (7, "required", "optional", true, Ok((&[SASL, TLS], &[]))),
    (8, "required", "optional", false, Ok((&[SASL], &[]))),
    (9, "optional", "optional", true, Ok((&[SASL, TLS, TCP], &["tls_optional_with_sasl", "plaintext_possible"]))),
    (10, "optional", "optional", false, Ok((&[SASL], &["tls_optional_with_sasl"]))),
    (11, "not_supported", "optional", true, Err("sasl_requires_tls")),
    (12, "not_supported", "optional", false, Err("sasl_requires_tls")),
    (13, "required", "not_supported", true, Ok((&[TLS], &[]))),
    (14, "required", "not_supported", false, Err("no_authentication_method")),
    (15, "optional", "not_supported", true, Ok((&[TLS, TCP], &["plaintext_possible"]))),
    (16, "optional", "not_supported", false, Err("no_authentication_method")),
    (17, "not_supported", "not_supported", true, Ok((&[TCP], &["plaintext_only"]))),
    (18, "not_supported", "not_supported", false, Err("no_authentication_method")),
];

fn codes(answer: &crate::fixture::Answer, list: &str) -> Vec<String> {
    answer.codes(list).iter().map(|entry| entry.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_row_is_saved_with_its_warnings_or_refused_with_its_reason() {
    let fixture = Fixture::empty().await;
    for (number, tls, sasl, dialback, verdict) in ROWS {
        let domain = format!("row{number}.example");
        let body = json!({ "primary_domain": domain, "tls": tls, "sasl": sasl, "dialback": dialback });
        let tried = fixture.call("POST", "/partners?dry_run=true", body.clone()).await;
        assert_eq!(fixture.get(&format!("/partners/{domain}")).await.status, 404, "row {number}: nothing is saved");
        let answer = fixture.call("POST", "/partners", body).await;
        match verdict {
            Ok((methods, warnings)) => {
                assert_eq!((tried.status, answer.status), (200, 201), "row {number}: {answer:?}");
                for answer in [&tried, &answer] {
                    assert_eq!(answer.body["partner"]["row"], json!(number));
                    assert_eq!(answer.body["partner"]["methods"], json!(methods), "row {number}");
                    assert_eq!(codes(answer, "warnings"), warnings, "row {number}");
                }
                assert_eq!(fixture.get(&format!("/partners/{domain}")).await.status, 200);
            }
            Err(code) => {
                for answer in [&tried, &answer] {
                    assert_eq!(answer.status, 422, "row {number}");
                    assert_eq!(codes(answer, "errors"), [code], "row {number}");
                }
                assert_eq!(fixture.get(&format!("/partners/{domain}")).await.status, 404, "row {number}");
            }
        }
    }
    let audit = fixture.get("/audit?limit=1000").await;
    let added = audit.body["items"].as_array().unwrap().iter().filter(|row| row["action"] == "partner.added").count();
    assert_eq!(added, ROWS.iter().filter(|row| row.4.is_ok()).count());
}

#[tokio::test]
async fn each_row_is_judged_alike_when_an_existing_partner_is_changed() {
    let fixture = Fixture::new().await;
    for (number, tls, sasl, dialback, verdict) in ROWS {
        let before = fixture.get("/partners/fabrikam.example").await;
        let body = json!({ "tls": tls, "sasl": sasl, "dialback": dialback });
        let answer = fixture.call("PATCH", "/partners/fabrikam.example", body).await;
        let after = fixture.get("/partners/fabrikam.example").await;
        match verdict {
            Ok((_, warnings)) => {
                assert_eq!(answer.status, 200, "row {number}: {answer:?}");
                assert_eq!(codes(&answer, "warnings"), warnings, "row {number}");
                assert_eq!(after.body["row"], json!(number));
            }
            Err(code) => {
                assert_eq!(codes(&answer, "errors"), [code], "row {number}");
                assert_eq!(after.body, before.body, "row {number}: nothing is saved");
            }
        }
    }
}
