use policy::contact::InvitationLimit;
use store::{ContactFilter, InvitationOutcome, StoreError, contact::InvitedBy};

use crate::fixture::{Fixture, actor, domain, jid, partner};

const ALICE: &str = "alice@contoso.example";
const JULIET: &str = "juliet@fabrikam.example";

#[tokio::test]
async fn writing_opens_messages_only_and_adding_opens_both() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid(ALICE), jid(JULIET));
    let written = fixture.store.contact_written(&alice, &juliet).await.unwrap();
    assert_eq!((written.state.written, written.state.added, written.state.authorised), (true, false, false));
    assert_eq!(written.invited_by, InvitedBy::Internal);
    let added = fixture.store.contact_added(&alice, &juliet).await.unwrap();
    assert_eq!((added.state.written, added.state.added, added.state.authorised), (true, true, false));
    assert_eq!(added.created_at, written.created_at);
}

#[tokio::test]
async fn a_contact_that_the_partner_made_says_so() {
    let fixture = Fixture::new().await;
    let contact = fixture.store.contact_authorised(&jid(ALICE), &jid(JULIET)).await.unwrap();
    assert_eq!((contact.state.authorised, contact.state.added, contact.invited_by), (true, false, InvitedBy::Partner));
}

#[tokio::test]
async fn contacts_survive_a_kill_once_acknowledged() {
    let fixture = Fixture::new().await;
    let contact = fixture.store.contact_written(&jid(ALICE), &jid(JULIET)).await.unwrap();
    let killed = fixture.killed().await;
    assert_eq!(killed.store.contact(&jid(ALICE), &jid(JULIET)).await.unwrap(), Some(contact));
}

#[tokio::test]
async fn ending_takes_both_directions_and_leaves_a_block() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid(ALICE), jid(JULIET));
    fixture.store.add_contact(&actor(), &alice, &juliet).await.unwrap();
    fixture.store.contact_authorised(&alice, &juliet).await.unwrap();
    fixture.store.block_contact(&actor(), &alice, &juliet).await.unwrap();
    let ended = fixture.store.end_contact(&actor(), &alice, &juliet).await.unwrap();
    assert_eq!(
        (ended.state.added, ended.state.written, ended.state.authorised, ended.state.blocked),
        (false, false, false, true)
    );
    let free = fixture.store.unblock_contact(&actor(), &alice, &juliet).await.unwrap();
    assert!(free.state.is_stranger());
    for error in [
        fixture.store.end_contact(&actor(), &alice, &juliet).await.unwrap_err(),
        fixture.store.unblock_contact(&actor(), &alice, &juliet).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_administrator_names_an_internal_user_and_a_partners_user() {
    let fixture = Fixture::new().await;
    for (internal, other, expected) in [
        ("alice@unknown.example", JULIET, "unknown.example is not one of our internal domains"),
        (ALICE, "x@unknown.example", "unknown.example is not a domain of a partner"),
        (ALICE, "bob@contoso.example", "contoso.example is not a domain of a partner"),
        ("contoso.example", JULIET, "contoso.example is not the address of a user (example: alice@contoso.example)"),
    ] {
        let error = fixture.store.add_contact(&actor(), &jid(internal), &jid(other)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        let error = fixture.store.block_contact(&actor(), &jid(internal), &jid(other)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn accepting_an_invitation_opens_both_directions() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid(ALICE), jid(JULIET));
    assert_eq!(fixture.store.invitation_received(&alice, &juliet).await.unwrap(), InvitationOutcome::Recorded);
    assert_eq!(fixture.store.invitation_received(&alice, &juliet).await.unwrap(), InvitationOutcome::Pending);
    assert_eq!(fixture.store.invitations(Some(&alice)).await.unwrap().len(), 1);
    let contact = fixture.store.accept_invitation(&actor(), &alice, &juliet).await.unwrap();
    assert_eq!((contact.state.added, contact.state.authorised, contact.invited_by), (true, true, InvitedBy::Partner));
    assert!(fixture.store.invitations(None).await.unwrap().is_empty());
    let error = fixture.store.accept_invitation(&actor(), &alice, &juliet).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_declined_invitation_can_be_repeated() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid(ALICE), jid(JULIET));
    fixture.store.invitation_received(&alice, &juliet).await.unwrap();
    fixture.store.decline_invitation(&actor(), &alice, &juliet).await.unwrap();
    let told = fixture.store.contacts_since(0).await.unwrap().pop().unwrap();
    assert!(told.state.is_stranger(), "those who follow learn of it");
    assert!(fixture.store.contacts(&ContactFilter { limit: 9, ..Default::default() }).await.unwrap().is_empty());
    assert_eq!(fixture.store.invitation_received(&alice, &juliet).await.unwrap(), InvitationOutcome::Recorded);
}

#[tokio::test]
async fn invitations_are_limited_per_user_and_per_partner() {
    let fixture = Fixture::new().await;
    let alice = jid(ALICE);
    for i in 0..50 {
        let outcome = fixture.store.invitation_received(&alice, &jid(&format!("u{i}@fabrikam.example"))).await.unwrap();
        assert_eq!(outcome, InvitationOutcome::Recorded);
    }
    let outcome = fixture.store.invitation_received(&alice, &jid("u50@fabrikam.example")).await.unwrap();
    assert_eq!(outcome, InvitationOutcome::Limit(InvitationLimit::User));
    let writes = (0..1000).map(|i| {
        let store = fixture.store.clone();
        async move {
            let user = jid(&format!("user{}@contoso.example", i % 25));
            store.invitation_received(&user, &jid(&format!("v{i}@fabrikam.example"))).await.unwrap()
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    writes.for_each(|write| drop(tasks.spawn(write)));
    let outcomes = tasks.join_all().await;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!(
        (count(InvitationOutcome::Recorded), count(InvitationOutcome::Limit(InvitationLimit::Partner))),
        (950, 50)
    );
    let stranger = fixture.store.invitation_received(&alice, &jid("x@unknown.example")).await.unwrap();
    assert_eq!(stranger, InvitationOutcome::NoPartner);
}

#[tokio::test]
async fn invitations_end_after_30_days() {
    let fixture = Fixture::new().await;
    fixture.store.invitation_received(&jid(ALICE), &jid(JULIET)).await.unwrap();
    let path = fixture.path();
    fixture.store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let days_30_ms = 30_i64 * 24 * 3600 * 1000;
    sqlx::query("UPDATE invitation SET created_at = created_at - $1").bind(days_30_ms).execute(&pool).await.unwrap();
    pool.close().await;
    let store = store::Store::open(&path).await.unwrap();
    assert!(store.invitations(None).await.unwrap().is_empty());
    assert_eq!(
        store.invitation_received(&jid(ALICE), &jid(JULIET)).await.unwrap(),
        InvitationOutcome::Recorded,
        "the old one is no obstacle"
    );
}

#[tokio::test]
async fn a_gateway_follows_contacts_by_revision() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid(ALICE), jid(JULIET));
    let first = fixture.store.contact_written(&alice, &juliet).await.unwrap();
    let second = fixture.store.add_contact(&actor(), &alice, &jid("romeo@fabrikam.example")).await.unwrap();
    assert_eq!(fixture.store.contacts_since(0).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(fixture.store.contacts_since(first.revision).await.unwrap(), std::slice::from_ref(&second));
    for (revision, id, rows) in [
        (0, None, vec![first.clone(), second.clone()]),
        (first.revision, None, vec![second.clone()]),
        (first.revision, Some(first.id), vec![second.clone()]),
        (second.revision, Some(second.id), Vec::new()),
    ] {
        assert_eq!(fixture.store.contacts_behind(revision, id).await.unwrap(), rows);
    }
    let ended = fixture.store.end_contact(&actor(), &alice, &juliet).await.unwrap();
    assert_eq!(fixture.store.contacts_since(second.revision).await.unwrap(), [ended]);
    assert!(fixture.store.contacts_since(*fixture.store.revisions().borrow()).await.unwrap().is_empty());
}

#[tokio::test]
async fn contacts_are_listed_in_pages_without_ended_ones() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (jid(ALICE), jid("bob@contoso.example"));
    for (internal, other) in [(&bob, "a@fabrikam.example"), (&alice, "b@fabrikam.example"), (&alice, JULIET)] {
        fixture.store.add_contact(&actor(), internal, &jid(other)).await.unwrap();
    }
    fixture.store.end_contact(&actor(), &alice, &jid(JULIET)).await.unwrap();
    let mut filter = ContactFilter { limit: 1, ..Default::default() };
    let mut found = Vec::new();
    while let Some(contact) = fixture.store.contacts(&filter).await.unwrap().pop() {
        filter.after = Some((contact.internal.clone(), contact.partner.clone()));
        found.push(format!("{} {}", contact.internal, contact.partner));
    }
    assert_eq!(found, ["alice@contoso.example b@fabrikam.example", "bob@contoso.example a@fabrikam.example"]);
    let filter = ContactFilter { internal: Some(bob.clone()), limit: 100, ..Default::default() };
    assert_eq!(fixture.store.contacts(&filter).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_contacts_of_a_partner_are_those_of_all_its_domains() {
    let fixture = Fixture::new().await;
    let mut fabrikam = partner("fabrikam.example");
    fabrikam.additional_domains = vec![domain("it.example")];
    fixture.store.set_partner(&actor(), None, &fabrikam).await.unwrap();
    fixture.store.add_partner(&actor(), &partner("litware.example")).await.unwrap();
    for other in [JULIET, "x@it.example", "y@litware.example"] {
        fixture.store.contact_written(&jid(ALICE), &jid(other)).await.unwrap();
    }
    let contacts = fixture.store.contacts_of_partner(&domain("fabrikam.example")).await.unwrap();
    assert_eq!(contacts.len(), 2);
}

#[tokio::test]
async fn contacts_are_listed_with_their_pending_invitations() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid(ALICE), jid(JULIET));
    fixture.store.invitation_received(&alice, &juliet).await.unwrap();
    fixture.store.invitation_received(&alice, &jid("romeo@fabrikam.example")).await.unwrap();
    fixture.store.contact_written(&alice, &juliet).await.unwrap();
    let filter = ContactFilter { internal: Some(alice), limit: 9, ..Default::default() };
    let listed = fixture.store.contacts(&filter).await.unwrap();
    let states: Vec<_> = listed.iter().map(|contact| format!("{}: {}", contact.partner, contact.state)).collect();
    assert_eq!(states, ["juliet@fabrikam.example: written, invited", "romeo@fabrikam.example: invited"]);
}
