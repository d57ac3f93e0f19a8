//! Trunks, inner XMPP servers, backends of domains and assignments of addresses.

use lexicon::Domain;
use policy::{InnerServer, Trunk, TrunkName, settings::Passphrase};
use store::{Backend, ContactFilter, Service, Step, Store, StoreError};

use crate::fixture::{Fixture, actor, credential, domain, jid};

fn backend(text: &str) -> Backend {
    text.parse().unwrap()
}

fn trunk(name: &str) -> Trunk {
    let mut trunk = Trunk::new(name.parse().unwrap());
    trunk.targets = vec!["sip.contoso.example:5061".parse().unwrap(), "192.0.2.7".parse().unwrap()];
    trunk.peer_names = vec![domain("sip.contoso.example")];
    trunk.sources = vec!["192.0.2.0/24".parse().unwrap()];
    trunk
}

fn server() -> InnerServer {
    InnerServer::new(vec!["10.0.0.7".parse().unwrap()])
}

/// contoso.example with its registrar, the trunk lync, and adatum.example with every kind of backend.
async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.store.add_trunk(&actor(), &trunk("lync")).await.unwrap();
    let secret: Passphrase = "the secret of the bots".parse().unwrap();
    let backends = ["registrar", "trunk:lync", "component", "xmpp"].map(backend);
    let service = Service { backends: &backends, secret: Some(&secret), server: Some(&server()) };
    fixture.store.add_domain_with(&actor(), &domain("adatum.example"), &service).await.unwrap();
    fixture
}

async fn actions(store: &Store, subject: &str) -> Vec<String> {
    let filter = store::AuditFilter { subject: Some(subject.to_owned()), limit: 100, ..Default::default() };
    store.audit(&filter).await.unwrap().into_iter().map(|row| row.action).collect()
}

#[tokio::test]
async fn a_trunk_is_kept_as_it_was_entered() {
    let fixture = Fixture::new().await;
    let added = fixture.store.add_trunk(&actor(), &trunk("lync")).await.unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.trunks().await.unwrap(), std::slice::from_ref(&added));
    let again = fixture.store.add_trunk(&actor(), &trunk("lync")).await;
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");

    let changed = Trunk { congestion_safe: true, enabled: false, ..trunk("lync") };
    let old = fixture.store.set_trunk(&actor(), &changed, Some(added.revision - 1)).await;
    assert!(matches!(old, Err(StoreError::Conflict { .. })), "{old:?}");
    let set = fixture.store.set_trunk(&actor(), &changed, Some(added.revision)).await.unwrap();
    assert!(set.trunk == changed && set.revision > added.revision);
    let revision = *fixture.store.revisions().borrow();
    fixture.store.set_trunk(&actor(), &changed, None).await.unwrap();
    assert_eq!(*fixture.store.revisions().borrow(), revision, "nothing was changed");

    let name: TrunkName = "lync".parse().unwrap();
    fixture.store.remove_trunk(&actor(), &name).await.unwrap();
    let again = fixture.store.remove_trunk(&actor(), &name).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })), "{again:?}");
    assert_eq!(actions(&fixture.store, "lync").await, ["trunk.removed", "trunk.updated", "trunk.added"]);
    fixture.store.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_backend_that_lacks_what_it_needs_is_refused_and_nothing_is_changed() {
    let fixture = fixture().await;
    let (adatum, other) = (domain("adatum.example"), domain("other.example"));
    let revision = *fixture.store.revisions().borrow();
    let pbx = [backend("registrar"), backend("trunk:pbx")];
    let add = fixture.store.add_domain(&actor(), &other, &pbx).await;
    assert!(matches!(&add, Err(StoreError::NoTrunk { trunk, .. }) if trunk.as_str() == "pbx"), "{add:?}");
    let set = fixture.store.set_domain(&actor(), &adatum, &pbx, None).await;
    assert!(matches!(set, Err(StoreError::NoTrunk { .. })), "{set:?}");
    let add = fixture.store.add_domain(&actor(), &other, &[backend("xmpp")]).await;
    assert!(matches!(add, Err(StoreError::NoInnerServer { .. })), "{add:?}");
    let forget = fixture.store.set_inner_server(&actor(), &adatum, None).await;
    assert!(matches!(forget, Err(StoreError::NoInnerServer { .. })), "{forget:?}");
    let contoso = domain("contoso.example");
    let set = fixture.store.set_domain(&actor(), &contoso, &["registrar", "xmpp"].map(backend), None).await;
    assert!(matches!(set, Err(StoreError::NoInnerServer { .. })), "{set:?}");
    let remove = fixture.store.remove_trunk(&actor(), &"lync".parse().unwrap()).await;
    assert!(matches!(&remove, Err(StoreError::TrunkInUse { domain, .. }) if *domain == adatum), "{remove:?}");
    assert_eq!(*fixture.store.revisions().borrow(), revision);
}

#[tokio::test]
async fn an_address_is_assigned_to_a_backend_of_its_domain() {
    let fixture = fixture().await;
    let (alice, bob) = (jid("alice@adatum.example"), jid("bob@adatum.example"));
    let assign = |address, backend: Option<Backend>| {
        let store = fixture.store.clone();
        async move { store.assign_backend(&actor(), &address, backend.as_ref()).await }
    };
    assign(alice.clone(), Some(backend("trunk:lync"))).await.unwrap();
    assign(bob.clone(), Some(backend("xmpp"))).await.unwrap();
    assign(bob.clone(), Some(backend("component"))).await.unwrap();
    assert_eq!(fixture.store.user_backend(&alice).await.unwrap(), Some(backend("trunk:lync")));
    let serving = fixture.store.serving().await.unwrap();
    assert_eq!(serving.assigned, [(alice.clone(), backend("trunk:lync")), (bob.clone(), backend("component"))]);
    assign(bob.clone(), None).await.unwrap();
    assert_eq!(fixture.store.user_backend(&bob).await.unwrap(), None);
    let revision = *fixture.store.revisions().borrow();
    assign(bob.clone(), None).await.unwrap();
    for (address, to, refused) in [
        ("alice@adatum.example", "trunk:pbx", "NoBackend"),
        ("alice@contoso.example", "xmpp", "NoBackend"),
        ("juliet@fabrikam.example", "xmpp", "NotInternal"),
        ("adatum.example", "xmpp", "NotAUser"),
    ] {
        let error = assign(jid(address), Some(backend(to))).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(refused), "{error:?}");
    }
    assert_eq!(*fixture.store.revisions().borrow(), revision);
    assert_eq!(actions(&fixture.store, "bob@adatum.example").await, ["user.backend_changed"; 3]);
}

#[tokio::test]
async fn what_a_backend_needed_is_forgotten_with_it() {
    let fixture = fixture().await;
    let adatum = domain("adatum.example");
    for (address, to) in [("a@adatum.example", "trunk:lync"), ("b@adatum.example", "component")] {
        fixture.store.assign_backend(&actor(), &jid(address), Some(&backend(to))).await.unwrap();
    }
    let kept = ["component", "registrar", "xmpp"].map(backend);
    fixture.store.set_domain(&actor(), &adatum, &kept, None).await.unwrap();
    let serving = fixture.store.serving().await.unwrap();
    assert_eq!(serving.assigned, [(jid("b@adatum.example"), backend("component"))]);
    assert_eq!(serving.inner_servers, [(adatum.clone(), server())]);
    assert!(serving.components.iter().any(|component| component.secret.is_some()));
    fixture.store.remove_trunk(&actor(), &"lync".parse().unwrap()).await.unwrap();

    fixture.store.set_domain(&actor(), &adatum, &[backend("registrar")], None).await.unwrap();
    let serving = fixture.store.serving().await.unwrap();
    assert!(serving.assigned.is_empty() && serving.inner_servers.is_empty() && serving.components.is_empty());
    let back = fixture.store.set_domain(&actor(), &adatum, &[backend("xmpp")], None).await;
    assert!(matches!(back, Err(StoreError::NoInnerServer { .. })), "{back:?}");
}

#[tokio::test]
async fn a_server_is_changed_with_its_domain_in_one_step() {
    let fixture = fixture().await;
    let adatum = domain("adatum.example");
    let stored = fixture.store.domains().await.unwrap().into_iter().find(|stored| stored.name == adatum).unwrap();
    let mut moved = server();
    moved.targets.push("10.0.0.8:5270".parse().unwrap());
    let service = Service { backends: &stored.backends, secret: None, server: Some(&moved) };
    let old = fixture.store.set_domain_with(&actor(), &adatum, &service, Some(stored.revision - 1)).await;
    assert!(matches!(old, Err(StoreError::Conflict { .. })), "{old:?}");
    let set = fixture.store.set_domain_with(&actor(), &adatum, &service, Some(stored.revision)).await.unwrap();
    assert!(set.revision > stored.revision);
    let same = fixture.store.set_domain_with(&actor(), &adatum, &service, None).await.unwrap();
    assert_eq!(same, set, "nothing was changed");
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.inner_server(&adatum).await.unwrap(), Some(moved));
    assert_eq!(actions(&fixture.store, "adatum.example").await, ["domain.xmpp_server_changed", "domain.added"]);
    assert!(matches!(fixture.store.inner_server(&domain("b.example")).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_domain_with_accounts_keeps_its_registrar_beside_others() {
    let fixture = fixture().await;
    let adatum = domain("adatum.example");
    fixture.store.add_user(&actor(), &jid("alice@adatum.example"), "", &[credential()]).await.unwrap();
    let set = fixture.store.set_domain(&actor(), &adatum, &[backend("trunk:lync")], None).await;
    assert!(matches!(set, Err(StoreError::DomainInUse { users: 1, .. })), "{set:?}");
    fixture.store.set_domain(&actor(), &adatum, &["trunk:lync", "registrar"].map(backend), None).await.unwrap();
    let contoso = domain("contoso.example");
    fixture.store.set_domain(&actor(), &contoso, &[backend("trunk:lync")], None).await.unwrap();
    let user = fixture.store.add_user(&actor(), &jid("alice@contoso.example"), "", &[credential()]).await;
    assert!(matches!(user, Err(StoreError::NotRegistrar { .. })), "{user:?}");
}

#[tokio::test]
async fn nothing_is_left_of_a_domain_that_was_removed() {
    let fixture = fixture().await;
    let adatum = domain("adatum.example");
    let (alice, juliet) = (jid("alice@adatum.example"), jid("juliet@fabrikam.example"));
    fixture.store.set_domain(&actor(), &adatum, &["trunk:lync", "xmpp"].map(backend), None).await.unwrap();
    fixture.store.assign_backend(&actor(), &alice, Some(&backend("xmpp"))).await.unwrap();
    fixture.store.contact_step(&alice, &juliet, Step::Written).await.unwrap();
    fixture.store.remove_domain(&actor(), &adatum).await.unwrap();
    let serving = fixture.store.serving().await.unwrap();
    assert!(serving.assigned.is_empty() && serving.inner_servers.is_empty());
    let contacts = fixture.store.contacts(&ContactFilter { limit: 10, ..ContactFilter::default() }).await.unwrap();
    assert!(contacts.is_empty(), "{contacts:?}");
    fixture.store.remove_trunk(&actor(), &"lync".parse().unwrap()).await.unwrap();
    fixture.store.add_domain(&actor(), &adatum, &[Backend::Registrar]).await.unwrap();
    assert_eq!(fixture.store.user_backend(&alice).await.unwrap(), None);
}

#[tokio::test]
async fn a_domain_is_a_partners_or_internal_whatever_serves_it() {
    let fixture = fixture().await;
    let fabrikam = Domain::parse("fabrikam.example").unwrap();
    let add = fixture.store.add_domain(&actor(), &fabrikam, &[backend("trunk:lync")]).await;
    assert!(matches!(add, Err(StoreError::DomainTaken { .. })), "{add:?}");
    let add = fixture.store.add_partner(&actor(), &crate::fixture::partner("adatum.example")).await;
    assert!(matches!(add, Err(StoreError::DomainTaken { .. })), "{add:?}");
}
