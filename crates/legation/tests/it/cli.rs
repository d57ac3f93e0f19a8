//! The contract of the command line: exit codes, and where text goes.

use std::os::unix::net::UnixListener;

use crate::harness::{Place, Server};

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

/// The pages are read by man, and the completions by bash.
#[test]
fn the_manual_and_the_completions_are_made_from_the_command_line() {
    let place = Place::new();
    let page = place.run(&["man"]).succeeded().stdout;
    assert!(page.starts_with(".") && page.contains("XMPP federation gateway"), "{page}");
    let folder = place.text("man");
    place.run(&["man", "--directory", &folder]).succeeded();
    let add = std::fs::read_to_string(place.path("man/legation-partner-add.1")).unwrap();
    assert!(add.contains("dialback"), "{add}");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).succeeded().stdout;
        assert!(script.contains("partner") && script.contains("dialback"), "{shell}");
    }
    place.run(&["completions", "nothing"]).failed(2, &["nothing"]);
}

#[test]
fn lists_are_printed_by_commas_too() {
    let place = Place::new();
    place.init().succeeded();
    let _server = Server::start(&place);
    place.run(&["partner", "add", "fabrikam.example", "--type", "federated", "--description", "a, \"b\""]).succeeded();
    let list = place.run(&["partner", "list", "--output", "csv"]).succeeded().stdout;
    let mut lines = list.lines();
    assert!(lines.next().unwrap().starts_with("partner,"), "{list}");
    assert!(lines.next().unwrap().starts_with("fabrikam.example,"), "{list}");
    let one = place.run(&["partner", "show", "fabrikam.example", "--output", "csv"]).succeeded().stdout;
    assert!(one.contains("\"a, \"\"b\"\"\""), "{one}");
    assert!(place.run(&["audit", "verify"]).succeeded().stdout.contains("intact"));
}
