//! Certificates that are not good, shown by real servers: what the sender hears, what the report says, what the other
//! side's log says.

use interop::baresip::Transport;
use interop::ca::{Authority, Flaw, Identity};
use interop::prosody::{Demands, Prosody};
use interop::slixmpp::Client;
use interop::{ejabberd, slixmpp::Home};

use crate::refusals::{answered, refused};
use crate::world::{ALICE, PARTNER, ROW_2, World};

const JULIET: &str = "juliet@fabrikam.example";

/// alice and juliet write to each other in vain: row 2 demands a certificate in both directions.
fn writes_in_vain(world: &World, home: &impl Home, why: &str, code: &str, remedy: &str) {
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(home, JULIET);
    refused(&mut alice, &format!("No acceptable security with fabrikam.example: its certificate {why}"));
    juliet.send(ALICE, "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    for direction in ["outbound", "inbound"] {
        let report = world.explained(PARTNER, direction, code, remedy);
        assert_eq!(report["method"], serde_json::Value::Null, "{report:#}");
    }
    world.server.wait_for_methods(PARTNER, &[]);
    world.server.settled(0, 0);
}

/// Prosody shows it as a server and as a client; it would go on with dialback.
fn by_prosody(identity: impl FnOnce(&World) -> Identity, why: &str, code: &str, remedy: &str) {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody_showing(PARTNER, Demands::Encryption, &identity(&world));
    writes_in_vain(&world, &prosody, why, code, remedy);
    is_told(&prosody, why);
}

/// Prosody has met TLS in both directions and was told in both what is wrong.
fn is_told(prosody: &Prosody, why: &str) {
    let log = &prosody.process;
    let why = format!("policy-violation (SASL EXTERNAL is required and your certificate {why}");
    log.wait_for(0, &["Incoming s2s stream contoso.example->fabrikam.example closed", &why]);
    log.wait_for(0, &["Outgoing s2s stream fabrikam.example->contoso.example closed", &why]);
    assert!(log.has(0, &["Stream encrypted"]));
    assert!(!log.has(0, &["s2s connection", "complete"]));
}

#[test]
fn an_expired_certificate_is_refused_and_explained() {
    let identity = |world: &World| world.authority.issue_flawed(PARTNER, Flaw::Expired);
    by_prosody(identity, "has expired", "certificate_expired", "to renew it");
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused_and_explained() {
    let identity = |world: &World| world.authority.issue_flawed(PARTNER, Flaw::NotYetValid);
    by_prosody(identity, "is not valid yet", "certificate_not_yet_valid", "Check the clock of this machine");
}

#[test]
fn a_certificate_for_another_name_is_refused_and_explained() {
    let identity = |world: &World| world.authority.issue_flawed(PARTNER, Flaw::WrongName);
    by_prosody(identity, "does not name the domain", "certificate_wrong_name", "subjectAltName holds fabrikam.example");
}

#[test]
fn a_self_signed_certificate_is_refused_and_explained() {
    let identity = |world: &World| world.authority.issue_flawed(PARTNER, Flaw::SelfSigned);
    by_prosody(identity, "is self-signed", "certificate_self_signed", "add it to trust_roots of fabrikam.example");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_and_explained() {
    let identity = |world: &World| Authority::new(&world.subfolder("other")).issue(PARTNER);
    let why = "was not issued by a trusted authority";
    by_prosody(identity, why, "certificate_untrusted_issuer", "add its root to trust_roots of fabrikam.example");
}

#[test]
fn a_certificate_without_its_intermediate_is_refused_and_explained() {
    let identity = |world: &World| world.authority.issue_flawed(PARTNER, Flaw::IntermediateMissing);
    let (why, code) = ("was shown without the certificate of its issuer", "certificate_intermediate_missing");
    by_prosody(identity, why, code, "to install the full chain");
}

#[test]
fn ejabberds_expired_certificate_is_refused_and_explained() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let identity = world.authority.issue_flawed(PARTNER, Flaw::Expired);
    let ejabberd = world.ejabberd_showing(ejabberd::Demands::Encryption, &identity, "");
    writes_in_vain(&world, &ejabberd, "has expired", "certificate_expired", "to renew it");
    let told = "Stream closed by peer: SASL EXTERNAL is required and your certificate has expired (policy-violation)";
    ejabberd.wait_for_end(&["Closing inbound s2s", "contoso.example -> fabrikam.example"], told);
    ejabberd.wait_for_end(&["Failed to establish outbound s2s", "fabrikam.example -> contoso.example"], told);
}

#[test]
fn a_key_that_is_not_pinned_is_refused_and_explained() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    world.server.cli(&["partner", "set", PARTNER, "--pin", &"07".repeat(32)]).succeeded();
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let why = "has a key that is none of the pinned ones";
    writes_in_vain(&world, &prosody, why, "certificate_pin_mismatch", "correct pins of fabrikam.example");
    is_told(&prosody, why);
}

/// Without a certificate Prosody shows none as a client, and as a server it has none to shake hands with.
#[test]
fn a_server_without_a_certificate_is_refused_and_explained() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody_showing(PARTNER, Demands::Encryption, &Identity::none());
    let mut juliet = Client::login(&prosody, JULIET);
    juliet.send(ALICE, "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    world.explained(PARTNER, "inbound", "certificate_missing", "show its certificate when it connects");
    let why = "policy-violation (SASL EXTERNAL is required and your certificate was not shown)";
    prosody.process.wait_for(0, &["Outgoing s2s stream fabrikam.example->contoso.example closed", why]);

    let mut alice = world.alice(Transport::Udp, JULIET);
    answered(&mut alice, 480, PARTNER);
    world.explained(PARTNER, "outbound", "tls_failed", "Compare TLS versions and cipher suites");
    world.server.settled(0, 0);
}
