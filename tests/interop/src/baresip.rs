//! An internal SIP user: baresip from Debian without audio, driven over its control port (JSON in netstrings).
//!
//! Debian's baresip speaks MD5 digest only. It writes to its *current contact*, which is the first line of its contacts file.
//! What it receives shows on standard error as `URI: "text"`; its SIP trace (`-s`) shows every answer.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use serde_json::json;

use crate::loopback::Loopback;
use crate::process::{PATIENCE, Process, until};

/// How a SIP user reaches the registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection that stays.
    Tcp,
}

/// The account and its one contact.
pub struct Account<'a> {
    /// `alice@contoso.example`.
    pub address: &'a str,
    /// Its password.
    pub password: &'a str,
    /// Whom it writes to, `juliet@fabrikam.example`.
    pub contact: &'a str,
    /// Where our registrar listens.
    pub registrar: SocketAddr,
    /// Over what.
    pub transport: Transport,
}

/// A registered user agent.
pub struct Baresip {
    process: Process,
    control: TcpStream,
}

impl Baresip {
    /// Starts it and waits until the registrar has accepted it.
    pub fn register(folder: &Path, world: Loopback, account: &Account<'_>) -> Self {
        Self::start(folder, world, account, false)
    }

    /// The same; it also publishes its presence and watches its contact.
    pub fn register_watching(folder: &Path, world: Loopback, account: &Account<'_>) -> Self {
        Self::start(folder, world, account, true)
    }

    fn start(folder: &Path, world: Loopback, account: &Account<'_>, watches: bool) -> Self {
        let folder = folder.join(format!("baresip-{}", account.address));
        fs::create_dir_all(&folder).expect("the world's folder can be written");
        let control = SocketAddr::new(world.ip(), world.port());
        let config = format!(
            "sip_listen {}\nmodule_path /usr/lib/baresip/modules\nmodule account.so\nmodule contact.so\nmodule ctrl_tcp.so\n\
             module menu.so\nmodule stdio.so\n{}ctrl_tcp_listen {control}\npoll_method epoll\n",
            SocketAddr::new(world.ip(), world.port()),
            if watches { "module presence.so\n" } else { "" },
        );
        let transport = if account.transport == Transport::Udp { "udp" } else { "tcp" };
        let (user, _) = account.address.split_once('@').expect("an address has a user");
        let line = format!(
            "<sip:{address};transport={transport}>;auth_user={user};auth_pass={password};\
             outbound=\"sip:{registrar};transport={transport}\";regint=60{publishes}\n",
            publishes = if watches { ";pubint=60" } else { "" },
            address = account.address,
            password = account.password,
            registrar = account.registrar,
        );
        let presence = if watches { ";presence=p2p" } else { "" };
        let contacts = format!("\"Contact\" <sip:{}>{presence}\n", account.contact);
        for (name, text) in [("config", &config), ("accounts", &line), ("contacts", &contacts)] {
            fs::write(folder.join(name), text).expect("the world's folder can be written");
        }
        let folder = folder.to_str().expect("temporary paths are UTF-8");
        let process = Process::start(account.address, "baresip", &["-s", "-f", folder]);
        let control = until("control port of baresip", || TcpStream::connect(control).ok());
        control.set_read_timeout(Some(PATIENCE)).expect("a time above zero is valid");
        process.wait_for(0, &["registered successfully"]);
        Self { process, control }
    }

    /// How much it has shown so far: a mark to search from.
    pub fn mark(&self) -> usize {
        self.process.mark()
    }

    /// Writes `text` to the contact; returns when baresip has taken the command. It reads one command from each segment.
    pub fn send(&mut self, text: &str) {
        let command = json!({"command": "message", "params": text}).to_string();
        let netstring = format!("{}:{command},", command.len());
        self.control.write_all(netstring.as_bytes()).expect("the control connection stays open");
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("\"response\":true") {
            let mut bytes = [0; 4096];
            let count = self.control.read(&mut bytes).expect("baresip answers every command");
            assert_ne!(count, 0, "baresip closed its control connection");
            heard.extend_from_slice(&bytes[..count]);
        }
    }

    /// Waits until a message from `sender` with this text (one line) was shown after `mark`.
    pub fn receive(&self, mark: usize, sender: &str, text: &str) {
        self.process.wait_for(mark, &[&format!("sip:{sender}: \"{text}\"")]);
    }

    /// Waits until a line of its SIP trace after `mark` has all these parts.
    pub fn traces(&self, mark: usize, parts: &[&str]) {
        self.process.wait_for(mark, parts);
    }

    /// Whether a message containing `text` was shown after `mark`, now.
    pub fn has_received(&self, mark: usize, text: &str) -> bool {
        self.process.since(mark).iter().any(|line| line.starts_with("sip:") && line.contains(text))
    }

    /// The status line of the first final answer to a MESSAGE of ours after `mark`, with the lines of that answer.
    ///
    /// A challenge (401, 407) is not the end: baresip answers it by itself.
    pub fn answer(&self, mark: usize) -> (u16, Vec<String>) {
        self.process.find("answer to MESSAGE", mark, |lines| {
            lines.iter().enumerate().find_map(|(start, line)| {
                let code: u16 = line.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()?;
                let end = lines[start..].iter().position(String::is_empty)?;
                let answer = &lines[start..start + end];
                let is_message = answer.iter().any(|l| l.starts_with("CSeq:") && l.ends_with("MESSAGE"));
                let is_ours = !answer.iter().any(|l| l.starts_with("Server: baresip"));
                (is_message && is_ours && code >= 200 && code != 401 && code != 407).then(|| (code, answer.to_vec()))
            })
        })
    }
}
