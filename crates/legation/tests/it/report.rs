use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Place, Server};

/// The reports of strangers, once there are some.
fn strangers(place: &Place) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let listed = place.run(&["report", "list", "--strangers", "--output", "json"]).succeeded().json();
        match listed.as_array() {
            Some(reports) if !reports.is_empty() => return reports.clone(),
            _ => assert!(started.elapsed() < Duration::from_secs(30), "a report is written"),
        }
    }
}

#[test]
fn a_stranger_is_reported_and_explained() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    let status = place.run(&["status", "--output", "json"]).succeeded().json();
    let xmpp = status["listeners"].as_array().unwrap().iter().find(|listener| listener["name"] == "xmpp").unwrap();
    let mut socket = TcpStream::connect(xmpp["address"].as_str().unwrap()).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    socket.read_to_end(&mut Vec::new()).unwrap();
    let report = strangers(&place).remove(0);
    assert_eq!((&report["result"], &report["direction"]), (&json!("xml_invalid"), &json!("inbound")));
    let shown = place.run(&["report", "show", report["id"].as_str().unwrap()]).succeeded().stdout;
    for part in ["xml_invalid", "connected to this server", "remedy", "XML that is not allowed"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(place.run(&["report", "list", "--outcome", "success"]).succeeded().stdout, "(none)\n");
    place.run(&["report", "show", "018f0000-0000-7000-8000-000000000000"]).failed(1, &["there is no report"]);
    place.run(&["partner", "add", "fabrikam.example"]).succeeded();
    let partner = place.run(&["partner", "show", "fabrikam.example"]).succeeded().stdout;
    assert!(partner.contains("not tried"), "{partner}");
    assert_eq!(place.run(&["stream", "list"]).succeeded().stdout, "(none)\n");
    place.run(&["stream", "close", "99", "--reason", "maintenance"]).failed(1, &["there is no stream 99"]);
    assert_eq!(server.stop(), Some(0));
    let again = Server::start(&place);
    assert_eq!(strangers(&place)[0]["id"], report["id"], "reports outlive the server");
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn a_probe_tells_its_steps_the_remedy_and_its_report() {
    let place = Place::new();
    place.init().succeeded();
    let file = std::fs::read_to_string(place.config()).unwrap();
    // Nothing listens on port 1.
    let known = "[dns.overrides]\n\"fabrikam.example\" = [\"127.0.0.1:1\"]\n";
    place.write("legation.toml", &file.replace("[dns.overrides]\n", known));
    let server = Server::start(&place);
    let private = place.run(&["probe", "fabrikam.example"]);
    assert_eq!(private.code, Some(1), "{private:?}");
    assert!(private.stdout.contains("allow_private_targets"), "{private:?}");
    place.run(&["settings", "set", "allow_private_targets=127.0.0.0/8"]).succeeded();
    let refused = place.run(&["probe", "fabrikam.example", "--sasl", "optional"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["was found at 127.0.0.1:1", "127.0.0.1:1 refused the connection", "remedy", "legation report show "] {
        assert!(refused.stdout.contains(part), "{part}: {refused:?}");
    }
    assert!(refused.stderr.contains("fabrikam.example refuses connections"), "{refused:?}");
    place.run(&["probe", "contoso.example"]).failed(1, &["domain: contoso.example is one of our internal domains"]);
    place.run(&["partner", "test", "fabrikam.example", "--tls", "perhaps"]).failed(1, &["tls: "]);
    place.run(&["partner", "show", "fabrikam.example"]).failed(1, &["there is no partner"]);
    let audit = place.run(&["audit", "list", "--subject", "fabrikam.example"]).succeeded().stdout;
    assert!(audit.contains("probe.started"), "{audit}");
    assert_eq!(server.stop(), Some(0));
}
