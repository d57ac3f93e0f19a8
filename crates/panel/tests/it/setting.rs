use serde_json::{Value, json};

use crate::fixture::Fixture;

#[tokio::test]
async fn settings_show_value_default_limits_and_meaning() {
    let fixture = Fixture::empty().await;
    let list = fixture.get("/settings").await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 19);
    let one = fixture.get("/settings/keep_alive_interval").await.body;
    assert_eq!(
        (&one["value"], &one["default"], &one["min"], &one["max"], &one["unit"]),
        (&json!(300), &json!(300), &json!(30), &json!(3600), &json!("s"))
    );
    assert_eq!(fixture.get("/settings/colour").await.status, 404);
}

#[tokio::test]
async fn several_settings_change_together_or_not_at_all() {
    let fixture = Fixture::empty().await;
    let change = json!({ "queue_age": 30, "log_message_bodies": true, "pager_message_type": "normal" });
    let answer = fixture.call("PATCH", "/settings", change).await;
    assert_eq!((answer.status, answer.body["items"].as_array().unwrap().len()), (200, 3));
    assert_eq!(fixture.get("/settings/queue_age").await.body["value"], 30);
    let change = json!({ "queue_age": 40, "connection_limit": 9, "colour": 1, "half_open_limit": null });
    let answer = fixture.call("PATCH", "/settings", change).await;
    let mut codes = answer.codes("errors");
    codes.sort();
    assert_eq!(codes, ["colour unknown_setting", "connection_limit out_of_range", "half_open_limit wrong_type"]);
    let message = answer.body["errors"].to_string();
    assert!(message.contains('9') && message.contains("10 to 100000"), "limits and what was entered: {message}");
    assert_eq!(fixture.get("/settings/queue_age").await.body["value"], 30, "nothing is saved");
}

#[tokio::test]
async fn the_dialback_secret_can_be_set_and_is_never_shown() {
    let fixture = Fixture::empty().await;
    let secret = "correct horse battery staple";
    let answer = fixture.call("PATCH", "/settings", json!({ "dialback_passphrase": secret })).await;
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.body["items"][0]["value"], &answer.body["items"][0]["hidden"]), (&Value::Null, &json!(true)));
    let short = fixture.call("PATCH", "/settings", json!({ "dialback_passphrase": "shortsecret" })).await;
    assert_eq!(short.codes("errors"), ["dialback_passphrase too_short"]);
    for text in [
        answer.body.to_string(),
        short.body.to_string(),
        fixture.get("/settings").await.body.to_string(),
        fixture.get("/audit").await.body.to_string(),
    ] {
        assert!(!text.contains(secret) && !text.contains("shortsecret"), "{text}");
    }
    assert_eq!(fixture.store.settings().await.unwrap().settings.dialback_passphrase.reveal(), secret);
}

#[tokio::test]
async fn a_dry_run_and_an_old_etag_change_no_setting() {
    let fixture = Fixture::empty().await;
    let old = fixture.get("/settings").await.etag.unwrap();
    let tried = fixture.call("PATCH", "/settings?dry_run=true", json!({ "queue_age": 30 })).await;
    assert_eq!((&tried.body["items"][0]["value"], &tried.body["dry_run"]), (&json!(30), &json!(true)));
    assert_eq!(fixture.get("/settings/queue_age").await.body["value"], 60);
    assert_eq!(fixture.call_if("PATCH", "/settings", &old, json!({ "queue_age": 30 })).await.status, 200);
    assert_eq!(fixture.call_if("PATCH", "/settings", &old, json!({ "queue_age": 20 })).await.status, 412);
    assert_eq!(fixture.get("/settings/queue_age").await.body["value"], 30);
}
