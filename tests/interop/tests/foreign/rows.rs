//! Negotiation rows against Prosody, a message in each direction. The method is witnessed by Prosody's log and by our status.

use interop::baresip::Transport;
use interop::ca::Authority;
use interop::prosody::{Demands, Prosody};
use interop::slixmpp::Client;

use crate::world::{PARTNER, ROW_2, ROW_7, ROW_13, ROW_17, World};

/// How a pair was authorised, as Prosody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witnessed {
    SaslOverTls,
    TlsDialback,
    TcpDialback,
}

impl Witnessed {
    /// The name in our status.
    fn name(self) -> &'static str {
        match self {
            Self::SaslOverTls => "sasl_over_tls",
            Self::TlsDialback => "tls_dialback",
            Self::TcpDialback => "tcp_dialback",
        }
    }

    /// Looks into Prosody's log for what must and must not have happened, in both directions.
    fn check(self, prosody: &Prosody) {
        let log = &prosody.process;
        log.wait_for(0, &["Incoming s2s connection contoso.example->fabrikam.example complete"]);
        log.wait_for(0, &["Outgoing s2s connection fabrikam.example->contoso.example complete"]);
        assert_eq!(log.has(0, &["Stream encrypted"]), self != Self::TcpDialback, "{self:?}: encryption");
        let sasl = self == Self::SaslOverTls;
        assert_eq!(log.has(0, &["Accepting SASL EXTERNAL identity from contoso.example"]), sasl, "{self:?}: inbound");
        assert_eq!(log.has(0, &["SASL EXTERNAL with contoso.example succeeded"]), sasl, "{self:?}: outbound");
        assert_eq!(log.has(0, &["sent dialback key on outgoing s2s stream"]), !sasl, "{self:?}: outbound");
        assert_eq!(log.has(0, &["asking contoso.example if key"]), !sasl, "{self:?}: inbound");
    }
}

/// juliet writes to alice, alice answers.
fn converse(world: &World, prosody: &Prosody, transport: Transport) {
    let mut alice = world.alice(transport, "juliet@fabrikam.example");
    let mut juliet = Client::login(prosody, "juliet@fabrikam.example");
    juliet.send("alice@contoso.example", "m1", "Wherefore art thou, \u{1d504}lice?");
    alice.receive(0, "juliet@fabrikam.example", "Wherefore art thou, \u{1d504}lice?");
    let mark = alice.mark();
    alice.send("Down the rabbit hole, ça va?");
    let message = juliet.receive("alice's answer", 0, |m| m.body == "Down the rabbit hole, ça va?");
    assert_eq!((message.kind.as_str(), message.from.as_str()), ("chat", "alice@contoso.example"));
    assert_eq!(alice.answer(mark).0, 202);
}

fn row(negotiation: [&str; 3], demands: Demands, expected: Witnessed) {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", negotiation, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, demands);
    converse(&world, &prosody, Transport::Udp);
    expected.check(&prosody);
    world.server.wait_for_methods(PARTNER, &[("inbound", expected.name()), ("outbound", expected.name())]);
    world.server.settled(1, 1);
}

#[test]
fn row_2_exchanges_messages_over_external_and_needs_no_dialback() {
    row(ROW_2, Demands::Certificate, Witnessed::SaslOverTls);
}

#[test]
fn row_7_prefers_external_where_both_certificates_are_good() {
    row(ROW_7, Demands::Encryption, Witnessed::SaslOverTls);
}

#[test]
fn row_7_falls_back_to_tls_dialback_when_the_partners_certificate_is_not_trusted() {
    let world = World::start();
    let other = Authority::new(&world.subfolder("other"));
    world.server.add_partner(PARTNER, "federated", ROW_7, Some(world.authority.root()));
    let prosody = world.prosody_signed_by(PARTNER, Demands::Encryption, &other);
    converse(&world, &prosody, Transport::Tcp);
    prosody.process.wait_for(0, &["Outgoing s2s connection fabrikam.example->contoso.example complete"]);
    assert!(prosody.process.has(0, &["Stream encrypted"]));
    assert!(prosody.process.has(0, &["sent dialback key on outgoing s2s stream"]));
    assert!(!prosody.process.has(0, &["SASL EXTERNAL with contoso.example succeeded"]));
    world.server.wait_for_methods(PARTNER, &[("inbound", "tls_dialback"), ("outbound", "tls_dialback")]);
    world.server.settled(1, 1);
}

#[test]
fn row_13_uses_dialback_under_tls_and_never_external() {
    row(ROW_13, Demands::Encryption, Witnessed::TlsDialback);
}

#[test]
fn row_17_uses_dialback_without_tls_although_prosody_offers_it() {
    row(ROW_17, Demands::Nothing, Witnessed::TcpDialback);
}
