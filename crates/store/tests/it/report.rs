use lexicon::{
    Direction, Method, Report, RowId, Timestamp,
    report::{Code, Purpose},
};
use store::ReportFilter;

use crate::fixture::{Fixture, actor, domain};

/// An attempt with fabrikam.example, the `number`th.
fn attempt(number: u64, direction: Direction, code: Code, method: Option<Method>) -> Report {
    let at = Timestamp::from_millis(1_795_000_000_000 + i64::try_from(number).unwrap() * 1000);
    Report {
        id: RowId::new(at, [7; 10]),
        at,
        duration_ms: 3,
        direction,
        purpose: Purpose::Stanzas,
        leg: lexicon::report::Leg::Partner,
        local: Some(domain("contoso.example")),
        remote: Some(domain("fabrikam.example")),
        partner: Some(domain("fabrikam.example")),
        peer: None,
        lookup: None,
        dials: Vec::new(),
        tls: None,
        certificate: None,
        offered: None,
        tries: Vec::new(),
        stage: None,
        method,
        result: code.into(),
        detail: String::new(),
    }
}

fn good(number: u64, method: Method) -> Report {
    attempt(number, Direction::Outbound, Code::Ok, Some(method))
}

fn stranger(number: u64) -> Report {
    Report { partner: None, ..attempt(number, Direction::Inbound, Code::NotAPartner, None) }
}

fn page(limit: u32) -> ReportFilter {
    ReportFilter { limit, ..ReportFilter::default() }
}

#[tokio::test]
async fn a_report_reads_back_as_it_was_written() {
    let fixture = Fixture::new().await;
    let report = good(1, Method::SaslOverTls);
    fixture.store.add_reports(std::slice::from_ref(&report)).await.unwrap();
    let reopened = fixture.reopened().await;
    assert_eq!(reopened.store.report(report.id).await.unwrap(), Some(report.clone()));
    assert_eq!(reopened.store.reports(&page(10)).await.unwrap(), [report]);
}

#[tokio::test]
async fn reports_are_listed_newest_first_by_partner_outcome_and_direction_in_pages() {
    let fixture = Fixture::new().await;
    let written = [
        good(1, Method::SaslOverTls),
        attempt(2, Direction::Inbound, Code::CertificateExpired, None),
        stranger(3),
        good(4, Method::TlsDialback),
    ];
    fixture.store.add_reports(&written).await.unwrap();
    let fabrikam = Some(domain("fabrikam.example"));
    for (filter, found) in [
        (page(10), vec![3, 2, 1, 0]),
        (page(2), vec![3, 2]),
        (ReportFilter { after: Some(written[2].id), ..page(10) }, vec![1, 0]),
        (ReportFilter { partner: fabrikam, ..page(10) }, vec![3, 1, 0]),
        (ReportFilter { partner: Some(domain("litware.example")), ..page(10) }, vec![]),
        (ReportFilter { strangers: true, ..page(10) }, vec![2]),
        (ReportFilter { succeeded: Some(false), ..page(10) }, vec![2, 1]),
        (ReportFilter { succeeded: Some(true), ..page(10) }, vec![3, 0]),
        (ReportFilter { result: Some("certificate_expired".to_owned()), ..page(10) }, vec![1]),
        (ReportFilter { direction: Some(Direction::Inbound), ..page(10) }, vec![2, 1]),
    ] {
        let listed = fixture.store.reports(&filter).await.unwrap();
        let expected: Vec<_> = found.into_iter().map(|index| written[index].clone()).collect();
        assert_eq!(listed, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn the_newest_200_of_a_partner_are_kept_whatever_strangers_do() {
    let fixture = Fixture::new().await;
    let ours: Vec<_> = (0..250).map(|number| good(number, Method::SaslOverTls)).collect();
    let others: Vec<_> = (1000..2000).map(stranger).collect();
    fixture.store.add_reports(&ours).await.unwrap();
    for some in others.chunks(250) {
        fixture.store.add_reports(some).await.unwrap();
    }
    let fabrikam = ReportFilter { partner: Some(domain("fabrikam.example")), ..page(u32::MAX) };
    let kept = fixture.store.reports(&fabrikam).await.unwrap();
    assert_eq!((kept.len(), kept[199].id), (200, ours[50].id));
    let strangers = fixture.store.reports(&ReportFilter { strangers: true, ..page(u32::MAX) }).await.unwrap();
    assert_eq!((strangers.len(), strangers[199].id), (200, others[800].id));
}

#[tokio::test]
async fn the_last_success_and_failure_of_a_pair_outlive_its_reports() {
    let fixture = Fixture::new().await;
    let first = good(1, Method::SaslOverTls);
    let second = good(2, Method::TlsDialback);
    let failed = attempt(3, Direction::Outbound, Code::Timeout, None);
    let probe = Report { purpose: Purpose::Probe, ..good(4, Method::SaslOverTls) };
    let ours = attempt(5, Direction::Outbound, Code::Shutdown, None);
    let all = [first, second.clone(), failed.clone(), probe, ours];
    fixture.store.add_reports(&all).await.unwrap();
    fixture.store.add_reports(&[stranger(6)]).await.unwrap();
    let last = fixture.store.last_reports(None).await.unwrap();
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!((last[0].method, last[0].strongest), (None, Some(Method::SaslOverTls)));
    assert_eq!(last[0].success, Some((second.at, second.id)));
    assert_eq!(last[0].failure, Some((failed.at, failed.id, Code::Timeout.into())));
    let again = good(7, Method::TlsDialback);
    fixture.store.add_reports(std::slice::from_ref(&again)).await.unwrap();
    let last = fixture.store.last_reports(Some(&domain("fabrikam.example"))).await.unwrap();
    assert_eq!((last[0].method, last[0].success), (Some(Method::TlsDialback), Some((again.at, again.id))));
    assert_eq!(last[0].failure, Some((failed.at, failed.id, Code::Timeout.into())));
    fixture.store.remove_partner(&actor(), None, &domain("fabrikam.example")).await.unwrap();
    assert_eq!(fixture.store.last_reports(None).await.unwrap(), []);
}
