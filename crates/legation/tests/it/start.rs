//! A server that cannot start says why in one sentence, exits with 1 and changes nothing.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt as _,
};

use rustix::process::Signal;

use crate::harness::{Place, Server};

fn configured(place: &Place, xmpp: &str, sip: &str) {
    let text = format!(
        "version = 1\ndata_dir = \"data\"\n[xmpp]\nlisten = [\"{xmpp}\"]\n[sip]\nudp = [\"{sip}\"]\ntcp = [\"{sip}\"]\n"
    );
    place.write("legation.toml", &text);
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    place.init().succeeded();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = tcp.local_addr().unwrap().to_string();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = held.local_addr().unwrap().to_string();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let busy_udp = udp.local_addr().unwrap().to_string();
    drop(tcp);
    for (xmpp, sip, named) in
        [(busy.as_str(), "127.0.0.1:0", busy.as_str()), ("127.0.0.1:0", busy_udp.as_str(), busy_udp.as_str())]
    {
        configured(&place, xmpp, sip);
        let ran = place.run(&["serve"]).failed(1, &["in use", named]);
        assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{ran:?}");
        assert!(!place.path("data/admin.sock").exists());
    }
}

#[test]
fn a_data_directory_that_was_never_set_up_is_said_so() {
    let place = Place::new();
    configured(&place, "127.0.0.1:0", "127.0.0.1:0");
    place.run(&["serve"]).failed(1, &["data", "legation init"]);
    assert!(!place.path("data").exists());
}

#[test]
fn a_data_directory_open_to_others_is_refused() {
    let place = Place::new();
    place.init().succeeded();
    fs::set_permissions(place.path("data"), fs::Permissions::from_mode(0o777)).unwrap();
    place.run(&["serve"]).failed(1, &["data", "open to other users", "chmod 750"]);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    place.init().succeeded();
    let database = place.path("data/legation.db");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", database.display()));
    }
    let text = "this is no database, but it is long enough to be looked at as one ".repeat(20);
    fs::write(&database, &text).unwrap();
    place.run(&["serve"]).failed(1, &["legation.db", "not a database"]);
    assert_eq!(fs::read_to_string(&database).unwrap(), text);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    server.place.run(&["serve"]).failed(1, &["in use by another legation process"]);
    // The first one is not disturbed.
    server.place.run(&["status"]).succeeded();
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_hangup_reads_the_certificates_again_and_keeps_what_it_cannot_read() {
    let place = Place::new();
    place.init().succeeded();
    let server = Server::start(&place);
    server.signal(Signal::HUP);
    server.wait_for_line("certificates were read again");
    fs::write(place.path("data/contoso.example.pem"), "").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_line("certificates were not read again");
    server.place.run(&["status"]).succeeded();
    assert_eq!(server.stop(), Some(0));
}
