//! An XMPP user at a partner: slixmpp from Debian, driven by JSON lines.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::Process;

const VERIFICATION: &str = include_str!("verification.py");
const CLIENT: &str = include_str!("client.py");

/// Debian's interpreter: another one first in the path would not see Debian's slixmpp.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// The password of every account.
pub const PASSWORD: &str = "romeo-is-here";

/// The accounts that exist on each partner's server.
pub const USERS: [&str; 2] = ["juliet", "nurse"];

/// A partner's server, as its users see it.
pub trait Home {
    /// Where clients log in (no TLS demanded).
    fn clients(&self) -> SocketAddr;
}

/// What the client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The stanza's type (`chat`, `error`, ...).
    pub kind: String,
    /// Its id, empty when there was none.
    pub id: String,
    /// The sender's full address.
    pub from: String,
    /// The text of the body.
    pub body: String,
    /// The condition of an error stanza.
    pub condition: String,
    /// The text of an error stanza.
    pub text: String,
    /// The whole stanza.
    pub xml: String,
}

/// The hash that slixmpp makes of an answer to disco#info (XEP-0115 §5.1).
pub fn verification(answer: &str) -> String {
    let output = Command::new(PYTHON).args(["-c", VERIFICATION, answer]).output().expect("slixmpp is installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A logged-in client.
pub struct Client {
    process: Process,
}

impl Client {
    /// Logs in as `user` of the server's domain and sends presence.
    pub fn login(server: &impl Home, jid: &str) -> Self {
        let clients = server.clients();
        let (host, port) = (clients.ip().to_string(), clients.port().to_string());
        let process = Process::start(jid, PYTHON, &["-u", "-c", CLIENT, jid, PASSWORD, &host, &port]);
        process.wait_for(0, &["\"event\": \"ready\""]);
        Self { process }
    }

    /// How much was received so far: a mark to search from.
    pub fn mark(&self) -> usize {
        self.process.mark()
    }

    /// Sends a chat message.
    pub fn send(&mut self, to: &str, id: &str, body: &str) {
        self.process.write_line(&json!({"to": to, "id": id, "body": body}).to_string());
    }

    /// Sends a stanza as it is.
    pub fn send_raw(&mut self, stanza: &str) {
        self.process.write_line(&json!({"raw": stanza}).to_string());
    }

    /// Waits for a message after `mark` that `wanted` accepts.
    pub fn receive(&self, what: &str, mark: usize, wanted: impl Fn(&Received) -> bool) -> Received {
        self.process.find(what, mark, |lines| lines.iter().filter_map(|line| stanza("message", line)).find(&wanted))
    }

    /// Waits for a presence stanza after `mark` that `wanted` accepts.
    pub fn presence(&self, what: &str, mark: usize, wanted: impl Fn(&Received) -> bool) -> Received {
        self.process.find(what, mark, |lines| lines.iter().filter_map(|line| stanza("presence", line)).find(&wanted))
    }

    /// Waits until the roster has a contact with this subscription (RFC 6121 §2.1.2.5).
    pub fn listed(&self, contact: &str, subscription: &str, mark: usize) {
        self.process.find(&format!("{contact} as {subscription}"), mark, |lines| {
            lines.iter().filter_map(|line| stanza("roster", line)).find(|r| r.from == contact && r.kind == subscription)
        });
    }

    /// Asks by iq-get and waits for the answer, a result or an error.
    pub fn ask(&mut self, to: &str, id: &str, payload: &str) -> Received {
        let mark = self.mark();
        self.send_raw(&format!("<iq type='get' to='{to}' id='{id}'>{payload}</iq>"));
        self.process.find(&format!("answer to {id}"), mark, |lines| {
            lines.iter().filter_map(|line| stanza("iq", line)).find(|iq| iq.id == id)
        })
    }

    /// All messages received since `mark`.
    pub fn received(&self, mark: usize) -> Vec<Received> {
        self.process.since(mark).iter().filter_map(|line| stanza("message", line)).collect()
    }
}

/// The stanza that a line tells of, if it is of this kind.
pub(crate) fn stanza(event: &str, line: &str) -> Option<Received> {
    let value: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    (value["event"] == event).then(|| Received {
        kind: field("type"),
        id: field("id"),
        from: field("from"),
        body: field("body"),
        condition: field("condition"),
        text: field("text"),
        xml: field("xml"),
    })
}
