//! A name server on loopback that answers from a table, fails, refuses, cuts short, or says nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{NS, SOA},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

use crate::dns::host;

/// What becomes of a question.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Records(Vec<RData>),
    /// The first record by UDP, marked as truncated; all of them by TCP.
    Truncated(Vec<RData>),
    Code(ResponseCode),
    /// Other servers are named instead of an answer.
    Referral,
    Silence,
}

/// Name (without the trailing dot), type, reply. A name without an entry does not exist; one without an entry of the
/// type has no such records. Both are told with an SOA record for a zone of 60 s.
pub(super) type Table = Vec<(&'static str, RecordType, Reply)>;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start(table: Table) -> Self {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let address = udp.local_addr().unwrap();
        let (table, asked) = (Arc::new(table), Arc::<AtomicUsize>::default());
        tokio::spawn(serve_udp(udp, Arc::clone(&table), Arc::clone(&asked)));
        tokio::spawn(serve_tcp(tcp, table));
        Self { address, asked }
    }

    /// Questions that came by UDP so far.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn serve_udp(socket: UdpSocket, table: Arc<Table>, asked: Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        asked.fetch_add(1, Ordering::Relaxed);
        if let Some(reply) = reply(&table, &buffer[..length], false) {
            socket.send_to(&reply, peer).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, table: Arc<Table>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let table = Arc::clone(&table);
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; usize::from(length)];
                stream.read_exact(&mut question).await.unwrap();
                let Some(reply) = reply(&table, &question, true) else { continue };
                stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
    }
}

fn reply(table: &Table, question: &[u8], by_tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries[0].clone();
    let asked = (host(query.name()), query.query_type());
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.add_query(query.clone());
    let record = |data: RData| Record::from_rdata(query.name().clone(), 60, data);
    let zone = Name::from_ascii("example.").unwrap();
    let known = table.iter().find(|(name, kind, _)| (*name, *kind) == (asked.0.as_str(), asked.1));
    match known.map(|(_, _, reply)| reply.clone()) {
        Some(Reply::Records(data)) => {
            message.add_answers(data.into_iter().map(record));
        }
        Some(Reply::Truncated(data)) => {
            message.metadata.truncation = !by_tcp;
            let sent = if by_tcp { data.len() } else { 1 };
            message.add_answers(data.into_iter().take(sent).map(record));
        }
        Some(Reply::Code(code)) => message.metadata.response_code = code,
        Some(Reply::Referral) => {
            let data = RData::NS(NS(Name::from_ascii("ns.elsewhere.example.").unwrap()));
            message.add_authority(Record::from_rdata(zone, 60, data));
        }
        Some(Reply::Silence) => return None,
        None => {
            if !table.iter().any(|(name, ..)| *name == asked.0) {
                message.metadata.response_code = ResponseCode::NXDomain;
            }
            let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86400, 60);
            message.add_authority(Record::from_rdata(zone, 60, RData::SOA(soa)));
        }
    }
    Some(message.to_vec().unwrap())
}
