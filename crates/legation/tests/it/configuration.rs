//! `legation config check` and a server that cannot start: one clear sentence each, exit code 1, nothing changed.

use crate::harness::Place;

#[test]
fn a_valid_file_is_said_to_be_valid() {
    let place = Place::new();
    place.init().succeeded();
    let ran = place.run(&["config", "check"]).succeeded();
    assert!(ran.stdout.contains("is valid"), "{ran:?}");
    let json = place.run(&["config", "check", "--output", "json"]).succeeded().json();
    assert_eq!(json["certificates"], serde_json::json!([["contoso.example"]]));
}

#[test]
fn every_problem_is_shown_with_file_line_column_and_field() {
    let place = Place::new();
    place.write(
        "legation.toml",
        "version = 1\ndata_dir = \"data\"\n[xmpp]\nlisten = [\"5269\"]\n[log]\nlevel = \"loud\"\n",
    );
    let ran = place.run(&["config", "check"]).failed(1, &[]);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    let file = place.text("legation.toml");
    assert!(lines[0].starts_with(&format!("error: {file}:4:11: xmpp.listen: \"5269\" was entered")), "{ran:?}");
    assert!(lines[1].starts_with(&format!("error: {file}:6:9: log.level: \"loud\" was entered")), "{ran:?}");
}

#[test]
fn an_unknown_field_names_those_that_are_known() {
    let place = Place::new();
    place.write("legation.toml", "version = 1\ndata_dir = \"data\"\n[sip]\nsctp = []\n");
    place.run(&["config", "check"]).failed(1, &["legation.toml:4:1: sip.sctp:", "`udp`", "`tcp`"]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let place = Place::new();
    place.init().succeeded();
    let files = |certificate: &str, key: &str| {
        format!(
            "version = 1\ndata_dir = \"data\"\n[[xmpp.certificates]]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"
        )
    };
    place.write("empty.pem", "");
    for (certificate, key, part) in [
        ("missing.pem", "data/contoso.example.key", "missing.pem"),
        ("empty.pem", "data/contoso.example.key", "empty.pem has no certificate"),
        ("data/contoso.example.pem", "empty.pem", "empty.pem"),
    ] {
        place.write("legation.toml", &files(certificate, key));
        place.run(&["config", "check"]).failed(1, &[part]);
        place.run(&["serve"]).failed(1, &[part]);
    }
}
