//! Stanzas both ways on one connection (XEP-0288), against Prosody's module for it.

use interop::process::until;
use interop::prosody::{Demands, Prosody};
use interop::sip_user::SipUser;
use interop::slixmpp::Client;
use serde_json::Value;

use crate::world::{ALICE, PARTNER, PASSWORD, ROW_2, ROW_13, World};

const JULIET: &str = "juliet@fabrikam.example";

/// Which side writes first, and so opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Alice,
    Juliet,
}

/// A world whose Prosody has the module.
fn world(negotiation: [&str; 3], demands: Demands) -> (World, Prosody) {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", negotiation, Some(world.authority.root()));
    let prosody = world.prosody_changed(PARTNER, demands, |configuration, _| {
        let changed = configuration.replace("modules_enabled = {", "modules_enabled = { \"s2s_bidi\";");
        changed.replace("modules_disabled = { \"s2s_bidi\";", "modules_disabled = {")
    });
    (world, prosody)
}

/// A message each way.
fn converse(world: &World, prosody: &Prosody, first: First) {
    let mut alice = SipUser::register(ALICE, PASSWORD, world.server.sip);
    let mut juliet = Client::login(prosody, JULIET);
    let order = if first == First::Alice { [First::Alice, First::Juliet] } else { [First::Juliet, First::Alice] };
    for writer in order {
        match writer {
            First::Alice => {
                alice.send(JULIET, "a", "From alice");
                juliet.receive("alice's message", 0, |m| m.body == "From alice");
            }
            First::Juliet => {
                juliet.send(ALICE, "j", "From juliet");
                let came = |alice: &SipUser| alice.received().iter().any(|(_, body)| body == "From juliet");
                until("juliet's message", || came(&alice).then_some(()));
            }
        }
    }
    world.server.settled(1, 1);
}

/// The connections in our status, by direction.
fn connections(world: &World) -> Vec<String> {
    let status = world.server.json(&["status"]);
    let direction = |stream: &Value| stream["direction"].as_str().unwrap_or_default().to_owned();
    let mut directions: Vec<_> = status["streams"].as_array().into_iter().flatten().map(direction).collect();
    directions.sort();
    directions
}

#[test]
fn a_connection_of_ours_brings_prosodys_stanzas_back() {
    let (world, prosody) = world(ROW_2, Demands::Certificate);
    converse(&world, &prosody, First::Alice);
    assert_eq!(connections(&world), ["outbound"]);
    prosody.process.wait_for(0, &["Requested bidirectional stream"]);
}

#[test]
fn a_connection_of_prosodys_takes_our_stanzas_back() {
    for (negotiation, demands) in [(ROW_2, Demands::Certificate), (ROW_13, Demands::Encryption)] {
        let (world, prosody) = world(negotiation, demands);
        converse(&world, &prosody, First::Juliet);
        assert_eq!(connections(&world), ["inbound"], "{negotiation:?}");
        prosody.process.wait_for(0, &["Requesting bidirectional stream"]);
    }
}

/// Prosody's dialback knows no errors, and where we dial, bidi with dialback needs them (XEP-0288 §2.2).
#[test]
fn without_dialback_errors_we_do_not_ask_for_both_ways() {
    let (world, prosody) = world(ROW_13, Demands::Encryption);
    converse(&world, &prosody, First::Alice);
    assert_eq!(connections(&world), ["inbound", "outbound"]);
    assert!(!prosody.process.has(0, &["Requested bidirectional stream"]));
}
