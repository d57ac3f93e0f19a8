//! `dns show` and `doctor` against Knot: what a real name server says of our records, line by line.

use std::fs;

use serde_json::Value;

use interop::legation::Legation;

use crate::world::{OURS, PARTNER, ROW_2, World, starttls_at};

/// Says where partners and SIP clients are to connect, and starts the server with it.
fn with_hosts(world: &mut World) {
    let text = fs::read_to_string(&world.server.config).expect("the server has a configuration file");
    let hosts = [("[xmpp]\n", "host = \"xmpp.contoso.example\"\n"), ("[sip]\n", "host = \"sip.contoso.example\"\n")];
    let text = hosts.iter().fold(text, |text, (section, host)| text.replace(section, &format!("{section}{host}")));
    fs::write(&world.server.config, text).expect("the world's folder can be written");
    world.server.kill();
    world.server.restart();
}

/// Name, state and what was found of each line of `domain`.
fn lines(server: &Legation, domain: &str) -> Vec<(String, String, String)> {
    let zones = server.json(&["dns", "show", domain]);
    let records = zones[0]["records"].as_array().expect("records are a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found =
        |record: &Value| record["found"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ");
    records.iter().map(|record| (text(&record["name"]), text(&record["state"]), found(record))).collect()
}

#[track_caller]
fn assert_line(lines: &[(String, String, String)], name: &str, state: &str, found: &str) {
    let expected = (name.to_owned(), state.to_owned(), found.to_owned());
    assert!(lines.contains(&expected), "{expected:?} is not in {lines:#?}");
}

#[test]
fn each_line_is_present_absent_different_or_not_known() {
    let mut world = World::start_changed(|plan| {
        let usual = plan.records[OURS].clone();
        let further = format!("sip A {}\n_sip._udp SRV 0 0 1 elsewhere\n", plan.loopback.ip());
        plan.records.insert(OURS, format!("{usual}_xmpps-server._tcp SRV 0 0 5270 xmpp\n{further}"));
        // Found at a port that nobody listens at.
        plan.records.insert("adatum.example", starttls_at(1));
    });
    with_hosts(&mut world);
    world.server.cli(&["domain", "add", "adatum.example"]).succeeded();
    world.server.cli(&["domain", "add", "unknown.example"]).succeeded();
    let (xmpp, ip) = (world.server.xmpp.port(), world.server.xmpp.ip().to_string());

    let ours = lines(&world.server, OURS);
    let line = |name: &str| format!("{name}.{OURS}");
    let srv = format!("5 0 {xmpp} xmpp.contoso.example.");
    assert_line(&ours, &line("_xmpp-server._tcp"), "present", &srv);
    assert_line(&ours, &line("_xmpps-server._tcp"), "differs", "0 0 5270 xmpp.contoso.example.");
    assert_line(&ours, &line("_sip._tcp"), "absent", "");
    assert_line(&ours, &line("_sip._udp"), "differs", "0 0 1 elsewhere.contoso.example.");
    assert_line(&ours, "xmpp.contoso.example", "present", &ip);
    assert_line(&ours, "sip.contoso.example", "present", &ip);

    let theirs = lines(&world.server, "adatum.example");
    assert_line(&theirs, "_xmpp-server._tcp.adatum.example", "differs", "5 0 1 xmpp.adatum.example.");
    // Knot has no such zone and answers REFUSED: that is not absence.
    let unknown = lines(&world.server, "unknown.example");
    assert_line(&unknown, "_xmpp-server._tcp.unknown.example", "failed", "");
}

/// What `doctor` finds: verdict, what it is about, and the text.
fn findings(server: &Legation, list: &str) -> (Option<i32>, Vec<[String; 3]>) {
    let ran = server.cli(&["--output", "json", "doctor"]);
    let diagnosis: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let all = diagnosis[list].as_array().expect("findings are a list");
    (ran.code, all.iter().map(|finding| ["verdict", "about", "text"].map(|name| text(finding, name))).collect())
}

#[track_caller]
fn assert_found(found: &[[String; 3]], verdict: &str, about: &str, part: &str) {
    let fits = |[v, a, t]: &&[String; 3]| v == verdict && a == about && t.contains(part);
    assert!(found.iter().any(|finding| fits(&finding)), "{verdict} {about}: {part:?} is not in {found:#?}");
}

#[test]
fn a_doctor_sees_what_a_partner_will_see() {
    let mut world = World::start_changed(|plan| {
        // Each has its own port, and none of them is our server's.
        plan.records.insert("adatum.example", String::new());
        plan.records.insert("closed.example", "_xmpp-server._tcp SRV 0 0 0 .\n".to_owned());
    });
    with_hosts(&mut world);
    world.server.add_partner(PARTNER, "federated", ROW_2, None);
    let (code, found) = findings(&world.server, "findings");
    assert_eq!(code, Some(0), "{found:#?}");
    assert_found(&found, "ok", &format!("dns _xmpp-server._tcp.{OURS} SRV"), "present");
    assert_found(&found, "ok", "database", "is sound");
    assert_found(&found, "ok", &format!("certificate for {OURS}"), "names it");
    let (_, seen) = findings(&world.server, "partners_view");
    assert_found(&seen, "ok", OURS, &format!("found at {}", world.server.xmpp));
    // The world's root is not one that this machine trusts.
    assert_found(&seen, "warn", OURS, "names the domain; its chain");
    assert_found(&seen, "ok", OURS, "offered to 1 of 1 enabled partners");
    assert_found(&seen, "ok", OURS, "dialback is open to 0");

    for domain in ["adatum.example", "closed.example"] {
        world.server.cli(&["domain", "add", domain]).succeeded();
    }
    let (code, found) = findings(&world.server, "findings");
    assert_eq!(code, Some(1));
    assert_found(&found, "fail", "certificate for adatum.example", "none names it");
    assert_found(&found, "warn", "dns _xmpp-server._tcp.adatum.example SRV", "absent");
    assert_found(&found, "fail", "dns _xmpp-server._tcp.closed.example SRV", "not offered");
    let (_, seen) = findings(&world.server, "partners_view");
    assert_found(&seen, "fail", "closed.example", "offers no XMPP federation");
    // Without records the domain's own address is dialled, where nobody listens.
    assert_found(&seen, "warn", "adatum.example", "refused");

    world.server.kill();
    let (_, seen) = findings(&world.server, "partners_view");
    assert_found(&seen, "warn", OURS, "the server does not run");
    // No connection of doctor has counted for a partner.
    world.server.restart();
    let reports = world.server.json(&["report", "list", "--partner", PARTNER]);
    assert_eq!(reports, serde_json::json!([]));
}
