use policy::settings::Passphrase;
use store::{Backend, ContactFilter, Step, StoreError};

use crate::fixture::{Fixture, actor, credential, domain, jid};

const SECRET: &str = "the secret of the bots";

fn secret() -> Passphrase {
    SECRET.parse().unwrap()
}

#[tokio::test]
async fn the_secret_of_a_component_survives_and_is_shown_to_nobody() {
    let fixture = Fixture::new().await;
    let bots = domain("bots.contoso.example");
    let added = fixture.store.add_component_domain(&actor(), &bots, &secret()).await.unwrap();
    assert_eq!(added.backends, [Backend::Component]);
    let fixture = fixture.reopened().await;
    let components = fixture.store.components().await.unwrap();
    assert_eq!(components.len(), 1);
    assert_eq!((&components[0].domain, components[0].secret.as_ref()), (&bots, Some(&secret())));
    fixture.store.set_domain(&actor(), &bots, &[Backend::Component], Some(&secret())).await.unwrap();
    let told = format!("{:?} {components:?} {:?}", fixture.store.domains().await.unwrap(), {
        fixture.store.audit(&store::AuditFilter { limit: 100, ..Default::default() }).await.unwrap()
    });
    assert!(told.contains("domain.secret_changed") && !told.contains(SECRET), "{told}");
    fixture.store.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_backend_is_changed_with_its_audit_row_and_a_component_needs_a_secret() {
    let fixture = Fixture::new().await;
    let contoso = domain("contoso.example");
    let error = fixture.store.set_domain(&actor(), &contoso, &[Backend::Component], None).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSecret { .. }), "{error}");
    let revision = *fixture.store.revisions().borrow();
    fixture.store.set_domain(&actor(), &contoso, &[Backend::Registrar], None).await.unwrap();
    assert_eq!(*fixture.store.revisions().borrow(), revision, "nothing was changed");

    let set = fixture.store.set_domain(&actor(), &contoso, &[Backend::Component], Some(&secret())).await.unwrap();
    assert!(set.backends == [Backend::Component] && set.revision > revision);
    let error = fixture.store.add_user(&actor(), &jid("alice@contoso.example"), "", &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotRegistrar { .. }), "{error}");

    fixture.store.set_domain(&actor(), &contoso, &[Backend::Registrar], None).await.unwrap();
    assert!(fixture.store.components().await.unwrap().is_empty());
    let error = fixture.store.set_domain(&actor(), &contoso, &[Backend::Component], None).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSecret { .. }), "a secret of before is forgotten: {error}");
    let rows = fixture.store.audit(&store::AuditFilter { limit: 2, ..Default::default() }).await.unwrap();
    assert!(rows.iter().all(|row| row.action == "domain.updated" && row.before != row.after), "{rows:?}");
}

#[tokio::test]
async fn a_domain_with_accounts_keeps_its_registrar() {
    let fixture = Fixture::new().await;
    fixture.store.add_user(&actor(), &jid("alice@contoso.example"), "", &[credential()]).await.unwrap();
    let contoso = domain("contoso.example");
    let set = fixture.store.set_domain(&actor(), &contoso, &[Backend::Component], Some(&secret())).await;
    assert!(matches!(set, Err(StoreError::DomainInUse { users: 1, .. })), "{set:?}");
}

#[tokio::test]
async fn what_a_components_addresses_had_opened_ends_with_the_domain() {
    let fixture = Fixture::new().await;
    let bots = domain("bots.contoso.example");
    fixture.store.add_component_domain(&actor(), &bots, &secret()).await.unwrap();
    let (echo, juliet) = (jid("echo@bots.contoso.example"), jid("juliet@fabrikam.example"));
    let (alice, nurse) = (jid("alice@contoso.example"), jid("nurse@fabrikam.example"));
    fixture.store.contact_step(&echo, &juliet, Step::Written).await.unwrap();
    fixture.store.contact_step(&alice, &juliet, Step::Written).await.unwrap();
    fixture.store.invitation_received(&echo, &nurse).await.unwrap();
    fixture.store.remove_domain(&actor(), &bots).await.unwrap();
    let left = fixture.store.contacts(&ContactFilter { limit: 10, ..ContactFilter::default() }).await.unwrap();
    assert_eq!(left.iter().map(|contact| &contact.internal).collect::<Vec<_>>(), [&alice]);
    assert!(fixture.store.components().await.unwrap().is_empty());
}

/// partner-policy §3: written and added open, `unsubscribe` ends added, invitations are answered or taken back.
#[tokio::test]
async fn each_step_of_traffic_does_what_the_contact_rules_say() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    let revision = *fixture.store.revisions().borrow();
    for step in [Step::Removed, Step::Declined, Step::Withdrawn] {
        let contact = fixture.store.contact_step(&alice, &juliet, step).await.unwrap();
        assert!(contact.state.is_stranger(), "{step:?}");
    }
    assert_eq!(*fixture.store.revisions().borrow(), revision, "nothing was changed");
    for (step, state) in [
        (Step::Written, "written"),
        (Step::Added, "added, written"),
        (Step::Authorised, "added, written, authorised"),
        (Step::Removed, "written, authorised"),
        (Step::Declined, "written"),
        (Step::Accepted, "added, written, authorised"),
    ] {
        let contact = fixture.store.contact_step(&alice, &juliet, step).await.unwrap();
        assert_eq!(contact.state.to_string(), state, "{step:?}");
    }
}

#[tokio::test]
async fn a_step_answers_an_invitation_or_leaves_it_pending() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    for (step, pending) in
        [(Step::Written, true), (Step::Accepted, false), (Step::Declined, false), (Step::Withdrawn, false)]
    {
        fixture.store.invitation_received(&alice, &juliet).await.unwrap();
        let contact = fixture.store.contact_step(&alice, &juliet, step).await.unwrap();
        assert_eq!(contact.state.invited, pending, "{step:?}");
        let kept = fixture.store.invitations(Some(&alice)).await.unwrap();
        assert_eq!(!kept.is_empty(), pending, "{step:?}");
    }
}
