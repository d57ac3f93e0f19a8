use serde_json::{Value, json};

use crate::fixture::Fixture;

const ALICE: &str = "alice@contoso.example";
const JULIET: &str = "juliet@fabrikam.example";

fn pair() -> Value {
    json!({ "internal": ALICE, "partner": JULIET })
}

async fn contacts(fixture: &Fixture) -> Vec<Value> {
    fixture.get("/contacts").await.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_administrators_entry_opens_presence_and_messages() {
    let fixture = Fixture::new().await;
    let answer = fixture.call("POST", "/contacts", pair()).await;
    assert_eq!(answer.status, 201);
    let contact = &contacts(&fixture).await[0];
    assert_eq!((&contact["added"], &contact["blocked"]), (&json!(true), &json!(false)));
    assert_eq!(contact["invited_by"], "administrator");
    assert_eq!(fixture.get("/contacts?internal=bob@contoso.example").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_contact_needs_a_user_of_ours_and_one_of_a_partner() {
    let fixture = Fixture::new().await;
    for (body, codes) in [
        (json!({}), vec!["internal required", "partner required"]),
        (
            json!({ "internal": "x@nowhere.example", "partner": "y@nowhere.example" }),
            vec!["internal not_internal", "partner not_a_partner"],
        ),
        (json!({ "internal": "nobody@contoso.example", "partner": JULIET }), vec!["internal no_such_user"]),
        (json!({ "internal": ALICE, "partner": "fabrikam.example" }), vec!["partner not_a_user"]),
    ] {
        for path in ["/contacts", "/contacts/block"] {
            let answer = fixture.call("POST", path, body.clone()).await;
            let expected: Vec<_> = codes.iter().map(ToString::to_string).collect();
            assert_eq!((answer.status, answer.codes("errors")), (422, expected), "{path} {body}");
        }
    }
    assert!(contacts(&fixture).await.is_empty());
}

#[tokio::test]
async fn a_block_is_kept_when_the_contact_ends() {
    let fixture = Fixture::new().await;
    fixture.call("POST", "/contacts", pair()).await;
    assert_eq!(fixture.call("POST", "/contacts/block", pair()).await.body["blocked"], true);
    let ended = fixture.call("POST", "/contacts/end", pair()).await;
    assert_eq!((&ended.body["added"], &ended.body["blocked"]), (&json!(false), &json!(true)));
    assert_eq!(fixture.call("POST", "/contacts/unblock", pair()).await.status, 200);
    assert!(contacts(&fixture).await.is_empty());
    for path in ["/contacts/end", "/contacts/unblock", "/contacts/accept", "/contacts/decline"] {
        assert_eq!(fixture.call("POST", path, pair()).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_pending_invitation_is_accepted_or_declined() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (ALICE.parse().unwrap(), JULIET.parse().unwrap());
    fixture.store.invitation_received(&alice, &juliet).await.unwrap();
    let pending = fixture.get("/invitations").await.body;
    assert_eq!((&pending["items"][0]["internal"], &pending["items"][0]["partner"]), (&json!(ALICE), &json!(JULIET)));
    assert_eq!(fixture.call("POST", "/contacts/decline", pair()).await.status, 200);
    assert!(contacts(&fixture).await.is_empty());
    fixture.store.invitation_received(&alice, &juliet).await.unwrap();
    let accepted = fixture.call("POST", "/contacts/accept", pair()).await.body;
    assert_eq!(
        (&accepted["added"], &accepted["authorised"], &accepted["invited"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!(fixture.get("/invitations").await.body["items"], json!([]));
}

#[tokio::test]
async fn contacts_are_listed_in_pages() {
    let fixture = Fixture::new().await;
    for other in ["a@fabrikam.example", "b@fabrikam.example", "c@fabrikam.example"] {
        fixture.call("POST", "/contacts", json!({ "internal": ALICE, "partner": other })).await;
    }
    let first = fixture.get("/contacts?limit=2").await.body;
    let next = first["next"].as_str().unwrap().replace(' ', "%20");
    let second = fixture.get(&format!("/contacts?limit=2&after={next}")).await.body;
    assert_eq!(second["items"][0]["partner"], "c@fabrikam.example");
    assert_eq!(second.get("next"), None);
    assert_eq!(fixture.get("/contacts?after=nonsense").await.status, 400);
}
