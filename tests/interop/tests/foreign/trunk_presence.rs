//! A partner's user on Prosody watches a user of a deployment: Kamailio's presence server behind a trunk, to which SIPp
//! publishes as the user's endpoint.
//!
//! Kamailio grants eight seconds at most, so that every test sees subscriptions refreshed.

use interop::kamailio::{Kamailio, Transport, Watchers};
use interop::prosody::{Demands, Prosody};
use interop::sipp::{Scenario, Setup, Sipp};
use interop::slixmpp::Client;

use crate::world::{CORP, PARTNER, ROW_13, World};

const JULIET: &str = "juliet@fabrikam.example";
const CAROL: &str = "carol@corp.example";

struct Stage {
    world: World,
    kamailio: Kamailio,
    transport: Transport,
    juliet: Client,
    _prosody: Prosody,
}

fn stage(transport: Transport, watchers: Watchers) -> Stage {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_13, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Encryption);
    let mut juliet = Client::login(&prosody, JULIET);
    // Who has asked for the roster is told of its changes (RFC 6121 §2.1.6).
    juliet.ask(JULIET, "roster", "<query xmlns='jabber:iq:roster'/>");
    let kamailio = world.presence_server(transport, watchers);
    let target = kamailio.address(transport).to_string();
    let fields = ["--transport", transport.as_str(), "--target", &target, "--source", "127.0.0.0/8"];
    world.server.add_trunk("corp", CORP, &fields);
    world.server.wait_for_targets("corp", &["up"]);
    Stage { world, kamailio, transport, juliet, _prosody: prosody }
}

impl Stage {
    /// carol's endpoint: busy, away, gone, with six seconds between.
    fn publish(&self) -> Sipp {
        let folder = self.world.subfolder("sipp");
        let (local, transport) = (self.world.free_address(), self.transport);
        let gateway = self.kamailio.address(transport);
        Sipp::start(&Setup { folder: &folder, scenario: Scenario::Publishes, local, gateway, transport, to: CAROL })
    }

    fn ask(&mut self) {
        self.juliet.send_raw(&format!("<presence type='subscribe' to='{CAROL}'/>"));
    }

    #[track_caller]
    fn sees(&mut self, mark: usize, kinds: &[&str]) {
        for kind in kinds {
            self.juliet.presence(kind, mark, |p| p.kind == *kind && p.from.starts_with(CAROL));
        }
    }
}

#[test]
fn what_a_deployments_user_publishes_is_seen_also_after_a_kill() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut stage = stage(transport, Watchers::All);
        stage.ask();
        stage.juliet.listed(CAROL, "to", 0);
        stage.kamailio.process.wait_for(0, &["SUBSCRIBE of juliet"]);
        let mark = stage.juliet.mark();
        let mut sipp = stage.publish();
        stage.sees(mark, &["dnd", "away", "unavailable"]);
        assert_eq!(sipp.verdict(), Ok(()));

        // Nobody is asked again: the permission is stored.
        stage.world.server.kill();
        stage.world.server.restart();
        let mark = stage.juliet.mark();
        let mut sipp = stage.publish();
        stage.sees(mark, &["dnd", "away", "unavailable"]);
        assert_eq!(sipp.verdict(), Ok(()));

        // And the end, which the deployment is told.
        let at_kamailio = stage.kamailio.process.mark();
        stage.juliet.send_raw(&format!("<presence type='unsubscribe' to='{CAROL}'/>"));
        stage.juliet.listed(CAROL, "none", mark);
        stage.kamailio.process.wait_for(at_kamailio, &["SUBSCRIBE of juliet", "expires=0"]);
        stage.world.server.balanced(|_| None);
    }
}

/// It declines; nothing is stored.
#[test]
fn what_the_deployment_refuses_is_told() {
    let mut stage = stage(Transport::Udp, Watchers::Nobody);
    stage.ask();
    stage.juliet.listed(CAROL, "none", 0);
    let contacts = stage.world.server.json(&["contact", "list"]);
    assert!(!contacts.to_string().contains(CAROL), "{contacts:#}");
    stage.world.server.balanced(|_| None);
}

/// Users of an unverified partner see nobody who has not added them; of a verified one they do, but no notes.
#[test]
fn a_change_of_partner_type_shows_and_hides_a_deployments_user() {
    let mut stage = stage(Transport::Udp, Watchers::All);
    stage.ask();
    stage.juliet.listed(CAROL, "to", 0);
    let mark = stage.juliet.mark();
    let _sipp = stage.publish();
    stage.sees(mark, &["dnd"]);
    for (kind, seen) in [("public_unverified", "unavailable"), ("public_verified", "dnd")] {
        let mark = stage.juliet.mark();
        stage.world.server.cli(&["partner", "set", PARTNER, "--type", kind]).succeeded();
        stage.sees(mark, &[seen]);
    }
}
