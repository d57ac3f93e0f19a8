//! An unmodified XMPP server as the inside: office.example is an internal domain, its own Prosody or ejabberd serves it.
//!
//! To the world office.example is at our edge. Its server asks another name server than the world does (inner DNS), where
//! the records of partners lead to our inner listener; beside that it is configured like any other server.

use std::fs;
use std::net::SocketAddr;

use interop::ca::Authority;
use interop::dns::{Dns, Zone};
use interop::ejabberd::{self, Ejabberd};
use interop::process::until;
use interop::prosody::{self, Demands, Prosody};
use interop::slixmpp::{Client, Received};
use serde_json::Value;

use crate::world::{OFFICE, OURS, PARTNER, ROW_13, STRANGER, World};

const NURSE: &str = "nurse@office.example";
const JULIET: &str = "juliet@fabrikam.example";

/// What Prosody tells its user of a stream that was refused; the text says why.
const REFUSED: &str = "remote-server-timeout";

/// Whatever a server listens on, on loopback it comes from there.
const FROM_LOOPBACK: [&str; 2] = ["--xmpp-source", "127.0.0.1/32"];

/// A world with an inside.
struct Inside {
    world: World,
    /// Where the inner server listens for other servers.
    server: SocketAddr,
    /// What the inner server asks.
    dns: Dns,
    /// Where records of the inner DNS lead.
    leads_to: SocketAddr,
}

impl Inside {
    /// fabrikam.example is a partner of this kind, by dialback; the inner server is known by these options.
    fn start(kind: &str, options: &[&str]) -> Self {
        Self::start_leading(kind, options, |_, inner| inner)
    }

    /// The same with inner DNS that leads to another place: `elsewhere` is told where our edge and our inner listener are.
    fn start_leading(
        kind: &str,
        options: &[&str],
        elsewhere: impl FnOnce(SocketAddr, SocketAddr) -> SocketAddr,
    ) -> Self {
        let mut world = World::start_changed(|plan| {
            let ours = plan.records[OURS].clone();
            plan.records.insert(OFFICE, ours);
        });
        world.server.add_partner(PARTNER, kind, ROW_13, Some(world.authority.root()));
        let (server, inner) = (world.free_address(), world.free_address());
        world.server.kill();
        let config = fs::read_to_string(&world.server.config).expect("our server was started with it");
        let with_listener = config.replace("[\"10.0.0.1:5269\"]\nlisten = []", &format!("\nlisten = [\"{inner}\"]"));
        assert_ne!(with_listener, config, "what legation init writes");
        fs::write(&world.server.config, with_listener).expect("the world's folder can be written");
        world.server.restart();
        let (at, root) = (server.to_string(), world.authority.root().to_str().expect("temporary paths are UTF-8"));
        let mut add = vec!["domain", "add", OFFICE, "--backend", "xmpp", "--xmpp-server", &at];
        add.extend(["--xmpp-trust-roots", root]);
        add.extend(options);
        world.server.cli(&add).succeeded();
        let leads_to = elsewhere(world.server.xmpp, inner);
        let port = Some(leads_to.port());
        let zones = [PARTNER, STRANGER].map(|domain| Zone { domain, server: port });
        let dns = Dns::start(&world.subfolder("inside"), world.loopback(), &zones);
        Self { world, server, dns, leads_to }
    }

    /// Prosody as it comes: TLS and dialback, and EXTERNAL with its certificate.
    fn prosody(&self) -> Prosody {
        self.prosody_signed_by(&self.world.authority)
    }

    fn prosody_signed_by(&self, signer: &Authority) -> Prosody {
        let identity = signer.issue(OFFICE);
        let setup = prosody::Setup {
            domain: OFFICE,
            identity: &identity,
            authority: &self.world.authority,
            demands: Demands::Encryption,
            server_port: self.server.port(),
            dns: self.dns.address,
        };
        Prosody::start(&self.world.subfolder("inside"), self.world.loopback(), &setup)
    }

    /// ejabberd as it comes.
    fn ejabberd(&self) -> Ejabberd {
        let identity = self.world.authority.issue(OFFICE);
        let setup = ejabberd::Setup {
            domain: OFFICE,
            identity: &identity,
            authority: &self.world.authority,
            demands: ejabberd::Demands::Encryption,
            server_port: self.server.port(),
            dns: self.dns.address,
            domains: &[OFFICE, PARTNER, STRANGER],
            further: "",
        };
        Ejabberd::start(&self.world.subfolder("inside"), self.world.loopback(), &setup)
    }

    /// `(direction, method)` of what is authorised on the inner leg, sorted.
    fn methods(&self) -> Vec<(String, String)> {
        let streams = self.world.server.json(&["stream", "list"]);
        let inner = streams.as_array().into_iter().flatten().filter(|stream| stream["leg"] == "inner");
        let text = |stream: &Value, name: &str| stream[name].as_str().unwrap_or_default().to_owned();
        let mut methods: Vec<_> = inner.map(|stream| (text(stream, "direction"), text(stream, "method"))).collect();
        methods.sort();
        methods
    }

    #[track_caller]
    fn has_methods(&self, wanted: &[(&str, &str)]) {
        let methods = self.methods();
        let seen: Vec<_> = methods.iter().map(|(direction, method)| (direction.as_str(), method.as_str())).collect();
        assert_eq!(seen, wanted);
    }

    /// Waits for the report of an attempt on the inner leg that ended with `code`.
    #[track_caller]
    fn report(&self, direction: &str, code: &str) -> Value {
        until(&format!("a report {code:?} of the inner leg"), || {
            let listed = self.world.server.json(&["report", "list", "--direction", direction, "--outcome", code]);
            listed.as_array().into_iter().flatten().find(|report| report["leg"] == "inner").cloned()
        })
    }
}

/// Sends and gives the error that comes back.
fn error(client: &mut Client, to: &str, id: &str) -> Received {
    let mark = client.mark();
    client.send(to, id, &format!("Text of {id}"));
    client.receive(&format!("error for {id}"), mark, |m| m.kind == "error" && m.id == id)
}

/// What `sender` says, `heard` by the other.
fn says(sender: &mut Client, to: &str, (id, text): (&str, &str), heard: &Client) {
    sender.send(to, id, text);
    heard.receive(text, 0, |m| m.id == id && m.body == text);
}

/// One asks to see the other's presence, who agrees.
fn subscribes((one, from): (&mut Client, &str), (other, to): (&mut Client, &str)) {
    let mark = one.mark();
    one.send_raw(&format!("<presence type='subscribe' to='{to}' id='p1'/>"));
    other.presence("the request", 0, |p| p.kind == "subscribe" && p.from == from);
    other.send_raw(&format!("<presence type='subscribed' to='{from}'/>"));
    one.presence("acceptance", mark, |p| p.kind == "subscribed" && p.from == to);
    one.presence("the other's presence", mark, |p| p.kind == "available" && p.from.starts_with(to));
}

/// Messages, a subscription each way, presence and iq between the two.
fn converse(nurse: &mut Client, juliet: &mut Client) {
    says(juliet, NURSE, ("m1", "Go ask his name, ça va?"), nurse);
    says(nurse, JULIET, ("m2", "His name is Romeo, \u{1d504} Montague"), juliet);
    // Who has asked for the roster hears of answers (RFC 6121 §3.1.6).
    assert_eq!(juliet.ask(JULIET, "roster", "<query xmlns='jabber:iq:roster'/>").kind, "result");
    assert_eq!(nurse.ask(NURSE, "roster", "<query xmlns='jabber:iq:roster'/>").kind, "result");
    subscribes((juliet, JULIET), (nurse, NURSE));
    subscribes((nurse, NURSE), (juliet, JULIET));
    // The inner server is asked about its domain, not we.
    let info = juliet.ask(OFFICE, "info", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    assert!(info.kind == "result" && info.xml.contains("category=\"server\""), "{info:?}");
    assert_eq!(juliet.ask(OFFICE, "ping", "<ping xmlns='urn:xmpp:ping'/>").kind, "result");
    assert_eq!(nurse.ask(PARTNER, "info2", "<query xmlns='http://jabber.org/protocol/disco#info'/>").kind, "result");
}

/// A partner's Prosody, an inner one, and a user of each.
#[test]
fn users_of_an_inner_prosody_and_of_a_partner_meet() {
    let inside = Inside::start("federated", &FROM_LOOPBACK);
    let (partner, own) = (inside.world.prosody(PARTNER, Demands::Encryption), inside.prosody());
    let (mut nurse, mut juliet) = (Client::login(&own, NURSE), Client::login(&partner, JULIET));
    converse(&mut nurse, &mut juliet);
    // Prosody proves itself by its certificate; ours does not name fabrikam.example, so we do by dialback.
    inside.has_methods(&[("inbound", "sasl_over_tls"), ("outbound", "tls_dialback")]);
    let contacts = inside.world.server.json(&["contact", "list"]);
    assert!(contacts[0]["internal"] == NURSE && contacts[0]["added"] == true, "{contacts:#}");
    let ledger = inside.world.server.balanced(|_| None);
    assert_eq!(ledger.count("inner.from_servers.accepted"), ledger.count("gateway.from_users.accepted"));
    assert_eq!(ledger.count("inner.to_servers.delivered"), ledger.count("gateway.from_partners.delivered"));
}

#[test]
fn users_of_an_inner_ejabberd_and_of_a_partner_meet() {
    let inside = Inside::start("federated", &[&FROM_LOOPBACK[..], &["--xmpp-sasl", "not_supported"]].concat());
    let (partner, own) = (inside.world.prosody(PARTNER, Demands::Encryption), inside.ejabberd());
    let (mut nurse, mut juliet) = (Client::login(&own, NURSE), Client::login(&partner, JULIET));
    converse(&mut nurse, &mut juliet);
    inside.has_methods(&[("inbound", "tls_dialback"), ("outbound", "tls_dialback")]);
    inside.world.server.balanced(|_| None);
}

#[test]
fn users_of_an_inner_prosody_and_of_an_ejabberd_partner_meet() {
    let inside = Inside::start("federated", &FROM_LOOPBACK);
    let (partner, own) = (inside.world.ejabberd(ejabberd::Demands::Encryption), inside.prosody());
    let (mut nurse, mut juliet) = (Client::login(&own, NURSE), Client::login(&partner, JULIET));
    says(&mut juliet, NURSE, ("m1", "Nurse?"), &nurse);
    says(&mut nurse, JULIET, ("m2", "Anon!"), &juliet);
    inside.world.server.balanced(|_| None);
}

#[test]
fn an_uninvited_sender_is_refused_until_the_inner_user_has_subscribed() {
    let inside = Inside::start("public_unverified", &FROM_LOOPBACK);
    let (partner, own) = (inside.world.prosody(PARTNER, Demands::Encryption), inside.prosody());
    let (mut nurse, mut juliet) = (Client::login(&own, NURSE), Client::login(&partner, JULIET));
    // Who has asked for the roster hears of the end (RFC 6121 §3.3.3).
    assert_eq!(juliet.ask(JULIET, "roster", "<query xmlns='jabber:iq:roster'/>").kind, "result");
    let refused = error(&mut juliet, NURSE, "m1");
    assert_eq!((refused.condition.as_str(), refused.from.as_str()), ("forbidden", NURSE));
    assert!(refused.text.contains("must add you"), "{refused:?}");
    nurse.send_raw(&format!("<presence type='subscribe' to='{JULIET}' id='p1'/>"));
    juliet.presence("the request", 0, |p| p.kind == "subscribe" && p.from == NURSE);
    says(&mut juliet, NURSE, ("m2", "Now I may"), &nurse);
    assert!(nurse.received(0).iter().all(|m| m.id != "m1"), "nothing refused was shown");
    nurse.send_raw(&format!("<presence type='unsubscribe' to='{JULIET}' id='p2'/>"));
    juliet.presence("the end", 0, |p| p.kind == "unsubscribe" && p.from == NURSE);
    assert_eq!(error(&mut juliet, NURSE, "m3").condition, "forbidden");
    inside.world.server.balanced(|_| None);
}

#[test]
fn an_inner_user_is_told_why_and_a_partner_is_switched_off_and_on() {
    let inside = Inside::start("federated", &FROM_LOOPBACK);
    let (partner, own) = (inside.world.prosody(PARTNER, Demands::Encryption), inside.prosody());
    let (mut nurse, mut juliet) = (Client::login(&own, NURSE), Client::login(&partner, JULIET));
    let stranger = error(&mut nurse, "tybalt@litware.example", "m1");
    assert_eq!(stranger.condition, REFUSED);
    assert!(stranger.text.contains("litware.example is not a federation partner"), "{stranger:?}");
    assert_eq!(inside.report("inbound", "not_a_partner")["local"], STRANGER);

    says(&mut nurse, JULIET, ("m2", "Anon"), &juliet);
    says(&mut juliet, NURSE, ("m3", "Nurse"), &nurse);
    inside.world.server.cli(&["partner", "disable", PARTNER]).succeeded();
    until("the end of the streams", || inside.methods().is_empty().then_some(()));
    let off = error(&mut nurse, JULIET, "m4");
    assert_eq!(off.condition, REFUSED);
    assert!(off.text.contains("fabrikam.example is disabled"), "{off:?}");
    inside.world.server.cli(&["partner", "enable", PARTNER]).succeeded();
    says(&mut nurse, JULIET, ("m5", "By and by"), &juliet);
    inside.world.server.at_rest();
}

/// `kill -9`: what was on its way arrives or is answered, and afterwards everything works again.
#[test]
fn an_inner_server_that_was_killed_loses_nothing_in_silence() {
    let inside = Inside::start("federated", &FROM_LOOPBACK);
    let (partner, mut own) = (inside.world.prosody(PARTNER, Demands::Encryption), inside.prosody());
    let (mut nurse, mut juliet) = (Client::login(&own, NURSE), Client::login(&partner, JULIET));
    says(&mut juliet, NURSE, ("m1", "Nurse?"), &nurse);
    says(&mut nurse, JULIET, ("m2", "Anon!"), &juliet);
    // What waits for a server is answered then.
    inside.world.server.cli(&["settings", "set", "queue_age=5"]).succeeded();
    own.kill();
    let refused = error(&mut juliet, NURSE, "m3");
    assert_eq!((refused.condition.as_str(), refused.from.as_str()), ("remote-server-timeout", NURSE));
    assert!(refused.text.contains("cannot be reached now"), "{refused:?}");
    own.restart();
    let mut nurse = Client::login(&own, NURSE);
    says(&mut nurse, JULIET, ("m4", "Here again"), &juliet);
    says(&mut juliet, NURSE, ("m5", "Where have you been?"), &nurse);
    inside.world.server.at_rest();
}

#[test]
fn an_inner_server_from_another_address_is_refused() {
    let inside = Inside::start("federated", &["--xmpp-source", "192.0.2.0/24"]);
    let own = inside.prosody();
    let mut nurse = Client::login(&own, NURSE);
    let refused = error(&mut nurse, JULIET, "m1");
    assert!(refused.text.contains("may not connect from this address"), "{refused:?}");
    let report = inside.report("inbound", "source_not_permitted");
    assert_eq!((&report["remote"], &report["partner"]), (&OFFICE.into(), &OFFICE.into()));
    assert!(report["remedy"].as_str().unwrap_or_default().contains("sources"), "{report:#}");
}

#[test]
fn an_inner_server_with_a_certificate_of_another_authority_is_refused_where_one_is_required() {
    let inside = Inside::start(
        "federated",
        &[&FROM_LOOPBACK[..], &["--xmpp-sasl", "required", "--xmpp-dialback", "false"]].concat(),
    );
    let own = inside.prosody_signed_by(&Authority::new(&inside.world.subfolder("others")));
    let mut nurse = Client::login(&own, NURSE);
    assert_eq!(error(&mut nurse, JULIET, "m1").from, JULIET);
    inside.report("inbound", "certificate_untrusted_issuer");
    assert!(inside.methods().is_empty());
}

/// Our edge towards partners stands for nobody but us: neither a stream nor a key of a partner's name is taken there.
#[test]
fn the_public_listener_does_not_stand_for_partners() {
    let inside = Inside::start_leading("federated", &FROM_LOOPBACK, |edge, _| edge);
    assert_eq!(inside.leads_to, inside.world.server.xmpp);
    let own = inside.prosody();
    let mut nurse = Client::login(&own, NURSE);
    let refused = error(&mut nurse, JULIET, "m1");
    assert_eq!(refused.condition, REFUSED);
    let streams = inside.world.server.json(&["stream", "list"]);
    assert_eq!(streams, serde_json::json!([]));
}
