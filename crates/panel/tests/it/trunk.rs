//! Trunks: the ways to SIP deployments.

use serde_json::{Value, json};

use crate::fixture::Fixture;

fn lync() -> Value {
    json!({
        "name": "lync",
        "targets": ["sip.contoso.example", "192.0.2.8:5061"],
        "peer_names": ["sip.contoso.example"],
        "dialect": "lync",
        "session_mode": "session",
    })
}

#[tokio::test]
async fn a_trunk_is_added_shown_and_listed_with_the_state_of_its_targets() {
    let fixture = Fixture::new().await;
    let added = fixture.call("POST", "/trunks", lync()).await;
    assert_eq!((added.status, &added.body["warnings"]), (201, &json!([])));
    let new = json!({ "name": "pbx", "targets": ["192.0.2.9"], "transport": "udp", "sources": ["192.0.2.9"] });
    let plain = fixture.call("POST", "/trunks", new).await;
    assert_eq!((plain.status, plain.codes("warnings")), (201, vec!["transport plaintext_only".to_owned()]));
    let served = json!({ "backends": ["registrar", "trunk:lync"] });
    assert_eq!(fixture.call("PATCH", "/domains/contoso.example", served).await.status, 200);

    let shown = fixture.get("/trunks/lync").await;
    assert_eq!(shown.etag, added.etag);
    for (field, value) in [
        ("transport", json!("tls")),
        ("trust_roots", json!("system")),
        ("sources", json!([])),
        ("congestion_safe", json!(false)),
        ("dialect", json!("lync")),
        ("session_mode", json!("session")),
        ("enabled", json!(true)),
        ("state", json!("degraded")),
        ("domains", json!(["contoso.example"])),
    ] {
        assert_eq!(shown.body[field], value, "{field}");
    }
    assert_eq!(shown.body["target_states"][0]["address"], "192.0.2.7:5061");
    let listed = fixture.get("/trunks").await.body["items"].clone();
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|trunk| (&trunk["name"], &trunk["state"])).collect();
    assert_eq!(states, [(&json!("lync"), &json!("degraded")), (&json!("pbx"), &json!("not_tried"))]);
}

#[tokio::test]
async fn every_fault_is_told_and_nothing_is_saved() {
    let fixture = Fixture::new().await;
    let pem = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for (changes, codes) in [
        (json!({ "name": "" }), vec!["name required"]),
        (
            json!({ "name": "A B", "targets": [], "peer_names": [] }),
            vec!["name name_invalid", "targets required", "peer_names required"],
        ),
        (json!({ "transport": "tcp" }), vec!["peer_names not_allowed", "sources required"]),
        (json!({ "targets": "192.0.2.7" }), vec!["targets wrong_type"]),
        (json!({ "port": 5061 }), vec!["port unknown_field"]),
        (json!({ "trust_roots": pem }), vec!["trust_roots pem_invalid"]),
    ] {
        let mut new = lync();
        new.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = fixture.call("POST", "/trunks", new).await;
        assert_eq!((answer.status, answer.codes("errors")), (422, codes.iter().map(ToString::to_string).collect()));
    }
    let tried = fixture.call("POST", "/trunks?dry_run=true", lync()).await;
    assert_eq!((tried.status, &tried.body["dry_run"], tried.body["trunk"].get("id")), (200, &json!(true), None));
    assert_eq!(fixture.get("/trunks").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_change_names_the_revision_that_it_is_based_on() {
    let fixture = Fixture::new().await;
    let old = fixture.call("POST", "/trunks", lync()).await.etag.unwrap();
    assert_eq!(fixture.call("POST", "/trunks", lync()).await.status, 409);
    let path = "/trunks/lync";
    let set = fixture.call_if("PATCH", path, &old, json!({ "targets": ["192.0.2.7"], "enabled": false })).await;
    assert_eq!((set.status, &set.body["trunk"]["targets"]), (200, &json!(["192.0.2.7"])));
    let late = fixture.call_if("PATCH", path, &old, json!({ "enabled": true })).await;
    assert_eq!(late.status, 412);
    assert_eq!(fixture.get(path).await.body["state"], "disabled");
    let tried = fixture.call("PATCH", "/trunks/lync?dry_run=true", json!({ "enabled": true })).await;
    assert_eq!((tried.status, &tried.body["trunk"]["enabled"]), (200, &json!(true)));
    assert_eq!(fixture.get(path).await.body["enabled"], false);
    assert_eq!(fixture.call("PATCH", path, json!({ "name": "pbx" })).await.codes("errors"), ["name unknown_field"]);
}

#[tokio::test]
async fn a_trunk_that_serves_a_domain_stays_and_everything_is_in_the_audit_log() {
    let fixture = Fixture::new().await;
    fixture.call("POST", "/trunks", lync()).await;
    let domain = "/domains/contoso.example";
    fixture.call("PATCH", domain, json!({ "backends": ["registrar", "trunk:lync"] })).await;
    let kept = fixture.call("DELETE", "/trunks/lync", json!({})).await;
    assert_eq!((kept.status, &kept.body["type"]), (409, &json!("urn:legation:problem:in_use")));
    assert!(kept.body["detail"].as_str().unwrap().contains("contoso.example"), "{kept:?}");
    fixture.call("PATCH", domain, json!({ "backends": ["registrar"] })).await;
    assert_eq!(fixture.call("PATCH", "/trunks/lync", json!({ "congestion_safe": true })).await.status, 200);
    let test = fixture.call("POST", "/trunks/lync/test", json!({})).await;
    assert_eq!((test.status, &test.body["passed"]), (200, &json!(true)));
    assert_eq!(fixture.call("DELETE", "/trunks/lync", json!({})).await.status, 204);
    assert_eq!(fixture.call("DELETE", "/trunks/lync", json!({})).await.status, 404);
    assert_eq!(fixture.call("POST", "/trunks/lync/test", json!({})).await.status, 404);
    assert_eq!(fixture.get("/trunks/Lync").await.status, 400);
    let rows = fixture.get("/audit?subject=lync").await.body["items"].clone();
    let actions: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trunk.removed", "trunk.tested", "trunk.updated", "trunk.added"]);
    assert_eq!(fixture.get("/audit/verify").await.status, 200);
}
