//! A SIP user that tells what became of each of its messages: a script on Python's standard library, driven by JSON lines.
//!
//! baresip shows what a person sees; this one shows which of many messages got which answer.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::process::Process;

const USER: &str = include_str!("sip_user.py");

/// A registered user.
pub struct SipUser {
    process: Process,
}

impl SipUser {
    /// Registers by TCP with an MD5 digest.
    pub fn register(address: &str, password: &str, registrar: SocketAddr) -> Self {
        let (host, port) = (registrar.ip().to_string(), registrar.port().to_string());
        let process = Process::start(address, "/usr/bin/python3", &["-u", "-c", USER, address, password, &host, &port]);
        process.wait_for(0, &["\"event\": \"ready\""]);
        Self { process }
    }

    /// Sends a MESSAGE without waiting for its answer.
    pub fn send(&mut self, to: &str, id: &str, body: &str) {
        self.process.write_line(&json!({"to": to, "id": id, "body": body}).to_string());
    }

    /// The final answers so far, by the id of the message, in order.
    pub fn answers(&self) -> Vec<(String, u16)> {
        let answers = self.events("answer");
        let status = |value: &Value| value["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        answers.map(|value| (text(&value, "id"), status(&value).expect("an answer has a status"))).collect()
    }

    /// The messages that came in so far: sender and body.
    pub fn received(&self) -> Vec<(String, String)> {
        self.events("message").map(|value| (text(&value, "from"), text(&value, "body"))).collect()
    }

    fn events(&self, name: &str) -> impl Iterator<Item = Value> {
        let lines = self.process.since(0);
        let values = lines.into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        values.filter(move |value| value["event"] == name)
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
