//! What is refused for lack of a partner or of security, as the other side sees it.

use interop::baresip::{Baresip, Transport};
use interop::ca::Authority;
use interop::ejabberd;
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
    world.explained(STRANGER, "inbound", "not_a_partner", "Add litware.example as a partner");
    world.server.settled(0, 0);
}

const JULIET: &str = "juliet@fabrikam.example";

/// alice writes and gets this status, with a warning that says `why`.
pub(crate) fn answered(alice: &mut Baresip, status: u16, why: &str) {
    let mark = alice.mark();
    alice.send("Hello?");
    let (code, lines) = alice.answer(mark);
    assert_eq!(code, status, "{lines:#?}");
    let warning = lines.iter().find(|line| line.starts_with("Warning: 399 ")).expect("a refusal says why");
    assert!(warning.contains(why), "{warning}");
}

/// alice writes and is refused with 403 and a warning that says `why`.
pub(crate) fn refused(alice: &mut Baresip, why: &str) {
    answered(alice, 403, why);
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
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&prosody, JULIET);
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    refused(&mut alice, "No acceptable security with fabrikam.example: its certificate");
    juliet.send("alice@contoso.example", "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");

    world.server.set_negotiation(PARTNER, ROW_17);
    refused(&mut alice, "No acceptable security with fabrikam.example: it requires TLS");
    world.explained(PARTNER, "outbound", "tls_excluded", "Set TLS of fabrikam.example to optional or required");
    juliet.send("alice@contoso.example", "m2", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m2");
    world.explained(PARTNER, "inbound", "starttls_failed", "set TLS of fabrikam.example to optional or required");
    let told = "closed: TLS negotiation failed";
    prosody.process.wait_for(0, &["Outgoing s2s stream fabrikam.example->contoso.example", told]);

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
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&prosody, JULIET);
    world.server.add_partner(PARTNER, "federated", ROW_13, None);
    refused(&mut alice, "No acceptable security with fabrikam.example: it does not offer STARTTLS");
    juliet.send("alice@contoso.example", "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    world.explained(PARTNER, "outbound", "starttls_absent", "to enable TLS between servers");
    world.explained(PARTNER, "inbound", "tls_required", "to enable TLS between servers");
    let log = &prosody.process;
    log.wait_for(
        0,
        &["Incoming s2s stream contoso.example->fabrikam.example closed: policy-violation (TLS is required)"],
    );
    log.wait_for(
        0,
        &["Outgoing s2s stream fabrikam.example->contoso.example closed: policy-violation (TLS is required)"],
    );
    world.server.settled(0, 0);
}

/// Prosody does not trust our authority: it offers dialback only.
#[test]
fn a_partner_that_does_not_trust_our_certificate_is_refused_where_the_row_demands_external() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let other = Authority::new(&world.subfolder("other"));
    let (identity, port) = (world.authority.issue(PARTNER), world.server_of(PARTNER).port());
    let prosody = world.prosody_at(port, (PARTNER, Demands::Encryption), &identity, &other);
    let mut alice = world.alice(Transport::Udp, JULIET);
    refused(&mut alice, "No acceptable security with fabrikam.example: it does not offer SASL EXTERNAL");
    world.explained(PARTNER, "outbound", "external_absent", "trusts the authority of our certificate");
    prosody.process.wait_for(0, &["Incoming s2s stream contoso.example->fabrikam.example closed: policy-violation"]);
    assert!(!prosody.process.has(0, &["Accepting SASL EXTERNAL identity"]));
    world.server.settled(0, 0);
}

#[test]
fn a_disabled_partner_is_refused_and_explained() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    world.server.cli(&["partner", "disable", PARTNER]).succeeded();
    let ejabberd = world.ejabberd(ejabberd::Demands::Encryption);
    let mut juliet = Client::login(&ejabberd, JULIET);
    juliet.send("alice@contoso.example", "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    world.explained(PARTNER, "inbound", "partner_disabled", "Enable the partner fabrikam.example");
    let told = "Stream closed by peer: federation with fabrikam.example is switched off (policy-violation)";
    ejabberd.wait_for_end(&["Failed to establish outbound s2s", "fabrikam.example -> contoso.example"], told);
    world.server.settled(0, 0);
}

/// ejabberd has a list of those whom it serves, and we are not on it.
#[test]
fn a_partner_that_does_not_serve_us_is_told_as_such() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_13, None);
    let identity = world.authority.issue(PARTNER);
    let ejabberd = world.ejabberd_showing(ejabberd::Demands::Encryption, &identity, "s2s_access: none");
    let mut alice = world.alice(Transport::Udp, JULIET);
    answered(&mut alice, 480, PARTNER);
    let report = world.explained(PARTNER, "outbound", "dialback_refused", "may have to allow contoso.example");
    assert!(report["story"]["detail"].as_str().is_some_and(|told| told.contains("forbidden")), "{report:#}");
    let attempt = "Failed inbound s2s dialback authentication contoso.example -> fabrikam.example";
    ejabberd.process.wait_for(0, &[attempt, "Access denied by service policy"]);
    world.server.settled(0, 0);
}

/// Row 13 excludes SASL, and Prosody has nothing else.
#[test]
fn a_partner_that_has_only_what_the_row_excludes_is_refused_and_explained() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_13, None);
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut alice = world.alice(Transport::Udp, JULIET);
    refused(&mut alice, "it offers no authentication that its partner settings permit");
    let remedy = "Set SASL of fabrikam.example to optional or required with TLS";
    world.explained(PARTNER, "outbound", "dialback_absent", remedy);
    let mut juliet = Client::login(&prosody, JULIET);
    juliet.send("alice@contoso.example", "m1", "Hello?");
    juliet.receive("error", 0, |m| m.kind == "error" && m.id == "m1");
    world.explained(PARTNER, "inbound", "partner_error", "Read the error in the report");
    let told = "closed: No viable authentication method offered";
    prosody.process.wait_for(0, &["Outgoing s2s stream fabrikam.example->contoso.example", told]);
    world.server.settled(0, 0);
}
