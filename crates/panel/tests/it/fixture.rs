//! A served API and a caller.

use std::{path::PathBuf, sync::Arc};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use lexicon::{BareJid, Domain, DomainPair};
use panel::{
    DigestChoice, DnsRecord, DnsZone, Live, Means, ProbeState, Refusals, Registration, Running, Status, Stream,
    TrunkState, TrunkTarget, TrunkTest,
    api::v1::dto::{ListenerSeen, dns_state},
};
use policy::{Partner, TrunkName};
use serde_json::{Value, json};
use store::{Credential, Serving, Store};
use tempfile::TempDir;
use tokio::net::UnixStream;

pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) socket: PathBuf,
    pub(crate) running: Running,
    _directory: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) etag: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// `field code` of all errors, or of all warnings.
    pub(crate) fn codes(&self, list: &str) -> Vec<String> {
        let entries = self.body[list].as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        entries.iter().map(|entry| format!("{} {}", text(entry, "field"), text(entry, "code"))).collect()
    }
}

struct Idle;

impl Live for Idle {
    fn status(&self) -> panel::Answer<'_, Status> {
        Box::pin(async { Status { registrations: 3, ..Status::default() } })
    }

    fn streams(&self) -> Vec<Stream> {
        vec![Stream {
            number: 7,
            partner: "fabrikam.example".to_owned(),
            tls_version: Some("TLS 1.3".to_owned()),
            ..Stream::default()
        }]
    }

    fn close_stream(&self, number: u64, _: &str) -> bool {
        number == 7
    }

    fn start_probe(&self, pair: DomainPair, _: Partner) -> Option<String> {
        (pair.remote.as_ascii() != "busy.example").then(|| "1".to_owned())
    }

    fn probe(&self, id: &str) -> Option<ProbeState> {
        let domain = |name| Domain::parse(name).unwrap();
        let pair = DomainPair { local: domain("contoso.example"), remote: domain("litware.example") };
        (id == "1").then_some(ProbeState { pair, report: None, done: false, cancelled: false })
    }

    fn cancel_probe(&self, id: &str) -> bool {
        id == "1"
    }

    fn refusals(&self, primary: &Domain) -> Refusals {
        let counted = |reason: &str| [(reason.to_owned(), 4)].into_iter().collect();
        match primary.as_ascii() {
            "fabrikam.example" => {
                Refusals { from_partner: counted("uninvited"), to_partner: counted("no_access"), ..Refusals::default() }
            }
            _ => Refusals::default(),
        }
    }

    fn registrations(&self) -> panel::Answer<'_, Vec<Registration>> {
        let of = |user: &str, contact: &str, unreachable| Registration {
            user: user.to_owned(),
            contact: contact.to_owned(),
            transport: "TLS".to_owned(),
            source: "192.0.2.9:40000".to_owned(),
            expires_in_seconds: 60,
            unreachable,
        };
        let all = vec![
            of("bob@contoso.example", "sip:bob@192.0.2.9:40000", true),
            of("alice@contoso.example", "sip:<b>@192.0.2.9", false),
            of("alice@contoso.example", "sip:alice@192.0.2.9", false),
        ];
        Box::pin(async { all })
    }

    /// The trunk lync has two addresses, one of which is down.
    fn trunks(&self) -> panel::Answer<'_, Vec<TrunkState>> {
        let target = |address: &str, state: &str| TrunkTarget {
            target: "sip.contoso.example".to_owned(),
            address: Some(address.to_owned()),
            state: state.to_owned(),
            ..TrunkTarget::default()
        };
        let targets = vec![target("192.0.2.7:5061", "up"), target("192.0.2.8:5061", "down")];
        let state = TrunkState { name: "lync".to_owned(), targets, connections: Vec::new() };
        Box::pin(async { vec![state] })
    }

    fn test_trunk<'a>(&'a self, name: &'a TrunkName) -> panel::Answer<'a, Option<TrunkTest>> {
        let known = name.as_str() == "lync";
        let test = TrunkTest { name: name.to_string(), passed: true, steps: Vec::new() };
        Box::pin(async move { known.then_some(test) })
    }

    /// One record for each domain, with what it was made from.
    fn dns(&self, serving: Serving, partners: Vec<Domain>) -> panel::Answer<'_, Result<Vec<DnsZone>, String>> {
        let found: Vec<_> = partners.iter().map(|partner| partner.as_ascii().to_owned()).collect();
        let zone = |domain: store::InternalDomain| DnsZone {
            domain: domain.name.as_ascii().to_owned(),
            records: vec![DnsRecord {
                found: found.clone(),
                state: dns_state::PRESENT.to_owned(),
                ..DnsRecord::default()
            }],
            ports: vec![ListenerSeen { state: "open".to_owned(), ..ListenerSeen::default() }],
            notes: Vec::new(),
        };
        let zones = serving.domains.into_iter().map(zone).collect();
        Box::pin(async { Ok(zones) })
    }

    fn in_force(&self, _: store::Revisions) -> panel::Answer<'_, ()> {
        Box::pin(async {})
    }
}

/// Stands for the digest of the binary: shows what was asked for.
fn credentials(user: &BareJid, password: &str, choice: DigestChoice) -> Vec<Credential> {
    let credential = |algorithm: &str| Credential {
        algorithm: algorithm.to_owned(),
        realm: user.domain().to_string(),
        ha1: format!("{algorithm}:{}", password.len()),
    };
    match choice {
        DigestChoice::Sha256Md5 => vec![credential("SHA-256"), credential("MD5")],
        DigestChoice::Md5 => vec![credential("MD5")],
    }
}

fn means(store: &Store) -> Means {
    Means { store: store.clone(), credentials, live: Arc::new(Idle) }
}

impl Fixture {
    /// Nothing configured.
    pub(crate) async fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let store = Store::open(data.join("legation.db")).await.unwrap();
        let socket = data.join("legation.sock");
        let means = means(&store);
        let running = panel::start(&socket, means).await.unwrap();
        Self { store, socket, running, _directory: directory }
    }

    /// What another way in is given.
    pub(crate) fn means(&self) -> Means {
        means(&self.store)
    }

    /// contoso.example inside with alice, and the partner fabrikam.example.
    pub(crate) async fn new() -> Self {
        let fixture = Self::empty().await;
        for (path, body) in [
            ("/domains", json!({ "name": "contoso.example" })),
            ("/users", json!({ "address": "alice@contoso.example", "password": "secret" })),
            ("/partners", json!({ "primary_domain": "fabrikam.example" })),
        ] {
            let answer = fixture.call("POST", path, body).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        fixture
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], String::new()).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(method, path, &[], body.to_string()).await
    }

    pub(crate) async fn call_if(&self, method: &str, path: &str, etag: &str, body: Value) -> Answer {
        self.send(method, path, &[("if-match", etag)], body.to_string()).await
    }

    /// An answer that is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        let (_, bytes) = self.exchange("GET", path, &[], String::new()).await;
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let (parts, bytes) = self.exchange(method, path, headers, body).await;
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, etag) = (parts.status.as_u16(), header("etag"));
        let content_type = header("content-type").unwrap_or_default();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, content_type, etag, body }
    }

    /// One request on a connection of its own.
    async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (hyper::http::response::Parts, Bytes) {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}")).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }
}
