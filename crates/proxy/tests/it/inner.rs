//! The leg of inner servers: a proxy that stands for partners' domains, against an inner server with real streams.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{
    Direction, Method, Report,
    report::{Code, Leg, Purpose},
};
use link::EventInbox;
use policy::{
    EdgeSnapshot, InnerServer, Partner,
    peer::{Host, HostPort},
};
use tempfile::TempDir;
use xmpp::stanza::Condition;

use crate::harness::{Authority, OURS, Org, THEIRS, domain, partner, patiently, row, settings, until};

/// Another internal domain.
const HR: &str = "hr.contoso.example";

/// Its name is known to every test proxy as 127.0.0.1.
const LOOPBACK: &str = "loopback.example";

/// What is refused ends before.
const SOON: Duration = Duration::from_secs(5);

/// The leg as the test sees it: its inside plays the gateway, `alice@fabrikam.example` a partner's user.
struct Scene {
    leg: Org,
    reports: EventInbox,
    /// The inner server of [`OURS`], to which fabrikam.example is a partner like any other.
    server: Org,
    authority: Authority,
    revision: u64,
    _files: TempDir,
}

fn target(address: SocketAddr) -> HostPort {
    address.to_string().parse().unwrap()
}

impl Scene {
    /// The leg shows a certificate of `shown`; the inner server judges it by `row`.
    async fn start(shown: &str, number: u8) -> Self {
        let (authority, files) = (Authority::new(), TempDir::new().unwrap());
        let certificates = vec![authority.issue(shown, &files)];
        let mut leg = Org::start_changed(THEIRS, None, |config| {
            (config.leg, config.certificates) = (Leg::Inner, certificates);
        })
        .await;
        let reports = leg.proxy.take_reports().unwrap();
        let mut server = Org::start(OURS, &authority).await;
        let us = partner(THEIRS, row(number), authority.roots(), leg.address().port());
        server.publish([us], settings());
        let mut scene = Self { leg, reports, server, authority, revision: 1, _files: files };
        scene.publish(|_| {}, true);
        scene
    }

    fn inner_server(&self) -> InnerServer {
        InnerServer { trust_roots: self.authority.roots(), ..InnerServer::new(vec![target(self.server.address())]) }
    }

    /// What the leg knows: [`OURS`] with the changed inner server, [`HR`] with one at another address, and two partners of
    /// which fabrikam.example may be switched off.
    fn publish(&mut self, change: impl FnOnce(&mut InnerServer), enabled: bool) {
        let mut server = self.inner_server();
        change(&mut server);
        let elsewhere = InnerServer::new(vec!["192.0.2.7".parse().unwrap()]);
        let (mut theirs, litware) = (Partner::new(domain(THEIRS)), Partner::new(domain("litware.example")));
        theirs.enabled = enabled;
        self.revision += 1;
        let outer = EdgeSnapshot::new(self.revision, [theirs, litware], [OURS, HR].map(domain), settings());
        let inner = outer.of_inner_leg([(domain(OURS), server), (domain(HR), elsewhere)]);
        self.leg.publish.send_replace(Some(Arc::new(inner)));
    }

    /// The next report of a stream for stanzas that ended with `code`.
    async fn reported(&mut self, code: Code) -> Report {
        loop {
            let report = patiently(self.reports.reports(1)).await.pop().expect("the proxy is at work");
            if report.purpose == Purpose::Stanzas && report.result == code.into() {
                return report;
            }
        }
    }

    /// A message each way.
    async fn talks(&mut self) {
        assert_eq!(self.leg.send(OURS, "romeo", "Good day").await, Ok(()));
        let heard = self.server.receive_message().await;
        assert_eq!(heard, (format!("alice@{THEIRS}"), "Good day".to_owned()));
        assert_eq!(self.server.send(THEIRS, "juliet", "And to you").await, Ok(()));
        let heard = self.leg.receive_message().await;
        assert_eq!(heard, (format!("alice@{OURS}"), "And to you".to_owned()));
    }

    fn methods(&self) -> [Vec<Method>; 2] {
        [Direction::Inbound, Direction::Outbound].map(|direction| self.leg.methods(direction))
    }

    /// What the inner server's user is told about a message to `juliet` there.
    async fn refused(&mut self) -> (Condition, String) {
        let error = self.server.send_within(THEIRS, "juliet", "Hello?", SOON).await.unwrap_err();
        (error.condition, error.text.unwrap_or_default())
    }
}

#[tokio::test]
async fn each_side_proves_itself_by_dialback_at_the_configured_addresses() {
    let mut scene = Scene::start(OURS, 13).await;
    scene.publish(|server| server.trust_roots = Authority::new().roots(), true);
    scene.talks().await;
    assert_eq!(scene.methods(), [[Method::TlsDialback], [Method::TlsDialback]]);
    let report = scene.reported(Code::Ok).await;
    assert_eq!((report.leg, report.local, report.remote), (Leg::Inner, Some(domain(THEIRS)), Some(domain(OURS))));
    assert_eq!(report.partner, Some(domain(OURS)), "whose server it is");
    scene.leg.balanced().await;
    scene.server.balanced().await;
}

/// We have no certificate for partners' domains, unless somebody gives us one.
#[tokio::test]
async fn a_certificate_of_ours_that_does_not_name_the_partner_leaves_dialback() {
    let mut scene = Scene::start(OURS, 7).await;
    scene.talks().await;
    assert_eq!(scene.methods(), [[Method::TlsDialback], [Method::TlsDialback]]);
}

/// An authority of the house may issue us one, and then nothing needs dialback.
#[tokio::test]
async fn with_a_certificate_for_the_partners_domain_both_prove_themselves_by_it() {
    let mut scene = Scene::start(THEIRS, 2).await;
    scene.publish(|server| server.negotiation = row(2), true);
    scene.talks().await;
    assert_eq!(scene.methods(), [[Method::SaslOverTls], [Method::SaslOverTls]]);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_where_nothing_else_is_permitted() {
    let mut scene = Scene::start(OURS, 7).await;
    let others = Authority::new().roots();
    scene.publish(|server| (server.negotiation, server.trust_roots) = (row(2), others), true);
    let (condition, _) = scene.refused().await;
    assert_ne!(condition, Condition::UndefinedCondition);
    let report = scene.reported(Code::CertificateUntrustedIssuer).await;
    assert_eq!((report.direction, report.leg), (Direction::Inbound, Leg::Inner));
    assert_eq!(scene.methods(), [[], []]);
}

#[tokio::test]
async fn a_second_target_is_dialled_when_the_first_does_not_answer_and_names_are_resolved_by_address_alone() {
    let mut scene = Scene::start(OURS, 7).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = std::num::NonZeroU16::new(scene.server.address().port());
    let named = HostPort { host: Host::Name(domain(LOOPBACK)), port };
    scene.publish(|server| server.targets = vec![target(closed), named], true);
    // It may come from the address that the name stands for, too.
    scene.talks().await;
}

#[tokio::test]
async fn a_server_may_come_from_its_own_addresses_only() {
    let mut scene = Scene::start(OURS, 7).await;
    scene.publish(|server| server.sources = vec!["192.0.2.0/24".parse().unwrap()], true);
    let (_, text) = scene.refused().await;
    assert!(text.contains(THEIRS), "{text}");
    let report = scene.reported(Code::SourceNotPermitted).await;
    assert_eq!(report.remote, Some(domain(OURS)));
    // Another place for its targets is another place to come from.
    scene.publish(|server| server.targets = vec!["192.0.2.9".parse().unwrap()], true);
    scene.server.publish_again(scene.leg.address().port(), &scene.authority);
    scene.refused().await;
    scene.reported(Code::SourceNotPermitted).await;
    scene.publish(|server| server.sources = vec!["127.0.0.0/8".parse().unwrap()], true);
    scene.server.publish_again(scene.leg.address().port(), &scene.authority);
    scene.talks().await;
}

#[tokio::test]
async fn a_partner_that_is_switched_off_is_gone_from_the_leg_within_a_second() {
    let mut scene = Scene::start(OURS, 7).await;
    scene.talks().await;
    let changed = Instant::now();
    scene.publish(|_| {}, false);
    let (leg, server) = (scene.leg.proxy.monitor(), scene.server.proxy.monitor());
    until("no stream is left", || leg.streams().is_empty() && server.streams().is_empty()).await;
    assert!(changed.elapsed() < Duration::from_secs(1));
    scene.refused().await;
    let report = scene.reported(Code::PartnerDisabled).await;
    assert_eq!(report.local, Some(domain(THEIRS)));
    assert!(scene.leg.send(OURS, "romeo", "Still here?").await.is_err());
    scene.publish(|_| {}, true);
    scene.server.publish_again(scene.leg.address().port(), &scene.authority);
    scene.talks().await;
}

/// What it says it is, what it asks for, and what becomes of it.
#[tokio::test]
async fn an_inner_server_speaks_for_its_own_domain_and_to_partners_alone() {
    for (claims, asks, code) in [
        // In the name of a partner, for whom we stand: a loop or worse.
        (THEIRS, "litware.example", Code::OwnDomain),
        // In the name of another inner server's domain.
        (HR, THEIRS, Code::SourceNotPermitted),
        // In that of a domain that no inner server serves.
        ("northwind.example", THEIRS, Code::InnerServerUnknown),
        // To another internal domain.
        (OURS, HR, Code::SameSide),
        // To a domain that is no partner's.
        (OURS, "northwind.example", Code::NotAPartner),
    ] {
        let mut scene = Scene::start(OURS, 7).await;
        let files = TempDir::new().unwrap();
        let certificate = scene.authority.issue(claims, &files);
        let mut server = Org::start_changed(leak(claims), None, |config| config.certificates = vec![certificate]).await;
        server.publish([partner(asks, row(7), scene.authority.roots(), scene.leg.address().port())], settings());
        let error = server.send_within(asks, "juliet", "Hello?", SOON).await.unwrap_err();
        let report = scene.reported(code).await;
        assert_eq!((report.local, report.remote), (Some(domain(asks)), Some(domain(claims))), "{error:?}");
        assert!(scene.leg.proxy.monitor().streams().iter().all(|stream| stream.authorised.is_empty()));
    }
}

fn leak(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

/// The outer edge answers for no partner: not on a stream, and so not about a key either.
#[tokio::test]
async fn the_edge_towards_partners_does_not_stand_for_partners() {
    let authority = Authority::new();
    let mut edge = Org::start(OURS, &authority).await;
    let mut inside = Org::start("inside.contoso.example", &authority).await;
    let (out, back) = (edge.address().port(), inside.address().port());
    edge.publish(
        [partner(THEIRS, row(7), authority.roots(), 1), partner(inside.name, row(7), authority.roots(), back)],
        settings(),
    );
    inside.publish([partner(THEIRS, row(7), authority.roots(), out)], settings());
    let error = inside.send(THEIRS, "juliet", "Hello?").await.unwrap_err();
    assert_eq!(error.condition, Condition::RemoteServerNotFound, "host-unknown: {error:?}");
    assert!(edge.proxy.monitor().streams().is_empty());
}

impl Org {
    /// The same partner again: what failed before is tried at once.
    fn publish_again(&mut self, port: u16, authority: &Authority) {
        self.publish([partner(THEIRS, row(7), authority.roots(), port)], settings());
    }
}
