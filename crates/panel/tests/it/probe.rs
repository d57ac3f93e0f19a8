use serde_json::json;

use crate::fixture::Fixture;

#[tokio::test]
async fn what_is_probed_is_judged_like_what_is_saved() {
    let fixture = Fixture::new().await;
    for (body, field) in [
        (json!({ "domain": "-" }), "domain"),
        (json!({ "domain": "contoso.example" }), "domain"),
        (json!({ "domain": "fabrikam.example", "local": "other.example" }), "local"),
        (json!({ "domain": "fabrikam.example", "colour": "red" }), "colour"),
        (json!({ "domain": "fabrikam.example", "settings": { "tls": "not_supported" } }), "sasl"),
        (json!({ "domain": "litware.example", "settings": { "tls": "perhaps" } }), "tls"),
    ] {
        let answer = fixture.call("POST", "/probes", body.clone()).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)), "{body}");
    }
    assert_eq!(fixture.get("/audit?subject=fabrikam.example").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_probe_is_recorded_and_its_number_is_limited() {
    let fixture = Fixture::new().await;
    let body = json!({ "domain": "litware.example", "settings": { "sasl": "optional" } });
    let started = fixture.call("POST", "/probes", body.clone()).await;
    assert_eq!((started.status, &started.body["state"]), (202, &json!("running")), "{started:?}");
    assert_eq!((&started.body["id"], &started.body["local"]), (&json!("1"), &json!("contoso.example")));
    let audit = fixture.get("/audit?subject=litware.example").await.body["items"][0].clone();
    assert_eq!((&audit["action"], &audit["after"]["sasl"]), (&json!("probe.started"), &json!("optional")));
    let busy = fixture.call("POST", "/probes", json!({ "domain": "busy.example" })).await;
    assert_eq!((busy.status, &busy.body["type"]), (429, &json!("urn:legation:problem:busy")));
    let shown = fixture.get("/probes/1").await.body;
    assert_eq!((&shown["state"], &shown["domain"]), (&json!("running"), &json!("litware.example")));
    assert_eq!(fixture.call("DELETE", "/probes/1", json!({})).await.status, 204);
    assert_eq!(fixture.get("/probes/2").await.status, 404);
    assert_eq!(fixture.get("/partners").await.body["items"].as_array().unwrap().len(), 1, "nothing is saved");
}
