use std::{fs, os::unix::fs::PermissionsExt as _};

use store::{Store, StoreError};

use crate::fixture::{Fixture, actor, domain, partner};

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn private_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o700);
    directory
}

#[tokio::test]
async fn creates_directory_and_files_that_others_cannot_open() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("data").join("legation.db");
    let store = Store::open(&path).await.unwrap();
    store.add_domain(&actor(), &domain("contoso.example"), &[]).await.unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for name in ["legation.db", "legation.db-wal", "legation.db.lock"] {
        assert_eq!(mode(&path.with_file_name(name)) & 0o077, 0, "{name}");
    }
}

#[tokio::test]
async fn refuses_a_database_or_directory_that_others_can_open() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    fixture.store.close().await;
    for (target, wrong, right) in [(path.as_path(), 0o644, 0o600), (path.parent().unwrap(), 0o755, 0o700)] {
        set_mode(target, wrong);
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(&error, StoreError::Permissions { mode, .. } if *mode == wrong), "{error}");
        let text = error.to_string();
        assert!(text.contains(&target.display().to_string()) && text.contains("chmod"), "{text}");
        set_mode(target, right);
    }
    Store::open(&path).await.unwrap();
}

#[tokio::test]
async fn refuses_a_path_that_cannot_be_written() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("file"), "").unwrap();
    for path in [outer.path().join("file").join("legation.db"), outer.path().to_owned()] {
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Unwritable { .. } | StoreError::Permissions { .. }), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[tokio::test]
async fn refuses_a_newer_schema_and_leaves_it_alone() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    fixture.store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("INSERT INTO schema_migration (number, name, applied_at) VALUES (9000, 'later', 0)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 9000, .. }), "{error}");
    assert!(error.to_string().contains("9000"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn refuses_a_file_that_is_something_else() {
    let directory = private_directory();
    let path = directory.path().join("legation.db");
    fs::write(&path, "this is a letter, not a database; ".repeat(100)).unwrap();
    set_mode(&path, 0o600);
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
}

#[tokio::test]
async fn refuses_a_database_of_another_program() {
    let directory = private_directory();
    let path = directory.path().join("legation.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE recipe (name TEXT)").execute(&pool).await.unwrap();
    pool.close().await;
    set_mode(&path, 0o600);
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
}

#[tokio::test]
async fn one_process_at_a_time() {
    let fixture = Fixture::new().await;
    let error = Store::open(fixture.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    fixture.reopened().await;
}

#[tokio::test]
async fn everything_committed_survives_a_kill() {
    let fixture = Fixture::new().await;
    let before = fixture.store.partners().await.unwrap();
    let secret = fixture.store.snapshot().await.unwrap();
    let after = fixture.killed().await;
    assert_eq!(after.store.partners().await.unwrap(), before);
    assert_eq!(after.store.snapshot().await.unwrap().dialback_secret(), secret.dialback_secret());
    assert_eq!(*after.store.revisions().borrow(), *fixture.store.revisions().borrow());
    after.store.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_refuses_writes() {
    let fixture = Fixture::new().await;
    let clone = fixture.store.clone();
    fixture.store.close().await;
    let error = clone.add_partner(&actor(), &partner("litware.example")).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
    let alice = crate::fixture::jid("alice@contoso.example");
    let error = clone.contact_written(&alice, &crate::fixture::jid("r@fabrikam.example")).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
}
