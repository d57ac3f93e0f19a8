//! Direct TLS (XEP-0368) with Prosody in both directions: each side is found by its `_xmpps-server` record alone.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use interop::baresip::{Account, Baresip, Transport};
use interop::ca::Authority;
use interop::dns::Dns;
use interop::legation::{self, Legation, Ports};
use interop::loopback::Loopback;
use interop::prosody::{self, Demands, Prosody};
use interop::slixmpp::Client;

use crate::world::{ALICE, OURS, PARTNER, PASSWORD};

/// Each organisation's port for STARTTLS is open, and no record leads to it.
struct Place {
    starttls: u16,
    direct: u16,
}

impl Place {
    fn new(loopback: Loopback) -> Self {
        Self { starttls: loopback.port(), direct: loopback.port() }
    }

    /// XEP-0368 §5: only direct TLS.
    fn records(&self) -> String {
        format!("_xmpps-server._tcp SRV 5 0 {} xmpp\n_xmpp-server._tcp SRV 0 0 0 .\n", self.direct)
    }
}

struct World {
    server: Legation,
    prosody: Prosody,
    loopback: Loopback,
    _dns: Dns,
    folder: tempfile::TempDir,
}

fn world(negotiation: [&str; 3], demands: Demands) -> World {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let loopback = Loopback::new();
    let authority = Authority::new(folder.path());
    let (ours, theirs) = (Place::new(loopback), Place::new(loopback));
    let zones = [(OURS, ours.records()), (PARTNER, theirs.records())];
    let dns = Dns::start_with_records(folder.path(), loopback, &zones);
    let setup = legation::Setup {
        program: Path::new(env!("CARGO_BIN_EXE_legation-under-test")),
        domain: OURS,
        identity: &authority.issue(OURS),
        ports: Ports { xmpp: ours.starttls, sip: loopback.port() },
        dns: dns.address,
    };
    let mut server = Legation::install(folder.path(), loopback, &setup);
    server.kill();
    let address = SocketAddr::new(loopback.ip(), ours.direct);
    let config = fs::read_to_string(&server.config).expect("the file was just made");
    assert!(config.contains("listen_tls = []"), "{config}");
    // The first one is that of [xmpp].
    let config = config.replacen("listen_tls = []", &format!("listen_tls = [\"{address}\"]"), 1);
    fs::write(&server.config, config).expect("the world's folder can be written");
    server.restart();
    server.add_user(ALICE, PASSWORD);
    server.add_partner(PARTNER, "federated", negotiation, Some(authority.root()));
    let setup = prosody::Setup {
        domain: PARTNER,
        identity: &authority.issue(PARTNER),
        authority: &authority,
        demands,
        server_port: theirs.starttls,
        dns: dns.address,
    };
    let prosody = Prosody::start_with_direct_tls(folder.path(), loopback, &setup, theirs.direct);
    World { server, prosody, loopback, _dns: dns, folder }
}

/// juliet writes to alice, alice answers; Prosody sees no STARTTLS.
fn converse(negotiation: [&str; 3], demands: Demands, method: &str) {
    let world = world(negotiation, demands);
    let account = Account {
        address: ALICE,
        password: PASSWORD,
        contact: "juliet@fabrikam.example",
        registrar: world.server.sip,
        transport: Transport::Udp,
    };
    let mut alice = Baresip::register(world.folder.path(), world.loopback, &account);
    let mut juliet = Client::login(&world.prosody, "juliet@fabrikam.example");
    juliet.send("alice@contoso.example", "m1", "Wherefore art thou?");
    alice.receive(0, "juliet@fabrikam.example", "Wherefore art thou?");
    alice.send("Down the rabbit hole");
    juliet.receive("alice's answer", 0, |m| m.body == "Down the rabbit hole");
    let log = &world.prosody.process;
    log.wait_for(0, &["Incoming s2s connection contoso.example->fabrikam.example complete"]);
    log.wait_for(0, &["Outgoing s2s connection fabrikam.example->contoso.example complete"]);
    assert!(!log.has(0, &["starttls"]), "neither side says starttls inside direct TLS");
    world.server.wait_for_methods(PARTNER, &[("inbound", method), ("outbound", method)]);
    let streams = world.server.json(&["stream", "list"]);
    let streams = streams.as_array().expect("a list");
    let is_encrypted = |stream: &serde_json::Value| {
        stream["tls_version"] == "TLS 1.3"
            && stream["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS13_"))
    };
    let carried = |direction: &str, count: &str| {
        streams.iter().filter(|stream| stream["direction"] == direction).all(|stream| stream[count].as_u64() >= Some(1))
    };
    assert!(carried("inbound", "stanzas_in") && carried("outbound", "stanzas_out"), "{streams:?}");
    assert!(streams.len() == 2 && streams.iter().all(is_encrypted), "{streams:?}");
    let listeners = world.server.json(&["status"])["listeners"].clone();
    let ours = listeners.as_array().into_iter().flatten();
    assert_eq!(ours.filter(|l| l["name"] == "xmpp" && l["transport"] == "tls").count(), 1, "{listeners}");
    world.server.settled(1, 1);
}

#[test]
fn row_2_with_prosody_uses_external_over_direct_tls_both_ways() {
    converse(["required", "required", "false"], Demands::Certificate, "sasl_over_tls");
}

#[test]
fn row_13_with_prosody_uses_dialback_over_direct_tls_both_ways() {
    converse(["required", "not_supported", "true"], Demands::Encryption, "tls_dialback");
}
