use std::time::Duration;

use serde_json::json;
use store::{Actor, AuditFilter, StoreError};

use crate::fixture::{Fixture, actor, credential, domain, jid, partner};

async fn actions(fixture: &Fixture) -> Vec<String> {
    let filter = AuditFilter { limit: 100, ..Default::default() };
    let rows = fixture.store.audit(&filter).await.unwrap();
    rows.into_iter().rev().map(|row| row.action).collect()
}

#[tokio::test]
async fn every_administrative_write_makes_one_row() {
    let fixture = Fixture::new().await;
    let (store, actor) = (&fixture.store, actor());
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    store.add_user(&actor, &alice, "", &[credential()]).await.unwrap();
    store.set_user(&actor, &alice, "Alice", true, None).await.unwrap();
    store.set_credentials(&actor, &alice, &[]).await.unwrap();
    let mut fabrikam = partner("fabrikam.example");
    fabrikam.keep_alive = false;
    store.set_partner(&actor, None, &fabrikam).await.unwrap();
    fabrikam.enabled = false;
    store.set_partner(&actor, None, &fabrikam).await.unwrap();
    fabrikam.enabled = true;
    store.set_partner(&actor, None, &fabrikam).await.unwrap();
    store.add_contact(&actor, &alice, &juliet).await.unwrap();
    store.block_contact(&actor, &alice, &juliet).await.unwrap();
    store.unblock_contact(&actor, &alice, &juliet).await.unwrap();
    store.end_contact(&actor, &alice, &juliet).await.unwrap();
    store.invitation_received(&alice, &juliet).await.unwrap();
    store.accept_invitation(&actor, &alice, &juliet).await.unwrap();
    store.invitation_received(&alice, &jid("romeo@fabrikam.example")).await.unwrap();
    store.decline_invitation(&actor, &alice, &jid("romeo@fabrikam.example")).await.unwrap();
    store.remove_user(&actor, &alice).await.unwrap();
    store.remove_partner(&actor, None, &domain("fabrikam.example")).await.unwrap();
    store.remove_domain(&actor, &domain("contoso.example")).await.unwrap();
    let expected = [
        "domain.added",
        "partner.added",
        "user.added",
        "user.updated",
        "user.password_changed",
        "partner.updated",
        "partner.disabled",
        "partner.enabled",
        "contact.added",
        "contact.blocked",
        "contact.unblocked",
        "contact.ended",
        "contact.accepted",
        "contact.declined",
        "user.removed",
        "partner.removed",
        "domain.removed",
    ];
    let actions: Vec<_> =
        actions(&fixture).await.into_iter().filter(|action| !action.starts_with("settings.")).collect();
    assert_eq!(actions, expected);
    store.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_row_says_who_from_where_what_before_and_after() {
    let fixture = Fixture::new().await;
    let mut fabrikam = partner("fabrikam.example");
    fabrikam.description = "new".into();
    fixture.store.set_partner(&actor(), None, &fabrikam).await.unwrap();
    let filter = AuditFilter { subject: Some("fabrikam.example".to_owned()), limit: 1, ..Default::default() };
    let row = fixture.store.audit(&filter).await.unwrap().pop().unwrap();
    assert_eq!((row.who.as_str(), row.origin.as_str()), ("uid:0", "socket"));
    assert_eq!((row.action.as_str(), row.subject.as_str()), ("partner.updated", "fabrikam.example"));
    assert_eq!(row.before.unwrap()["description"], json!(""));
    assert_eq!(row.after.unwrap()["description"], json!("new"));
}

#[tokio::test]
async fn the_log_is_filtered_by_who_what_and_when() {
    let fixture = Fixture::new().await;
    fixture.store.add_partner(&Actor::new("ops1", "192.0.2.1"), &partner("litware.example")).await.unwrap();
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    let subjects = async |filter: AuditFilter| {
        let rows = fixture.store.audit(&filter).await.unwrap();
        rows.into_iter().map(|row| row.subject).collect::<Vec<_>>()
    };
    let named = |text: &str| Some(text.to_owned());
    assert_eq!(subjects(AuditFilter { who: named("ops1"), ..all.clone() }).await, ["litware.example"]);
    let partners = ["litware.example", "fabrikam.example"];
    for action in ["partner", "partner.added"] {
        assert_eq!(subjects(AuditFilter { action: named(action), ..all.clone() }).await, partners, "{action}");
    }
    for action in ["part", "partner.", "partner.removed", "%", "_artner"] {
        assert!(subjects(AuditFilter { action: named(action), ..all.clone() }).await.is_empty(), "{action}");
    }
    let rows = fixture.store.audit(&all).await.unwrap();
    let (first, last) = (rows.last().unwrap().at, rows[0].at);
    assert_eq!(subjects(AuditFilter { since: Some(first), ..all.clone() }).await.len(), rows.len());
    assert!(subjects(AuditFilter { until: Some(first), ..all.clone() }).await.is_empty());
    assert!(subjects(AuditFilter { since: Some(last + Duration::from_millis(1)), ..all }).await.is_empty());
}

#[tokio::test]
async fn the_log_is_read_in_pages() {
    let fixture = Fixture::new().await;
    let all = fixture.store.audit(&AuditFilter { limit: 100, ..Default::default() }).await.unwrap();
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = fixture.store.audit(&AuditFilter { after, limit: 1, ..Default::default() }).await.unwrap();
        let Some(row) = page.into_iter().next() else { break };
        after = Some(row.number);
        paged.push(row);
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn a_changed_or_removed_row_is_found() {
    for tampering in [
        "UPDATE audit SET who = 'nobody' WHERE number = 2",
        "UPDATE audit SET after = '{}' WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)",
    ] {
        let fixture = Fixture::new().await;
        assert!(fixture.store.verify_audit().await.unwrap() >= 2);
        let path = fixture.path();
        fixture.store.close().await;
        let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&path));
        let pool = pool.await.unwrap();
        sqlx::query(tampering).execute(&pool).await.unwrap();
        pool.close().await;
        let store = store::Store::open(&path).await.unwrap();
        let error = store.verify_audit().await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{tampering}: {error}");
    }
}
