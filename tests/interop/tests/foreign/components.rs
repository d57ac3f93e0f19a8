//! A program of somebody else serves one of our domains: slixmpp's component, with Prosody and slixmpp's client as the partner.

use interop::baresip::Transport;
use interop::component::Component;
use interop::process::until;
use interop::prosody::{Demands, Prosody};
use interop::slixmpp::Client;

use crate::world::{ALICE, BOTS, PARTNER, ROW_13, World};

const ECHO: &str = "echo@bots.contoso.example";
const JULIET: &str = "juliet@fabrikam.example";
const SECRET: &str = "what only the bots know";

/// What a component that does not read may make our server hold, in KiB.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// A world with a partner of this type, its client juliet, and a domain for a component.
fn world(kind: &str) -> (World, Prosody, Client) {
    let world = World::start();
    world.server.add_partner(PARTNER, kind, ROW_13, Some(world.authority.root()));
    world.server.add_component(BOTS, SECRET);
    let prosody = world.prosody(PARTNER, Demands::Encryption);
    let juliet = Client::login(&prosody, JULIET);
    (world, prosody, juliet)
}

fn connect(world: &World) -> Component {
    Component::connect(world.server.component, BOTS, SECRET)
}

fn is_connected(world: &World) -> bool {
    let domains = world.server.json(&["domain", "list"]);
    let bots = domains.as_array().into_iter().flatten().find(|domain| domain["name"] == BOTS);
    bots.expect("the domain is listed")["connected"] == true
}

#[test]
fn messages_pass_both_ways_and_a_subscription_is_the_components_to_accept() {
    let (world, _prosody, mut juliet) = world("federated");
    let mut bots = connect(&world);
    assert!(is_connected(&world));
    assert_eq!(world.server.json(&["status"])["components"][0]["domain"], BOTS);
    juliet.send(ECHO, "m1", "Wherefore art thou, \u{1d504}cho?");
    let heard = bots.receive("juliet's message", 0, |m| m.id == "m1");
    assert_eq!((heard.body.as_str(), heard.kind.as_str()), ("Wherefore art thou, \u{1d504}cho?", "chat"));
    bots.send(ECHO, JULIET, "m2", "Down here, ça va?");
    let heard = juliet.receive("the bot's message", 0, |m| m.id == "m2");
    assert_eq!((heard.body.as_str(), heard.from.as_str()), ("Down here, ça va?", ECHO));

    // Who has asked for the roster hears of answers (RFC 6121 §3.1.6).
    assert_eq!(juliet.ask(JULIET, "roster", "<query xmlns='jabber:iq:roster'/>").kind, "result");
    juliet.send_raw(&format!("<presence type='subscribe' to='{ECHO}' id='p1'/>"));
    bots.presence("juliet's request", 0, |p| p.kind == "subscribe" && p.from == JULIET);
    juliet.presence("acceptance", 0, |p| p.kind == "subscribed" && p.from == ECHO);
    let contacts = world.server.json(&["contact", "list"]);
    assert!(contacts[0]["internal"] == ECHO && contacts[0]["authorised"] == true, "{contacts:#}");
    bots.send_raw(&format!("<presence from='{ECHO}/bot' to='{JULIET}'><status>at work</status></presence>"));
    juliet.presence("the bot's presence", 0, |p| p.kind == "available" && p.from == format!("{ECHO}/bot"));

    // The component is asked about its domain, not we.
    let info = juliet.ask(BOTS, "info", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    assert!(info.kind == "result" && !info.xml.contains("category=\"gateway\""), "{info:?}");
    assert_eq!(juliet.ask(BOTS, "ping", "<ping xmlns='urn:xmpp:ping'/>").kind, "result");
    world.server.balanced(|_| None);
}

#[test]
fn an_uninvited_sender_of_an_unverified_partner_is_refused_until_the_component_has_written() {
    let (world, _prosody, mut juliet) = world("public_unverified");
    let mut bots = connect(&world);
    juliet.send(ECHO, "m1", "Hello?");
    let refused = juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    assert_eq!(refused.condition, "forbidden", "{refused:?}");
    bots.send(ECHO, JULIET, "m2", "I am the echo");
    juliet.receive("the bot's message", 0, |m| m.id == "m2");
    juliet.send(ECHO, "m3", "Now I know");
    bots.receive("juliet's message", 0, |m| m.id == "m3");
    assert!(bots.received(0).iter().all(|m| m.id != "m1"), "nothing refused was shown");
    world.server.settled(1, 1);
}

#[test]
fn who_may_not_serve_a_domain_is_told_why_and_an_unknown_partner_is_an_error() {
    let (world, _prosody, _juliet) = world("federated");
    let refused = |domain: &str, secret: &str| Component::refused(world.server.component, domain, secret);
    assert_eq!(refused(BOTS, "what only others know"), "not-authorized");
    assert_eq!(refused("contoso.example", SECRET), "host-unknown");
    let mut bots = connect(&world);
    assert_eq!(refused(BOTS, SECRET), "conflict");

    bots.send(ECHO, "juliet@litware.example", "m1", "Hello?");
    let error = bots.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    assert_eq!((error.condition.as_str(), error.from.as_str()), ("not-allowed", "juliet@litware.example"));
    assert!(error.text.contains("litware.example is not a federation partner"), "{error:?}");

    // A new secret ends the connection; the old one is worth nothing any more.
    world.server.cli_with(&["domain", "set", BOTS, "--new-secret"], "what the bots learned today\n").succeeded();
    until("end of the component", || (!is_connected(&world)).then_some(()));
    assert_eq!(refused(BOTS, SECRET), "not-authorized");
    let _bots = Component::connect(world.server.component, BOTS, "what the bots learned today");
}

#[test]
fn two_hundred_messages_each_way_keep_their_order() {
    let (world, _prosody, mut juliet) = world("federated");
    let mut bots = connect(&world);
    for number in 0..200 {
        juliet.send(ECHO, &format!("in{number}"), &format!("in {number}"));
        bots.send(ECHO, JULIET, &format!("out{number}"), &format!("out {number}"));
    }
    bots.receive("the last one", 0, |m| m.id == "in199");
    juliet.receive("the last one", 0, |m| m.id == "out199");
    let bodies = |received: Vec<interop::slixmpp::Received>| received.into_iter().map(|m| m.body).collect::<Vec<_>>();
    assert_eq!(bodies(bots.received(0)), (0..200).map(|number| format!("in {number}")).collect::<Vec<_>>());
    assert_eq!(bodies(juliet.received(0)), (0..200).map(|number| format!("out {number}")).collect::<Vec<_>>());
    world.server.settled(200, 200);
}

/// What the component was given when it died nobody can take back; everything else is answered, and nothing twice.
#[test]
fn a_component_killed_amid_traffic_leaves_each_stanza_with_one_end_and_may_come_back() {
    let (world, _prosody, mut juliet) = world("federated");
    let mut bots = connect(&world);
    for number in 0..300 {
        juliet.send(ECHO, &format!("m{number}"), &format!("{number}"));
        if number == 150 {
            bots.receive("a message", 0, |m| m.kind == "chat");
            bots.kill();
        }
    }
    until("end of the component", || (!is_connected(&world)).then_some(()));
    let mark = juliet.mark();
    juliet.send(ECHO, "last", "Still there?");
    let error = juliet.receive("error", mark, |m| m.id == "last");
    assert_eq!((error.kind.as_str(), error.condition.as_str()), ("error", "remote-server-timeout"));

    let ledger = world.server.balanced(|_| None);
    let (delivered, answered) =
        (ledger.count("gateway.from_partners.delivered"), ledger.count("gateway.from_partners.answered"));
    assert_eq!(delivered + answered, 301, "{ledger:#?}");
    let errors = juliet.received(0).into_iter().filter(|m| m.kind == "error").map(|m| m.id).collect::<Vec<_>>();
    assert_eq!(errors.len() as u64, answered, "one error for each that was answered");
    let mut once = errors.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), errors.len(), "nothing was answered twice");

    let bots = connect(&world);
    juliet.send(ECHO, "again", "Welcome back");
    bots.receive("juliet's message", 0, |m| m.id == "again");
    assert_eq!(bots.received(0).len(), 1, "nothing of before comes late");
}

#[test]
fn a_component_that_does_not_read_holds_little_and_nobody_else_waits_for_it() {
    let (world, _prosody, mut juliet) = world("federated");
    let mut bots = connect(&world);
    let alice = world.alice(Transport::Udp, JULIET);
    juliet.send(ECHO, "m0", "Are you there?");
    bots.receive("juliet's message", 0, |m| m.id == "m0");
    bots.read(false);
    let before = world.server.resident_kib();
    let body = "x".repeat(50_000);
    let mark = juliet.mark();
    for number in 0..600 {
        juliet.send(ECHO, &format!("m{number}"), &body);
        if number % 100 == 0 {
            let text = format!("Meanwhile {number}");
            juliet.send(ALICE, &text, &text);
            alice.receive(0, JULIET, &text);
        }
    }
    let error = juliet.receive("error", mark, |m| m.kind == "error");
    assert_eq!(error.condition, "resource-constraint", "{error:?}");
    let after = world.server.resident_kib();
    assert!(
        after < before + GROWTH_KIB_MAX,
        "{before} KiB before, {after} KiB after 30 MB for a component that does not read"
    );

    bots.read(true);
    // What it was given it reads; then it is served again.
    let mark = bots.mark();
    until("an answer of the component", || {
        juliet.send(ECHO, "after", "And now?");
        bots.received(mark).iter().any(|m| m.id == "after").then_some(())
    });
    world.server.balanced(|_| None);
}
