use tokio::task::JoinSet;

use crate::fixture::{Fixture, jid};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writes_share_few_commits_and_all_are_durable() {
    let fixture = Fixture::new().await;
    let before = *fixture.store.revisions().borrow();
    let mut tasks = JoinSet::new();
    for i in 0..500 {
        let store = fixture.store.clone();
        tasks.spawn(async move {
            let juliet = jid("juliet@fabrikam.example");
            store.contact_written(&jid(&format!("user{i}@contoso.example")), &juliet).await.unwrap()
        });
    }
    let contacts = tasks.join_all().await;
    let commits = *fixture.store.revisions().borrow() - before;
    assert!(commits < 250, "{commits} commits for 500 writes");
    let killed = fixture.killed().await;
    for contact in contacts {
        let found = killed.store.contact(&contact.internal, &contact.partner).await.unwrap();
        assert_eq!(found, Some(contact));
    }
}

#[tokio::test]
async fn a_repeated_mark_writes_nothing() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    let first = fixture.store.contact_written(&alice, &juliet).await.unwrap();
    let revision = *fixture.store.revisions().borrow();
    assert_eq!(fixture.store.contact_written(&alice, &juliet).await.unwrap(), first);
    assert_eq!(*fixture.store.revisions().borrow(), revision);
}

#[tokio::test]
async fn a_contact_does_not_touch_what_the_edge_watches() {
    let fixture = Fixture::new().await;
    let edge = fixture.store.topics().borrow().edge;
    let contact =
        fixture.store.contact_written(&jid("alice@contoso.example"), &jid("j@fabrikam.example")).await.unwrap();
    let topics = *fixture.store.topics().borrow();
    assert_eq!((topics.edge, topics.contacts, topics.head), (edge, contact.revision, contact.revision));
}

#[tokio::test]
async fn what_is_queued_is_committed_before_closing() {
    let fixture = Fixture::new().await;
    let (alice, juliet) = (jid("alice@contoso.example"), jid("juliet@fabrikam.example"));
    let store = fixture.store.clone();
    let (written, reopened) = tokio::join!(async { store.contact_written(&alice, &juliet).await }, fixture.reopened());
    assert_eq!(reopened.store.contact(&alice, &juliet).await.unwrap(), Some(written.unwrap()));
}
