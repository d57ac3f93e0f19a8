//! Rows about what administrators and monitoring see of the villain.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::{fs, path::Path};

use super::forge::named;
use super::scene::{Scene, Stage};
use super::villain::{DIALBACK, Wire, answer_header, header};
use crate::world::{ROW_2, ROW_17, STRANGER};

static STAGE: Stage = Stage::new();

fn row(attack: impl FnOnce(&mut Scene)) {
    STAGE.play(|scene| {
        scene.villain_has(ROW_17);
        attack(scene);
    });
}

/// XEP-0165: one spelling is stored; others of the same name are the same, and what only looks like it is another one.
#[test]
fn row_25_look_alikes_in_the_list_of_partners() {
    row(|scene| {
        let server = &scene.world.server;
        for spelling in ["LITWARE.example", "litware.example.", "Litware.Example"] {
            server.cli(&["partner", "add", spelling]).failed(&[STRANGER]);
            let mut wire = Wire::open(scene.xmpp());
            wire.say(header(spelling));
            wire.wait_for("</stream:features>");
        }
        let cyrillic = "l\u{456}tware.example";
        let mut wire = Wire::open(scene.xmpp());
        wire.say(header(cyrillic));
        let heard = wire.end();
        assert!(heard.contains("<policy-violation ") && heard.contains("not a federation partner"), "{heard}");
        let ran = server.cli(&["partner", "add", cyrillic]).succeeded();
        assert!(ran.stderr.contains("warning: primary_domain: "), "{ran:#?}");
        let list = server.json(&["partner", "list"]);
        let names: Vec<_> = list.as_array().into_iter().flatten().map(|partner| &partner["primary_domain"]).collect();
        assert!(
            names
                .iter()
                .any(|name| *name == "xn--ltware-jvf.example" || name.as_str().is_some_and(|n| n.starts_with("xn--"))),
            "{names:?}"
        );
        server.cli(&["partner", "remove", cyrillic]).succeeded();
        for address in ["127.0.0.1", "[::1]", "litware..example"] {
            server.cli(&["partner", "add", address]).failed(&["primary_domain"]);
        }
    });
}

/// What acts on a terminal: controls of every kind, and characters that turn the order of the text.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn inert(what: &str, text: &str) {
    assert!(!text.chars().any(acts), "{what}: {text:?}");
}

/// CVE-2023-32315 and its kin: the plane of administrators is a socket that only they can open, and what the villain says
/// comes out there as data.
#[test]
fn row_26_the_admin_plane() {
    row(|scene| {
        only_administrators_connect(scene);

        // Text of a stream error, as far as XML lets it be evil: C1 controls, the turn of direction, markup.
        scene.den.behave(|mut wire| {
            answer_header(&mut wire, "evil", DIALBACK);
            wire.say(
                "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>evil \u{9b}2J\u{85}\u{202e}txt&lt;script&gt;</text>\
                 </stream:error></stream:stream>",
            );
            wire.end();
        });
        let probe = scene.probe(&[]);
        let told = probe["report"]["steps"].to_string();
        assert!(told.contains("evil") && told.contains("<script>"), "it is data: {probe}");
        let id = probe["report"]["id"].as_str().unwrap_or_default().to_owned();
        scene.report(STRANGER, |report| report["id"] == id.as_str());
        tell_without_harm(scene, &["report", "show", &id], "evil");
        let table = scene.world.server.cli(&["probe", STRANGER]);
        inert("probe", &format!("{}{}", table.stdout, table.stderr));

        // The subject of a certificate, which may hold anything.
        scene.villain_has(ROW_2);
        let subject = "\u{1b}]0;evil\u{7}\u{1b}[2J\u{9b}2J\u{202e}\r litware";
        let bad = scene.forge.self_signed(named(subject, &[STRANGER]));
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &bad);
        wire.restart(STRANGER);
        wire.end();
        let report = scene.report(STRANGER, |report| report["result"] == "certificate_self_signed");
        let id = report["id"].as_str().unwrap_or_default().to_owned();
        tell_without_harm(scene, &["report", "show", &id], "evil");

        let good = scene.forge.signed(named(subject, &[STRANGER]));
        let mut wire = Wire::open(scene.xmpp()).starttls(STRANGER, &good);
        wire.restart(STRANGER);
        assert!(wire.external() && wire.restart(STRANGER).contains("features"), "{}", wire.heard);
        scene.world.server.wait_for_methods(STRANGER, &[("inbound", "sasl_over_tls")]);
        for command in [["status"].as_slice(), &["stream", "list"]] {
            tell_without_harm(scene, command, "evil");
        }
        let log = scene.world.server.process.since(0).join("\n");
        assert!(!log.contains('\u{9b}') && !log.contains("\u{1b}]0;"), "the log acts on a terminal");
    });
}

/// The socket is its owner's alone, and whoever else tries is not let near it.
fn only_administrators_connect(scene: &Scene) {
    let status = scene.world.server.json(&["status"]);
    let listeners = status["listeners"].as_array().into_iter().flatten();
    let listeners: Vec<_> = listeners.filter(|listener| listener["name"] == "api").collect();
    let of = |transport: &str| listeners.iter().find(|listener| listener["transport"] == transport);
    assert_eq!(listeners.len(), 2, "the socket, and HTTPS: {status}");
    nobody_without_a_credential(of("tls").expect("HTTPS is listed")["address"].as_str().expect("an address is text"));
    let api = of("unix").expect("the socket is listed");
    let path = Path::new(api["address"].as_str().expect("an address is text"));
    let socket = fs::metadata(path).expect("the socket is there");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(path.parent().expect("it is in a folder")).expect("the folder is there");
    assert_eq!((folder.permissions().mode() & 0o077, folder.uid()), (0, socket.uid()));
    // As nobody, where this process may become somebody else: root can, and CI is root.
    if socket.uid() == 0 {
        let connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])";
        let mut python = Command::new("setpriv");
        python.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "/usr/bin/python3", "-c", connect]);
        let ran = python.arg(path).output().expect("setpriv runs");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success() && told.contains("PermissionError"), "{told}");
    }
}

/// Whatever is asked over HTTPS, without a token or a session there is an answer of no use.
fn nobody_without_a_credential(address: &str) {
    let ran = Command::new("/usr/bin/python3")
        .args(["-c", include_str!("no_credential.py"), address])
        .output()
        .expect("python runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    let told: Vec<_> = told.lines().map(str::trim).collect();
    let (api, pages) = told.split_at(7.min(told.len()));
    assert_eq!(api, ["401"; 7], "{}", String::from_utf8_lossy(&ran.stderr));
    // A form is refused, not sent on: its fields are kept in the login that is shown instead.
    assert_eq!(pages, ["303 /login", "303 /login", "401", "403"]);
}

/// A command tells `part` of what the villain said, in a table and as JSON, and neither acts on a terminal.
fn tell_without_harm(scene: &Scene, command: &[&str], part: &str) {
    let table = scene.world.server.cli(command).succeeded();
    assert!(table.stdout.contains(part), "{command:?}: {}", table.stdout);
    inert(&format!("{command:?}"), &format!("{}{}", table.stdout, table.stderr));
    let json = scene.world.server.cli(&[&["--output", "json"], command].concat());
    inert(&format!("{command:?} as JSON"), &json.stdout);
    assert!(json.json().to_string().contains(part), "{command:?}");
}

fn metrics(scene: &Scene) -> String {
    let mut socket = TcpStream::connect(scene.ops).expect("the metrics are served");
    write!(socket, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it listens");
    let mut page = String::new();
    socket.read_to_string(&mut page).expect("it answers");
    assert!(page.ends_with("# EOF\n"), "{page}");
    page
}

/// Random names make no time series: labels are configured partners and fixed words.
#[test]
fn row_28_metrics_after_a_flood_of_random_names() {
    row(|scene| {
        let flood = |scene: &Scene, name: &str| {
            for number in 0..300 {
                let mut wire = Wire::open(scene.xmpp());
                wire.say(header(&format!("{name}{number}.example")));
                let heard = wire.end();
                assert!(heard.contains("<policy-violation "), "{heard}");
            }
        };
        flood(scene, "a");
        scene.report_of_strangers("not_a_partner");
        let before = metrics(scene);
        flood(scene, "b");
        let after = metrics(scene);
        assert_eq!(before.lines().count(), after.lines().count(), "no new time series:\n{after}");
        for line in after.lines().filter(|line| line.contains(".example")) {
            let partner = line.split("partner=\"").nth(1).and_then(|rest| rest.split('"').next());
            assert!(matches!(partner, Some("fabrikam.example" | "litware.example")), "{line}");
        }
    });
}
