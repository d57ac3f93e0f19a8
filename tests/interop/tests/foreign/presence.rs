//! Presence between a SIP user on baresip and a partner's user on Prosody or ejabberd with slixmpp, which permits and asks
//! by itself.
//!
//! What each sees is taken from the foreign programs: baresip's SIP trace, and the stanzas that the partner's server delivers.

use interop::baresip::{Baresip, Transport};
use interop::ejabberd;
use interop::process::until;
use interop::prosody::Demands;
use interop::slixmpp::{Client, Received, verification};

use crate::world::{ALICE, PARTNER, ROW_2, ROW_7, World};

const JULIET: &str = "juliet@fabrikam.example";

fn is_alice(from: &str) -> bool {
    from.strip_prefix(ALICE).is_some_and(|rest| rest.starts_with('/'))
}

/// baresip subscribes, juliet permits and subscribes too; each sees the other come and change.
fn see_each_other(alice: &Baresip, juliet: &mut Client) {
    alice.traces(0, &["Subscription-State: active"]);
    alice.traces(0, &["<basic>open</basic>"]);
    let shown = juliet.presence("alice's presence", 0, |p| p.kind == "available" && is_alice(&p.from));
    is_as_its_hash_says(juliet, &shown);
    let mark = alice.mark();
    juliet.send_raw("<presence><show>dnd</show><status>Not now</status></presence>");
    alice.traces(mark, &["<rpid:busy/>"]);
}

/// What alice's presence says that her endpoint can do (XEP-0115) is what she answers, by slixmpp's own hash.
fn is_as_its_hash_says(juliet: &mut Client, shown: &Received) {
    let of = |name: &str| {
        let caps = shown.xml.split("<c ").nth(1).unwrap_or_else(|| panic!("capabilities in {}", shown.xml));
        let value = caps.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("{name} in {caps}")).to_owned()
    };
    let node = format!("{}#{}", of("node"), of("ver"));
    let query = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
    let answer = juliet.ask(&shown.from, "caps", &query);
    assert_eq!(verification(&answer.xml), of("ver"), "{}", answer.xml);
}

/// juliet also sees alice go, and after the server was killed nobody is asked again.
#[test]
fn a_sip_user_and_a_partners_user_see_each_other_also_after_a_kill() {
    let mut world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut juliet = Client::login(&prosody, JULIET);
    let alice = world.watching_alice(Transport::Tcp, JULIET);
    see_each_other(&alice, &mut juliet);

    let mark = juliet.mark();
    drop(alice);
    juliet.presence("alice's end", mark, |p| p.kind == "unavailable" && is_alice(&p.from));

    world.server.kill();
    world.server.restart();
    let mark = juliet.mark();
    let alice = world.watching_alice(Transport::Tcp, JULIET);
    juliet.presence("alice again", mark, |p| p.kind == "available" && is_alice(&p.from));
    alice.traces(0, &["<rpid:busy/>"]);
    let contacts = world.server.json(&["contact", "list"]);
    assert!(contacts.to_string().contains(JULIET), "{contacts:#}");
    world.server.balanced(|_| None);
}

/// The other server, by the other transport; and juliet's end.
#[test]
fn a_sip_user_and_a_user_of_ejabberd_see_each_other() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_7, Some(world.authority.root()));
    let ejabberd = world.ejabberd(ejabberd::Demands::Encryption);
    let mut juliet = Client::login(&ejabberd, JULIET);
    let alice = world.watching_alice(Transport::Udp, JULIET);
    see_each_other(&alice, &mut juliet);
    let mark = alice.mark();
    juliet.send_raw("<presence type='unavailable'/>");
    alice.traces(mark, &["<basic>closed</basic>"]);
    world.server.balanced(|_| None);
}

/// A stranger of an unverified partner waits for the user's answer; a block ends what is seen, and its end shows it again.
#[test]
fn an_uninvited_watcher_sees_nothing_until_accepted_and_while_blocked() {
    let world = World::start();
    world.server.add_partner(PARTNER, "public_unverified", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut juliet = Client::login(&prosody, JULIET);
    let _alice = world.alice(Transport::Tcp, "nurse@fabrikam.example");
    juliet.send_raw(&format!("<presence type='subscribe' to='{ALICE}'/>"));
    until("the invitation", || {
        let ran = world.server.cli(&["contact", "accept", ALICE, JULIET]);
        (ran.code == Some(0)).then_some(())
    });
    juliet.presence("alice's presence", 0, |p| p.kind == "available" && is_alice(&p.from));
    for (verb, kind) in [("block", "unavailable"), ("unblock", "available")] {
        let mark = juliet.mark();
        world.server.cli(&["contact", verb, ALICE, JULIET]).succeeded();
        juliet.presence(verb, mark, |p| p.kind == kind && is_alice(&p.from));
    }
    let ledger = world.server.balanced(|_| None);
    assert_eq!(ledger.count("gateway.from_partners.dropped.invitation_kept"), 1, "{ledger:?}");
}

/// The user's access is taken and given back; what they had opened is still there.
#[test]
fn a_user_without_access_goes_for_the_partner_and_comes_back() {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_2, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Certificate);
    let mut juliet = Client::login(&prosody, JULIET);
    let alice = world.watching_alice(Transport::Tcp, JULIET);
    see_each_other(&alice, &mut juliet);
    let set = |xmpp: &str| world.server.cli(&["policy", "set", "global", "--xmpp", xmpp]).succeeded();
    let (hers, ours) = (juliet.mark(), alice.mark());
    set("false");
    juliet.presence("alice's end", hers, |p| p.kind == "unavailable" && is_alice(&p.from));
    alice.traces(ours, &["Subscription-State: terminated;reason=rejected"]);
    let mark = juliet.mark();
    set("true");
    juliet.presence("alice again", mark, |p| p.kind == "available" && is_alice(&p.from));
    world.server.balanced(|_| None);
}
