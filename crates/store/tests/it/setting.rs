use policy::{Settings, settings::SETTINGS};
use store::{AuditFilter, StoreError};

use crate::fixture::{Fixture, actor};

#[tokio::test]
async fn the_first_start_makes_defaults_and_a_secret_of_its_own() {
    let (one, two) = (Fixture::empty().await, Fixture::empty().await);
    let (one, two) = (one.store.settings().await.unwrap().settings, two.store.settings().await.unwrap().settings);
    assert_ne!(one.dialback_passphrase, two.dialback_passphrase);
    assert_eq!(one, Settings::new(one.dialback_passphrase.clone()));
    assert_eq!(one.dialback_passphrase.reveal().len(), 64, "256 bits in hexadecimal digits");
}

#[tokio::test]
async fn every_setting_survives_reopening() {
    let fixture = Fixture::empty().await;
    let before = fixture.store.settings().await.unwrap();
    let changes: Vec<_> = SETTINGS
        .iter()
        .map(|setting| match (setting.limits(), setting.name) {
            (Some((min, _)), _) => (setting.name, min.to_string()),
            (None, "log_message_bodies") => (setting.name, "true".to_owned()),
            (None, "dialback_passphrase") => (setting.name, "correct horse battery staple".to_owned()),
            (None, "allow_private_targets") => (setting.name, "10.0.0.0/8,fd00::/8".to_owned()),
            (None, "pager_message_type") => (setting.name, "normal".to_owned()),
            (None, other) => panic!("{other} is not covered by this test"),
        })
        .collect();
    let changes = changes.iter().map(|(name, value)| (*name, value.as_str()));
    let settings = before.settings.with(changes).unwrap();
    fixture.store.set_settings(&actor(), Some(before.revision), &settings).await.unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.settings().await.unwrap().settings, settings);
    assert_eq!(*fixture.store.snapshot().await.unwrap().settings(), settings);
    let defaults = Settings::new(settings.dialback_passphrase.clone());
    fixture.store.set_settings(&actor(), None, &defaults).await.unwrap();
    assert_eq!(fixture.store.settings().await.unwrap().settings, defaults, "back to the defaults");
}

#[tokio::test]
async fn the_audit_row_has_what_changed_but_never_the_secret() {
    let fixture = Fixture::empty().await;
    let before = fixture.store.settings().await.unwrap();
    let secret = "correct horse battery staple";
    let settings = before.settings.with([("queue_age", "30"), ("dialback_passphrase", secret)]).unwrap();
    fixture.store.set_settings(&actor(), None, &settings).await.unwrap();
    let rows = fixture.store.audit(&AuditFilter { limit: 10, ..Default::default() }).await.unwrap();
    let row = &rows[0];
    assert_eq!(row.action, "settings.updated");
    let (old, new) = (row.before.as_ref().unwrap(), row.after.as_ref().unwrap());
    assert_eq!((old["queue_age"].as_str(), new["queue_age"].as_str()), (Some("60"), Some("30")));
    assert_eq!(new.as_object().unwrap().len(), 2);
    let text = format!("{rows:?}");
    assert!(!text.contains(secret) && !text.contains(before.settings.dialback_passphrase.reveal()));
}

#[tokio::test]
async fn a_change_based_on_old_settings_is_refused() {
    let fixture = Fixture::empty().await;
    let read = fixture.store.settings().await.unwrap();
    let first = read.settings.with([("queue_age", "30")]).unwrap();
    fixture.store.set_settings(&actor(), Some(read.revision), &first).await.unwrap();
    let second = read.settings.with([("queue_age", "20")]).unwrap();
    let error = fixture.store.set_settings(&actor(), Some(read.revision), &second).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
}
