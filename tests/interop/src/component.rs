//! A program that serves a domain of ours (XEP-0114): slixmpp from Debian, driven by JSON lines.

use std::net::SocketAddr;

use serde_json::json;

use crate::process::Process;
use crate::slixmpp::{PYTHON, Received, stanza};

const COMPONENT: &str = include_str!("component.py");

/// A component that is connected.
pub struct Component {
    process: Process,
}

impl Component {
    /// Connects and waits until it is accepted.
    pub fn connect(server: SocketAddr, domain: &str, secret: &str) -> Self {
        let process = start(server, domain, secret);
        process.wait_for(0, &["\"event\": \"ready\""]);
        Self { process }
    }

    /// Tries to connect and gives the condition of the stream error that it gets instead.
    pub fn refused(server: SocketAddr, domain: &str, secret: &str) -> String {
        let line = start(server, domain, secret).wait_for(0, &["\"event\": \"failed\""]);
        let value: serde_json::Value = serde_json::from_str(&line).expect("the component writes JSON lines");
        value["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// How much was received so far: a mark to search from.
    pub fn mark(&self) -> usize {
        self.process.mark()
    }

    /// Sends a chat message.
    pub fn send(&mut self, from: &str, to: &str, id: &str, body: &str) {
        self.process.write_line(&json!({"from": from, "to": to, "id": id, "body": body}).to_string());
    }

    /// Sends a stanza as it is.
    pub fn send_raw(&mut self, stanza: &str) {
        self.process.write_line(&json!({"raw": stanza}).to_string());
    }

    /// Stops reading, or reads on.
    pub fn read(&mut self, reads: bool) {
        let mark = self.mark();
        self.process.write_line(&json!({"read": reads}).to_string());
        self.process.wait_for(mark, &[if reads { "\"event\": \"reads\"" } else { "\"event\": \"pauses\"" }]);
    }

    /// Waits for a message after `mark` that `wanted` accepts.
    pub fn receive(&self, what: &str, mark: usize, wanted: impl Fn(&Received) -> bool) -> Received {
        self.find("message", what, mark, wanted)
    }

    /// Waits for a presence stanza after `mark` that `wanted` accepts.
    pub fn presence(&self, what: &str, mark: usize, wanted: impl Fn(&Received) -> bool) -> Received {
        self.find("presence", what, mark, wanted)
    }

    /// All messages received since `mark`.
    pub fn received(&self, mark: usize) -> Vec<Received> {
        self.process.since(mark).iter().filter_map(|line| stanza("message", line)).collect()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    fn find(&self, event: &str, what: &str, mark: usize, wanted: impl Fn(&Received) -> bool) -> Received {
        self.process.find(what, mark, |lines| lines.iter().filter_map(|line| stanza(event, line)).find(&wanted))
    }
}

fn start(server: SocketAddr, domain: &str, secret: &str) -> Process {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    Process::start(domain, PYTHON, &["-u", "-c", COMPONENT, domain, secret, &host, &port])
}
