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
