//! Access policies: `partner-policy` §5.

use serde_json::{Value, json};

use crate::fixture::Fixture;

const ALICE: &str = "/users/alice@contoso.example/policy";
const SALES: &str = "/policies/user:Sales%20EMEA";

fn sales() -> Value {
    json!({
        "identity": "user:Sales EMEA", "enable_federation_access": true, "enable_xmpp_access": true,
        "partners": ["fabrikam.example"],
    })
}

async fn effective(fixture: &Fixture) -> (Value, Value) {
    let told = fixture.get(ALICE).await.body;
    (told["assigned"].clone(), told["effective"]["identity"].clone())
}

#[tokio::test]
async fn the_closest_policy_counts_for_a_user() {
    let fixture = Fixture::new().await;
    assert_eq!(effective(&fixture).await, (Value::Null, json!("global")));
    let site = json!({ "identity": "site:contoso.example", "enable_federation_access": true });
    assert_eq!(fixture.call("POST", "/policies", site).await.status, 201);
    assert_eq!(effective(&fixture).await, (Value::Null, json!("site:contoso.example")));
    assert_eq!(fixture.call("POST", "/policies", sales()).await.status, 201);
    let assigned = fixture.call("PUT", ALICE, json!({ "policy": "user:Sales EMEA" })).await;
    assert_eq!((assigned.status, &assigned.body["effective"]["partners"]), (200, &json!(["fabrikam.example"])));
    let listed = fixture.get("/policies").await.body;
    let row = |policy: &Value| format!("{} {} {}", policy["identity"], policy["scope"], policy["users"]);
    let rows: Vec<_> = listed["items"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(rows, [r#""global" "global" 0"#, r#""site:contoso.example" "site" 0"#, r#""user:Sales EMEA" "user" 1"#]);
    assert_eq!(fixture.call("PUT", ALICE, json!({ "policy": null })).await.status, 200);
    assert_eq!(effective(&fixture).await, (Value::Null, json!("site:contoso.example")));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_every_error_and_nothing_is_saved() {
    let fixture = Fixture::new().await;
    for (body, status, codes) in [
        (json!({}), 422, vec!["identity required"]),
        (json!({ "identity": "global" }), 422, vec!["identity not_allowed"]),
        (json!({ "identity": "site:nowhere.example" }), 422, vec!["identity not_internal"]),
        (
            json!({ "identity": "VIP", "enable_xmpp_access": "yes", "partners": ["litware.example"] }),
            422,
            vec!["enable_xmpp_access wrong_type", "identity identity_invalid", "partners not_a_partner"],
        ),
    ] {
        let answer = fixture.call("POST", "/policies", body.clone()).await;
        assert_eq!((answer.status, answer.codes("errors")), (status, codes.iter().map(ToString::to_string).collect()));
    }
    for (policy, code) in [("user:Nobody", "no_such_policy"), ("global", "not_for_users"), ("x", "identity_invalid")] {
        let answer = fixture.call("PUT", ALICE, json!({ "policy": policy })).await;
        assert_eq!((answer.status, answer.codes("errors")), (422, vec![format!("policy {code}")]));
    }
    let stranger = "/users/x@nowhere.example/policy";
    assert_eq!(fixture.get(stranger).await.status, 404);
    assert_eq!(fixture.get("/policies/user:Nobody").await.status, 404);
    assert_eq!(fixture.get("/policies/VIP").await.status, 400);
    assert_eq!(fixture.get("/policies").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_policy_in_use_stays_and_the_global_one_is_reset() {
    let fixture = Fixture::new().await;
    fixture.call("POST", "/policies", sales()).await;
    assert_eq!(fixture.call("POST", "/policies", sales()).await.status, 409);
    fixture.call("PUT", ALICE, json!({ "policy": "user:Sales EMEA" })).await;
    assert_eq!(fixture.call("DELETE", SALES, json!({})).await.status, 409);
    assert_eq!(fixture.call("DELETE", "/users/alice@contoso.example", json!({})).await.status, 204);
    assert_eq!(fixture.call("DELETE", SALES, json!({})).await.status, 204);

    let closed = fixture.call("PATCH", "/policies/global", json!({ "enable_federation_access": false })).await;
    assert_eq!((closed.status, closed.codes("warnings")), (200, vec!["enable_xmpp_access no_effect".to_owned()]));
    let stale = fixture.call_if("PATCH", "/policies/global", "\"1\"", json!({ "enable_xmpp_access": false })).await;
    assert_eq!(stale.status, 412);
    let tried = "/policies/global?dry_run=true";
    assert_eq!(fixture.call_if("PATCH", tried, "\"1\"", json!({ "enable_xmpp_access": false })).await.status, 412);
    assert_eq!(fixture.call("DELETE", "/policies/global", json!({})).await.status, 204);
    let global = fixture.get("/policies/global").await.body;
    assert_eq!((&global["enable_federation_access"], &global["revision"]), (&json!(true), &json!(0)));
    let actions = fixture.get("/audit?subject=global").await.body;
    let actions: Vec<_> = actions["items"].as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions, ["policy.reset", "policy.updated"]);
}

/// A list that lost its last entry would be for all partners.
#[tokio::test]
async fn a_partner_that_is_removed_stays_listed() {
    let fixture = Fixture::new().await;
    fixture.call("POST", "/policies", sales()).await;
    assert_eq!(fixture.call("DELETE", "/partners/fabrikam.example", json!({})).await.status, 204);
    let dry = fixture.call("PATCH", &format!("{SALES}?dry_run=true"), json!({ "enable_xmpp_access": false })).await;
    assert_eq!((dry.status, &dry.body["dry_run"]), (200, &json!(true)));
    let policy = fixture.get(SALES).await.body;
    assert_eq!((&policy["partners"], &policy["enable_xmpp_access"]), (&json!(["fabrikam.example"]), &json!(true)));
}
