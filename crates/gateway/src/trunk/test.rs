//! One OPTIONS on purpose to every address of a trunk, on sockets of its own, with each step told (RFC 3261 §11).

use std::{net::SocketAddr, time::Duration};

use ::sip::{
    Message, Method, Name, NameAddr, Request, Tokens, Uri,
    message::{Frame, Limits, StreamFramer, datagram},
};
use bytes::{Bytes, BytesMut};
use net::clock;
use policy::{Trunk, peer::HostPort, trunk::TrunkTransport};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UdpSocket,
    time::{Instant, timeout},
};

use super::{
    Dialler, TestStage, TestStep, TrunkTest, Way,
    dial::{Role, check, connect, resolve, secure},
};
use crate::sip::tcp::shown;

/// How long an answer to OPTIONS is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// When a datagram is sent again.
const REPEAT: Duration = Duration::from_millis(500);

/// The request that asks whether a target answers: addressed to the domain that the trunk serves, or to the target.
pub(crate) fn options(target: &HostPort, way: &Way, tokens: &mut Tokens) -> Option<Request> {
    let host = way.local.as_ref().map_or_else(|| target.host.to_string(), |domain| domain.as_ascii().to_owned());
    let uri = Uri::sip(None, &host, None).ok()?;
    let from = NameAddr::new(uri.clone()).with_tag(&tokens.make());
    let call_id = tokens.make();
    let mut request =
        Request::out_of_dialog(Method::Options, uri.clone(), &from, &NameAddr::new(uri), &call_id, 1).ok()?;
    request.headers.push(Name::Accept, interwork::message::ACCEPT).ok()?;
    Some(request)
}

/// Tests every address of a trunk, one after the other.
pub(crate) async fn test(dialler: &Dialler, trunk: &Trunk, way: &Way) -> TrunkTest {
    let mut told = Told { steps: Vec::new() };
    for target in &trunk.targets {
        let started = Instant::now();
        let found = resolve(&dialler.resolver, target, trunk.transport).await;
        let words = found
            .as_ref()
            .map_err(Clone::clone)
            .map(|addresses| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", "));
        told.tell(target, None, TestStage::Resolve, started, words);
        for address in found.unwrap_or_default() {
            told.one(dialler, (target, address), trunk.transport, way).await;
        }
    }
    TrunkTest { name: trunk.name.clone(), steps: told.steps }
}

struct Told {
    steps: Vec<TestStep>,
}

impl Told {
    fn tell(
        &mut self,
        target: &HostPort,
        address: Option<SocketAddr>,
        stage: TestStage,
        started: Instant,
        outcome: Result<String, String>,
    ) {
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.steps.push(TestStep { target: target.clone(), address, stage, outcome, took_ms, certificate: None });
    }

    async fn one(
        &mut self,
        dialler: &Dialler,
        (target, address): (&HostPort, SocketAddr),
        transport: TrunkTransport,
        way: &Way,
    ) {
        if transport == TrunkTransport::Udp {
            let started = Instant::now();
            let answer = by_datagram(target, address, way).await;
            return self.tell(target, Some(address), TestStage::Options, started, answer);
        }
        let started = Instant::now();
        let connected = connect(address).await;
        let words = connected.as_ref().map(|_| "connected".to_owned()).map_err(Clone::clone);
        self.tell(target, Some(address), TestStage::Connect, started, words);
        let Ok(stream) = connected else { return };
        let local = stream.local_addr().ok();
        let started = Instant::now();
        if transport == TrunkTransport::Tcp {
            let answer = by_stream(stream, target, ("TCP", local), way).await;
            return self.tell(target, Some(address), TestStage::Options, started, answer);
        }
        let tls = dialler.tls.borrow().clone();
        let secured = match secure(&tls, stream, target, way).await {
            Ok(secured) => secured,
            Err(error) => return self.tell(target, Some(address), TestStage::Tls, started, Err(error)),
        };
        let facts = secured.facts();
        let words = check(shown(&secured).as_ref(), way, Role::Server, clock::now().wall).map(|identity| {
            let names: Vec<_> = identity.names.iter().map(|name| name.as_ascii()).collect();
            format!("{}, the certificate names {}", facts.version, names.join(", "))
        });
        let holds = words.is_ok();
        let certificate = facts.peer.as_ref().ok().cloned();
        self.tell(target, Some(address), TestStage::Tls, started, words);
        if let Some(step) = self.steps.last_mut() {
            step.certificate = certificate;
        }
        if holds {
            let started = Instant::now();
            let answer = by_stream(secured, target, ("TLS", local), way).await;
            self.tell(target, Some(address), TestStage::Options, started, answer);
        }
    }
}

/// A request with its Via; none if it cannot be written.
fn ready(target: &HostPort, way: &Way, transport: &str, local: Option<SocketAddr>) -> Option<Bytes> {
    let mut tokens = Tokens::new(net::entropy::seed());
    let mut request = options(target, way, &mut tokens)?;
    let sent_by = local?;
    let via = format!("SIP/2.0/{transport} {sent_by};branch=z9hG4bK{};rport", tokens.make());
    request.headers.push_front(Name::Via, via).ok()?;
    Some(request.to_bytes())
}

async fn by_datagram(target: &HostPort, address: SocketAddr, way: &Way) -> Result<String, String> {
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let words = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind(any).await.map_err(words)?;
    socket.connect(address).await.map_err(words)?;
    let bytes = ready(target, way, "UDP", socket.local_addr().ok()).ok_or("the request cannot be written")?;
    let deadline = Instant::now() + ANSWER_MAX;
    let mut buffer = vec![0; 65_536];
    while Instant::now() < deadline {
        socket.send(&bytes).await.map_err(words)?;
        let Ok(received) = timeout(REPEAT, socket.recv(&mut buffer)).await else { continue };
        let length = received.map_err(words)?;
        if let Ok(Some(Message::Response(response))) =
            datagram(Bytes::copy_from_slice(&buffer[..length]), &Limits::default())
            && !response.status.is_provisional()
        {
            return Ok(format!("{} {}", response.status, response.phrase()));
        }
    }
    Err("no answer to OPTIONS came in time".to_owned())
}

async fn by_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &HostPort,
    (transport, local): (&str, Option<SocketAddr>),
    way: &Way,
) -> Result<String, String> {
    let words = |error: std::io::Error| error.to_string();
    let bytes = ready(target, way, transport, local).ok_or("the request cannot be written")?;
    let answer = async {
        stream.write_all(&bytes).await.map_err(words)?;
        stream.flush().await.map_err(words)?;
        let (mut framer, mut buffer) = (StreamFramer::new(Limits::default()), BytesMut::new());
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(Frame::Message(Message::Response(response)))) if !response.status.is_provisional() => {
                    return Ok(format!("{} {}", response.status, response.phrase()));
                }
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(_) => return Err("the answer cannot be read".to_owned()),
            }
            if stream.read_buf(&mut buffer).await.map_err(words)? == 0 {
                return Err("the connection was closed instead of an answer".to_owned());
            }
        }
    };
    match timeout(ANSWER_MAX, answer).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer to OPTIONS came in time".to_owned()),
    }
}
