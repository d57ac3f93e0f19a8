//! Negotiation rows against ejabberd, a message in each direction. The method is witnessed by ejabberd's log and by our status.

use interop::baresip::Transport;
use interop::ejabberd::{Demands, Ejabberd};
use interop::slixmpp::Client;

use crate::refusals::answered;
use crate::world::{ALICE, OURS, PARTNER, ROW_2, ROW_7, ROW_13, ROW_17, World};

const JULIET: &str = "juliet@fabrikam.example";

/// Whether ejabberd's log says that a stream in this direction was authorised in this way, over TLS or not.
fn accepted(ejabberd: &Ejabberd, direction: &str, proof: &str, transport: &str) -> bool {
    let pair = match direction {
        "inbound" => "contoso.example -> fabrikam.example",
        _ => "fabrikam.example -> contoso.example",
    };
    let told = format!("Accepted {direction} s2s {proof} authentication {pair}");
    ejabberd.process.has(0, &[&format!("({transport}|"), &told])
}

/// juliet writes to alice, alice answers.
fn converse(world: &World, ejabberd: &Ejabberd) {
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(ejabberd, JULIET);
    juliet.send(ALICE, "m1", "Wherefore art thou, \u{1d504}lice?");
    alice.receive(0, JULIET, "Wherefore art thou, \u{1d504}lice?");
    let mark = alice.mark();
    alice.send("Down the rabbit hole, ça va?");
    let message = juliet.receive("alice's answer", 0, |m| m.body == "Down the rabbit hole, ça va?");
    assert_eq!((message.kind.as_str(), message.from.as_str()), ("chat", ALICE));
    assert_eq!(alice.answer(mark).0, 202);
}

/// Both directions are authorised by one method, and in no other way.
fn row(negotiation: [&str; 3], demands: Demands, method: &str) {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", negotiation, Some(world.authority.root()));
    let ejabberd = world.ejabberd(demands);
    converse(&world, &ejabberd);
    for direction in ["inbound", "outbound"] {
        for (proof, transport, named) in [
            ("EXTERNAL", "tls", "sasl_over_tls"),
            ("dialback", "tls", "tls_dialback"),
            ("dialback", "tcp", "tcp_dialback"),
        ] {
            let seen = accepted(&ejabberd, direction, proof, transport);
            assert_eq!(seen, named == method, "{direction}: {proof} over {transport}");
        }
    }
    world.server.wait_for_methods(PARTNER, &[("inbound", method), ("outbound", method)]);
    world.server.settled(1, 1);
}

#[test]
fn row_2_exchanges_messages_over_external_and_needs_no_dialback() {
    row(ROW_2, Demands::Certificate, "sasl_over_tls");
}

#[test]
fn row_7_prefers_external_where_both_certificates_are_good() {
    row(ROW_7, Demands::Encryption, "sasl_over_tls");
}

#[test]
fn row_13_uses_dialback_under_tls_although_ejabberd_offers_external() {
    row(ROW_13, Demands::Encryption, "tls_dialback");
}

#[test]
fn row_17_uses_dialback_without_tls() {
    row(ROW_17, Demands::Nothing, "tcp_dialback");
}

/// ejabberd before 25.08 judges a client's certificate by the purpose clientAuth, which public authorities no longer give.
#[test]
fn a_certificate_for_servers_only_is_not_enough_for_ejabberd_and_dialback_helps_where_the_row_permits_it() {
    let world = World::start_changed(|plan| plan.certificate = |authority| authority.issue_for_servers(OURS));
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let ejabberd = world.ejabberd(Demands::Encryption);
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&ejabberd, JULIET);

    answered(&mut alice, 480, "The server of fabrikam.example did not accept the certificate of contoso.example");
    world.explained(PARTNER, "outbound", "our_certificate_refused", "for servers only (ejabberd before 25.08)");
    let attempt = "Failed inbound s2s EXTERNAL authentication contoso.example -> fabrikam.example";
    ejabberd.process.wait_for(0, &[attempt, "unsupported certificate purpose"]);
    assert!(!accepted(&ejabberd, "inbound", "EXTERNAL", "tls"));
    // As the server of a connection our certificate is what it should be.
    juliet.send(ALICE, "m1", "Wherefore art thou?");
    alice.receive(0, JULIET, "Wherefore art thou?");
    assert!(accepted(&ejabberd, "outbound", "EXTERNAL", "tls"));
    world.server.wait_for_methods(PARTNER, &[("inbound", "sasl_over_tls")]);
    world.server.report(PARTNER, "inbound", "ok");
    assert_eq!(world.server.json(&["partner", "show", PARTNER])["state"], "degraded");

    world.server.set_negotiation(PARTNER, ROW_7);
    alice.send("Down the rabbit hole");
    juliet.receive("alice's answer", 0, |m| m.body == "Down the rabbit hole");
    assert!(accepted(&ejabberd, "inbound", "dialback", "tls"));
    world.server.wait_for_methods(PARTNER, &[("inbound", "sasl_over_tls"), ("outbound", "tls_dialback")]);
    world.server.settled(1, 1);
}
