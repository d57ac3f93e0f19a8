//! From what DNS says to a server that answers: each record of a real name server leads to a real server, or to an answer
//! that says why not.

use interop::baresip::Transport;
use interop::prosody::Demands;
use interop::slixmpp::Client;

use crate::refusals::answered;
use crate::world::{PARTNER, ROW_2, STRANGER, World, starttls_at};

const JULIET: &str = "juliet@fabrikam.example";

/// alice writes to a partner of whom DNS says this.
fn found_nothing(records: fn(dead: u16) -> String, status: u16, words: &str, code: &str, remedy: &str) -> World {
    let world = World::start_changed(|plan| {
        let dead = plan.loopback.port();
        plan.records.insert(PARTNER, records(dead));
    });
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let mut alice = world.alice(Transport::Udp, JULIET);
    answered(&mut alice, status, words);
    world.explained(PARTNER, "outbound", code, remedy);
    world.server.settled(0, 0);
    world
}

#[test]
fn a_domain_that_says_it_offers_no_federation_is_believed() {
    let dot = |_| "_xmpp-server._tcp SRV 0 0 0 .\n".to_owned();
    found_nothing(dot, 404, "fabrikam.example", "dns_not_offered", "which of their domains federates");
}

/// RFC 6120 §3.2.1: no fallback once SRV records exist. The address of the domain itself would accept.
#[test]
fn dead_targets_are_not_replaced_by_the_address_of_the_domain() {
    let dead = |port| starttls_at(port);
    let world = found_nothing(dead, 480, "fabrikam.example", "connect_refused", "listens on the port that DNS names");
    let report = world.server.report(PARTNER, "outbound", "connect_refused");
    assert_eq!(report["story"]["dials"].as_array().map(Vec::len), Some(1), "{report:#}");
}

#[test]
fn a_name_server_that_refuses_is_not_an_absent_domain() {
    let world = World::start();
    // A domain of which the world's name server knows nothing.
    let unknown = "unknown.example";
    world.server.add_partner(unknown, "federated", ROW_2, Some(world.authority.root()));
    let mut alice = world.alice(Transport::Udp, "juliet@unknown.example");
    answered(&mut alice, 480, unknown);
    world.explained(unknown, "outbound", "dns_failed", "Check that the name servers of the configuration file answer");
    world.server.settled(0, 0);
}

#[test]
fn a_domain_that_does_not_exist_is_told_as_such() {
    let world = World::start();
    let nowhere = "nowhere.fabrikam.example";
    world.server.add_partner(nowhere, "federated", ROW_2, Some(world.authority.root()));
    let mut alice = world.alice(Transport::Udp, "juliet@nowhere.fabrikam.example");
    answered(&mut alice, 404, nowhere);
    world.explained(nowhere, "outbound", "dns_no_server", "ask its administrators for _xmpp-server._tcp records");
    world.server.settled(0, 0);
}

#[test]
fn addresses_of_this_network_are_not_dialled_unless_configured() {
    let world = World::start();
    world.server.cli(&["settings", "set", "allow_private_targets=192.0.2.0/24"]).succeeded();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut alice = world.alice(Transport::Udp, JULIET);
    answered(&mut alice, 404, PARTNER);
    world.explained(PARTNER, "outbound", "private_target", "allow_private_targets");
    assert!(!prosody.process.has(0, &["Incoming s2s connection"]));

    world.server.cli(&["settings", "set", "allow_private_targets=127.0.0.0/8"]).succeeded();
    let juliet = Client::login(&prosody, JULIET);
    alice.send("Now you may");
    juliet.receive("alice's message", 0, |m| m.body == "Now you may");
    world.server.settled(0, 1);
}

/// RFC 2782: by priority, across both kinds of record (XEP-0368 §3), until one answers.
#[test]
fn the_next_target_is_tried_when_the_first_is_dead() {
    let world = World::start_changed(|plan| {
        let (dead, dead_too) = (plan.loopback.port(), plan.loopback.port());
        let good = plan.port_of(PARTNER);
        let records = format!(
            "_xmpp-server._tcp SRV 3 0 {good} xmpp\n_xmpp-server._tcp SRV 1 0 {dead} xmpp\n\
             _xmpps-server._tcp SRV 2 0 {dead_too} xmpp\n"
        );
        plan.records.insert(PARTNER, records);
    });
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut alice = world.alice(Transport::Udp, JULIET);
    let juliet = Client::login(&prosody, JULIET);
    alice.send("At the third door");
    juliet.receive("alice's message", 0, |m| m.body == "At the third door");
    let report = world.server.report(PARTNER, "outbound", "ok");
    let addresses = report["story"]["lookup"]["addresses"].as_array().cloned().unwrap_or_default();
    assert_eq!(addresses.len(), 3, "{report:#}");
    assert_eq!(addresses[2], world.server_of(PARTNER).to_string(), "{report:#}");
    world.server.settled(0, 1);
}

/// The other server knows nobody of that name.
#[test]
fn a_server_that_does_not_serve_the_partners_domain_is_told_as_such() {
    let world = World::start_changed(|plan| {
        let record = starttls_at(plan.port_of(PARTNER));
        plan.records.insert(STRANGER, record);
    });
    world.server.add_partner(STRANGER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut alice = world.alice(Transport::Udp, "juliet@litware.example");
    answered(&mut alice, 404, "The server found for litware.example does not serve that domain");
    let report = world.explained(STRANGER, "outbound", "partner_error", "Read the error in the report");
    assert!(report["story"]["detail"].as_str().is_some_and(|told| told.contains("host-unknown")), "{report:#}");
    prosody.process.wait_for(0, &["host-unknown"]);
    world.server.settled(0, 0);
}
