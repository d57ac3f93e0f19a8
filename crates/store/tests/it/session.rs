use lexicon::Timestamp;
use policy::role::Role;
use store::{Administrator, AdministratorChanges, Living, Store};

use crate::fixture::{Fixture, actor};

const EVER: Living = Living { began_after: Timestamp::from_millis(0), seen_after: Timestamp::from_millis(0) };

async fn administrator(store: &Store, name: &str) -> Administrator {
    store.add_administrator(&actor(), name, Role::Viewer, "$argon2id$").await.unwrap()
}

async fn is_signed_in(store: &Store, secret: &str) -> bool {
    store.session(secret, EVER).await.unwrap().is_some()
}

#[tokio::test]
async fn a_session_lives_through_a_restart_and_its_secret_is_not_stored() {
    let fixture = Fixture::new().await;
    let ops1 = administrator(&fixture.store, "ops1").await;
    fixture.store.begin_session(&ops1, "secret", "192.0.2.7", EVER, 10).await.unwrap();
    let fixture = fixture.reopened().await;
    let found = fixture.store.session("secret", EVER).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.role, found.origin.as_str()), ("ops1", Role::Viewer, "192.0.2.7"));
    assert!(found.is_of("secret") && found.secret_sha256 != "secret");
    assert!(!is_signed_in(&fixture.store, "other").await);
    fixture.store.end_session("secret").await.unwrap();
    assert!(!is_signed_in(&fixture.store, "secret").await);
}

#[tokio::test]
async fn a_session_ends_by_age_by_idleness_and_by_every_change_of_its_administrator() {
    let fixture = Fixture::new().await;
    let (store, later) = (&fixture.store, Timestamp::from_millis(i64::MAX));
    let ops1 = administrator(store, "ops1").await;
    store.begin_session(&ops1, "first", "", EVER, 10).await.unwrap();
    for dead in [Living { began_after: later, ..EVER }, Living { seen_after: later, ..EVER }] {
        assert_eq!(store.session("first", dead).await.unwrap(), None);
        assert_eq!(store.sessions_of("ops1", dead).await.unwrap(), []);
    }
    let change = AdministratorChanges { role: Some(Role::HelpDesk), ..AdministratorChanges::default() };
    store.set_administrator(&actor(), "ops1", &change).await.unwrap();
    assert!(!is_signed_in(store, "first").await);
    let ops1 = store.administrator("ops1").await.unwrap().unwrap();
    store.begin_session(&ops1, "second", "", EVER, 10).await.unwrap();
    store.remove_administrator(&actor(), "ops1").await.unwrap();
    assert!(!is_signed_in(store, "second").await);
    administrator(store, "ops1").await;
    assert!(!is_signed_in(store, "second").await, "another administrator of the same name");
}

#[tokio::test]
async fn who_signs_out_elsewhere_keeps_this_session_and_those_of_others() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (ops1, ops2) = (administrator(store, "ops1").await, administrator(store, "ops2").await);
    for (account, secret) in [(&ops1, "here"), (&ops1, "there"), (&ops2, "other")] {
        store.begin_session(account, secret, secret, EVER, 10).await.unwrap();
    }
    assert_eq!(store.sessions_of("ops1", EVER).await.unwrap().len(), 2);
    store.end_other_sessions("ops1", "here").await.unwrap();
    let left =
        [is_signed_in(store, "here").await, is_signed_in(store, "there").await, is_signed_in(store, "other").await];
    assert_eq!(left, [true, false, true]);
}

#[tokio::test]
async fn the_session_idle_for_longest_makes_room() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let ops1 = administrator(store, "ops1").await;
    for secret in ["first", "second"] {
        store.begin_session(&ops1, secret, "", EVER, 2).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    store.see_session("first").await.unwrap();
    store.begin_session(&ops1, "third", "", EVER, 2).await.unwrap();
    assert!(is_signed_in(store, "first").await && is_signed_in(store, "third").await);
    assert!(!is_signed_in(store, "second").await);
}
