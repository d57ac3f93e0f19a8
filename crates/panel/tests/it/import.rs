//! Imports: our own export, and the files of the original's administrators. What their cmdlets give is written here from their
//! documentation, in the forms of `ConvertTo-Json` and `Export-Csv`.

use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture};

const PARTNERS: &str = r#"[
  { "Identity": "fabrikam.example", "Domain": "fabrikam.example", "AdditionalDomains": ["it.fabrikam.example"],
    "Description": "From the original", "PartnerType": "Federated", "TlsNegotiation": "Optional",
    "SaslNegotiation": "Required", "SupportDialbackNegotiation": true, "ConnectionLimit": null,
    "EnableKeepAlive": true, "ProxyFqdn": "" },
  { "Identity": "litware.example", "AdditionalDomains": { "value": [], "Count": 0 }, "PartnerType": "PublicVerified",
    "TlsNegotiation": "NotSupported", "SaslNegotiation": "NotSupported", "SupportDialbackNegotiation": "True" }
]"#;

async fn import(fixture: &Fixture, query: &str, file: &str) -> Answer {
    fixture.send("POST", &format!("/import?{query}"), &[], file.to_owned()).await
}

/// `subject action` of every row.
fn rows(answer: &Answer) -> Vec<String> {
    let rows = answer.body["rows"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    rows.iter().map(|row| format!("{} {}", row["subject"].as_str().unwrap(), row["action"].as_str().unwrap())).collect()
}

fn row_codes(row: &Value, list: &str) -> Vec<String> {
    let entries = row[list].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| format!("{} {}", entry["field"], entry["code"]).replace('"', "")).collect()
}

#[tokio::test]
async fn the_originals_partners_are_imported_with_what_they_permit() {
    let fixture = Fixture::new().await;
    let dry = import(&fixture, "dry_run=true", PARTNERS).await;
    assert_eq!(rows(&dry), ["fabrikam.example change", "litware.example add"]);
    let first = &dry.body["rows"][0];
    assert!(row_codes(first, "warnings").contains(&"sasl imported_as_optional".to_owned()), "{first}");
    let fields: Vec<_> = first["changes"].as_array().unwrap().iter().map(|change| change["field"].clone()).collect();
    assert_eq!(fields, ["additional_domains", "description", "partner_type", "sasl", "tls"]);
    assert_eq!(fixture.get("/partners").await.body["items"].as_array().unwrap().len(), 1, "a dry run saves nothing");

    assert_eq!(import(&fixture, "", PARTNERS).await.status, 200);
    let fabrikam = fixture.get("/partners/fabrikam.example").await.body;
    assert_eq!((&fabrikam["row"], &fabrikam["partner_type"]), (&json!(9), &json!("federated")));
    assert_eq!(fixture.get("/partners/litware.example").await.body["row"], 17);
    assert_eq!(
        rows(&import(&fixture, "", PARTNERS).await),
        ["fabrikam.example unchanged", "litware.example unchanged"]
    );
}

#[tokio::test]
async fn nothing_is_saved_while_a_row_is_invalid_unless_such_rows_are_left_out() {
    let fixture = Fixture::new().await;
    let file = "#TYPE Microsoft.Rtc.Management.WritableConfig.Settings.XmppFederation.XmppAllowedPartner#Decorated\r\n\
        \"Identity\",\"AdditionalDomains\",\"PartnerType\",\"TlsNegotiation\",\"SaslNegotiation\",\"SupportDialbackNegotiation\"\r\n\
        \"a.example\",\"\",\"Federated\",\"NotSupported\",\"Required\",\"True\"\r\n\
        \"b.example\",\"System.Collections.Generic.List`1[System.String]\",\"2\",\"Required\",\"Required\",\"False\"\r\n\
        \"c.example\",\"contoso.example d.example\",\"Federated\",\"Required\",\"Required\",\"True\"\r\n\
        \"d.example\",\"\",\"Federated\",\"Required\",\"Required\",\"True\"\r\n\
        \"e.example\",\"d.example\",\"Friends\",\"Required\",\"Required\",\"True\"\r\n";
    let refused = import(&fixture, "", file).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.codes("errors"),
        [
            "row 1 sasl sasl_requires_tls",
            "row 2 additional_domains not_exported",
            "row 2 partner_type number_for_a_word",
            "row 3 additional_domains domain_is_internal",
            "row 5 additional_domains domain_in_use",
            "row 5 partner_type not_a_choice",
        ]
    );
    let some = import(&fixture, "skip_invalid=true", file).await;
    assert_eq!(
        rows(&some),
        ["a.example invalid", "b.example invalid", "c.example invalid", "d.example add", "e.example invalid"]
    );
    let listed = fixture.get("/partners").await.body;
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| one["primary_domain"].clone()).collect();
    assert_eq!(names, ["d.example", "fabrikam.example"]);
}

#[tokio::test]
async fn settings_are_imported_within_our_limits_and_without_the_passphrase() {
    let fixture = Fixture::new().await;
    let file = json!({
        "Identity": "Global", "PartnerConnectionLimit": 40, "StreamInactivityTimeout": 1200,
        "EnableLoggingAllMessageBodies": true, "DialbackPassphrase": "a secret of theirs",
    });
    let answer = import(&fixture, "", &file.to_string()).await;
    assert_eq!(row_codes(&answer.body["rows"][0], "warnings"), ["dialback_passphrase not_imported"]);
    let value = |name: &str| format!("/settings/{name}");
    assert_eq!(fixture.get(&value("partner_connection_limit")).await.body["value"], json!(40));
    let bad = import(&fixture, "", r#"{ "StreamInactivityTimeout": 1, "ConnectionLimit": "many" }"#).await;
    assert_eq!(bad.status, 422);
    assert_eq!(bad.codes("errors").len(), 2, "{bad:?}");
}

#[tokio::test]
async fn policies_and_users_are_imported_and_who_gains_or_loses_access_is_named() {
    let fixture = Fixture::new().await;
    let policies = "Identity,EnableFederationAccess,EnableXmppAccess,EnableOutsideAccess\r\n\
        Global,False,False,True\r\nTag:Sales,True,True,True\r\nSite:Redmond,True,False,True\r\n";
    assert_eq!(import(&fixture, "", policies).await.codes("errors"), ["row 3 identity site_unknown"]);
    let dry = import(&fixture, "dry_run=true&sites=Redmond=contoso.example", policies).await;
    assert_eq!(rows(&dry), ["global change", "user:Sales add", "site:contoso.example add"]);
    assert_eq!(dry.body["loses_access"], json!(["alice@contoso.example"]));
    assert_eq!(import(&fixture, "sites=Redmond=contoso.example", policies).await.status, 200);

    let users = r#"[{ "SipAddress": "sip:alice@contoso.example", "ExternalAccessPolicy": "Sales", "Enabled": true },
        { "SipAddress": "sip:bob@contoso.example", "ExternalAccessPolicy": null }]"#;
    let dry = import(&fixture, "dry_run=true&kinds=users", users).await;
    assert_eq!(dry.body["gains_access"], json!(["alice@contoso.example"]));
    assert_eq!(rows(&dry), ["alice@contoso.example change", "bob@contoso.example unchanged"]);
    assert_eq!(import(&fixture, "", users).await.status, 200);
    let told = fixture.get("/users/alice@contoso.example/policy").await.body;
    assert_eq!((&told["assigned"], &told["effective"]["identity"]), (&json!("user:Sales"), &json!("user:Sales")));
    let bad = r#"[{ "SipAddress": "sip:x@nowhere.example" }, { "SipAddress": "contoso.example" },
        { "SipAddress": "sip:alice@contoso.example", "ExternalAccessPolicy": "Tag:Gone" }]"#;
    let codes = import(&fixture, "", bad).await.codes("errors");
    let expected =
        ["row 1 sipaddress not_internal", "row 2 sipaddress not_a_user", "row 3 externalaccesspolicy no_such_policy"];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn contacts_are_imported_by_the_rules_of_single_ones() {
    let fixture = Fixture::new().await;
    let file = "internal,partner\nalice@contoso.example,juliet@fabrikam.example\n\
        alice@contoso.example,juliet@fabrikam.example\nnobody@contoso.example,x@nowhere.example\n,\n";
    let dry = import(&fixture, "dry_run=true&kinds=contacts", file).await;
    let pair = "alice@contoso.example juliet@fabrikam.example";
    assert_eq!(
        rows(&dry),
        [
            format!("{pair} add"),
            format!("{pair} unchanged"),
            "nobody@contoso.example x@nowhere.example invalid".to_owned(),
            "  invalid".to_owned()
        ]
    );
    assert_eq!(
        import(&fixture, "", file).await.codes("errors")[..2],
        ["row 3 internal no_such_user", "row 3 partner not_a_partner"]
    );
    assert_eq!(import(&fixture, "skip_invalid=true", file).await.status, 200);
    assert_eq!(fixture.get("/contacts").await.body["items"].as_array().unwrap().len(), 1);
    let audit = fixture.get("/audit?subject=alice@contoso.example%20juliet@fabrikam.example").await.body;
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_export_is_imported_again_without_a_change() {
    let fixture = Fixture::new().await;
    import(&fixture, "", PARTNERS).await;
    fixture
        .call("PATCH", "/partners/litware.example", json!({ "description": "a \"quoted\", line\nand another" }))
        .await;
    let json = fixture.get("/partners/export").await;
    assert_eq!(
        rows(&import(&fixture, "", &json.body.to_string()).await),
        ["fabrikam.example unchanged", "litware.example unchanged"]
    );
    let csv = fixture.text("/partners/export?format=csv").await;
    assert_eq!(
        rows(&import(&fixture, "kinds=partners", &csv).await),
        ["fabrikam.example unchanged", "litware.example unchanged"]
    );
    for (query, file, status) in [
        ("", "a,b\n1,2\n", 400),
        ("", "\u{0}", 400),
        ("kinds=contacts", csv.as_str(), 400),
        ("sites=x", csv.as_str(), 422),
        ("skip=1", csv.as_str(), 400),
    ] {
        assert_eq!(import(&fixture, query, file).await.status, status, "{query} {file}");
    }
    let large = "x".repeat((16 << 20) + 1);
    assert_eq!(import(&fixture, "", &large).await.status, 413);
}
