use lexicon::{
    Direction, Domain, Method, Report, RowId, Timestamp,
    report::{Code, Leg, Purpose},
};
use serde_json::json;

use crate::fixture::Fixture;

/// An attempt with fabrikam.example, the `number`th.
pub(crate) fn attempt(number: i64, direction: Direction, result: Result<Method, Code>) -> Report {
    let at = Timestamp::from_millis(1_795_000_000_000 + number);
    let domain = |name| Some(Domain::parse(name).unwrap());
    Report {
        id: RowId::new(at, [7; 10]),
        at,
        duration_ms: 3,
        direction,
        leg: Leg::Partner,
        purpose: Purpose::Stanzas,
        local: domain("contoso.example"),
        remote: domain("fabrikam.example"),
        partner: domain("fabrikam.example"),
        peer: None,
        lookup: None,
        dials: Vec::new(),
        tls: None,
        certificate: None,
        offered: None,
        tries: Vec::new(),
        stage: None,
        method: result.ok(),
        result: result.map_or_else(|code| code, |_| Code::Ok).into(),
        detail: String::new(),
    }
}

#[tokio::test]
async fn a_report_is_told_in_plain_words_with_its_remedy() {
    let fixture = Fixture::new().await;
    let failed = attempt(1, Direction::Outbound, Err(Code::CertificateExpired));
    fixture.store.add_reports(std::slice::from_ref(&failed)).await.unwrap();
    let listed = fixture.get("/reports").await.body["items"][0].clone();
    assert_eq!((&listed["result"], &listed["partner"]), (&json!("certificate_expired"), &json!("fabrikam.example")));
    assert_eq!(listed["summary"], "The certificate of fabrikam.example has expired.");
    assert!(listed["remedy"].as_str().unwrap().contains("administrators of fabrikam.example"), "{listed}");
    let shown = fixture.get(&format!("/reports/{}", failed.id)).await.body;
    assert_eq!(shown["steps"][0]["name"], "result");
    assert_eq!(shown["story"]["result"], "certificate_expired");
    assert_eq!(fixture.get("/reports/018f0000-0000-7000-8000-000000000000").await.status, 404);
    assert_eq!(fixture.get("/reports/nothing").await.status, 404);
}

#[tokio::test]
async fn reports_are_filtered_and_paged() {
    let fixture = Fixture::new().await;
    let stranger = Report { partner: None, ..attempt(4, Direction::Inbound, Err(Code::NotAPartner)) };
    let written = [
        attempt(1, Direction::Outbound, Ok(Method::SaslOverTls)),
        attempt(2, Direction::Inbound, Err(Code::Timeout)),
        attempt(3, Direction::Outbound, Ok(Method::SaslOverTls)),
        stranger,
    ];
    fixture.store.add_reports(&written).await.unwrap();
    for (query, count) in [
        ("", 4),
        ("?partner=Fabrikam.Example", 3),
        ("?partner=litware.example", 0),
        ("?strangers=true", 1),
        ("?outcome=success", 2),
        ("?outcome=failure", 2),
        ("?outcome=timeout", 1),
        ("?direction=inbound", 2),
        ("?direction=outbound&outcome=failure", 0),
    ] {
        let items = fixture.get(&format!("/reports{query}")).await.body["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), count, "{query}");
    }
    let first = fixture.get("/reports?limit=3").await.body;
    let next = first["next"].as_str().unwrap();
    let second = fixture.get(&format!("/reports?limit=3&after={next}")).await.body;
    assert_eq!((second["items"].as_array().unwrap().len(), second.get("next")), (1, None));
    for (query, field) in [("partner=-", "partner"), ("direction=up", "direction"), ("after=x", "after")] {
        let answer = fixture.get(&format!("/reports?{query}")).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)));
    }
}

#[tokio::test]
async fn a_partner_shows_its_state_and_its_last_success_and_failure() {
    let fixture = Fixture::new().await;
    let path = "/partners/fabrikam.example";
    assert_eq!(fixture.get(path).await.body["state"], "not_tried");
    let (good, bad) = (
        attempt(1, Direction::Outbound, Ok(Method::SaslOverTls)),
        attempt(2, Direction::Inbound, Err(Code::CertificateExpired)),
    );
    fixture.store.add_reports(std::slice::from_ref(&good)).await.unwrap();
    assert_eq!(fixture.get(path).await.body["state"], "up");
    fixture.store.add_reports(std::slice::from_ref(&bad)).await.unwrap();
    let listed = fixture.get("/partners").await.body["items"][0].clone();
    assert_eq!(listed["state"], "degraded");
    assert_eq!(listed["last_success"]["report"], good.id.to_string());
    assert_eq!(listed["last_failure"]["result"], "certificate_expired");
    let worse = attempt(3, Direction::Outbound, Err(Code::ConnectRefused));
    fixture.store.add_reports(&[worse]).await.unwrap();
    assert_eq!(fixture.get(path).await.body["state"], "down");
    fixture.call("PATCH", path, json!({ "enabled": false })).await;
    assert_eq!(fixture.get(path).await.body["state"], "disabled");
}

#[tokio::test]
async fn a_stream_is_closed_with_a_reason_that_is_recorded() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.get("/streams").await.body["items"][0]["number"], 7);
    assert_eq!(fixture.call("DELETE", "/streams/8", json!({})).await.status, 404);
    assert_eq!(fixture.call("DELETE", "/streams/7?reason=maintenance", json!({})).await.status, 204);
    let audit = fixture.get("/audit?subject=fabrikam.example").await.body["items"][0].clone();
    assert_eq!((&audit["action"], &audit["after"]["reason"]), (&json!("stream.closed"), &json!("maintenance")));
    let long = "x".repeat(201);
    assert_eq!(fixture.call("DELETE", &format!("/streams/7?reason={long}"), json!({})).await.status, 422);
}

#[tokio::test]
async fn registrations_are_searched_and_read_in_pages() {
    let fixture = Fixture::new().await;
    let contacts = async |path: &str| {
        let page = fixture.get(path).await.body;
        let items = page["items"].as_array().unwrap().clone();
        let told = items.iter().map(|item| item["contact"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (told, page["next"].as_str().map(ToOwned::to_owned))
    };
    let (all, next) = contacts("/registrations").await;
    assert_eq!(
        (all.clone(), next),
        (
            vec![
                "sip:<b>@192.0.2.9".to_owned(),
                "sip:alice@192.0.2.9".to_owned(),
                "sip:bob@192.0.2.9:40000".to_owned()
            ],
            None
        )
    );
    assert_eq!(contacts("/registrations?q=BOB@").await.0, all[2..]);
    assert_eq!(contacts("/registrations?q=nobody").await.0, all[3..]);
    let (first, next) = contacts("/registrations?limit=2").await;
    assert_eq!(first, all[..2]);
    let after = next.unwrap().replace(' ', "%20");
    assert_eq!(contacts(&format!("/registrations?limit=2&after={after}")).await, (all[2..].to_vec(), None));
    assert_eq!(fixture.get("/registrations?unknown=1").await.status, 400);
}
