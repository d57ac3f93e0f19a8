//! Access policies in force: partner-policy §5, sip-gateway.md (403 with a reason).

use policy::{AccessPolicy, PolicyIdentity};
use sip::Name;
use xmpp::stanza::Condition;

use crate::{
    partner::message,
    scene::{Scene, actor, bare, domain},
};

const ROMEO: &str = "romeo@contoso.example";
const JULIET: &str = "juliet@fabrikam.example";

fn policy(identity: &str, partners: &[&str]) -> AccessPolicy {
    AccessPolicy {
        enable_federation_access: true,
        enable_xmpp_access: true,
        partners: partners.iter().map(|name| domain(name)).collect(),
        ..AccessPolicy::new(identity.parse().unwrap())
    }
}

#[tokio::test]
async fn a_user_without_access_is_refused_outbound_and_does_not_exist_inbound() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let mut tybalt = scene.registered("tybalt").await;
    let closed = AccessPolicy::new(PolicyIdentity::Site(domain("contoso.example")));
    scene.store.add_access_policy(&actor(), &closed).await.unwrap();
    scene.store.add_access_policy(&actor(), &policy("user:Desk", &["fabrikam.example"])).await.unwrap();
    scene.store.assign_policy(&actor(), &bare("tybalt@contoso.example"), Some(&"Desk".parse().unwrap())).await.unwrap();
    scene.in_force().await;

    let answer = romeo.say("sip:juliet@fabrikam.example", "x").await;
    assert_eq!(answer.status.code(), 403);
    assert!(answer.headers.first(Name::Warning).unwrap().contains("XMPP federation is not enabled for you"));
    assert!(scene.store.contact(&bare(ROMEO), &bare(JULIET)).await.unwrap().is_none(), "nothing was opened");
    let refused = scene.edge.pass(&message(JULIET, ROMEO, "x")).await.unwrap_err();
    let absent = scene.edge.pass(&message(JULIET, "nobody@contoso.example", "x")).await.unwrap_err();
    assert_eq!((&refused, refused.condition), (&absent, Condition::ServiceUnavailable));
    assert_eq!(tybalt.say("sip:friar@litware.example", "x").await.status.code(), 403, "that partner is not listed");
    scene.edge.send(&message(JULIET, "tybalt@contoso.example", "Good day"));
    assert_eq!(tybalt.hear(200).await, "Good day");
    assert_eq!(scene.edge.outcome().await, Ok(()));

    scene.store.remove_access_policy(&actor(), None, &closed.identity).await.unwrap();
    scene.in_force().await;
    scene.edge.send(&message(JULIET, ROMEO, "And now?"));
    assert_eq!(romeo.hear(200).await, "And now?");
    assert_eq!(scene.edge.outcome().await, Ok(()));
    scene.is_well().await;
}

#[tokio::test]
async fn a_watcher_sees_a_user_go_with_their_access_and_come_back_with_it() {
    let mut scene = Scene::start().await;
    let _romeo = scene.registered("romeo").await;
    let subscribe = format!("<presence type='subscribe' from='{JULIET}' to='{ROMEO}'/>");
    assert_eq!(scene.edge.pass(&subscribe).await, Ok(()));
    assert_eq!(scene.edge.next().await.kind.as_deref(), Some("subscribed"));
    assert_eq!(scene.edge.next().await.kind, None, "he is online");
    let mut global = policy("global", &["litware.example"]);
    scene.store.set_access_policy(&actor(), None, &global).await.unwrap();
    let gone = scene.edge.next().await;
    assert_eq!((gone.kind.as_deref(), gone.to.as_str()), (Some("unavailable"), JULIET));
    assert_eq!(scene.edge.pass(&subscribe).await, Ok(()));
    assert!(scene.edge.is_silent().await, "he does not exist for her");
    global.partners.clear();
    scene.store.set_access_policy(&actor(), None, &global).await.unwrap();
    let back = scene.edge.next().await;
    assert_eq!((back.kind, back.to.as_str()), (None, JULIET));
}
