//! Partner types and contacts, as foreign clients see them.

use interop::baresip::Transport;
use interop::prosody::Demands;
use interop::slixmpp::{Client, Received};

use crate::world::{ALICE, PARTNER, ROW_2, ROW_7, World};

const JULIET: &str = "juliet@fabrikam.example";

/// Sends and gives the error that comes back.
fn error(client: &mut Client, to: &str, id: &str) -> Received {
    let mark = client.mark();
    client.send(to, id, &format!("Text of {id}"));
    client.receive(&format!("error for {id}"), mark, |m| m.kind == "error" && m.id == id)
}

#[test]
fn an_uninvited_sender_of_an_unverified_partner_is_refused_until_the_user_has_written() {
    let world = World::start();
    world.server.add_partner(PARTNER, "public_unverified", ROW_7, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&prosody, JULIET);
    let mut nurse = Client::login(&prosody, "nurse@fabrikam.example");

    let refused = error(&mut juliet, ALICE, "m1");
    assert_eq!((refused.condition.as_str(), refused.from.as_str()), ("forbidden", ALICE));
    assert!(refused.text.contains("must add you"), "{refused:?}");
    let nobody = error(&mut juliet, "nobody@contoso.example", "m2");
    assert_eq!((nobody.condition, nobody.text), (refused.condition, refused.text), "existence must not show");

    alice.send("I am Alice");
    juliet.receive("alice's message", 0, |m| m.body == "I am Alice");
    juliet.send(ALICE, "m3", "Now I do");
    alice.receive(0, JULIET, "Now I do");

    assert_eq!(error(&mut nurse, ALICE, "m4").condition, "forbidden", "written opens for one partner user only");
    let ledger = world.server.settled(1, 1);
    assert_eq!(ledger.count("gateway.from_partners.answered"), 3);
    let refusals = world.server.json(&["partner", "refusals", PARTNER]);
    assert_eq!(refusals["from_partner"], serde_json::json!({ "recipient_must_add": 3 }), "{refusals}");
    assert_eq!(refusals["to_partner"], serde_json::json!({}), "{refusals}");
    assert!(!alice.has_received(0, "Text of"), "nothing refused was shown");
}

#[test]
fn a_blocked_sender_is_answered_like_one_who_writes_to_nobody() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let alice = world.alice(Transport::Udp, JULIET);
    let mut juliet = Client::login(&prosody, JULIET);
    juliet.send(ALICE, "m1", "Before");
    alice.receive(0, JULIET, "Before");

    world.server.cli(&["contact", "block", ALICE, JULIET]).succeeded();
    let refused = error(&mut juliet, ALICE, "m2");
    assert_eq!(refused.condition, "service-unavailable");
    let nobody = error(&mut juliet, "nobody@contoso.example", "m3");
    assert_eq!((nobody.condition, nobody.text), (refused.condition, refused.text), "a block must not show");

    world.server.cli(&["contact", "unblock", ALICE, JULIET]).succeeded();
    juliet.send(ALICE, "m4", "After");
    alice.receive(0, JULIET, "After");
    world.server.settled(2, 0);
    assert!(!alice.has_received(0, "Text of"), "nothing refused was shown");
}
