//! `legation message test`: to a user of Prosody, to nobody there, to a baresip user of ours, and to a partner that is down.

use interop::baresip::Transport;
use interop::prosody::Demands;
use interop::slixmpp::Client;
use serde_json::{Value, json};

use crate::world::{ALICE, PARTNER, ROW_2, STRANGER, World};

const JULIET: &str = "juliet@fabrikam.example";

/// What the command told, whether it succeeded or not.
fn test(world: &World, to: &str) -> Value {
    let ran = world.server.cli(&["message", "test", to, "--output", "json"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(told["passed"] == true, ran.code == Some(0), "{ran:?}");
    told
}

fn stages(told: &Value) -> Vec<(&str, bool)> {
    let steps = told["steps"].as_array().expect("there are steps");
    steps.iter().map(|step| (step["stage"].as_str().expect("a word"), step["ok"] == true)).collect()
}

#[test]
fn a_test_message_tells_each_hop_and_the_answer() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let juliet = Client::login(&prosody, JULIET);
    let reached = test(&world, JULIET);
    assert_eq!(stages(&reached), [("written", true), ("answered", true)], "{reached:#}");
    let seen = juliet.receive("the test", 0, |m| m.body.starts_with("Test message of an administrator"));
    assert_eq!(seen.from, "postmaster@contoso.example");

    let nobody = test(&world, "nobody@fabrikam.example");
    let last = nobody["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
    assert!(
        last["ok"] == false && last["text"].as_str().is_some_and(|text| text.contains("service-unavailable")),
        "{nobody:#}"
    );

    let alice = world.alice(Transport::Tcp, JULIET);
    let listed = world.server.json(&["registration", "list", "--search", ALICE]);
    assert_eq!((&listed[0]["user"], &listed[0]["transport"]), (&json!(ALICE), &json!("TCP")), "{listed}");
    assert!(listed[0]["contact"].as_str().is_some_and(|contact| contact.contains("alice")), "{listed}");
    let mark = alice.mark();
    let delivered = test(&world, ALICE);
    assert_eq!(stages(&delivered), [("delivered", true)], "{delivered:#}");
    alice.traces(mark, &["Test message of an administrator"]);
    drop(alice);

    world.server.add_partner(STRANGER, "federated", ROW_2, Some(world.authority.root()));
    let down = test(&world, &format!("friar@{STRANGER}"));
    assert_eq!(stages(&down), [("answered", false)], "{down:#}");
    let contacts = world.server.json(&["contact", "list"]);
    assert_eq!(contacts.as_array().map(Vec::len), Some(0), "no contact is opened: {contacts:#}");
    world.server.balanced(|_| None);
}
