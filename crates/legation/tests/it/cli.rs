//! The contract of the command line: exit codes, and where text goes.

use std::os::unix::net::UnixListener;

use crate::harness::Place;

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new();
    for arguments in [&["--help"][..], &["partner", "add", "--help"], &["--version"]] {
        let ran = place.run(arguments).succeeded();
        assert!(ran.stdout.contains("legation"), "{ran:?}");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_wrong_call_exits_with_2() {
    let place = Place::new();
    place.init().succeeded();
    for (arguments, part) in [
        (&[][..], "Usage"),
        (&["partners"], "partner"),
        (&["partner", "add"], "<DOMAIN>"),
        (&["partner", "add", "a.example", "--tls"], "--tls"),
        (&["partner", "add", "a.example", "--dialback", "maybe"], "true, false"),
        (&["partner", "set", "a.example", "--connection-limit", "many"], "a number from 2, and none"),
        (&["partner", "set", "a.example"], "at least one field"),
        (&["partner", "list", "--output", "xml"], "json"),
        (&["user", "add", "a@contoso.example", "--digest", "sha1"], "md5"),
        (&["settings", "set", "queue_age"], "NAME=VALUE"),
        (&["settings", "set", "queue_age=1", "queue_age=2"], "twice"),
        (&["contact", "add", "a@contoso.example"], "<PARTNER>"),
        (&["policy", "assign", "a@contoso.example"], "<POLICY"),
        (&["policy", "set", "global"], "at least one field"),
        (&["audit", "list", "--limit", "0"], "1..=1000"),
        (&["init", "--domain", "a.example", "--certificate", "a.pem"], "--key"),
    ] {
        place.run(arguments).failed(2, &[part]);
    }
}

#[test]
fn a_server_that_does_not_run_exits_with_3() {
    let place = Place::new();
    place.init().succeeded();
    for arguments in [
        &["partner", "list"][..],
        &["partner", "add", "fabrikam.example"],
        &["domain", "list"],
        &["user", "list"],
        &["settings", "show"],
        &["contact", "list"],
        &["audit", "list"],
        &["status"],
    ] {
        place.run(arguments).failed(3, &["no server answers on", "admin.sock", "legation serve"]);
    }
    place.run(&["--socket", &place.text("other.sock"), "status"]).failed(3, &["other.sock"]);
}

#[test]
fn a_socket_that_nobody_serves_exits_with_3() {
    let place = Place::new();
    drop(UnixListener::bind(place.path("stale.sock")).unwrap());
    place.run(&["--socket", &place.text("stale.sock"), "status"]).failed(3, &["no server answers on", "stale.sock"]);
}

#[test]
fn without_a_configuration_file_a_command_says_how_to_get_one() {
    let place = Place::new();
    place.run(&["partner", "list"]).failed(1, &["legation.toml", "legation init", "--config"]);
}
