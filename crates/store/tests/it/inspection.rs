//! Looking at a database changes nothing and needs no lock.

use std::{fs, os::unix::fs::PermissionsExt as _};

use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use store::{StoreError, inspect};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_database_is_looked_at_while_a_server_has_it_open() {
    let fixture = Fixture::new().await;
    let inspection = inspect(&fixture.path()).await.unwrap();
    assert_eq!((inspection.schema, inspection.faults.len()), (inspection.schema_known, 0));
    let contents = inspection.contents.unwrap();
    assert_eq!(contents.audit.unwrap(), fixture.store.verify_audit().await.unwrap());
    let rows = fixture.store.audit(&store::AuditFilter { limit: 1, ..Default::default() }).await.unwrap();
    assert_eq!(contents.last_time, Some(rows[0].at));
    assert_eq!(contents.serving.domains, fixture.store.domains().await.unwrap());
    assert_eq!(contents.snapshot.partners().len(), 1);
}

#[tokio::test]
async fn a_closed_database_stays_as_it_is() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    fixture.store.close().await;
    let before = fs::read(&path).unwrap();
    inspect(&path).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn an_audit_log_that_was_tampered_with_is_found() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::query("UPDATE audit SET who = 'nobody' WHERE number = 1").execute(&pool).await.unwrap();
    let contents = inspect(&path).await.unwrap().contents.unwrap();
    assert!(matches!(contents.audit, Err(StoreError::Damaged { .. })), "{:?}", contents.audit);
}

#[tokio::test]
async fn a_file_that_is_broken_inside_is_found() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    fixture.store.close().await;
    // An index that lacks an entry of its table: SQLite finds it by counting.
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    for statement in [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX audit_subject ON audit (subject, number) WHERE number > 1' \
         WHERE name = 'audit_subject'",
        "PRAGMA writable_schema = RESET",
        "REINDEX audit_subject",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX audit_subject ON audit (subject, number)' \
         WHERE name = 'audit_subject'",
        "PRAGMA writable_schema = RESET",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    }
    drop(connection);
    pool.close().await;
    let faults = inspect(&path).await.unwrap().faults;
    assert!(faults.iter().any(|fault| fault.contains("audit_subject")), "{faults:?}");
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_said_so() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    fixture.store.close().await;
    let missing = inspect(&path.with_file_name("other.db")).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    assert!(!path.with_file_name("other.db").exists());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = inspect(&path).await;
    assert!(matches!(open, Err(StoreError::Permissions { mode: 0o644, .. })), "{open:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "this is a letter, not a database; ".repeat(100)).unwrap();
    let letter = inspect(&path).await;
    assert!(matches!(letter, Err(StoreError::NotADatabase { .. })), "{letter:?}");
}

#[tokio::test]
async fn a_database_of_a_later_version_is_told_without_reading_it() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    fixture.store.close().await;
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let insert = "INSERT INTO schema_migration (number, name, applied_at) VALUES (9000, 'later', 0)";
    sqlx::query(insert).execute(&pool).await.unwrap();
    pool.close().await;
    let inspection = inspect(&path).await.unwrap();
    assert!(inspection.schema == 9000 && inspection.contents.is_none(), "{inspection:?}");
}
