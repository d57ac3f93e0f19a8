//! Dialback that does not succeed, because DNS leads the verifying server to a place where nobody is, nobody speaks, or
//! somebody else is.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use interop::baresip::Transport;
use interop::ca::Authority;
use interop::ejabberd::{Demands, Ejabberd};
use interop::prosody;
use interop::slixmpp::Client;

use crate::refusals::answered;
use crate::world::{ALICE, OURS, PARTNER, ROW_13, World, starttls_at};

const JULIET: &str = "juliet@fabrikam.example";

/// Where DNS leads those who ask after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Empty,
    Silent,
    SomebodyElse,
}

/// A world where the server of `domain` is not where DNS says, and ejabberd as the partner's server.
fn world(domain: &'static str, place: Place) -> (World, Ejabberd, Option<prosody::Prosody>) {
    let mut at = None;
    let world = World::start_changed(|plan| {
        let port = plan.loopback.port();
        at = Some(SocketAddr::new(plan.loopback.ip(), port));
        plan.records.insert(domain, starttls_at(port));
    });
    let at = at.expect("the plan was changed");
    world.server.cli(&["settings", "set", "stream_establishment_timeout=5"]).succeeded();
    world.server.add_partner(PARTNER, "federated", ROW_13, None);
    let other = match place {
        Place::Empty => None,
        Place::Silent => {
            hold(at);
            None
        }
        Place::SomebodyElse => {
            let identity = Authority::new(&world.subfolder("elsewhere")).issue(domain);
            Some(world.prosody_at(at.port(), (domain, prosody::Demands::Encryption), &identity, &world.authority))
        }
    };
    let ejabberd = world.ejabberd(Demands::Encryption);
    (world, ejabberd, other)
}

/// Accepts connections and says nothing.
fn hold(address: SocketAddr) {
    let listener = TcpListener::bind(address).expect("the port was free");
    // Ends with the test's process; it holds nothing but its port and what was accepted.
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
}

/// alice writes and is answered `status`; ejabberd cannot verify our key, and its log says `told`.
fn our_key(place: Place, status: u16, code: &str, remedy: &str, told: &str) {
    let (world, ejabberd, _other) = world(OURS, place);
    let mut alice = world.alice(Transport::Udp, JULIET);
    answered(&mut alice, status, PARTNER);
    world.explained(PARTNER, "outbound", code, remedy);
    ejabberd.wait_for_end(&["inbound s2s", "contoso.example -> fabrikam.example"], told);
    world.server.settled(0, 0);
}

#[test]
fn a_key_of_ours_that_cannot_be_verified_for_want_of_a_server_is_explained() {
    let remedy = "_xmpp-server records of contoso.example lead to this server";
    our_key(Place::Empty, 480, "dialback_refused", remedy, "Connection failed: connection refused");
}

#[test]
fn a_key_of_ours_that_is_not_verified_in_time_is_explained() {
    let remedy = "fabrikam.example can connect to the server that the _xmpp-server records";
    our_key(Place::Silent, 480, "dialback_timeout", remedy, "Stream closed by peer: connection-timeout");
}

#[test]
fn a_key_of_ours_that_another_server_calls_invalid_is_explained() {
    let remedy = "_xmpp-server records of contoso.example lead to this server only";
    // What waits for such a key ends with internal-server-error (XEP-0220 §2.1.1).
    our_key(Place::SomebodyElse, 500, "dialback_invalid", remedy, "Verification failed: invalid dialback key");
}

/// juliet writes; we cannot verify ejabberd's key, and its log says `told`.
fn their_key(place: Place, code: &str, remedy: &str, told: &str) {
    let (world, ejabberd, _other) = world(PARTNER, place);
    let mut juliet = Client::login(&ejabberd, JULIET);
    juliet.send(ALICE, "m1", "Hello?");
    let error = juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    assert_eq!(error.condition, "remote-server-timeout", "{error:?}");
    world.explained(PARTNER, "inbound", code, remedy);
    ejabberd.wait_for_end(&["outbound s2s", "fabrikam.example -> contoso.example"], told);
    world.server.settled(0, 0);
}

#[test]
fn a_partners_key_that_nobody_can_be_asked_about_is_explained() {
    let remedy = "legation probe fabrikam.example shows why";
    their_key(Place::Empty, "dialback_refused", remedy, "Peer responded with error");
}

#[test]
fn a_partners_key_about_which_nobody_answers_is_explained() {
    let remedy = "legation probe fabrikam.example shows the step";
    their_key(Place::Silent, "dialback_timeout", remedy, "Stream closed by peer: connection-timeout");
}

#[test]
fn a_partners_key_that_another_server_calls_invalid_is_explained() {
    let remedy = "the same dialback secret";
    their_key(Place::SomebodyElse, "dialback_invalid", remedy, "Peer responded with error: invalid dialback key");
}
