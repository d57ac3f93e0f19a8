use serde_json::{Value, json};

use crate::fixture::Fixture;

async fn partners(fixture: &Fixture) -> Vec<Value> {
    fixture.get("/partners").await.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_partner_has_the_documented_defaults() {
    let fixture = Fixture::new().await;
    let partner = fixture.get("/partners/FABRIKAM.example").await.body;
    for (field, value) in [
        ("description", json!("")),
        ("additional_domains", json!([])),
        ("partner_type", json!("public_unverified")),
        ("tls", json!("required")),
        ("sasl", json!("required")),
        ("dialback", json!(true)),
        ("connection_limit", Value::Null),
        ("keep_alive", json!(true)),
        ("proxy_fqdn", Value::Null),
        ("trust_roots", json!("system")),
        ("pins", json!([])),
        ("enabled", json!(true)),
    ] {
        assert_eq!(partner[field], value, "{field}");
    }
}

#[tokio::test]
async fn every_fault_is_told_at_once_and_nothing_is_saved() {
    let fixture = Fixture::new().await;
    let body = json!({
        "primary_domain": "192.0.2.1",
        "additional_domains": ["fabrikam.example", "contoso.example", "-bad-"],
        "description": "x".repeat(1025),
        "partner_type": "friend",
        "tls": "not_supported",
        "sasl": "required",
        "connection_limit": 1,
        "keep_alive": "yes",
        "proxy_fqdn": "192.0.2.1:5269",
        "colour": "red",
        "pins": ["abc"],
    });
    let answer = fixture.call("POST", "/partners", body).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (422, "application/problem+json"));
    assert_eq!(answer.body["type"], "urn:legation:problem:invalid");
    let mut codes = answer.codes("errors");
    codes.sort();
    assert_eq!(
        codes,
        [
            "additional_domains domain_in_use",
            "additional_domains domain_invalid",
            "additional_domains domain_is_internal",
            "colour unknown_field",
            "connection_limit out_of_range",
            "description too_long",
            "keep_alive wrong_type",
            "partner_type not_a_choice",
            "pins pin_invalid",
            "primary_domain domain_invalid",
            "proxy_fqdn host_invalid",
            "sasl sasl_requires_tls",
        ]
    );
    assert_eq!(partners(&fixture).await.len(), 1);
}

#[tokio::test]
async fn the_error_names_the_partner_that_has_the_domain() {
    let fixture = Fixture::new().await;
    let body = json!({ "primary_domain": "litware.example", "additional_domains": ["Fabrikam.Example."] });
    let answer = fixture.call("POST", "/partners", body).await;
    let message = answer.body["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("fabrikam.example") && message.contains("partner"), "{message}");
}

#[tokio::test]
async fn additional_domains_are_added_and_removed_one_by_one() {
    let fixture = Fixture::new().await;
    let path = "/partners/fabrikam.example";
    for (change, list) in [
        (json!({ "add_domains": ["it.example", "hr.example"] }), json!(["it.example", "hr.example"])),
        (
            json!({ "remove_domains": ["it.example"], "add_domains": ["bücher.example"] }),
            json!(["hr.example", "xn--bcher-kva.example"]),
        ),
        (json!({ "additional_domains": ["a.example"] }), json!(["a.example"])),
        (json!({ "additional_domains": [] }), json!([])),
    ] {
        let answer = fixture.call("PATCH", path, change.clone()).await;
        assert_eq!(answer.status, 200, "{change}: {answer:?}");
        assert_eq!(fixture.get(path).await.body["additional_domains"], list, "{change}");
    }
    let answer = fixture.call("PATCH", path, json!({ "remove_domains": ["a.example"] })).await;
    assert_eq!(answer.codes("errors"), ["additional_domains domain_not_listed"]);
}

#[tokio::test]
async fn null_empties_a_field_and_absence_leaves_it() {
    let fixture = Fixture::new().await;
    let path = "/partners/fabrikam.example";
    let change = json!({ "connection_limit": 5, "proxy_fqdn": "xmpp.fabrikam.example:15269" });
    fixture.call("PATCH", path, change).await;
    fixture.call("PATCH", path, json!({ "description": "d" })).await;
    let partner = fixture.get(path).await.body;
    assert_eq!(partner["connection_limit"], 5);
    assert_eq!(partner["proxy_fqdn"], "xmpp.fabrikam.example:15269");
    fixture.call("PATCH", path, json!({ "connection_limit": null, "proxy_fqdn": null })).await;
    let partner = fixture.get(path).await.body;
    assert_eq!((&partner["connection_limit"], &partner["proxy_fqdn"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_change_leaves_an_audit_row_with_before_and_after() {
    let fixture = Fixture::new().await;
    let path = "/partners/fabrikam.example";
    fixture.call("PATCH", path, json!({ "enabled": false })).await;
    fixture.call("PATCH", path, json!({ "enabled": false })).await;
    fixture.call("DELETE", path, json!({})).await;
    let rows = fixture.get("/audit?subject=fabrikam.example").await.body["items"].clone();
    let rows = rows.as_array().unwrap();
    let actions: Vec<_> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["partner.removed", "partner.disabled", "partner.added"], "no row for no change");
    let disabled = &rows[1];
    assert_eq!((&disabled["before"]["enabled"], &disabled["after"]["enabled"]), (&json!(true), &json!(false)));
    assert!(disabled["who"].as_str().unwrap().starts_with("uid:"));
    assert_eq!(disabled["origin"], "socket");
    assert_eq!(fixture.get("/audit/verify").await.status, 200);
    let today = fixture.get("/audit").await.body["items"][0]["at"].as_str().unwrap()[..10].to_owned();
    let of_today = format!("/audit?action=partner&since={today}&until={today}");
    assert!(!fixture.get(&of_today).await.body["items"].as_array().unwrap().is_empty());
    let earlier = fixture.get(&format!("/audit?until={today}T00:00:00Z")).await;
    assert_eq!(earlier.body["items"], json!([]));
    for unread in ["since=yesterday", "until=2026-02-30"] {
        let answer = fixture.get(&format!("/audit?{unread}")).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["code"]), (422, &json!("time_invalid")), "{unread}");
    }
}

#[tokio::test]
async fn a_conditional_change_needs_the_present_etag() {
    let fixture = Fixture::new().await;
    let path = "/partners/fabrikam.example";
    let old = fixture.get(path).await.etag.unwrap();
    let first = fixture.call_if("PATCH", path, &old, json!({ "description": "first" })).await;
    assert_eq!(first.status, 200);
    assert_ne!(first.etag.as_deref(), Some(old.as_str()));
    for (method, query) in [("PATCH", ""), ("PATCH", "?dry_run=true"), ("DELETE", "")] {
        let path = format!("{path}{query}");
        let answer = fixture.call_if(method, &path, &old, json!({ "description": "second" })).await;
        assert_eq!((answer.status, &answer.body["type"]), (412, &json!("urn:legation:problem:changed")), "{method}");
    }
    assert_eq!(fixture.get(path).await.body["description"], "first");
    let answer = fixture.call_if("DELETE", path, &first.etag.unwrap(), json!({})).await;
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn a_change_of_type_says_how_many_contacts_it_affects() {
    let fixture = Fixture::new().await;
    let alice = "alice@contoso.example";
    for other in ["a@fabrikam.example", "b@fabrikam.example"] {
        fixture.call("POST", "/contacts", json!({ "internal": alice, "partner": other })).await;
    }
    let path = "/partners/fabrikam.example";
    let change = json!({ "partner_type": "federated" });
    let tried = fixture.call("PATCH", &format!("{path}?dry_run=true"), change.clone()).await;
    // Federated users see status notes, others never do (partner-policy §3).
    assert_eq!(tried.body["contacts_affected"], 2);
    assert_eq!(tried.body["dry_run"], true);
    assert_eq!(fixture.get(path).await.body["partner_type"], "public_unverified");
    let done = fixture.call("PATCH", path, change).await;
    assert_eq!((&done.body["contacts_affected"], &done.body["dry_run"]), (&json!(2), &json!(false)));
    let other = fixture.call("PATCH", path, json!({ "description": "d" })).await;
    assert_eq!(other.body.get("contacts_affected"), None);
}

#[tokio::test]
async fn partners_are_listed_in_pages() {
    let fixture = Fixture::new().await;
    for name in ["a.example", "z.example"] {
        fixture.call("POST", "/partners", json!({ "primary_domain": name })).await;
    }
    let first = fixture.get("/partners?limit=2").await.body;
    assert_eq!(
        (&first["items"][0]["primary_domain"], &first["next"]),
        (&json!("a.example"), &json!("fabrikam.example"))
    );
    let second = fixture.get("/partners?limit=2&after=fabrikam.example").await.body;
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second.get("next"), None);
}

#[tokio::test]
async fn the_primary_domain_cannot_be_changed() {
    let fixture = Fixture::new().await;
    let change = json!({ "primary_domain": "other.example" });
    let answer = fixture.call("PATCH", "/partners/fabrikam.example", change).await;
    assert_eq!(answer.codes("errors"), ["primary_domain unknown_field"]);
}

#[tokio::test]
async fn internal_domains_and_partners_exclude_each_other() {
    let fixture = Fixture::new().await;
    let answer = fixture.call("POST", "/domains", json!({ "name": "fabrikam.example" })).await;
    assert_eq!(answer.codes("errors"), ["name domain_in_use"]);
    let answer = fixture.call("POST", "/domains", json!({ "name": "contoso.example", "backends": ["pigeon"] })).await;
    assert_eq!(answer.codes("errors"), ["backends not_a_choice", "name domain_exists"]);
    let answer = fixture.call("DELETE", "/domains/contoso.example", json!({})).await;
    assert_eq!((answer.status, &answer.body["type"]), (409, &json!("urn:legation:problem:in_use")));
    fixture.call("DELETE", "/users/alice@contoso.example", json!({})).await;
    assert_eq!(fixture.call("DELETE", "/domains/contoso.example", json!({})).await.status, 204);
    assert_eq!(fixture.get("/domains").await.body["items"], json!([]));
}

#[tokio::test]
async fn roots_that_are_no_certificates_are_refused_where_they_are_entered() {
    let fixture = Fixture::new().await;
    let pem = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let body = json!({ "primary_domain": "litware.example", "trust_roots": pem });
    let answer = fixture.call("POST", "/partners", body).await;
    assert_eq!((answer.status, answer.codes("errors")), (422, vec!["trust_roots pem_invalid".to_owned()]));
    assert_eq!(partners(&fixture).await.len(), 1);
}
