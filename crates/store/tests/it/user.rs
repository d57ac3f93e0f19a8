use store::{Credential, StoreError};

use crate::fixture::{Fixture, actor, credential, domain, jid};

#[tokio::test]
async fn a_user_is_kept_with_credentials() {
    let fixture = Fixture::new().await;
    let alice = jid("alice@contoso.example");
    let stored = fixture.store.add_user(&actor(), &alice, "Alice", &[credential()]).await.unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.users().await.unwrap(), std::slice::from_ref(&stored));
    assert_eq!(stored.credentials, [credential()]);
    let renamed = fixture.store.set_user(&actor(), &alice, "Alice Liddell", false, None).await.unwrap();
    assert_eq!((renamed.display_name.as_str(), renamed.enabled), ("Alice Liddell", false));
    let sha = Credential { algorithm: "SHA-256".to_owned(), ..credential() };
    let user = fixture.store.set_credentials(&actor(), &alice, std::slice::from_ref(&sha)).await.unwrap();
    assert_eq!(fixture.store.user(&alice).await.unwrap(), Some(user.clone()));
    assert_eq!(user.credentials, [sha]);
}

#[tokio::test]
async fn a_user_needs_an_internal_domain_and_a_name() {
    let fixture = Fixture::new().await;
    let error = fixture.store.add_user(&actor(), &jid("juliet@fabrikam.example"), "", &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotInternal { .. }), "{error}");
    let error = fixture.store.add_user(&actor(), &jid("contoso.example"), "", &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotAUser { .. }), "{error}");
    let alice = jid("alice@contoso.example");
    fixture.store.add_user(&actor(), &alice, "", &[]).await.unwrap();
    let error = fixture.store.add_user(&actor(), &alice, "", &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
}

#[tokio::test]
async fn a_domain_with_users_stays() {
    let fixture = Fixture::new().await;
    let alice = jid("alice@contoso.example");
    fixture.store.add_user(&actor(), &alice, "", &[credential()]).await.unwrap();
    let contoso = domain("contoso.example");
    let error = fixture.store.remove_domain(&actor(), &contoso).await.unwrap_err();
    assert!(matches!(error, StoreError::DomainInUse { users: 1, .. }), "{error}");
    fixture.store.remove_user(&actor(), &alice).await.unwrap();
    fixture.store.remove_domain(&actor(), &contoso).await.unwrap();
    assert!(fixture.store.domains().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_user_of_an_old_address_inherits_nothing() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    fixture.store.add_user(&actor(), &alice, "", &[credential()]).await.unwrap();
    fixture.store.contact_written(&alice, &juliet).await.unwrap();
    fixture.store.invitation_received(&alice, &jid("romeo@fabrikam.example")).await.unwrap();
    fixture.store.remove_user(&actor(), &alice).await.unwrap();
    let user = fixture.store.add_user(&actor(), &alice, "", &[]).await.unwrap();
    assert!(user.credentials.is_empty());
    assert!(fixture.store.contact(&alice, &juliet).await.unwrap().unwrap().state.is_stranger());
    assert!(fixture.store.invitations(None).await.unwrap().is_empty());
    let told = fixture.store.contacts_since(0).await.unwrap();
    assert!(told.len() == 2 && told.iter().all(|contact| contact.state.is_stranger()), "{told:?}");
}

#[tokio::test]
async fn credentials_show_in_no_debug_form_and_no_audit_row() {
    let fixture = Fixture::new().await;
    let alice = jid("alice@contoso.example");
    let user = fixture.store.add_user(&actor(), &alice, "", &[credential()]).await.unwrap();
    fixture.store.set_credentials(&actor(), &alice, &[credential()]).await.unwrap();
    assert!(!format!("{user:?}").contains(&credential().ha1));
    let filter = store::AuditFilter { limit: 100, ..Default::default() };
    let rows = fixture.store.audit(&filter).await.unwrap();
    assert!(rows.iter().any(|row| row.action == "user.password_changed"));
    assert!(!format!("{rows:?}").contains(&credential().ha1));
}
