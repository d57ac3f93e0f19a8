//! What our own domain answers, asked by a client of a partner.

use interop::legation::CONTACT;
use interop::prosody::Demands;
use interop::slixmpp::Client;

use crate::world::{OURS, PARTNER, ROW_2, World};

#[test]
fn our_domain_answers_ping_discovery_version_and_whom_to_write_to() {
    let world = World::start();
    world.server.add_partner(PARTNER, "public_unverified", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut juliet = Client::login(&prosody, "juliet@fabrikam.example");

    assert_eq!(juliet.ask(OURS, "ping", "<ping xmlns='urn:xmpp:ping'/>").kind, "result");

    let info = juliet.ask(OURS, "info", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    assert_eq!(info.kind, "result", "{info:?}");
    // XEP-0157 §2: a form of its own type, with the addresses in a field of this name.
    for part in
        ["category=\"gateway\"", "urn:xmpp:ping", "http://jabber.org/network/serverinfo", "admin-addresses", CONTACT]
    {
        assert!(info.xml.contains(part), "{part}: {}", info.xml);
    }

    let items = juliet.ask(OURS, "items", "<query xmlns='http://jabber.org/protocol/disco#items'/>");
    assert!(items.kind == "result" && items.xml.contains("disco#items"), "{items:?}");
    let version = juliet.ask(OURS, "version", "<query xmlns='jabber:iq:version'/>");
    assert!(version.xml.contains("<name>Legation</name>"), "{version:?}");
    let unknown = juliet.ask(OURS, "unknown", "<query xmlns='urn:example:nothing'/>");
    assert_eq!((unknown.kind.as_str(), unknown.condition.as_str()), ("error", "service-unavailable"));
}
