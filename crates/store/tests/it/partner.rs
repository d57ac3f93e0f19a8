use policy::{Negotiation, Partner, PartnerType, Requirement, TrustRoots, negotiation::ROWS, partner::Pin};
use store::{Backend, DomainHolder, StoreError};

use crate::fixture::{Fixture, actor, domain, partner};

fn every_field() -> Partner {
    Partner {
        primary_domain: domain("bücher.example"),
        description: "Zoë, +49 30 1234\nsecond line".into(),
        additional_domains: vec![domain("z.example"), domain("a.bücher.example")],
        partner_type: PartnerType::PublicVerified,
        negotiation: Negotiation { tls: Requirement::Optional, sasl: Requirement::NotSupported, dialback: true },
        connection_limit: Some(7),
        keep_alive: false,
        proxy_fqdn: Some("xmpp.bücher.example:15269".parse().unwrap()),
        trust_roots: TrustRoots::Pem("-----BEGIN CERTIFICATE-----\nTGVnYXRpb24=\n-----END CERTIFICATE-----".into()),
        pins: vec![Pin([7; 32]), Pin([1; 32])],
        enabled: false,
    }
}

#[tokio::test]
async fn every_field_survives_reopening() {
    let fixture = Fixture::empty().await;
    let stored = fixture.store.add_partner(&actor(), &every_field()).await.unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.partner(&domain("bücher.example")).await.unwrap(), Some(stored.clone()));
    assert_eq!(stored.partner, every_field());
}

#[tokio::test]
async fn every_valid_row_survives() {
    let fixture = Fixture::empty().await;
    for row in ROWS.iter().filter(|row| row.is_valid()) {
        let name = format!("row{}.example", row.number);
        let written = Partner { negotiation: row.negotiation, ..partner(&name) };
        fixture.store.add_partner(&actor(), &written).await.unwrap();
        let read = fixture.store.partner(&domain(&name)).await.unwrap().unwrap();
        assert_eq!(read.partner, written, "row {}", row.number);
    }
}

#[tokio::test]
async fn a_domain_is_on_one_partner_at_most() {
    let fixture = Fixture::new().await;
    let revision = *fixture.store.revisions().borrow();
    let mut litware = partner("litware.example");
    litware.additional_domains = vec![domain("new.example"), domain("FABRIKAM.example.")];
    let error = fixture.store.add_partner(&actor(), &litware).await.unwrap_err();
    match &error {
        StoreError::DomainTaken { domain: taken, holder: DomainHolder::Partner(primary) } => {
            assert_eq!((taken.as_ascii(), primary.as_ascii()), ("fabrikam.example", "fabrikam.example"));
        }
        other => panic!("{other}"),
    }
    assert_eq!(fixture.store.partners().await.unwrap().len(), 1, "nothing is saved in part");
    assert_eq!(*fixture.store.revisions().borrow(), revision);
    litware.additional_domains.pop();
    fixture.store.add_partner(&actor(), &litware).await.unwrap();
    let mut fabrikam = partner("fabrikam.example");
    fabrikam.additional_domains = vec![domain("new.example")];
    let error = fixture.store.set_partner(&actor(), None, &fabrikam).await.unwrap_err();
    assert_eq!(error.to_string(), "new.example already belongs to the partner litware.example");
}

#[tokio::test]
async fn a_domain_is_never_internal_and_a_partners() {
    let fixture = Fixture::new().await;
    let error = fixture.store.add_partner(&actor(), &partner("contoso.example")).await.unwrap_err();
    assert!(matches!(error, StoreError::DomainTaken { holder: DomainHolder::Internal, .. }), "{error}");
    let error = fixture.store.add_domain(&actor(), &domain("fabrikam.example"), &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::DomainTaken { holder: DomainHolder::Partner(_), .. }), "{error}");
}

#[tokio::test]
async fn a_primary_domain_is_added_once() {
    let fixture = Fixture::new().await;
    let error = fixture.store.add_partner(&actor(), &partner("fabrikam.example")).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
}

#[tokio::test]
async fn a_domain_can_move_to_another_partner_once_it_is_free() {
    let fixture = Fixture::new().await;
    let mut fabrikam = partner("fabrikam.example");
    fabrikam.additional_domains = vec![domain("it.example")];
    fixture.store.set_partner(&actor(), None, &fabrikam).await.unwrap();
    fixture.store.set_partner(&actor(), None, &partner("fabrikam.example")).await.unwrap();
    fixture.store.add_partner(&actor(), &partner("it.example")).await.unwrap();
}

#[tokio::test]
async fn a_change_names_the_revision_it_was_based_on() {
    let fixture = Fixture::new().await;
    let read = fixture.store.partner(&domain("fabrikam.example")).await.unwrap().unwrap();
    let first = Partner { keep_alive: false, ..read.partner.clone() };
    let changed = fixture.store.set_partner(&actor(), Some(read.revision), &first).await.unwrap();
    assert!(changed.revision > read.revision);
    let second = Partner { enabled: false, ..read.partner.clone() };
    let error = fixture.store.set_partner(&actor(), Some(read.revision), &second).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { revision, .. } if revision == changed.revision), "{error}");
    let primary = domain("fabrikam.example");
    let error = fixture.store.remove_partner(&actor(), Some(read.revision), &primary).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(fixture.store.partner(&primary).await.unwrap(), Some(changed));
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let fixture = Fixture::new().await;
    let revision = *fixture.store.revisions().borrow();
    fixture.store.set_partner(&actor(), None, &partner("fabrikam.example")).await.unwrap();
    assert_eq!(*fixture.store.revisions().borrow(), revision);
}

#[tokio::test]
async fn a_snapshot_shows_a_change_as_soon_as_its_revision_is_told() {
    let fixture = Fixture::new().await;
    let mut topics = fixture.store.topics();
    topics.borrow_and_update();
    fixture.store.add_partner(&actor(), &partner("litware.example")).await.unwrap();
    topics.changed().await.unwrap();
    let told = *topics.borrow();
    let snapshot = fixture.store.snapshot().await.unwrap();
    assert_eq!(snapshot.revision(), told.edge);
    assert!(snapshot.partner_of(&domain("litware.example")).is_some());
    assert!(snapshot.is_internal(&domain("contoso.example")));
}

/// The kept snapshot is renewed by what was changed alone; it must stay what a fresh reading gives.
#[tokio::test]
async fn a_kept_snapshot_stays_what_the_rows_say() {
    let store = Fixture::new().await.store;
    let with_domains = |additional: &[&str]| Partner {
        additional_domains: additional.iter().map(|name| domain(name)).collect(),
        ..partner("middle.example")
    };
    let first = with_domains(&["m.example"]);
    for step in 0..8 {
        match step {
            0 => drop(store.add_partner(&actor(), &partner("zebra.example")).await.unwrap()),
            1 => drop(store.add_partner(&actor(), &first).await.unwrap()),
            2 => drop(store.set_partner(&actor(), None, &with_domains(&["n.example", "m.example"])).await.unwrap()),
            3 => store.remove_partner(&actor(), None, &domain("fabrikam.example")).await.unwrap(),
            4 => drop(store.add_partner(&actor(), &partner("fabrikam.example")).await.unwrap()),
            5 => drop(store.add_domain(&actor(), &domain("inside.example"), &[Backend::Registrar]).await.unwrap()),
            6 => store.remove_partner(&actor(), None, &domain("zebra.example")).await.unwrap(),
            _ => {
                store.remove_partner(&actor(), None, &domain("middle.example")).await.unwrap();
                store.add_partner(&actor(), &first).await.unwrap();
            }
        }
        let edge = store.edge().await.unwrap();
        assert_eq!(edge.partners, store.partners().await.unwrap(), "step {step}");
        assert_eq!(edge.snapshot.partner_of(&domain("m.example")).is_some(), (1..=7).contains(&step), "step {step}");
    }
}

#[tokio::test]
async fn a_removed_partner_is_gone_with_its_domains() {
    let fixture = Fixture::new().await;
    fixture.store.remove_partner(&actor(), None, &domain("fabrikam.example")).await.unwrap();
    assert!(fixture.store.partners().await.unwrap().is_empty());
    fixture.store.add_domain(&actor(), &domain("fabrikam.example"), &[]).await.unwrap();
    let error = fixture.store.remove_partner(&actor(), None, &domain("fabrikam.example")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}
