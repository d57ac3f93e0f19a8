//! A partner's user watches a user of a deployment behind a trunk (RFC 8048 §5.2, RFC 6665 §4.1).

use std::time::Duration;

use sip::{Method, Name, NameAddr, Request, Uri};
use store::Contact;

use crate::{
    partner::Sent,
    pbx::Pbx,
    phone::Phone,
    scene::{Scene, actor, bare},
};

const JULIET: &str = "juliet@fabrikam.example";
const ALICE: &str = "alice@pbx.example";

/// A deployment with a voice of its own: NOTIFY comes from another port of the same host.
struct Deployment {
    scene: Scene,
    pbx: Pbx,
    voice: Phone,
    cseq: u32,
}

impl Deployment {
    async fn start() -> Self {
        let pbx = Pbx::udp().await;
        let scene = Scene::start().await;
        scene.add_trunk(&Pbx::trunk(&[&pbx]), "pbx.example").await;
        scene.stand(&[gateway::TargetState::Up]).await;
        let voice = Phone::udp(scene.gateway.sip_udp()[0], "alice").await;
        Self { scene, pbx, voice, cseq: 0 }
    }

    async fn juliet(&mut self, kind: &str) {
        self.scene.edge.pass(&format!("<presence from='{JULIET}' to='{ALICE}' type='{kind}'/>")).await.unwrap();
    }

    async fn subscribe(&mut self) -> Request {
        let request = self.pbx.next().await;
        assert_eq!(request.method, Method::Subscribe);
        request
    }

    /// A NOTIFY in the dialog of this SUBSCRIBE.
    fn notice(&mut self, subscribe: &Request, state: &str, body: Option<&str>) -> Request {
        self.cseq += 1;
        let headers = &subscribe.headers;
        let sip::message::Contacts::List(contacts) = headers.contacts().unwrap() else { panic!("a contact") };
        let from = NameAddr::new(Uri::parse(&format!("sip:{ALICE}")).unwrap()).with_tag("pbx");
        let (to, call_id) = (headers.from().unwrap(), headers.call_id().unwrap());
        let uri = contacts[0].uri.clone();
        let mut request = Request::out_of_dialog(Method::Notify, uri, &from, &to, call_id, self.cseq).unwrap();
        request.headers.push(Name::Contact, format!("<sip:alice@{}>", self.pbx.address)).unwrap();
        request.headers.push(Name::Event, "presence").unwrap();
        request.headers.push(Name::SubscriptionState, state).unwrap();
        if let Some(body) = body {
            request.set_body("application/pidf+xml", body.to_owned()).unwrap();
        }
        request
    }

    /// The answer to such a NOTIFY.
    async fn notify(&mut self, subscribe: &Request, state: &str, body: Option<&str>) -> u16 {
        let request = self.notice(subscribe, state, body);
        self.voice.ask(request).await.status.code()
    }

    async fn told(&mut self) -> (String, Option<String>) {
        let Sent { from, kind, envelope, .. } = self.scene.edge.next().await;
        envelope.receipts.settle_all(&link::Settled::Done);
        (from, kind)
    }

    async fn contact(&self) -> Option<Contact> {
        self.scene.store.contact(&bare(ALICE), &bare(JULIET)).await.unwrap()
    }

    async fn is_permitted(&self) -> bool {
        self.contact().await.is_some_and(|contact| contact.state.authorised)
    }

    /// juliet asks, and the deployment permits it.
    async fn permitted(&mut self) -> Request {
        self.juliet("subscribe").await;
        let subscribe = self.subscribe().await;
        assert_eq!(self.notify(&subscribe, "active;expires=3600", Some(&open("desk"))).await, 200);
        assert_eq!(self.told().await, (ALICE.to_owned(), Some("subscribed".to_owned())));
        assert_eq!(self.told().await, (format!("{ALICE}/desk"), None));
        subscribe
    }
}

fn open(id: &str) -> String {
    format!(
        "<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:{ALICE}'>\
         <tuple id='{id}'><status><basic>open</basic></status></tuple></presence>"
    )
}

fn kind(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// §5.2.1: nothing while it is pending, `subscribed` with the first active NOTIFY, which is stored.
#[tokio::test]
async fn the_deployment_permits_and_what_it_shows_is_seen() {
    let mut it = Deployment::start().await;
    it.juliet("subscribe").await;
    let subscribe = it.subscribe().await;
    let field = |name| subscribe.headers.first(name);
    assert_eq!(subscribe.uri.to_string(), format!("sip:{ALICE}"));
    assert_eq!(subscribe.headers.from().unwrap().uri.to_string(), format!("sip:{JULIET}"));
    assert_eq!((field(Name::Event), field(Name::Accept)), (Some("presence"), Some("application/pidf+xml")));
    assert_eq!(it.notify(&subscribe, "pending;expires=3600", None).await, 200);
    assert!(it.scene.edge.is_silent().await && !it.is_permitted().await);
    assert_eq!(it.notify(&subscribe, "active;expires=3600", Some(&open("desk"))).await, 200);
    assert_eq!(it.told().await, (ALICE.to_owned(), kind("subscribed")));
    assert_eq!(it.told().await, (format!("{ALICE}/desk"), None));
    assert!(it.is_permitted().await);
    // Another endpoint in place of the first, five seconds later at the earliest.
    let asked = std::time::Instant::now();
    assert_eq!(it.notify(&subscribe, "active;expires=3600", Some(&open("mobile"))).await, 200);
    assert_eq!(it.told().await, (format!("{ALICE}/mobile"), None));
    assert!(asked.elapsed() > Duration::from_millis(4500), "{:?}", asked.elapsed());
    assert_eq!(it.told().await, (format!("{ALICE}/desk"), kind("unavailable")));
    // RFC 6121 §4.3: a probe is answered with what is known, and asks nobody.
    it.juliet("probe").await;
    assert_eq!(it.told().await, (format!("{ALICE}/mobile"), None));
    assert!(it.pbx.has_heard_nothing());
    it.scene.is_well().await;
}

/// 403 and 603 are final, 404 is met with silence (sip-gateway.md).
#[tokio::test]
async fn a_refusal_is_told_and_an_unknown_user_is_not() {
    let mut it = Deployment::start().await;
    for (status, told) in [(403, true), (603, true), (404, false), (604, false)] {
        it.pbx.answers(status);
        it.juliet("subscribe").await;
        it.subscribe().await;
        if told {
            assert_eq!(it.told().await, (ALICE.to_owned(), kind("unsubscribed")), "{status}");
        } else {
            assert!(it.scene.edge.is_silent().await, "{status}");
        }
    }
    assert!(!it.is_permitted().await);
}

/// §5.2.2: a permission that the deployment takes back is gone, and what was seen with it.
#[tokio::test]
async fn a_permission_that_is_taken_back_is_forgotten() {
    let mut it = Deployment::start().await;
    let subscribe = it.permitted().await;
    assert_eq!(it.notify(&subscribe, "terminated;reason=rejected", None).await, 200);
    assert_eq!(it.told().await, (format!("{ALICE}/desk"), kind("unavailable")));
    assert_eq!(it.told().await, (ALICE.to_owned(), kind("unsubscribed")));
    assert!(!it.is_permitted().await);
    assert_eq!(it.notify(&subscribe, "active", Some(&open("desk"))).await, 481);
}

/// §5.2.3: Expires 0 in the dialog.
#[tokio::test]
async fn a_partners_user_watches_no_more() {
    let mut it = Deployment::start().await;
    let first = it.permitted().await;
    it.juliet("unsubscribe").await;
    let last = it.subscribe().await;
    assert_eq!(last.headers.call_id(), first.headers.call_id());
    assert_eq!((last.headers.expires(), last.headers.to().unwrap().tag()), (Some(0), Some("pbx")));
    assert_eq!(it.told().await, (format!("{ALICE}/desk"), kind("unavailable")));
    assert_eq!(it.told().await, (ALICE.to_owned(), kind("unsubscribed")));
    assert!(!it.is_permitted().await);
}

/// While the watcher is offline there is no subscription; the permission stays, and a probe opens another.
#[tokio::test]
async fn nobody_is_watched_for_a_user_who_is_offline() {
    let mut it = Deployment::start().await;
    it.permitted().await;
    it.juliet("unavailable").await;
    assert_eq!(it.subscribe().await.headers.expires(), Some(0));
    it.juliet("probe").await;
    let again = it.subscribe().await;
    assert_eq!(again.headers.to().unwrap().tag(), None);
    assert_eq!(it.notify(&again, "active;expires=3600", Some(&open("desk"))).await, 200);
    assert_eq!(it.told().await, (format!("{ALICE}/desk"), None));
    assert!(it.is_permitted().await);
}

/// After a start nobody is asked again: one subscription for each permission, and presence follows.
#[tokio::test]
async fn permissions_are_used_from_the_start() {
    let pbx = Pbx::udp().await;
    let scene = Scene::start().await;
    scene.store.contact_step(&bare(ALICE), &bare(JULIET), store::Step::Authorised).await.unwrap();
    let voice = Phone::udp(scene.gateway.sip_udp()[0], "alice").await;
    let mut it = Deployment { scene, pbx, voice, cseq: 0 };
    assert_eq!(it.told().await, (ALICE.to_owned(), kind("subscribed")));
    assert_eq!(it.told().await, (ALICE.to_owned(), kind("unavailable")), "no backend has them yet");
    it.scene.add_trunk(&Pbx::trunk(&[&it.pbx]), "pbx.example").await;
    let subscribe = it.subscribe().await;
    assert_eq!(it.notify(&subscribe, "active;expires=3600", Some(&open("desk"))).await, 200);
    assert_eq!(it.told().await, (format!("{ALICE}/desk"), None), "no `subscribed` again");
    it.scene.is_well().await;
}

/// What a forged or broken NOTIFY gets: 481, 489, 415, 400. Nothing of it is seen.
#[tokio::test]
async fn a_notify_that_is_wrong_is_refused() {
    let mut it = Deployment::start().await;
    let subscribe = it.permitted().await;
    let mut unknown = it.notice(&subscribe, "active", Some(&open("evil")));
    unknown.headers.set(Name::CallId, "guessed").unwrap();
    assert_eq!(it.voice.ask(unknown).await.status.code(), 481);
    let mut other = it.notice(&subscribe, "active", Some(&open("evil")));
    other.headers.set(Name::Event, "dialog").unwrap();
    assert_eq!(it.voice.ask(other).await.status.code(), 489);
    let mut binary = it.notice(&subscribe, "active", None);
    binary.set_body("image/png", "x").unwrap();
    assert_eq!(it.voice.ask(binary).await.status.code(), 415);
    let with_dtd = open("evil").replacen("<presence", "<!DOCTYPE p [<!ENTITY e 'x'>]><presence", 1);
    for body in [with_dtd.as_str(), "<presence", "<presence xmlns='urn:other'/>"] {
        assert_eq!(it.notify(&subscribe, "active", Some(body)).await, 400, "{body}");
    }
    // The right dialog, but not from the trunk.
    let mut trunk = Pbx::trunk(&[&it.pbx]);
    trunk.sources = vec!["192.0.2.1".parse().unwrap()];
    trunk.targets = vec!["192.0.2.1:5060".parse().unwrap()];
    it.scene.store.set_trunk(&actor(), &trunk, None).await.unwrap();
    it.scene.in_force().await;
    assert_eq!(it.notify(&subscribe, "active", Some(&open("evil"))).await, 481);
    assert!(it.scene.edge.is_silent().await);
}

/// A block, the loss of access and a partner that is switched off hide at once what the deployment shows, and end what it is
/// asked for; their end asks again, and nobody is asked for permission anew.
#[tokio::test]
async fn who_may_not_be_shown_is_not_watched() {
    let mut it = Deployment::start().await;
    it.permitted().await;
    for bar in [Bar::Block, Bar::Access, Bar::Disabled] {
        it.set(bar, true).await;
        if bar != Bar::Disabled {
            assert_eq!(it.told().await, (format!("{ALICE}/desk"), kind("unavailable")), "{bar:?}");
        }
        let ended = it.subscribe().await;
        assert_eq!(ended.headers.first(Name::Expires), Some("0"), "{bar:?}");
        it.set(bar, false).await;
        let again = it.subscribe().await;
        assert_eq!(it.notify(&again, "active;expires=3600", Some(&open("desk"))).await, 200, "{bar:?}");
        assert_eq!(it.told().await, (format!("{ALICE}/desk"), None), "{bar:?}");
        assert!(it.is_permitted().await, "{bar:?}");
    }
}

/// What keeps juliet from seeing alice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bar {
    Block,
    Access,
    Disabled,
}

impl Deployment {
    async fn set(&self, bar: Bar, is_up: bool) {
        let (store, internal, partner) = (&self.scene.store, bare(ALICE), bare(JULIET));
        match bar {
            Bar::Block if is_up => drop(store.block_contact(&actor(), &internal, &partner).await.unwrap()),
            Bar::Block => drop(store.unblock_contact(&actor(), &internal, &partner).await.unwrap()),
            Bar::Access => {
                let mut global = store.access_policies().await.unwrap()[0].policy.clone();
                global.enable_xmpp_access = !is_up;
                store.set_access_policy(&actor(), None, &global).await.unwrap();
            }
            Bar::Disabled => {
                let partners = store.partners().await.unwrap().into_iter().map(|stored| stored.partner);
                let mut fabrikam =
                    partners.into_iter().find(|known| known.domains().any(|of| of == partner.domain())).unwrap();
                fabrikam.enabled = !is_up;
                store.set_partner(&actor(), None, &fabrikam).await.unwrap();
                self.scene.publish().await;
            }
        }
    }
}

/// 10,000 invented recipients: bounded, counted, and the deployment is asked a few at a time.
#[tokio::test]
async fn a_flood_of_subscriptions_is_bounded() {
    let mut it = Deployment::start().await;
    it.pbx.answers(404);
    for n in 0..2000 {
        let xml = format!("<presence from='{JULIET}' to='nobody{n}@pbx.example' type='subscribe'/>");
        it.scene.edge.pass(&xml).await.unwrap();
    }
    for _ in 0..2000 {
        it.subscribe().await;
    }
    assert_eq!(it.scene.sip_count("watched_not_found"), 2000);
    assert!(it.scene.edge.is_silent().await);
    it.scene.is_well().await;
}
