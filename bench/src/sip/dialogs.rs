//! What sessions cost: memory and CPU time of each that an INVITE opens, and of a message inside one.

use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use policy::trunk::SessionMode;

use super::{
    deployment::{Listening, Transport, length_of},
    ours::{NAME, add_trunk},
};
use crate::{
    Failure, LOCAL, REMOTE,
    certificates::Certificates,
    figures::{Bound, Comparison},
    partner::{Partner, WAIT},
    process,
    road::text_of,
    server::Server,
    users::name,
};

/// Requests under way at once.
const WINDOW: usize = 64;

const OFFER: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=message 5060 sip null\r\na=accept-types:text/plain\r\n";

/// Opens `count` sessions from the deployment over TCP, each of another pair of users, and sends a message in each.
pub(super) async fn measure(
    folder: &Path,
    files: &Certificates,
    count: usize,
    table: &mut Comparison,
) -> Result<(), Failure> {
    let folder = folder.join("dialogs");
    std::fs::create_dir_all(&folder)?;
    let partner = Partner::listen(files).await?;
    let listening = Listening::start(Transport::Tcp, count, &files.local).await?;
    let mut server = Server::prepare(&folder, files, partner.address())?;
    add_trunk(&server.database(), files, &listening, SessionMode::Session).await?;
    server.start()?;
    server.provision(0, files)?;
    let mut caller = Caller::dial(server.sip_address("tcp")?, listening.address()).await?;
    partner.dial(server.xmpp_address()?).await?;
    // A first one, so that streams are up and code is loaded.
    caller.run("INVITE", count..count + WINDOW).await?;
    caller.run("MESSAGE", count..count + WINDOW).await?;
    sleep(Duration::from_secs(1)).await;
    let (memory, cpu) = (process::memory_mib(server.id()?)?, process::cpu(server.id()?)?);
    caller.run("INVITE", 0..count).await?;
    sleep(Duration::from_millis(500)).await;
    let used = (process::cpu(server.id()?)? - cpu).as_secs_f64();
    let each = (process::memory_mib(server.id()?)? - memory) * 1024.0 / count as f64;
    table.note(NAME, "session, TCP, memory KiB each", Bound::None, each);
    table.note(NAME, "INVITE, 200 and ACK of a session, CPU µs each", Bound::None, used * 1e6 / count as f64);
    let cpu = process::cpu(server.id()?)?;
    caller.run("MESSAGE", 0..count).await?;
    sleep(Duration::from_millis(500)).await;
    let used = (process::cpu(server.id()?)? - cpu).as_secs_f64();
    table.note(
        NAME,
        "first message in a session, stores its contact, CPU µs each",
        Bound::None,
        used * 1e6 / count as f64,
    );
    Ok(())
}

/// Where requests of a session go, and the tag of our side.
#[derive(Clone, Debug, Default)]
struct Dialog {
    target: String,
    to: String,
}

/// Calls on one connection.
struct Caller {
    stream: TcpStream,
    contact: SocketAddr,
    buffer: Vec<u8>,
    dialogs: Vec<Dialog>,
}

impl Caller {
    async fn dial(server: SocketAddr, contact: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, contact, buffer: Vec::new(), dialogs: Vec::new() })
    }

    /// One request of each number, so many at once, until all are answered 2xx.
    async fn run(&mut self, method: &str, numbers: std::ops::Range<usize>) -> Result<(), Failure> {
        if self.dialogs.len() < numbers.end {
            self.dialogs.resize(numbers.end, Dialog::default());
        }
        let (mut next, mut answered) = (numbers.start, 0);
        while answered < numbers.len() {
            let mut texts = String::new();
            while next < numbers.end && next - numbers.start - answered < WINDOW {
                texts.push_str(&self.request(method, next));
                next += 1;
            }
            self.stream.write_all(texts.as_bytes()).await?;
            let mut chunk = [0; 65_536];
            let read = timeout(WAIT, self.stream.read(&mut chunk)).await;
            let length =
                read.map_err(|_| format!("{method}: {answered} of {} answered, then none", numbers.len()))??;
            if length == 0 {
                return Err("the connection ended".into());
            }
            self.buffer.extend_from_slice(&chunk[..length]);
            let mut acks = String::new();
            while let Some(length) = length_of(&self.buffer) {
                let text = String::from_utf8_lossy(&self.buffer[..length]).into_owned();
                self.buffer.drain(..length);
                answered += usize::from(self.take(method, text.trim_start(), &mut acks)?);
            }
            self.stream.write_all(acks.as_bytes()).await?;
        }
        Ok(())
    }

    fn request(&self, method: &str, number: usize) -> String {
        let Dialog { target, to } = &self.dialogs[number];
        let remote = format!("sip:p{number}@{REMOTE}");
        let (body, kind) = match method {
            "INVITE" => (OFFER.to_owned(), "application/sdp"),
            _ => (text_of(number), "text/plain"),
        };
        let (target, to) = if to.is_empty() { (&remote, format!("<{remote}>")) } else { (target, to.clone()) };
        self.text(method, number, target, &to, Some((kind, &body)))
    }

    fn text(&self, method: &str, number: usize, target: &str, to: &str, body: Option<(&str, &str)>) -> String {
        let (user, contact) = (name(number), self.contact);
        let cseq = if method == "MESSAGE" { 2 } else { 1 };
        let (kind, body) = body.unwrap_or_default();
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TCP {contact};branch=z9hG4bK{number}.{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{LOCAL}>;tag={number}\r\nTo: {to}\r\nCall-ID: {number}.dialog@{contact}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{user}@{contact};transport=tcp>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Takes a response; whether it is the end of a request.
    fn take(&mut self, method: &str, text: &str, acks: &mut String) -> Result<bool, Failure> {
        let Some(rest) = text.strip_prefix("SIP/2.0 ") else {
            return Err(format!("a request came: {}", text.lines().next().unwrap_or_default()).into());
        };
        let status: u16 = rest.get(..3).and_then(|status| status.parse().ok()).ok_or("no status")?;
        if status < 200 {
            return Ok(false);
        }
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        if status >= 300 {
            return Err(format!("{method} was answered {status}: {}", field("Warning:")).into());
        }
        let branch = field("Via:").split_once("z9hG4bK").map_or("", |(_, branch)| branch);
        let number: usize = branch.split('.').next().and_then(|number| number.parse().ok()).ok_or("no branch")?;
        if method == "INVITE" {
            let contact = field("Contact:").split_once('<').and_then(|(_, uri)| uri.split_once('>'));
            let target = contact.map(|(uri, _)| uri.to_owned()).ok_or("a 200 without Contact")?;
            self.dialogs[number] = Dialog { target, to: field("To:").to_owned() };
            let Dialog { target, to } = &self.dialogs[number];
            acks.push_str(&self.text("ACK", number, target, to, None));
        }
        Ok(true)
    }
}
