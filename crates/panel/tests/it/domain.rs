//! Internal domains and their backends.

use serde_json::json;

use crate::fixture::Fixture;

const SECRET: &str = "the secret of the bots";

#[tokio::test]
async fn a_component_has_a_secret_that_never_comes_out() {
    let fixture = Fixture::new().await;
    let new = json!({ "name": "bots.contoso.example", "backends": ["component"], "secret": SECRET });
    let added = fixture.call("POST", "/domains", new).await;
    assert_eq!(
        (added.status, &added.body["backends"], &added.body["connected"]),
        (201, &json!(["component"]), &json!(false))
    );
    let set =
        fixture.call("PATCH", "/domains/bots.contoso.example", json!({ "secret": "another secret of bots" })).await;
    assert_eq!(set.status, 200, "{set:?}");
    let shown = fixture.get("/domains/bots.contoso.example").await;
    assert_eq!((shown.status, &shown.body["name"]), (200, &json!("bots.contoso.example")));
    let listed = fixture.get("/domains").await;
    let audit = fixture.get("/audit?limit=100").await;
    let wrong =
        fixture.call("POST", "/domains", json!({ "name": "x.example", "secret": ["another secret of bots"] })).await;
    assert_eq!(wrong.codes("errors"), ["secret wrong_type"]);
    for answer in [added, set, shown, listed, audit, wrong] {
        let text = answer.body.to_string();
        assert!(!text.contains(SECRET) && !text.contains("another secret"), "{text}");
    }
    assert!(
        fixture.get("/domains/contoso.example").await.body.get("connected").is_none(),
        "a registrar has no connection"
    );
}

#[tokio::test]
async fn what_does_not_fit_a_backend_is_refused_and_nothing_is_saved() {
    let fixture = Fixture::new().await;
    let before = fixture.get("/domains").await.body;
    for (body, codes) in [
        (json!({ "backends": ["component"] }), &["secret required"][..]),
        (json!({ "backends": ["component"], "secret": "short" }), &["secret not_allowed"]),
        (json!({ "secret": SECRET }), &["secret not_allowed"]),
        (json!({ "backends": ["registrar", "registrar"] }), &["backends repeated"]),
        (json!({ "backends": ["registrar", "trunk:lync"] }), &["backends no_such_trunk"]),
        (json!({ "backends": ["xmpp"] }), &["xmpp_server required"]),
        (json!({ "backends": ["xmpp"], "xmpp_server": {} }), &["xmpp_server.targets required"]),
        (json!({ "backends": ["xmpp"], "xmpp_server": { "port": 5269 } }), &["xmpp_server unknown_field"]),
        (json!({ "xmpp_server": { "targets": ["10.0.0.7"] } }), &["xmpp_server not_allowed"]),
        (
            json!({
                "backends": ["pigeon", "component", "xmpp"],
                "secret": "short",
                "xmpp_server": { "targets": ["10.0.0.7"], "tls": "not_supported", "sources": ["x"], "pins": ["y"] },
            }),
            &[
                "backends not_a_choice",
                "secret not_allowed",
                "xmpp_server.sources network_invalid",
                "xmpp_server.sasl sasl_requires_tls",
                "xmpp_server.pins pin_invalid",
            ],
        ),
        (json!({ "backends": ["trunk"] }), &["backends not_a_choice"]),
        (json!({ "backends": [] }), &["backends required"]),
    ] {
        let mut new = body.clone();
        new["name"] = json!("bots.contoso.example");
        let answer = fixture.call("POST", "/domains", new).await;
        assert_eq!(
            (answer.status, answer.codes("errors")),
            (422, codes.iter().map(ToString::to_string).collect()),
            "{body}"
        );
    }
    // contoso.example has alice.
    let set = json!({ "backends": ["component"], "secret": SECRET });
    assert_eq!(fixture.call("PATCH", "/domains/contoso.example", set).await.status, 409);
    assert_eq!(fixture.call("PATCH", "/domains/nowhere.example", json!({})).await.status, 404);
    assert_eq!(fixture.get("/domains").await.body, before);
}

#[tokio::test]
async fn addresses_of_a_component_have_contacts_and_no_accounts() {
    let fixture = Fixture::new().await;
    let new = json!({ "name": "bots.contoso.example", "backends": ["component"], "secret": SECRET });
    assert_eq!(fixture.call("POST", "/domains", new).await.status, 201);
    let user = json!({ "address": "echo@bots.contoso.example", "password": "secret" });
    let answer = fixture.call("POST", "/users", user).await;
    assert_eq!((answer.status, answer.codes("errors")), (422, vec!["address not_registrar".to_owned()]));
    let contact = json!({ "internal": "echo@bots.contoso.example", "partner": "juliet@fabrikam.example" });
    assert_eq!(fixture.call("POST", "/contacts", contact).await.status, 201);
}

#[tokio::test]
async fn a_domain_has_several_backends_and_a_server_in_one_change() {
    let fixture = Fixture::new().await;
    let new = json!({ "name": "lync", "targets": ["sip.contoso.example"], "peer_names": ["sip.contoso.example"] });
    assert_eq!(fixture.call("POST", "/trunks", new).await.status, 201);
    let path = "/domains/contoso.example";
    let server = json!({ "targets": ["10.0.0.7", "xmpp.contoso.example:5270"], "tls": "optional", "sasl": "optional" });
    let change = json!({ "backends": ["trunk:lync", "registrar", "xmpp"], "xmpp_server": server });
    let set = fixture.call("PATCH", path, change).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(set.codes("warnings"), ["xmpp_server.tls tls_optional_with_sasl", "xmpp_server.tls plaintext_possible"]);

    let shown = fixture.get(path).await;
    assert_eq!(shown.body, set.body);
    assert_eq!(shown.body["backends"], json!(["trunk:lync", "registrar", "xmpp"]));
    let server = &shown.body["xmpp_server"];
    assert_eq!(server["targets"], json!(["10.0.0.7", "xmpp.contoso.example:5270"]));
    assert_eq!(
        (&server["row"], &server["dialback"], &server["trust_roots"]),
        (&json!(9), &json!(true), &json!("system"))
    );

    // What is left out of the server stays.
    let change = json!({ "xmpp_server": { "tls": "required", "sources": ["10.0.0.0/8"] } });
    let set = fixture.call_if("PATCH", path, &shown.etag.unwrap(), change).await;
    assert_eq!((set.status, &set.body["warnings"]), (200, &json!([])));
    assert_eq!(set.body["xmpp_server"]["targets"], json!(["10.0.0.7", "xmpp.contoso.example:5270"]));
    let answer = fixture.call_if("PATCH", path, "\"1\"", json!({ "backends": ["registrar"] })).await;
    assert_eq!(answer.status, 412);
    let answer = fixture.call("PATCH", path, json!({ "xmpp_server": null })).await;
    assert_eq!(answer.codes("errors"), ["xmpp_server not_allowed"]);

    let set = fixture.call("PATCH", path, json!({ "backends": ["registrar", "trunk:lync"] })).await;
    assert_eq!((set.status, set.body.get("xmpp_server")), (200, None));
    let rows = fixture.get("/audit?subject=contoso.example&limit=3").await.body["items"].clone();
    let actions: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["domain.updated", "domain.xmpp_server_changed", "domain.updated"]);
    assert_eq!(rows[0]["before"]["xmpp_server"]["sources"], json!(["10.0.0.0/8"]));
}

#[tokio::test]
async fn roots_of_a_server_must_be_certificates() {
    let fixture = Fixture::new().await;
    let pem = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let server = json!({ "targets": ["10.0.0.7"], "trust_roots": pem });
    let new = json!({ "name": "adatum.example", "backends": ["xmpp"], "xmpp_server": server });
    let answer = fixture.call("POST", "/domains", new).await;
    assert_eq!(answer.codes("errors"), ["xmpp_server.trust_roots pem_invalid"]);
}

#[tokio::test]
async fn what_to_publish_is_told_for_one_domain_or_all() {
    let fixture = Fixture::new().await;
    fixture.call("POST", "/domains", json!({ "name": "adatum.example" })).await;
    fixture.call("POST", "/partners", json!({ "primary_domain": "off.example", "enabled": false })).await;
    let all = fixture.get("/dns").await.body;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let one = fixture.get("/dns?domain=contoso.example").await.body;
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    assert_eq!(one["items"][0]["domain"], "contoso.example");
    assert_eq!(one["items"][0]["records"][0]["found"], json!(["fabrikam.example"]), "enabled partners alone");
    assert_eq!(fixture.get("/dns?domain=other.example").await.status, 404);
    assert_eq!(fixture.get("/dns?name=x").await.status, 400);
}
