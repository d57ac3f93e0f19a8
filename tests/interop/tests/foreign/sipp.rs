//! Message sessions with SIPp as the deployment behind a trunk, and a real partner: Prosody with a slixmpp client.
//!
//! The oracle is twofold: SIPp ends well only if every message came as its scenario expects, and the partner's client saw
//! the texts once each.

use std::time::Duration;

use interop::kamailio::Transport;
use interop::prosody::{Demands, Prosody};
use interop::sipp::{Scenario, Setup, Sipp};
use interop::slixmpp::Client;

use crate::world::{CORP, PARTNER, ROW_13, STRANGER, World};

const JULIET: &str = "juliet@fabrikam.example";
const CAROL: &str = "carol@corp.example";

/// 64·T1, and what a loaded machine adds.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// The life of a subscription of a minute, and what a loaded machine adds.
const EXPIRY_MAX: Duration = Duration::from_secs(100);

struct Stage {
    world: World,
    local: std::net::SocketAddr,
    transport: Transport,
    juliet: Client,
    _prosody: Prosody,
}

/// A trunk in session mode to where SIPp will be.
fn stage(transport: Transport) -> Stage {
    stage_in("session", transport)
}

fn stage_in(mode: &str, transport: Transport) -> Stage {
    let world = World::start();
    world.server.add_partner(PARTNER, "federated", ROW_13, Some(world.authority.root()));
    let prosody = world.prosody(PARTNER, Demands::Encryption);
    let juliet = Client::login(&prosody, JULIET);
    let local = world.free_address();
    let target = local.to_string();
    let fields = ["--transport", transport.as_str(), "--target", &target, "--source", "127.0.0.0/8"];
    world.server.add_trunk("corp", CORP, &[&fields[..], &["--session-mode", mode]].concat());
    Stage { world, local, transport, juliet, _prosody: prosody }
}

impl Stage {
    fn sipp(&self, scenario: Scenario, to: &str) -> Sipp {
        let folder = self.world.subfolder("sipp");
        let (local, transport, gateway) = (self.local, self.transport, self.world.server.sip);
        Sipp::start(&Setup { folder: &folder, scenario, local, gateway, transport, to })
    }

    /// How many messages with this text the partner's user has received.
    fn seen(&self, body: &str) -> usize {
        self.juliet.received(0).iter().filter(|message| message.body == body).count()
    }
}

/// A text opens a session that SIPp takes after two seconds. Over UDP INVITE and MESSAGE are repeated until then, and are one
/// each (RFC 3261 §17.1).
#[test]
fn texts_open_sessions_that_sipp_takes() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut stage = stage(transport);
        let sipp = stage.sipp(Scenario::Takes, CAROL);
        stage.world.server.wait_for_targets("corp", &["up"]);
        stage.juliet.send(CAROL, "x1", "Art thou there?");
        stage.juliet.receive("SIPp's text", 0, |m| m.body == "Here, from SIPp" && m.from == CAROL);
        assert_eq!(sipp.stop(), Ok(()), "{transport:?}");
        assert_eq!(stage.seen("Here, from SIPp"), 1);
        let ledger = stage.world.server.settled(1, 1);
        let repeated = ledger.count("gateway.sip.dropped.retransmissions");
        assert_eq!(repeated >= 2, transport == Transport::Udp, "{ledger:?}");
    }
}

/// SIPp opens a session, writes, hears, invites again and ends it.
#[test]
fn sessions_of_sipp_reach_the_partner() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut stage = stage(transport);
        let mut sipp = stage.sipp(Scenario::Opens, JULIET);
        stage.juliet.receive("SIPp's text", 0, |m| m.body == "From SIPp" && m.from == CAROL);
        stage.juliet.send(CAROL, "x1", "And back");
        assert_eq!(sipp.verdict(), Ok(()), "{transport:?}");
        assert_eq!(stage.seen("From SIPp"), 1);
        stage.world.server.settled(1, 1);
    }
}

/// RFC 3261 §9: the partner's server is not there, so the first text stays undecided.
#[test]
fn sipp_cancels_an_invite_and_is_answered_487() {
    let stage = stage(Transport::Udp);
    stage.world.server.add_partner(STRANGER, "federated", ROW_13, Some(stage.world.authority.root()));
    let silent = std::net::TcpListener::bind(stage.world.server_of(STRANGER)).expect("the address is free");
    let mut sipp = stage.sipp(Scenario::Cancels, &format!("friar@{STRANGER}"));
    assert_eq!(sipp.verdict(), Ok(()));
    drop(silent);
}

/// RFC 3261 §13.3.1.4: without an ACK the 2xx comes again, and after 64·T1 a BYE.
#[test]
fn a_session_that_sipp_never_acknowledges_is_ended() {
    let stage = stage(Transport::Udp);
    let mut sipp = stage.sipp(Scenario::Forgets, JULIET);
    assert_eq!(sipp.verdict_within(UNACKNOWLEDGED_MAX), Ok(()));
}

/// Outside of sessions: typing (RFC 3994, XEP-0085) and what became of a message (RFC 5438, XEP-0184), told by SIPp and by the
/// partner's client as each has them.
#[test]
fn typing_and_receipts_cross_outside_of_sessions() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut stage = stage_in("pager", transport);
        let sipp = stage.sipp(Scenario::Knows, JULIET);
        stage.world.server.wait_for_targets("corp", &["up"]);
        stage.juliet.send(CAROL, "x1", "Art thou there?");
        stage.juliet.receive("SIPp's text", 0, |m| m.body == "Here, from SIPp" && m.from == CAROL);
        stage.juliet.send_raw(&format!(
            "<message to='{CAROL}' type='chat' id='x2'><body>Received?</body><request xmlns='urn:xmpp:receipts'/></message>"
        ));
        let is_receipt = |xml: &str| xml.contains("<received") && xml.contains("id=\"x2\"");
        stage.juliet.receive("the receipt", 0, |m| m.from == CAROL && is_receipt(&m.xml));
        stage.juliet.send_raw(&format!(
            "<message to='{CAROL}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        ));
        stage.juliet.receive("SIPp's typing", 0, |m| m.from == CAROL && m.xml.contains("<composing"));
        assert_eq!(sipp.stop(), Ok(()), "{transport:?}");
        assert_eq!(stage.seen("Here, from SIPp"), 1);
    }
}

/// SIPp watches the partner's user: a NOTIFY that is lost comes again, and a subscription that is not refreshed ends with word of
/// it (RFC 6665 §4.2.2), which stays what was agreed: the contact is kept.
#[test]
fn a_lost_notify_comes_again_and_an_expired_subscription_is_told() {
    let stage = stage_in("pager", Transport::Udp);
    let mut sipp = stage.sipp(Scenario::Watches, JULIET);
    assert_eq!(sipp.verdict_within(EXPIRY_MAX), Ok(()));
    let ledger = stage.world.server.ledger();
    assert!(ledger.count("gateway.sip.dropped.retransmissions") >= 1, "{ledger:?}");
    let contacts = stage.world.server.json(&["contact", "list"]);
    let added: Vec<_> = contacts.as_array().unwrap().iter().filter(|contact| contact["added"] == true).collect();
    assert!(added.len() == 1 && added[0]["internal"] == CAROL, "{contacts:#}");
}
