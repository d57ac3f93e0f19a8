//! A partner's server that means harm: raw bytes over TCP, authorised by dialback through a name server and an authoritative
//! server of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use interop::process::PATIENCE;

use crate::world::{OURS, STRANGER};

/// The header of a stream that `from` opens to us.
pub(crate) fn header(from: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
         xmlns:stream='http://etherx.jabber.org/streams' from='{from}' to='{OURS}' version='1.0'>"
    )
}

/// A connection to one of our listeners.
pub(crate) struct Wire {
    stream: TcpStream,
    /// Everything heard so far.
    pub(crate) heard: String,
}

impl Wire {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("our listener accepts"))
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time above zero is valid");
        stream.set_nodelay(true).expect("TCP knows no delay");
        Self { stream, heard: String::new() }
    }

    /// Writes; the other side may have closed already, which reading will show.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads until `part` was heard. Panics at the end of the stream.
    pub(crate) fn wait_for(&mut self, part: &str) {
        while !self.heard.contains(part) {
            assert!(self.read(), "the stream ended without {part:?}: {}", self.heard);
        }
    }

    /// Reads to the end of the stream.
    pub(crate) fn end(&mut self) -> &str {
        while self.read() {}
        &self.heard
    }

    /// False at the end. A reset is an end too: who closes on unread bytes sends one.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing within {PATIENCE:?} ({error}) after: {}", self.heard),
        }
    }
}

/// Answers every question about a dialback key with "valid", as the server of [`STRANGER`].
pub(crate) fn vouch(address: SocketAddr) {
    let listener = TcpListener::bind(address).expect("the port was free");
    // Ends with the test's process; it holds nothing but its port.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || vouch_once(Wire::new(stream)));
        }
    });
}

fn vouch_once(mut wire: Wire) {
    wire.wait_for("<stream:stream ");
    let answer = header(STRANGER).replace("version='1.0'>", "id='villain' version='1.0'>");
    wire.say(
        format!("{answer}<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>").as_bytes(),
    );
    wire.wait_for("</db:verify>");
    let (_, rest) = wire.heard.split_once("<db:verify").expect("it was waited for");
    let (_, rest) = rest.split_once(" id='").expect("a question has an id");
    let (id, _) = rest.split_once('\'').expect("an attribute ends");
    let verdict = format!("<db:verify from='{STRANGER}' to='{OURS}' id='{id}' type='valid'/>");
    wire.say(verdict.as_bytes());
    wire.end();
}

/// A stream on which [`STRANGER`] may send.
pub(crate) fn authorised(address: SocketAddr) -> Wire {
    let mut wire = Wire::open(address);
    wire.say(header(STRANGER).as_bytes());
    wire.wait_for("</stream:features>");
    wire.say(format!("<db:result from='{STRANGER}' to='{OURS}'>a key of ours</db:result>").as_bytes());
    wire.wait_for("type='valid'");
    wire
}
