use lexicon::{
    Direction, Domain, Report, RowId, Timestamp,
    report::{Code, Purpose},
};
use link::{
    event::{PARTNER_REPORTS_MAX, STRANGER_REPORTS_MAX},
    events,
};

fn report(partner: Option<&str>, number: i64) -> Report {
    let at = Timestamp::from_millis(number);
    Report {
        id: RowId::new(at, [0; 10]),
        at,
        duration_ms: 0,
        direction: Direction::Inbound,
        purpose: Purpose::Stanzas,
        leg: lexicon::report::Leg::Partner,
        local: None,
        remote: None,
        partner: partner.map(|name| Domain::parse(name).unwrap()),
        peer: None,
        lookup: None,
        dials: Vec::new(),
        tls: None,
        certificate: None,
        offered: None,
        tries: Vec::new(),
        stage: None,
        method: None,
        result: Code::Timeout.into(),
        detail: String::new(),
    }
}

#[tokio::test]
async fn strangers_do_not_crowd_out_partners_and_what_is_dropped_is_counted() {
    let (events, mut inbox) = events();
    for number in 0..5000 {
        events.report(report(None, number));
    }
    assert_eq!(events.dropped(), 5000 - STRANGER_REPORTS_MAX as u64);
    for number in 0..10 {
        events.report(report(Some("fabrikam.example"), number));
    }
    let taken = inbox.reports(20).await;
    let partners = taken.iter().filter(|report| report.partner.is_some()).count();
    assert_eq!((taken.len(), partners), (20, 10), "partners first");
    assert_eq!(taken[0].at, Timestamp::from_millis(0), "in order");
    for number in 0..=PARTNER_REPORTS_MAX as i64 {
        events.report(report(Some("fabrikam.example"), number));
    }
    assert_eq!(events.dropped(), 5000 - STRANGER_REPORTS_MAX as u64 + 1);
}

#[tokio::test]
async fn listening_ends_when_nobody_tells_any_more() {
    let (events, mut inbox) = events();
    events.report(report(None, 1));
    drop(events);
    assert_eq!(inbox.reports(10).await.len(), 1);
    assert_eq!(inbox.reports(10).await.len(), 0);
}
