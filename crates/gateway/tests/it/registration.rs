//! REGISTER by digest, and what is refused.

use sip::{Method, Name, digest::Algorithm};

use crate::{
    phone::Phone,
    scene::{Scene, actor, add_user, bare},
};

#[tokio::test]
async fn a_user_registers_by_digest_over_udp_and_tcp() {
    let scene = Scene::start().await;
    let _udp = scene.registered("romeo").await;
    let _tcp = scene.registered_by_tcp("romeo").await;
    let registrations = scene.gateway.registrations().await;
    let transports: Vec<_> = registrations.iter().map(|registration| registration.transport).collect();
    assert_eq!(registrations.len(), 2);
    assert!(transports.contains(&"UDP") && transports.contains(&"TCP"));
    assert!(registrations.iter().all(|registration| registration.address == bare("romeo@contoso.example")));
}

/// RFC 8760 §2.3: the preferred algorithm first; a user with one algorithm is asked for that alone.
#[tokio::test]
async fn a_challenge_names_the_algorithms_of_the_user() {
    let scene = Scene::start().await;
    add_user(&scene.store, "mercutio", &[Algorithm::Md5]).await;
    scene.in_force().await;
    for (user, algorithms) in
        [("romeo", &["SHA-256", "MD5"][..]), ("mercutio", &["MD5"]), ("nobody", &["SHA-256", "MD5"])]
    {
        let mut phone = scene.phone(user).await;
        let request = phone.register_request(60);
        let request = phone.prepared(request);
        phone.write(request.to_bytes()).await;
        let response = phone.response().await;
        assert_eq!(response.status.code(), 401);
        let found: Vec<_> = response.headers.fields(Name::WwwAuthenticate).map(str::to_owned).collect();
        assert_eq!(found.len(), algorithms.len(), "{user}");
        for (field, algorithm) in found.iter().zip(algorithms) {
            assert!(field.contains(&format!("algorithm={algorithm},")) && field.contains("realm=\"contoso.example\""));
        }
    }
    let mut mercutio = scene.phone("mercutio").await;
    assert_eq!(mercutio.register(60).await.status.code(), 200);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_challenged_again() {
    let scene = Scene::start().await;
    let mut wrong = scene.phone("romeo").await.with_password("guess");
    assert_eq!(wrong.register(3600).await.status.code(), 401);
    let mut unknown = scene.phone("nobody").await;
    assert_eq!(unknown.register(3600).await.status.code(), 401);
    assert!(scene.gateway.registrations().await.is_empty());
    assert_eq!(scene.sip_count("wrong_credentials"), 2);
}

#[tokio::test]
async fn nobody_registers_for_another_or_sends_in_anothers_name() {
    let scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let mut third_party = romeo.register_request(3600);
    third_party.headers.set(Name::To, "<sip:tybalt@contoso.example>").unwrap();
    assert_eq!(romeo.ask(third_party).await.status.code(), 403);

    let to = "sip:juliet@fabrikam.example";
    let mut forged = romeo.request(Method::Message, to, "sip:tybalt@contoso.example", to);
    forged.set_body("text/plain", "x").unwrap();
    assert_eq!(romeo.ask(forged).await.status.code(), 403);
    assert_eq!(scene.gateway.registrations().await.len(), 1);
}

#[tokio::test]
async fn a_registration_ends_when_asked_and_when_the_account_goes() {
    let scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    let _tybalt = scene.registered("tybalt").await;
    let response = romeo.register(0).await;
    assert_eq!((response.status.code(), response.headers.first(Name::Contact)), (200, None));
    assert_eq!(scene.gateway.registrations().await.len(), 1);
    scene.store.remove_user(&actor(), &bare("tybalt@contoso.example")).await.unwrap();
    scene.in_force().await;
    assert!(scene.gateway.registrations().await.is_empty());
}

#[tokio::test]
async fn a_binding_ends_with_its_connection() {
    let scene = Scene::start().await;
    let romeo = scene.registered_by_tcp("romeo").await;
    assert_eq!(scene.gateway.registrations().await.len(), 1);
    drop(romeo);
    while !scene.gateway.registrations().await.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_interval_that_is_too_brief_is_refused_with_the_least() {
    let scene = Scene::start().await;
    let response = scene.phone("romeo").await.register(5).await;
    assert_eq!((response.status.code(), response.headers.first(Name::MinExpires)), (423, Some("60")));
}

#[tokio::test]
async fn a_new_password_counts_without_a_restart() {
    let scene = Scene::start().await;
    let mut stale = scene.registered("romeo").await;
    let user = scene.store.user(&bare("romeo@contoso.example")).await.unwrap().unwrap();
    let renewed: Vec<_> = user
        .credentials
        .into_iter()
        .map(|old| {
            let algorithm = Algorithm::of(Some(&old.algorithm)).unwrap();
            store::Credential { ha1: sip::digest::ha1(algorithm, "romeo", "contoso.example", "new"), ..old }
        })
        .collect();
    scene.store.set_credentials(&actor(), &bare("romeo@contoso.example"), &renewed).await.unwrap();
    scene.in_force().await;
    assert_eq!(stale.register(60).await.status.code(), 401);
    let mut fresh = Phone::udp(scene.gateway.sip_udp()[0], "romeo").await.with_password("new");
    assert_eq!(fresh.register(60).await.status.code(), 200);
}
