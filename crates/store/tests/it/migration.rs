//! A database of an earlier version keeps everything.

use sqlx::{Row as _, SqlitePool, sqlite::SqliteConnectOptions};
use store::{Backend, ContactFilter, Step, Store};

use crate::fixture::{Fixture, actor, credential, domain, jid};

const MIGRATIONS_OF_3: [&str; 3] = [
    include_str!("../../src/migrations/0001_start.sql"),
    include_str!("../../src/migrations/0002_reports.sql"),
    include_str!("../../src/migrations/0003_components.sql"),
];

async fn schema(pool: &SqlitePool) -> Vec<String> {
    let statement = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'schema_migration' ORDER BY sql";
    sqlx::query(statement).fetch_all(pool).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Takes away what versions 4 to 9 have added; what is left is the schema of version 3, as its files make it.
async fn back_to_3(path: &std::path::Path) {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap();
    for statement in [
        "DROP TABLE panel_session",
        "DROP TABLE setup_link",
        "DROP TABLE administrator",
        "DROP TABLE api_token",
        "DROP TABLE access_assignment",
        "DROP TABLE access_policy",
        "DROP TABLE user_backend",
        "DROP TABLE inner_server",
        "DROP TABLE trunk",
        "DELETE FROM schema_migration WHERE number > 3",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let fresh = SqlitePool::connect("sqlite::memory:").await.unwrap();
    for file in MIGRATIONS_OF_3 {
        sqlx::raw_sql(file).execute(&fresh).await.unwrap();
    }
    assert_eq!(schema(&pool).await, schema(&fresh).await);
    pool.close().await;
}

#[tokio::test]
async fn the_schema_of_version_3_is_brought_up_with_all_its_data() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    let bots = domain("bots.contoso.example");
    let secret = "the secret of the bots".parse().unwrap();
    fixture.store.add_user(&actor(), &alice, "Alice", &[credential()]).await.unwrap();
    fixture.store.add_component_domain(&actor(), &bots, &secret).await.unwrap();
    fixture.store.contact_step(&alice, &juliet, Step::Written).await.unwrap();
    let everything = async |store: &Store| {
        let contacts = store.contacts(&ContactFilter { limit: 10, ..ContactFilter::default() }).await.unwrap();
        let audit = store.audit(&store::AuditFilter { limit: 100, ..Default::default() }).await.unwrap();
        let secret = store.snapshot().await.unwrap().dialback_secret().clone();
        let stored = (store.domains().await.unwrap(), store.partners().await.unwrap(), store.users().await.unwrap());
        (stored, contacts, audit, store.components().await.unwrap(), secret)
    };
    let before = everything(&fixture.store).await;
    let revision = *fixture.store.revisions().borrow();
    let path = fixture.path();
    fixture.store.close().await;
    back_to_3(&path).await;

    let store = Store::open(&path).await.unwrap();
    assert_eq!(everything(&store).await, before);
    assert_eq!(*store.revisions().borrow(), revision);
    store.verify_audit().await.unwrap();
    assert!(store.trunks().await.unwrap().is_empty() && store.serving().await.unwrap().assigned.is_empty());
    assert_eq!(store.serving().await.unwrap().access, policy::AccessPolicies::default());
    store.assign_backend(&actor(), &alice, Some(&Backend::Registrar)).await.unwrap();
}
