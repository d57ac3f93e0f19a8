//! The foreign programs among themselves: what they do here without us is the measure for what they do with us.

use interop::ca::Authority;
use interop::dns::{Dns, Zone};
use interop::ejabberd::{self, Ejabberd};
use interop::loopback::Loopback;
use interop::prosody::{Demands, Prosody, Setup};
use interop::slixmpp::{Client, Home};

/// Two Prosodys with the same demands find each other by DNS; a message each way. Returns both.
fn two_prosodys(demands: Demands) -> (Prosody, Prosody) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let world = Loopback::new();
    let authority = Authority::new(folder.path());
    let (fabrikam, contoso) = (world.port(), world.port());
    let zones = [
        Zone { domain: "fabrikam.example", server: Some(fabrikam) },
        Zone { domain: "contoso.example", server: Some(contoso) },
    ];
    let dns = Dns::start(folder.path(), world, &zones);
    let start = |domain: &str, server_port| {
        let identity = authority.issue(domain);
        let setup =
            Setup { domain, identity: &identity, authority: &authority, demands, server_port, dns: dns.address };
        Prosody::start(folder.path(), world, &setup)
    };
    let fabrikam = start("fabrikam.example", fabrikam);
    let contoso = start("contoso.example", contoso);
    converse(&fabrikam, &contoso);
    (fabrikam, contoso)
}

#[test]
fn two_prosodys_federate_by_certificate() {
    let (fabrikam, contoso) = two_prosodys(Demands::Certificate);
    for prosody in [fabrikam, contoso] {
        prosody.process.wait_for(0, &["Accepting SASL EXTERNAL identity from"]);
        prosody.process.wait_for(0, &["SASL EXTERNAL with", "succeeded"]);
        assert!(!prosody.process.has(0, &["dialback key"]));
    }
}

#[test]
fn two_prosodys_federate_by_dialback_without_tls() {
    let (fabrikam, contoso) = two_prosodys(Demands::Nothing);
    for prosody in [fabrikam, contoso] {
        prosody.process.wait_for(0, &["sent dialback key on outgoing s2s stream"]);
        prosody.process.wait_for(0, &["verified dialback key... it is valid"]);
        assert!(!prosody.process.has(0, &["Stream encrypted"]));
    }
}

/// Prosody as contoso.example and ejabberd as fabrikam.example find each other by DNS; a message each way.
fn ejabberd_and_prosody(theirs: ejabberd::Demands, ours: Demands) -> (Ejabberd, Prosody) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let world = Loopback::new();
    let authority = Authority::new(folder.path());
    let (fabrikam, contoso) = (world.port(), world.port());
    let zones = [
        Zone { domain: "fabrikam.example", server: Some(fabrikam) },
        Zone { domain: "contoso.example", server: Some(contoso) },
    ];
    let dns = Dns::start(folder.path(), world, &zones);
    let ejabberd = Ejabberd::start(
        folder.path(),
        world,
        &ejabberd::Setup {
            domain: "fabrikam.example",
            identity: &authority.issue("fabrikam.example"),
            authority: &authority,
            demands: theirs,
            server_port: fabrikam,
            dns: dns.address,
            domains: &["fabrikam.example", "contoso.example"],
            further: "",
        },
    );
    let identity = authority.issue("contoso.example");
    let (domain, server_port) = ("contoso.example", contoso);
    let setup =
        Setup { domain, identity: &identity, authority: &authority, demands: ours, server_port, dns: dns.address };
    let prosody = Prosody::start(folder.path(), world, &setup);
    converse(&ejabberd, &prosody);
    (ejabberd, prosody)
}

#[test]
fn ejabberd_and_prosody_federate_by_certificate() {
    let (ejabberd, prosody) = ejabberd_and_prosody(ejabberd::Demands::Certificate, Demands::Certificate);
    ejabberd.process.wait_for(0, &["Accepted inbound s2s EXTERNAL authentication contoso.example"]);
    ejabberd.process.wait_for(0, &["Accepted outbound s2s EXTERNAL authentication fabrikam.example"]);
    assert!(!prosody.process.has(0, &["dialback key"]));
}

#[test]
fn ejabberd_and_prosody_federate_by_dialback_without_tls() {
    let (ejabberd, prosody) = ejabberd_and_prosody(ejabberd::Demands::Nothing, Demands::Nothing);
    ejabberd.process.wait_for(0, &["(tcp|", "Accepted inbound s2s dialback authentication contoso.example"]);
    ejabberd.process.wait_for(0, &["(tcp|", "Accepted outbound s2s dialback authentication fabrikam.example"]);
    assert!(!prosody.process.has(0, &["Stream encrypted"]));
}

/// juliet at fabrikam.example and the nurse at contoso.example write to each other.
fn converse(fabrikam: &impl Home, contoso: &impl Home) {
    let mut juliet = Client::login(fabrikam, "juliet@fabrikam.example");
    let mut nurse = Client::login(contoso, "nurse@contoso.example");
    juliet.send("nurse@contoso.example", "m1", "Anon, good nurse!");
    nurse.receive("message of juliet", 0, |m| m.body == "Anon, good nurse!" && m.id == "m1");
    nurse.send("juliet@fabrikam.example", "m2", "Madam, your mother calls");
    juliet.receive("message of the nurse", 0, |m| m.body == "Madam, your mother calls" && m.id == "m2");
}
