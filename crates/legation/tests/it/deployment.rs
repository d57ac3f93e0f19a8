//! Trunks, inner XMPP servers, backends of domains, what to publish, and `doctor`, against a running server.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Place, Server};

const LYNC: [&str; 13] = [
    "trunk",
    "add",
    "lync",
    "--target",
    "127.0.0.1:9",
    "--peer-name",
    "sip.contoso.example",
    "--dialect",
    "lync",
    "--session-mode",
    "session",
    "--description",
    "Front End pool",
];

fn json(place: &Place, arguments: &[&str]) -> Value {
    place.run(&[arguments, &["--output", "json"]].concat()).succeeded().json()
}

#[test]
fn a_trunk_is_added_changed_listed_and_removed() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    place.run(&["trunk", "add", "lync"]).failed(1, &["targets: at least one", "peer_names: with TLS at least one"]);
    let added = place.run(&LYNC).succeeded();
    assert!(added.stdout.contains("Added the trunk lync.") && added.stderr.is_empty(), "{added:?}");
    let plain = ["trunk", "set", "lync", "--transport", "tcp", "--peer-name", "none", "--source", "127.0.0.1"];
    let tried = place.run(&[&plain[..], &["--dry-run"]].concat()).succeeded();
    assert!(tried.stdout.contains("Nothing was saved") && tried.stderr.contains("unencrypted"), "{tried:?}");
    place.run(&["trunk", "set", "lync", "--transport", "tcp"]).failed(1, &["peer_names: tcp shows no", "sources: "]);
    place.run(&["trunk", "set", "lync"]).failed(2, &["at least one field"]);
    place.run(&["trunk", "set", "lync", "--congestion-safe", "true"]).succeeded();
    let shown = json(&place, &["trunk", "show", "lync"]);
    assert_eq!((&shown["transport"], &shown["congestion_safe"]), (&json!("tls"), &json!(true)));
    let table = place.run(&["trunk", "list"]).succeeded().stdout;
    assert!(table.starts_with(" TRUNK") && table.contains("127.0.0.1:9"), "{table}");
    place.run(&["trunk", "show", "pbx"]).failed(1, &["there is no trunk pbx"]);
    place.run(&["trunk", "test", "pbx"]).failed(1, &["there is no trunk pbx"]);

    place.run(&["domain", "set", "contoso.example", "--backend", "registrar", "--backend", "trunk:lync"]).succeeded();
    place.run(&["trunk", "remove", "lync"]).failed(1, &["still serves contoso.example"]);
    place.run(&["domain", "set", "contoso.example", "--backend", "registrar"]).succeeded();
    place.run(&["trunk", "remove", "lync"]).succeeded();
    assert_eq!(json(&place, &["trunk", "list"]), json!([]));
    assert_eq!(server.stop(), Some(0));
}

/// Nothing listens at the discard port, so no target answers.
#[test]
fn a_test_of_a_trunk_without_answer_fails() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    place.run(&LYNC).succeeded();
    let test = place.run(&["trunk", "test", "lync"]);
    assert_eq!(test.code, Some(1), "{test:?}");
    assert!(test.stderr.contains("no target of lync has answered"), "{test:?}");
    let audit = json(&place, &["audit", "list", "--subject", "lync"]);
    assert_eq!(audit[0]["action"], "trunk.tested");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_domain_has_several_backends_a_server_and_assignments_that_survive() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    place.run(&LYNC).succeeded();
    let both = ["--backend", "registrar", "--backend", "xmpp", "--backend", "trunk:lync"];
    place.run(&[&["domain", "set", "contoso.example"], &both[..]].concat()).failed(1, &["xmpp_server: "]);
    let to = ["--xmpp-server", "127.0.0.1:15269", "--xmpp-tls", "not-supported"];
    let set = [&["domain", "set", "contoso.example"], &both[..], &to].concat();
    place.run(&set).failed(1, &["xmpp_server.sasl: SASL requires TLS"]);
    let set = place.run(&[&set[..], &["--xmpp-sasl", "not-supported"]].concat()).succeeded();
    assert!(set.stderr.contains("warning: xmpp_server.tls"), "{set:?}");
    place.run(&["domain", "set", "contoso.example", "--xmpp-tls", "required", "--xmpp-sasl", "optional"]).succeeded();
    let table = place.run(&["domain", "show", "contoso.example"]).succeeded().stdout;
    assert!(table.contains("registrar, xmpp, trunk:lync") && table.contains("127.0.0.1:15269"), "{table}");

    place.run(&["domain", "set", "contoso.example", "--backend", "trunk:lync", "--backend", "registrar"]).succeeded();
    let added = place.run_with(&["user", "add", "carol@contoso.example"], "a password of carol\n").succeeded();
    assert!(added.stderr.contains("legation user backend carol@contoso.example registrar"), "{added:?}");
    place.run(&["domain", "set", "contoso.example", "--backend", "registrar", "--backend", "trunk:lync"]).succeeded();

    let told = place.run(&["user", "backend", "bob@contoso.example"]).succeeded().stdout;
    assert!(told.contains("served by registrar, the first backend"), "{told}");
    place.run(&["user", "backend", "bob@contoso.example", "component"]).failed(1, &["is not served by component"]);
    place.run(&["user", "backend", "bob@contoso.example", "trunk:lync"]).succeeded();
    server.kill();
    let server = Server::start(&place);
    let told = json(&place, &["user", "backend", "bob@contoso.example"]);
    assert_eq!((&told["backend"], &told["assigned"]), (&json!("trunk:lync"), &json!(true)));
    place.run(&["user", "backend", "bob@contoso.example", "--default"]).succeeded();
    assert_eq!(json(&place, &["user", "backend", "bob@contoso.example"])["assigned"], json!(false));
    assert_eq!(server.stop(), Some(0));
}

/// A name server that refuses every question (RFC 1035 §4.1.1: QR set, RCODE 5), for as long as the tests run.
fn refusing() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            question[2] |= 0x80;
            question[3] = 5;
            let _ = socket.send_to(&question[..length], from);
        }
    });
    address
}

/// A name server that refuses has not answered: every line says so, and none is called absent.
#[test]
fn what_to_publish_is_told_although_the_name_server_refuses() {
    let place = Place::new();
    place.init().succeeded();
    edit(&place, "name_servers = []", &format!("name_servers = [\"{}\"]", refusing()));
    edit(&place, "# host = \"xmpp.contoso.example\"", "host = \"xmpp.contoso.example\"");
    let server = Server::start(&place);
    let zones = json(&place, &["dns", "show", "contoso.example"]);
    let records = zones[0]["records"].as_array().unwrap();
    assert!(records.iter().all(|record| record["state"] == "failed"), "{zones}");
    assert_eq!(records[0]["name"], "_xmpp-server._tcp.contoso.example");
    assert!(records[0]["value"].as_str().unwrap().ends_with(" xmpp.contoso.example."), "{zones}");
    let table = place.run(&["dns", "show"]).succeeded().stdout;
    assert!(table.contains("it is not known whether it is there"), "{table}");
    place.run(&["dns", "show", "other.example"]).failed(1, &["there is no internal domain other.example"]);
    assert_eq!(server.stop(), Some(0));
}

fn edit(place: &Place, from: &str, to: &str) {
    let text = fs::read_to_string(place.config()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(place.config(), text.replacen(from, to, 1)).unwrap();
}

/// `VERDICT about: text` of every finding of this server.
fn findings(place: &Place) -> (Option<i32>, Vec<String>) {
    let ran = place.run(&["doctor", "--output", "json"]);
    let diagnosis = ran.json();
    let text = |finding: &Value| {
        let part = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {} → {}", part("verdict"), part("about"), part("text"), part("remedy"))
    };
    let all = ["findings", "partners_view"].map(|list| diagnosis[list].as_array().unwrap().clone()).concat();
    (ran.code, all.iter().map(text).collect())
}

#[track_caller]
fn assert_found(found: &[String], parts: &[&str]) {
    let matches = |line: &&String| parts.iter().all(|part| line.contains(part));
    assert!(found.iter().any(|line| matches(&line)), "{parts:?} is not in {found:#?}");
}

#[test]
fn a_doctor_looks_at_a_server_that_runs_or_not() {
    let place = Place::new();
    place.init().succeeded();
    edit(&place, "name_servers = []", &format!("name_servers = [\"{}\"]", refusing()));
    let server = Server::start(&place);
    let (code, found) = findings(&place);
    assert_eq!(code, Some(0), "{found:#?}");
    for parts in [
        &["ok server", "it runs"][..],
        &["ok data directory", "0700"],
        &["ok database", "is sound"],
        &["ok audit log", "unbroken chain"],
        &["ok clock"],
        &["open files", "the running server"],
        &["ok listener xmpp tcp", "accepts connections"],
        &["ok listener sip udp", "listened on"],
        &["ok listener sip tcp", "accepts connections"],
        &["ok certificate ", "its key fits"],
        &["warn certificate ", "self-signed"],
        &["ok certificate for contoso.example"],
        &["warn dns _xmpp-server._tcp.contoso.example SRV", "not known"],
        &["warn contoso.example", "refused to answer"],
    ] {
        assert_found(&found, parts);
    }
    place.run(&["domain", "add", "adatum.example"]).succeeded();
    let (code, found) = findings(&place);
    assert_eq!(code, Some(1));
    assert_found(&found, &["fail certificate for adatum.example", "[[xmpp.certificates]]"]);
    place.run(&["domain", "remove", "adatum.example"]).succeeded();
    assert_eq!(server.stop(), Some(0));

    let (code, found) = findings(&place);
    assert_eq!(code, Some(0), "{found:#?}");
    assert_found(&found, &["warn server", "no server answers on"]);
    assert_found(&found, &["ok database", "is sound"]);
    let table = place.run(&["doctor"]);
    assert!(
        table.stdout.contains("OK    database: ") && table.stdout.contains("What a partner will see:"),
        "{table:?}"
    );
}

/// Nothing listens at the discard port.
#[test]
fn a_doctor_finds_a_deployment_that_does_not_answer() {
    let place = Place::new();
    place.init().succeeded();
    edit(&place, "name_servers = []", &format!("name_servers = [\"{}\"]", refusing()));
    let server = Server::start(&place);
    place.run(&LYNC).succeeded();
    let to = ["--backend", "registrar", "--backend", "trunk:lync", "--backend", "xmpp", "--xmpp-server", "127.0.0.1:9"];
    place.run(&[&["domain", "set", "contoso.example"], &to[..]].concat()).succeeded();
    let end = Instant::now() + Duration::from_secs(30);
    while json(&place, &["trunk", "show", "lync"])["state"] != "down" {
        assert!(Instant::now() < end, "{}", json(&place, &["trunk", "show", "lync"]));
        thread::sleep(Duration::from_millis(100));
    }
    let (code, found) = findings(&place);
    assert_eq!(code, Some(1));
    assert_found(&found, &["fail trunk lync", "no target answers", "legation trunk test lync"]);
    assert_found(&found, &["fail XMPP server of contoso.example", "127.0.0.1:9", "refused"]);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_doctor_finds_what_keeps_a_server_from_starting() {
    let place = Place::new();
    place.init().succeeded();
    edit(&place, "name_servers = []", &format!("name_servers = [\"{}\"]", refusing()));
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap();
    edit(&place, "listen = [\"127.0.0.1:0\"]", &format!("listen = [\"{port}\"]"));
    fs::set_permissions(place.path("data/contoso.example.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, found) = findings(&place);
    assert_eq!(code, Some(1));
    assert_found(&found, &["fail listener xmpp tcp", "another program listens there"]);
    assert_found(&found, &["fail certificate", "chmod o-rwx"]);

    fs::set_permissions(place.path("data/legation.db"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_found(&findings(&place).1, &["fail database", "chmod 600"]);
    fs::remove_file(place.path("data/legation.db")).unwrap();
    assert_found(&findings(&place).1, &["fail database", "legation init"]);
    place.write("legation.toml", "version = 1\n");
    let (code, found) = findings(&place);
    assert_eq!((code, found.len()), (Some(1), 1), "{found:#?}");
    assert_found(&found, &["fail configuration", "data_dir: it is missing"]);
}
