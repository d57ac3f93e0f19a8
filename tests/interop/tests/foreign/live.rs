//! Changes of policy reach live streams within a second, without a restart.

use std::time::{Duration, Instant};

use interop::baresip::{Baresip, Transport};
use interop::prosody::{Demands, Prosody};
use interop::slixmpp::Client;

use crate::world::{ALICE, PARTNER, ROW_2, ROW_7, ROW_13, World};

const JULIET: &str = "juliet@fabrikam.example";

/// The bound of partner-policy.md §1 for a change to reach live streams.
const FORCE_MAX: Duration = Duration::from_secs(1);

fn exchange(alice: &mut Baresip, juliet: &mut Client, text: &str) {
    let mark = alice.mark();
    alice.send(text);
    juliet.receive("alice's message", 0, |m| m.body == text);
    juliet.send(ALICE, text, text);
    alice.receive(mark, JULIET, text);
}

/// Runs the command and waits until Prosody has seen both streams closed for a reason of policy.
fn closes_both_streams(world: &World, prosody: &Prosody, command: &[&str]) {
    let mark = prosody.process.mark();
    world.server.cli(command).succeeded();
    let begun = Instant::now();
    prosody.process.find("end of both streams by policy-violation", mark, |lines| {
        let closed = |line: &&String| line.contains("closed by remote with error: policy-violation");
        (lines.iter().filter(closed).count() == 2).then_some(())
    });
    let taken = begun.elapsed();
    assert!(taken < FORCE_MAX, "the streams were closed {taken:?} after {command:?}");
}

#[test]
fn a_disabled_partner_loses_its_streams_at_once_and_gets_new_ones_when_enabled() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&prosody, JULIET);
    exchange(&mut alice, &mut juliet, "one");
    world.server.wait_for_methods(PARTNER, &[("inbound", "sasl_over_tls"), ("outbound", "sasl_over_tls")]);

    closes_both_streams(&world, &prosody, &["partner", "disable", PARTNER]);
    world.server.wait_for_methods(PARTNER, &[]);
    let mark = alice.mark();
    alice.send("While disabled");
    assert_eq!(alice.answer(mark).0, 403);
    juliet.send(ALICE, "disabled", "While disabled");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "disabled");

    world.server.cli(&["partner", "enable", PARTNER]).succeeded();
    exchange(&mut alice, &mut juliet, "two");
    world.server.settled(2, 2);
}

#[test]
fn a_row_that_no_longer_permits_the_method_closes_the_streams_and_the_next_ones_obey_it() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_7, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Encryption);
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&prosody, JULIET);
    exchange(&mut alice, &mut juliet, "one");
    world.server.wait_for_methods(PARTNER, &[("inbound", "sasl_over_tls"), ("outbound", "sasl_over_tls")]);

    // What is refused changes nothing: row 14 has no method at all.
    let mark = prosody.process.mark();
    let before = world.server.json(&["partner", "show", PARTNER]);
    let invalid = ["partner", "set", PARTNER, "--sasl", "not_supported", "--dialback", "false"];
    world.server.cli(&invalid).failed(&["error: sasl: "]);
    assert_eq!(world.server.json(&["partner", "show", PARTNER]), before);
    exchange(&mut alice, &mut juliet, "two");
    assert!(!prosody.process.has(mark, &["closed"]), "a refused change closes no stream");

    let [_, sasl, dialback] = ROW_13;
    let change = ["partner", "set", PARTNER, "--sasl", sasl, "--dialback", dialback];
    closes_both_streams(&world, &prosody, &change);
    exchange(&mut alice, &mut juliet, "three");
    world.server.wait_for_methods(PARTNER, &[("inbound", "tls_dialback"), ("outbound", "tls_dialback")]);
    world.server.settled(3, 3);
}
