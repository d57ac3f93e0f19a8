//! `legation cert`: what is in use, what the files hold, and reading them again.

use std::fs;

use crate::harness::{Place, Server};

#[test]
fn the_certificates_in_use_are_listed_with_their_domains() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    let list = place.run(&["cert", "list", "--output", "json"]).succeeded().json();
    let [item] = list["items"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(item["domains"], serde_json::json!(["contoso.example"]));
    assert_eq!(item["names"], serde_json::json!(["contoso.example"]));
    assert_eq!((&item["state"], &list["warnings"]), (&"valid".into(), &serde_json::json!([])));
    assert_eq!(item["certificate"], place.text("data/contoso.example.pem"));
    assert!(item["days_left"].as_i64().unwrap() > 30, "{item}");
    let table = place.run(&["cert", "list"]).succeeded();
    assert!(table.stdout.contains("contoso.example.pem") && table.stdout.contains("DAYS"), "{table:?}");
    place.run(&["cert", "check"]).succeeded();
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_domain_without_certificate_fails_the_check_and_warns_in_the_status() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    place.run(&["domain", "add", "adatum.example"]).succeeded();
    let ran = place.run(&["cert", "check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("error: no certificate for adatum.example"), "{ran:?}");
    let status = place.run(&["status"]).succeeded();
    assert!(status.stderr.contains("warning: no certificate names adatum.example"), "{status:?}");
    assert_eq!(server.stop(), Some(0));
}

/// A certificate that the configuration file lists only now is read without a restart; one that cannot be read leaves
/// everything as it was.
#[test]
fn certificates_are_read_again_on_command() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    let other = Place::new();
    other.init().succeeded();
    let config = fs::read_to_string(place.config()).unwrap();
    let (certificate, key) = (other.text("data/contoso.example.pem"), other.text("data/contoso.example.key"));
    let second = format!("{config}\n[[xmpp.certificates]]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    fs::write(place.config(), second).unwrap();
    let count = |arguments: &[&str]| {
        let answer = place.run(&[arguments, &["--output", "json"]].concat()).succeeded().json();
        answer["items"].as_array().unwrap().len()
    };
    assert_eq!(count(&["cert", "check"]), 2, "what is in the files");
    assert_eq!(count(&["cert", "list"]), 1, "what is in use");
    assert_eq!(count(&["cert", "reload"]), 2);
    server.wait_for_line("certificates were read again");
    fs::write(&certificate, "").unwrap();
    place.run(&["cert", "check"]).failed(1, &["has no certificate"]);
    place.run(&["cert", "reload"]).failed(1, &["has no certificate"]);
    assert_eq!(count(&["cert", "list"]), 2);
    assert_eq!(server.stop(), Some(0));
}
