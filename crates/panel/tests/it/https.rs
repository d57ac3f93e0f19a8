//! A client of the API over HTTPS, on a connection for each request.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use lexicon::Domain;
use net::tls::{CertificateFiles, Identities, Secured, Tls};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::fixture::Fixture;

/// A certificate for the test, in the fixture's folder.
pub(crate) fn certificate(fixture: &Fixture) -> CertificateFiles {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = fixture.socket.parent().unwrap();
    let files = CertificateFiles { certificate: folder.join("web.pem"), key: folder.join("web.key") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    files
}

pub(crate) struct Client {
    address: SocketAddr,
    tls: Tls,
}

/// A stream of events.
pub(crate) struct Events {
    body: hyper::body::Incoming,
    text: String,
    connection: tokio::task::JoinHandle<hyper::Result<()>>,
}

impl Events {
    /// Name, id and data of the next event.
    pub(crate) async fn event(&mut self) -> (String, String, String) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.unwrap_or_default().to_owned()
                };
                let event = (field("event: "), field("id: "), field("data: "));
                self.text = rest.to_owned();
                if event.0.is_empty() {
                    continue;
                }
                return event;
            }
            let frame = tokio::time::timeout(std::time::Duration::from_secs(10), self.body.frame()).await;
            let data = frame.expect("an event comes").unwrap().unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    headers: hyper::HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Client {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, tls: Tls::new(Identities::default()).unwrap() }
    }

    async fn connect(&self) -> Secured<TcpStream> {
        let host = Domain::parse("localhost").unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.tls.connect(stream, &host, &host).await.unwrap()
    }

    /// A request to the API.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let token = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
        self.fetch(method, &format!("/api/v1{path}"), &headers, body).await
    }

    pub(crate) async fn fetch(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let is_endless = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let bytes = if is_endless { Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), text, headers: parts.headers }
    }

    /// Listens to events.
    pub(crate) async fn listen(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events { body: answer.into_body(), text: String::new(), connection }
    }

    /// Without TLS; until the other end closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    /// Inside TLS; until the other end closes.
    pub(crate) async fn raw_in_tls(&self, bytes: &[u8]) {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}
