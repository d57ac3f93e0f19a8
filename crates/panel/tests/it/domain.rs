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
        (json!({ "backends": ["registrar", "component"], "secret": SECRET }), &["backends too_many"]),
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
