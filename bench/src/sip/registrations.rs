//! What registrations cost: memory and CPU time of each, and of refreshing it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use lexicon::{BareJid, Domain};
use sip::{
    Limits, Message, Method, Status, Uri,
    digest::{Algorithm, Client, ha1},
    message::datagram,
};
use store::{Actor, Credential, Store};
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use super::ours::NAME;
use crate::{
    Failure, LOCAL,
    certificates::Certificates,
    figures::{Bound, Comparison},
    partner::{Partner, WAIT},
    process,
    server::Server,
    users::{PASSWORD, name},
};

/// Users behind one address: no source is refused for the challenges that it causes.
const USERS_PER_ADDRESS: usize = 100;

/// Registers `count` users over UDP and refreshes them.
pub(super) async fn measure(
    folder: &Path,
    files: &Certificates,
    count: usize,
    table: &mut Comparison,
) -> Result<(), Failure> {
    let folder = folder.join("registrations");
    std::fs::create_dir_all(&folder)?;
    let partner = Partner::listen(files).await?;
    let mut server = Server::prepare(&folder, files, partner.address())?;
    add_users(&server.database(), count).await?;
    server.start()?;
    let address = server.sip_address("udp")?;
    sleep(Duration::from_secs(1)).await;
    let (memory, cpu) = (process::memory_mib(server.id()?)?, process::cpu(server.id()?)?);
    let mut endpoints = Vec::with_capacity(count / USERS_PER_ADDRESS + 1);
    for first in (0..count).step_by(USERS_PER_ADDRESS) {
        let place = u32::try_from(first / USERS_PER_ADDRESS)?;
        let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + place);
        let users = first..(first + USERS_PER_ADDRESS).min(count);
        endpoints.push(Endpoint::start(source, address, users).await?);
    }
    register(&mut endpoints).await?;
    let used = (process::cpu(server.id()?)? - cpu).as_secs_f64();
    let each = (process::memory_mib(server.id()?)? - memory) * 1024.0 / count as f64;
    table.note(NAME, "registration, UDP, memory KiB each", Bound::None, each);
    table.note(NAME, "registration with its challenge, CPU µs each", Bound::None, used * 1e6 / count as f64);
    let cpu = process::cpu(server.id()?)?;
    register(&mut endpoints).await?;
    let used = (process::cpu(server.id()?)? - cpu).as_secs_f64();
    table.note(NAME, "refresh of a registration, CPU µs each", Bound::None, used * 1e6 / count as f64);
    Ok(())
}

async fn add_users(database: &Path, count: usize) -> Result<(), Failure> {
    let store = Store::open(database).await?;
    let (actor, domain) = (Actor::new("load", "bench"), Domain::parse(LOCAL)?);
    for number in 0..count {
        let credential = Credential {
            algorithm: Algorithm::Sha256.as_str().to_owned(),
            realm: LOCAL.to_owned(),
            ha1: ha1(Algorithm::Sha256, &name(number), LOCAL, PASSWORD),
        };
        let address = BareJid::of_user(&name(number), domain.clone())?;
        store.add_user(&actor, &address, "", &[credential]).await?;
    }
    store.close().await;
    Ok(())
}

/// All endpoints at once, each with one request under way.
async fn register(endpoints: &mut Vec<Endpoint>) -> Result<(), Failure> {
    let mut tasks = tokio::task::JoinSet::new();
    for mut endpoint in endpoints.drain(..) {
        tasks.spawn(async move { endpoint.register().await.map(|()| endpoint) });
    }
    while let Some(endpoint) = tasks.join_next().await {
        endpoints.push(endpoint??);
    }
    Ok(())
}

/// Users behind one socket.
struct Endpoint {
    socket: UdpSocket,
    source: SocketAddr,
    users: Vec<(String, Client)>,
    made: u64,
}

impl Endpoint {
    async fn start(source: Ipv4Addr, server: SocketAddr, users: std::ops::Range<usize>) -> Result<Self, Failure> {
        let socket = UdpSocket::bind((source, 0)).await?;
        socket.connect(server).await?;
        let client = |number| (name(number), Client::new(&name(number), PASSWORD, net::entropy::seed()));
        let source = socket.local_addr()?;
        Ok(Self { socket, source, users: users.map(client).collect(), made: 0 })
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let uri = Uri::parse(&format!("sip:{LOCAL}"))?;
        for place in 0..self.users.len() {
            for _ in 0..2 {
                let (user, client) = &mut self.users[place];
                let proof = client.authorize(&Method::Register, &uri);
                let proof = proof.map(|proof| format!("Authorization: {proof}\r\n")).unwrap_or_default();
                self.made += 1;
                let (made, source) = (self.made, self.source);
                let text = format!(
                    "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bK{made}.{place};rport\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:{user}@{LOCAL}>;tag={made}\r\nTo: <sip:{user}@{LOCAL}>\r\n\
                     Call-ID: {user}@{source}\r\nCSeq: {made} REGISTER\r\nContact: <sip:{user}@{source}>\r\n\
                     Expires: 3600\r\n{proof}Content-Length: 0\r\n\r\n"
                );
                let Message::Response(response) = exchange(&self.socket, &text).await? else {
                    return Err("a request came where a response was due".into());
                };
                match response.status {
                    Status::OK => break,
                    Status::UNAUTHORIZED if self.users[place].1.take_challenge(&response, !proof.is_empty()) => {}
                    status => return Err(format!("a registration was answered {status:?}").into()),
                }
            }
        }
        Ok(())
    }
}

async fn exchange(socket: &UdpSocket, text: &str) -> Result<Message, Failure> {
    socket.send(text.as_bytes()).await?;
    let mut bytes = vec![0; 4096];
    let length = timeout(WAIT, socket.recv(&mut bytes)).await.map_err(|_| "a registration was not answered")??;
    bytes.truncate(length);
    let read = datagram(bytes.into(), &Limits::default()).map_err(|defect| format!("{:?}", defect.flaw))?;
    read.ok_or_else(|| "a keep-alive came".into())
}
