//! What is refused for lack of a partner or of security, as the other side sees it.

use interop::baresip::{Baresip, Transport};
use interop::ca::Authority;
use interop::prosody::Demands;
use interop::slixmpp::Client;

use crate::world::{PARTNER, ROW_2, ROW_13, ROW_17, STRANGER, World};

#[test]
fn a_domain_that_is_no_partner_is_refused_with_policy_violation() {
    let world = World::start();
    let prosody = world.prosody(STRANGER, Demands::Encryption);
    let mut stranger = Client::login(&prosody, "juliet@litware.example");
    stranger.send("alice@contoso.example", "m1", "Hello?");
    prosody.process.wait_for(0, &["Session closed by remote with error: policy-violation"]);
    let error = stranger.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    assert!(["remote-server-not-found", "remote-server-timeout"].contains(&error.condition.as_str()), "{error:?}");
    world.server.settled(0, 0);
}

/// alice writes and is refused with 403 and a warning that says `reason`.
fn refused(alice: &mut Baresip, reason: &str) {
    let mark = alice.mark();
    alice.send("Hello?");
    let (code, lines) = alice.answer(mark);
    assert_eq!(code, 403, "{lines:#?}");
    let warning = lines.iter().find(|line| line.starts_with("Warning: 399 ")).expect("a refusal says why");
    assert!(warning.contains(reason), "{warning}");
}

#[test]
fn writing_to_a_domain_that_is_no_partner_or_a_disabled_one_gets_403_with_the_reason() {
    let world = World::start();
    let mut alice = world.alice(Transport::Udp, "juliet@litware.example");
    refused(&mut alice, "litware.example is not a federation partner");
    world.server.add_partner(STRANGER, "federated", ROW_2, None);
    world.server.cli(&["partner", "disable", STRANGER]).succeeded();
    refused(&mut alice, "litware.example is disabled");
    let ledger = world.server.settled(0, 0);
    assert_eq!(ledger.count("gateway.from_users.answered"), 2);
}

/// Rows that a server cannot satisfy: the internal user reads what is missing, the partner's user gets an error.
#[test]
fn a_partner_whose_certificate_is_not_trusted_is_refused_where_the_row_demands_it() {
    let world = World::start();
    let other = Authority::new(&world.subfolder("other"));
    let prosody = world.prosody_signed_by(PARTNER, Demands::Encryption, &other);
    let mut alice = world.alice(Transport::Udp, "juliet@fabrikam.example");
    let mut juliet = Client::login(&prosody, "juliet@fabrikam.example");
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    refused(&mut alice, "No acceptable security with fabrikam.example: its certificate");
    juliet.send("alice@contoso.example", "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");

    world.server.set_negotiation(PARTNER, ROW_17);
    refused(&mut alice, "No acceptable security with fabrikam.example: it requires TLS");

    // The row that fits, at last: nothing of the failures before stays in the way.
    world.server.set_negotiation(PARTNER, ROW_13);
    alice.send("At last");
    juliet.receive("alice's message", 0, |m| m.body == "At last");
    assert!(!alice.has_received(0, "Hello?"));
    world.server.settled(0, 1);
}

#[test]
fn a_partner_without_tls_is_refused_where_the_row_demands_it() {
    let world = World::start();
    let prosody = world.prosody(PARTNER, Demands::Nothing);
    let mut alice = world.alice(Transport::Udp, "juliet@fabrikam.example");
    let mut juliet = Client::login(&prosody, "juliet@fabrikam.example");
    world.server.add_partner(PARTNER, "federated", ROW_13, None);
    refused(&mut alice, "No acceptable security with fabrikam.example: it does not offer STARTTLS");
    juliet.send("alice@contoso.example", "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    world.server.settled(0, 0);
}
