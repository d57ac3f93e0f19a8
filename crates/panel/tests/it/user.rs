use serde_json::json;

use crate::fixture::Fixture;

#[tokio::test]
async fn a_user_is_challenged_with_the_chosen_algorithms() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.get("/users/alice@contoso.example").await.body["algorithms"], json!(["MD5", "SHA-256"]));
    let change = json!({ "password": "another", "digest": "md5" });
    let answer = fixture.call("PUT", "/users/alice@contoso.example/password", change).await;
    assert_eq!((answer.status, &answer.body["algorithms"]), (200, &json!(["MD5"])));
    let stored = fixture.store.users().await.unwrap();
    assert_eq!(stored[0].credentials[0].ha1, "MD5:7");
}

#[tokio::test]
async fn every_fault_of_a_new_user_is_told() {
    let fixture = Fixture::new().await;
    for (body, codes) in [
        (json!({}), vec!["address required", "password required"]),
        (json!({ "address": "contoso.example", "password": "x" }), vec!["address not_a_user"]),
        (json!({ "address": "a b@contoso.example", "password": "x" }), vec!["address address_invalid"]),
        (
            json!({ "address": "juliet@fabrikam.example", "password": "", "digest": "rot13" }),
            vec!["digest not_a_choice", "address not_internal", "password required"],
        ),
        (json!({ "address": "a@contoso.example", "password": "x\u{0}" }), vec!["password not_allowed"]),
        (json!({ "address": "a@contoso.example", "password": "x", "rank": 1 }), vec!["rank unknown_field"]),
    ] {
        let answer = fixture.call("POST", "/users", body.clone()).await;
        assert_eq!(
            (answer.status, answer.codes("errors")),
            (422, codes.iter().map(ToString::to_string).collect()),
            "{body}"
        );
    }
    let answer = fixture.call("POST", "/users", json!({ "address": "alice@contoso.example", "password": "x" })).await;
    assert_eq!(answer.status, 409);
    assert_eq!(fixture.get("/users").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_password_is_repeated_nowhere() {
    let fixture = Fixture::new().await;
    let answer = fixture.call("POST", "/users", json!({ "address": "b@contoso.example", "password": 90210 })).await;
    assert_eq!(answer.codes("errors"), ["password wrong_type"]);
    assert!(!answer.body.to_string().contains("90210"));
    let audit = fixture.get("/audit").await.body.to_string();
    assert!(audit.contains("user.added") && !audit.contains("secret") && !audit.contains("MD5:6"), "{audit}");
    assert!(!fixture.get("/users").await.body.to_string().contains("MD5:6"));
}

#[tokio::test]
async fn a_user_is_changed_and_removed() {
    let fixture = Fixture::new().await;
    let path = "/users/alice@contoso.example";
    let answer = fixture.call("PATCH", path, json!({ "display_name": "Alice", "enabled": false })).await;
    assert_eq!((&answer.body["display_name"], &answer.body["enabled"]), (&json!("Alice"), &json!(false)));
    assert_eq!(fixture.call("DELETE", path, json!({})).await.status, 204);
    assert_eq!(fixture.call("DELETE", path, json!({})).await.status, 404);
    assert_eq!(fixture.call("PUT", &format!("{path}/password"), json!({ "password": "x" })).await.status, 404);
}

/// Behind a trunk an address has no account, and is assigned all the same.
#[tokio::test]
async fn an_address_is_assigned_to_a_backend_of_its_domain() {
    let fixture = Fixture::new().await;
    let new = json!({ "name": "lync", "targets": ["sip.contoso.example"], "peer_names": ["sip.contoso.example"] });
    assert_eq!(fixture.call("POST", "/trunks", new).await.status, 201);
    let change = json!({ "backends": ["registrar", "trunk:lync"] });
    assert_eq!(fixture.call("PATCH", "/domains/contoso.example", change).await.status, 200);
    let path = "/users/bob@contoso.example/backend";
    let shown = fixture.get(path).await.body;
    let expected = json!({
        "address": "bob@contoso.example",
        "backend": "registrar",
        "assigned": false,
        "backends": ["registrar", "trunk:lync"],
    });
    assert_eq!(shown, expected);
    let set = fixture.call("PUT", path, json!({ "backend": "trunk:lync" })).await;
    assert_eq!((set.status, &set.body["backend"], &set.body["assigned"]), (200, &json!("trunk:lync"), &json!(true)));
    assert_eq!(fixture.get("/users/alice@contoso.example").await.body["backend"], "registrar");
    let set = fixture.call("PUT", path, json!({ "backend": null })).await;
    assert_eq!((&set.body["backend"], &set.body["assigned"]), (&json!("registrar"), &json!(false)));
    for (path, body, status, codes) in [
        (path, json!({}), 422, &["backend required"][..]),
        (path, json!({ "backend": "pigeon" }), 422, &["backend not_a_choice"]),
        (path, json!({ "backend": "xmpp" }), 422, &["backend no_such_backend"]),
        (path, json!({ "backend": 1 }), 422, &["backend wrong_type"]),
        ("/users/contoso.example/backend", json!({ "backend": null }), 422, &["address not_a_user"]),
        ("/users/a@other.example/backend", json!({ "backend": null }), 404, &[]),
    ] {
        let answer = fixture.call("PUT", path, body.clone()).await;
        let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
        assert_eq!((answer.status, answer.codes("errors")), (status, codes), "{path} {body}");
    }
    let rows = fixture.get("/audit?subject=bob@contoso.example").await.body["items"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(
        (&rows[1]["action"], &rows[1]["after"]),
        (&json!("user.backend_changed"), &json!({ "backend": "trunk:lync" }))
    );
    // Every address may exist behind a trunk, so it may have contacts.
    let contact = json!({ "internal": "bob@contoso.example", "partner": "juliet@fabrikam.example" });
    assert_eq!(fixture.call("POST", "/contacts", contact).await.status, 201);
}

#[tokio::test]
async fn accounts_need_a_registrar() {
    let fixture = Fixture::new().await;
    let new = json!({ "name": "lync", "targets": ["sip.contoso.example"], "peer_names": ["sip.contoso.example"] });
    assert_eq!(fixture.call("POST", "/trunks", new).await.status, 201);
    let new = json!({ "name": "adatum.example", "backends": ["trunk:lync"] });
    assert_eq!(fixture.call("POST", "/domains", new).await.status, 201);
    let user = json!({ "address": "bob@adatum.example", "password": "secret" });
    assert_eq!(fixture.call("POST", "/users", user).await.codes("errors"), ["address not_registrar"]);
}

#[tokio::test]
async fn two_administrators_at_one_user_lose_no_change() {
    let fixture = Fixture::new().await;
    let path = "/users/alice@contoso.example";
    let old = fixture.get(path).await.etag.unwrap();
    let first = fixture.call_if("PATCH", path, &old, json!({ "display_name": "Alice" })).await;
    assert_eq!(first.status, 200);
    let second = fixture.call_if("PATCH", path, &old, json!({ "display_name": "Alice L." })).await;
    assert_eq!((second.status, &second.body["type"]), (412, &json!("urn:legation:problem:changed")));
    // A password is a change of the user too.
    fixture.call("PUT", &format!("{path}/password"), json!({ "password": "another" })).await;
    let third = fixture.call_if("PATCH", path, &first.etag.unwrap(), json!({ "enabled": false })).await;
    assert_eq!(third.status, 412);
    let user = fixture.get(path).await.body;
    assert_eq!((&user["display_name"], &user["enabled"]), (&json!("Alice"), &json!(true)));
    assert_eq!(fixture.call("PATCH", path, json!({ "enabled": false })).await.body["display_name"], "Alice");
}
