use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Place, Server};

/// Longest wait for what is counted a little later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Status line and body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn monitoring_is_answered_on_loopback_and_only_there() {
    let place = Place::new();
    place.init().succeeded();
    let file = std::fs::read_to_string(place.config()).unwrap();
    let ours = "# Loopback";
    let (before, after) = file.split_once(ours).unwrap();
    let outside = after.replace("listen = []", "listen = [\"192.0.2.1:9090\"]");
    place.write("legation.toml", &format!("{before}{ours}{outside}"));
    place.run(&["config", "check"]).failed(1, &["ops.listen", "loopback"]);

    // The kernel's choice: free a moment ago.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let inside = after.replace("listen = []", &format!("listen = [\"{address}\"]"));
    place.write("legation.toml", &format!("{before}{ours}{inside}"));
    let server = Server::start(&place);
    for path in ["/healthz", "/readyz"] {
        let (head, _) = get(address, path);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    }
    assert!(get(address, "/api/v1/status").0.starts_with("HTTP/1.1 404"));
    let (head, page) = get(address, "/metrics");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    for line in [
        "legation_stanzas_total{ledger=\"proxy.to_partners\",outcome=\"accepted\"} 0",
        "legation_sip_registrations 0",
        "legation_message_sessions{trunk=\"\"} 0",
        "legation_reports_dropped_total 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    // Nothing listens at the discard port.
    let trunk = ["trunk", "add", "lync", "--target", "127.0.0.1:9", "--peer-name", "sip.contoso.example"];
    place.run(&trunk).succeeded();
    let (line, end) = ("legation_trunk_targets{trunk=\"lync\",state=\"down\"} 1", Instant::now() + PATIENCE);
    loop {
        let page = get(address, "/metrics").1;
        if page.lines().any(|found| found == line) {
            break;
        }
        assert!(Instant::now() < end, "{line} is not in\n{page}");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.stop(), Some(0));
}
