//! What survives `kill -9`.

use interop::baresip::Transport;
use interop::prosody::Demands;
use interop::slixmpp::Client;
use serde_json::Value;

use crate::world::{PARTNER, ROW_2, World};

/// A list without what a partner is doing now, which nobody has set.
fn set_by_people(mut list: Value) -> Value {
    for item in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        for live in ["state", "last_success", "last_failure"] {
            item.remove(live);
        }
    }
    list
}

#[test]
fn kill_9_and_restart_keep_partners_users_and_contacts_and_traffic_resumes() {
    let mut world = World::start();
    world.server.add_partner(PARTNER, "public_unverified", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut juliet = Client::login(&prosody, "juliet@fabrikam.example");
    {
        let mut alice = world.alice(Transport::Udp, "juliet@fabrikam.example");
        alice.send("Before");
        juliet.receive("alice's message", 0, |m| m.body == "Before");
    }
    let lists = [["partner", "list"], ["user", "list"], ["contact", "list"], ["domain", "list"], ["audit", "list"]];
    let before = lists.map(|list| set_by_people(world.server.json(&list)));
    assert!(before.iter().all(|list| list.as_array().is_some_and(|items| !items.is_empty())), "{before:#?}");

    world.server.kill();
    world.server.restart();

    assert_eq!(lists.map(|list| set_by_people(world.server.json(&list))), before);
    let mut alice = world.alice(Transport::Tcp, "juliet@fabrikam.example");
    // The contact that alice's message made is still there: an uninvited sender would be refused.
    juliet.send("alice@contoso.example", "m2", "You wrote before");
    alice.receive(0, "juliet@fabrikam.example", "You wrote before");
    alice.send("After");
    juliet.receive("alice's message", 0, |m| m.body == "After");
    world.server.wait_for_methods(PARTNER, &[("inbound", "sasl_over_tls"), ("outbound", "sasl_over_tls")]);
    world.server.settled(1, 1);
}

/// baresip repeats what nobody has answered (RFC 3261 §17.1.2.2); what was answered 202 has reached Prosody. So every text
/// arrives, some perhaps twice.
#[test]
fn a_kill_amid_messages_loses_none_of_them() {
    let mut world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let juliet = Client::login(&prosody, "juliet@fabrikam.example");
    let mut alice = world.alice(Transport::Udp, "juliet@fabrikam.example");
    let texts: Vec<_> = (0..20).map(|number| format!("Text number {number}")).collect();
    for text in &texts {
        alice.send(text);
    }
    assert_eq!(alice.answer(0).0, 202);
    world.server.kill();
    world.server.restart();
    for text in &texts {
        juliet.receive(text, 0, |m| m.body == *text);
    }
}
