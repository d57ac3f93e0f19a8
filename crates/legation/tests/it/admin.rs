//! The API over HTTPS: OpenSSL connects, and what a token may do is said by its role.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::harness::{Place, Server};

/// One request by OpenSSL, which trusts the server's own certificate alone; what was answered.
fn https(place: &Place, address: &str, method: &str, path: &str, token: &str) -> String {
    let certificate = place.text("data/contoso.example.pem");
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "contoso.example"])
        .args(["-servername", "contoso.example", "-CAfile", &certificate, "-connect", address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: contoso.example\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\nContent-Length: 0\r\n\r\n"
    );
    client.stdin.as_mut().unwrap().write_all(head.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_token_opens_the_api_over_https_as_far_as_its_role_goes() {
    let place = Place::new();
    let data = place.text("data");
    let listen = ["--xmpp-listen", "--sip-listen", "--admin-listen"].map(|option| [option, "127.0.0.1:0"]).concat();
    let init = [&["init", "--domain", "contoso.example", "--data-dir", &data], &listen[..]].concat();
    let made = place.run(&init).succeeded();
    assert!(
        made.stdout.contains("admin add NAME --role administrator")
            && made.stdout.contains("https://127.0.0.1:0/setup/")
    );
    place.run(&["config", "check"]).succeeded();
    let server = Server::start(&place);
    let status = place.run(&["status", "--output", "json"]).succeeded().json();
    let listeners = status["listeners"].as_array().unwrap();
    let api = listeners.iter().find(|one| one["name"] == "api" && one["transport"] == "tls").unwrap();
    let address = api["address"].as_str().unwrap();

    let add = ["admin", "token", "add", "monitoring", "--role", "viewer"];
    let made = place.run(&add).succeeded();
    let token = made.stdout.trim();
    assert!(token.starts_with("legation_") && made.stderr.contains("role viewer"), "{made:?}");
    let answer = https(&place, address, "GET", "/status", token);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"registrations\""), "{answer}");
    let answer = https(&place, address, "DELETE", "/partners/fabrikam.example", token);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("needs the role administrator"), "{answer}");
    place.run(&add).failed(1, &["exists already"]);
    assert!(place.run(&["admin", "token", "list"]).succeeded().stdout.contains("monitoring"));
    place.run(&["admin", "token", "remove", "monitoring"]).succeeded();
    assert!(https(&place, address, "GET", "/status", token).starts_with("HTTP/1.1 401"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn administrators_are_added_and_changed_and_no_password_is_shown() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    place
        .run_with(&["admin", "add", "ops1", "--role", "viewer"], "too short\n")
        .failed(1, &["password", "at least 12"]);
    place.run_with(&["admin", "add", "ops1", "--role", "viewer"], "correct horse battery\n").succeeded();
    place.run(&["admin", "role", "ops1", "help-desk"]).succeeded();
    let changed = place.run_with(&["admin", "passwd", "ops1"], "another good one\n").succeeded();
    assert!(changed.stdout.contains("Changed ops1: role help_desk. Their sessions have ended."), "{changed:?}");
    assert!(place.run(&["admin", "disable", "ops1"]).succeeded().stdout.contains("disabled"));
    let audit = place.run(&["audit", "list", "--subject", "ops1", "--output", "json"]).succeeded().stdout;
    assert!(audit.contains("administrator.password_changed") && !audit.contains("good one"), "{audit}");
    place.run(&["admin", "remove", "ops1"]).succeeded();
    assert!(place.run(&["admin", "list"]).succeeded().stdout.contains("(none)"));
    assert_eq!(server.stop(), Some(0));
}
