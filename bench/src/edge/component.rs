//! The inside of a foreign server: a component (XEP-0114) that counts what it is given.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedWriteHalf},
    time::timeout,
};

use super::peer::attribute;
use crate::{
    Failure, LOCAL,
    partner::{WAIT, expect},
};

/// What the component and the server share.
pub(crate) const SECRET: &str = "both-know-this";

/// What has arrived inside.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    count: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
}

impl Arrivals {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts a message. Its id says when it was sent, if that is wanted.
    pub(crate) fn note(&self, id: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(sent) = id.strip_prefix('s').and_then(|nanos| nanos.parse().ok()) {
            let latency = since_epoch().saturating_sub(Duration::from_nanos(sent));
            self.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
        }
    }

    /// The latency that 99 of 100 kept below, of all so far.
    pub(crate) fn p99(&self) -> Duration {
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latencies.sort_unstable();
        latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default()
    }
}

/// The wall clock, which the processes of one machine share.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Connects as the component that the server's domain is.
pub(crate) async fn connect(server: SocketAddr) -> Result<(Arc<Arrivals>, OwnedWriteHalf), Failure> {
    let mut stream = TcpStream::connect(server).await?;
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{LOCAL}'>"
    );
    stream.write_all(header.as_bytes()).await?;
    let answer = expect(&mut stream, "<stream:stream").await?;
    let id = attribute(&answer, "id").ok_or("the server's header has no id")?;
    let digest = HEXLOWER.encode(&Sha1::digest(format!("{id}{SECRET}")));
    stream.write_all(format!("<handshake>{digest}</handshake>").as_bytes()).await?;
    timeout(WAIT, expect(&mut stream, "<handshake")).await.map_err(|_| "no handshake")??;
    let (mut reader, writer) = stream.into_split();
    let arrivals = Arc::new(Arrivals::default());
    let noted = Arc::clone(&arrivals);
    tokio::spawn(async move {
        let (mut buffer, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
        while let Ok(length @ 1..) = reader.read(&mut chunk).await {
            buffer.extend_from_slice(&chunk[..length]);
            let text = String::from_utf8_lossy(&buffer);
            let mut done = 0;
            while let Some(end) = text[done..].find("</message>") {
                noted.note(attribute(&text[done..done + end], "id").unwrap_or_default());
                done += end + "</message>".len();
            }
            drop(text);
            buffer.drain(..done);
        }
    });
    Ok((arrivals, writer))
}
