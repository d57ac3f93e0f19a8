//! A SIP deployment that nobody here wrote, behind a trunk: Kamailio with two baresip users, and Prosody as the partner.

use std::path::Path;
use std::time::{Duration, Instant};

use interop::ca::{Authority, Flaw, Identity};
use interop::kamailio::{Kamailio, Transport};
use interop::prosody::{Demands, Prosody};
use interop::slixmpp::Client;

use crate::world::{ALICE, CORP, PARTNER, ROW_13, World};

const JULIET: &str = "juliet@fabrikam.example";
const CAROL: &str = "carol@corp.example";
const DAVE: &str = "dave@corp.example";
/// What Kamailio's certificate names.
const PEER: &str = "sip.corp.example";

/// Two seconds, and what a loaded machine adds.
const FAILOVER_MAX: Duration = Duration::from_secs(4);

fn world() -> (World, Prosody, Client) {
    peopled(World::start())
}

/// With the partner and its user.
fn peopled(world: World) -> (World, Prosody, Client) {
    world.server.add_partner(PARTNER, "federated", ROW_13, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Encryption);
    let juliet = Client::login(&prosody, JULIET);
    (world, prosody, juliet)
}

/// A trunk to these Kamailios, and its domain.
fn add_trunk(world: &World, transport: Transport, kamailios: &[&Kamailio]) {
    let targets: Vec<_> = kamailios.iter().map(|kamailio| kamailio.address(transport).to_string()).collect();
    let mut fields = vec!["--transport", transport.as_str()];
    fields.extend(targets.iter().flat_map(|target| ["--target", target]));
    let roots = world.authority.root().to_str().expect("temporary paths are UTF-8");
    match transport {
        Transport::Tls => fields.extend(["--peer-name", PEER, "--trust-roots", roots]),
        // What connects to a loopback address comes from any other one.
        Transport::Udp | Transport::Tcp => fields.extend(["--source", "127.0.0.0/8"]),
    }
    world.server.add_trunk("corp", CORP, &fields);
}

/// A Kamailio with a good certificate.
fn kamailio(world: &World, name: &str, transport: Transport) -> Kamailio {
    world.kamailio(name, transport, &world.authority.issue(PEER), world.authority.root())
}

#[test]
fn two_users_behind_mutual_tls_and_a_partners_user_write_to_each_other() {
    let (world, _prosody, mut juliet) = world();
    let kamailio = kamailio(&world, "kamailio", Transport::Tls);
    add_trunk(&world, Transport::Tls, &[&kamailio]);
    world.server.wait_for_targets("corp", &["up"]);
    let mut carol = world.user_of(&kamailio, CAROL, JULIET);
    let dave = world.user_of(&kamailio, DAVE, JULIET);
    for (n, (user, address)) in [(&carol, CAROL), (&dave, DAVE)].into_iter().enumerate() {
        let mark = user.mark();
        juliet.send(address, &format!("in{n}"), "Wherefore art thou?");
        user.receive(mark, JULIET, "Wherefore art thou?");
    }
    kamailio.process.wait_for(0, &["MESSAGE inside TLS, verified=1"]);
    let mark = carol.mark();
    carol.send("Down here");
    let (status, answer) = carol.answer(mark);
    assert_eq!(status, 202, "{answer:#?}");
    let heard = juliet.receive("carol's message", 0, |m| m.body == "Down here");
    assert_eq!(heard.from, CAROL);

    // The deployment decides who exists.
    juliet.send("nobody@corp.example", "n1", "Anybody?");
    let refused = juliet.receive("the refusal", 0, |m| m.id == "n1" && m.kind == "error");
    assert_eq!(refused.condition, "item-not-found");

    world.server.settled(2, 1);

    // Between the backends of our own side.
    let mut alice = world.alice(interop::baresip::Transport::Udp, CAROL);
    let (at_alice, at_carol) = (alice.mark(), carol.mark());
    alice.send("From the registrar");
    carol.receive(at_carol, ALICE, "From the registrar");
    assert_eq!(alice.answer(at_alice).0, 200);

    let tested = world.server.json(&["trunk", "test", "corp"]);
    assert_eq!(tested["passed"], true, "{tested:#}");
}

#[test]
fn datagrams_and_plain_connections_carry_a_trunk_too() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (world, _prosody, mut juliet) = world();
        let kamailio = kamailio(&world, "kamailio", transport);
        add_trunk(&world, transport, &[&kamailio]);
        world.server.wait_for_targets("corp", &["up"]);
        let mut carol = world.user_of(&kamailio, CAROL, JULIET);
        let mark = carol.mark();
        juliet.send(CAROL, "in", "Over the plain");
        carol.receive(mark, JULIET, "Over the plain");
        let mark = carol.mark();
        carol.send("And back");
        let (status, answer) = carol.answer(mark);
        assert_eq!(status, 202, "{transport:?}: {answer:#?}");
        juliet.receive("carol's message", 0, |m| m.body == "And back");
        world.server.settled(1, 1);
    }
}

/// RFC 5922 §7.3 and §7.4, by us and by Kamailio.
#[test]
fn a_wrong_certificate_is_refused_both_ways_and_told() {
    let (world, _prosody, mut juliet) = world();
    let elsewhere = Authority::new(&world.subfolder("elsewhere"));
    let root = world.authority.root();
    // Each certificate is made when it is needed: those of one authority have one file.
    let wrong_name = || world.authority.issue_flawed(PEER, Flaw::WrongName);
    let foreign = || elsewhere.issue(PEER);
    let good = || world.authority.issue(PEER);
    type Case<'a> = (&'a str, &'a dyn Fn() -> Identity, &'a Path, &'a str, u16);
    let cases: [Case<'_>; 3] = [
        // It names somebody else: neither its requests nor ours pass.
        ("other-name", &wrong_name, root, "none of the trunk's peer names", 403),
        // Nobody vouches for it.
        ("other-root", &foreign, root, "was not issued by a trusted authority", 403),
        // It does not take ours, when we dial and when it does.
        ("other-trust", &good, elsewhere.root(), "alert", 408),
    ];
    for (name, identity, trusted, told, status) in cases {
        let kamailio = world.kamailio(name, Transport::Tls, &identity(), trusted);
        let target = kamailio.tls.to_string();
        if name == "other-name" {
            add_trunk(&world, Transport::Tls, &[&kamailio]);
        } else {
            world.server.cli(&["trunk", "set", "corp", "--target", &target]).succeeded();
        }
        let trunk = world.server.wait_for_targets("corp", &["down"]);
        let error = trunk["target_states"][0]["last_error"].as_str().unwrap_or_default();
        assert!(error.contains(told), "{name}: {trunk:#}");
        let mut carol = world.user_of(&kamailio, CAROL, JULIET);
        let mark = carol.mark();
        carol.send("Let me out");
        let (answered, answer) = carol.answer(mark);
        assert_eq!(answered, status, "{name}: {answer:#?}");
        juliet.send(CAROL, name, "Let me in");
        let refused = juliet.receive("the refusal", 0, |m| m.id == name && m.kind == "error");
        assert_eq!(refused.condition, "remote-server-timeout", "{name}");
        assert!(!carol.has_received(0, "Let me in"));
    }
    world.server.at_rest();
}

#[test]
fn the_second_kamailio_takes_over_when_the_first_is_killed() {
    let (world, _prosody, mut juliet) = world();
    let mut first = kamailio(&world, "first", Transport::Tls);
    let second = kamailio(&world, "second", Transport::Tls);
    add_trunk(&world, Transport::Tls, &[&first, &second]);
    world.server.wait_for_targets("corp", &["up", "up"]);
    let (at_first, at_second) = (world.user_of(&first, CAROL, JULIET), world.user_of(&second, CAROL, JULIET));
    juliet.send(CAROL, "one", "To the first");
    at_first.receive(0, JULIET, "To the first");
    first.kill();
    let started = Instant::now();
    juliet.send(CAROL, "two", "To the second");
    at_second.receive(0, JULIET, "To the second");
    assert!(started.elapsed() < FAILOVER_MAX, "{:?}", started.elapsed());
    let trunk = world.server.wait_for_targets("corp", &["down", "up"]);
    let error = trunk["target_states"][0]["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("refused the connection"), "{trunk:#}");
    assert!(!at_second.has_received(0, "To the first"));
    world.server.settled(2, 0);
}

/// RFC 3263 §4.2: SRV records of the transport, by priority.
#[test]
fn a_trunk_is_found_by_the_records_of_its_name() {
    let mut ports = [0; 2];
    let world = World::start_changed(|plan| {
        ports = [plan.loopback.port(), plan.loopback.port()];
        let [first, second] = ports;
        let records = format!("_sips._tcp SRV 20 0 {second} xmpp\n_sips._tcp SRV 10 0 {first} xmpp\n");
        plan.records.entry(CORP).and_modify(|known| known.push_str(&records));
    });
    let (world, _prosody, mut juliet) = peopled(world);
    let identity = world.authority.issue(PEER);
    let start =
        |name: &str, port| world.kamailio_at(Some(port), (name, Transport::Tls), &identity, world.authority.root());
    let (_second, first) = (start("second", ports[1]), start("first", ports[0]));
    let roots = world.authority.root().to_str().expect("temporary paths are UTF-8");
    let fields = ["--target", CORP, "--transport", "tls", "--peer-name", PEER, "--trust-roots", roots];
    world.server.add_trunk("corp", CORP, &fields);
    let trunk = world.server.wait_for_targets("corp", &["up", "up"]);
    let address = |index: usize| trunk["target_states"][index]["address"].as_str().unwrap_or_default().to_owned();
    assert!(
        address(0).ends_with(&format!(":{}", ports[0])) && address(1).ends_with(&format!(":{}", ports[1])),
        "{trunk:#}"
    );
    let carol = world.user_of(&first, CAROL, JULIET);
    juliet.send(CAROL, "one", "Found");
    carol.receive(0, JULIET, "Found");
}
