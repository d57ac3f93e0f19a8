//! `legation init`.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::harness::{Place, Ran};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file below `path` with its content.
fn files(path: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn init(place: &Place, more: &[&str]) -> Ran {
    let data = place.text("data");
    place.run(&[&["init", "--data-dir", &data], more].concat())
}

#[test]
fn makes_what_a_first_start_needs_closed_to_others() {
    let place = Place::new();
    let ran = place.init().succeeded();
    for part in ["contoso.example", "self-signed", "Next:", "serve", "--config"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(mode(&place.path("data")), 0o700);
    for (file, expected) in [("legation.db", 0o600), ("contoso.example.key", 0o600)] {
        assert_eq!(mode(&place.path("data").join(file)), expected, "{file}");
    }
    place.run(&["config", "check"]).succeeded();
}

#[test]
fn overwrites_nothing() {
    let place = Place::new();
    place.init().succeeded();
    let before = files(&place.path(""));
    init(&place, &["--domain", "other.example"]).failed(1, &["legation.toml exists already"]);
    assert_eq!(files(&place.path("")), before);
    fs::remove_file(place.config()).unwrap();
    init(&place, &["--domain", "other.example"]).failed(1, &["legation.db exists already"]);
    assert!(!place.config().exists());
}

#[test]
fn a_refused_init_leaves_nothing_behind() {
    let place = Place::new();
    place.write("empty.pem", "");
    let empty = place.text("empty.pem");
    let before = files(&place.path(""));
    for (more, code, part) in [
        (&["--domain", "192.0.2.1"][..], 1, "an IP address is not a domain name"),
        (&["--domain", ""], 1, "a domain name is required"),
        (&["--domain", "a.example", "--certificate", &empty, "--key", &empty], 1, "empty.pem"),
        (&["--domain", "a.example", "--sip-listen", "5060"], 2, "ADDRESS:PORT"),
    ] {
        init(&place, more).failed(code, &[part]);
        assert_eq!(files(&place.path("")), before, "{more:?}");
        assert!(!place.path("data").exists(), "{more:?}");
    }
}

#[test]
fn a_certificate_that_is_given_is_used() {
    let other = Place::new();
    other.init().succeeded();
    let place = Place::new();
    let (certificate, key) = (other.text("data/contoso.example.pem"), other.text("data/contoso.example.key"));
    let ran = init(&place, &["--domain", "contoso.example", "--certificate", &certificate, "--key", &key]).succeeded();
    assert!(!ran.stdout.contains("self-signed"), "{ran:?}");
    assert!(fs::read_to_string(place.config()).unwrap().contains(&certificate));
    assert!(!place.path("data/contoso.example.pem").exists());
}
