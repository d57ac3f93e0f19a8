//! A SIP deployment that does no more than a load needs: it sends MESSAGE requests of its users and answers those that
//! come for them, over one transport.
//!
//! It writes its SIP as text and looks for the few words that it waits for. Over UDP a request is repeated until its answer
//! comes (RFC 3261 §17.1.2.2); repeated requests are answered again and counted once.

use std::{
    collections::HashMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex as SyncMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lexicon::Domain;
use net::tls::{CertificateFiles, Identities, Tls};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Mutex, Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::{
    Failure, LOCAL, REMOTE,
    partner::WAIT,
    road::{ARRIVALS_MAX, Arrival, Inside, number_of, text_of},
    users::name,
};

/// Requests that wait for their answer, at most: what the socket buffers of a default Linux hold.
const IN_FLIGHT_MAX: usize = 128;
/// Bytes waiting for a connection.
const QUEUE_MAX: usize = 4096;
/// The first repetition of a request over UDP.
const T1: Duration = Duration::from_millis(500);

/// What carries the requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// The word in Via.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// The deployment.
pub(crate) struct Deployment {
    transport: Transport,
    users: usize,
    address: SocketAddr,
    /// Where texts for the server go.
    out: Out,
    /// Where the messages of our users are addressed to.
    to_domain: &'static str,
    shared: Arc<Shared>,
    /// What its users received.
    pub(super) arrivals: Mutex<mpsc::Receiver<Arrival>>,
    in_flight: Semaphore,
}

struct Shared {
    /// Requests sent so far: no two have a branch or Call-ID in common.
    made: AtomicU64,
    arrived: mpsc::Sender<Arrival>,
    waiting: SyncMutex<HashMap<u64, oneshot::Sender<u16>>>,
    repeated: AtomicU64,
}

enum Out {
    Datagrams(Arc<UdpSocket>, SocketAddr),
    Stream(mpsc::Sender<Vec<u8>>),
}

/// A deployment that listens and has not dialled yet.
pub(crate) struct Listening {
    transport: Transport,
    users: usize,
    address: SocketAddr,
    socket: Option<Arc<UdpSocket>>,
    tls: Tls,
    shared: Arc<Shared>,
    arrivals: mpsc::Receiver<Arrival>,
}

impl Listening {
    /// Listens on a free loopback port.
    pub(crate) async fn start(transport: Transport, users: usize, files: &CertificateFiles) -> Result<Self, Failure> {
        let tls = Tls::new(Identities::load(std::slice::from_ref(files))?)?;
        let (arrived, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let shared = Arc::new(Shared {
            made: AtomicU64::new(0),
            arrived,
            waiting: SyncMutex::default(),
            repeated: AtomicU64::new(0),
        });
        let (address, socket) = if transport == Transport::Udp {
            let socket = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).await?);
            tokio::spawn(read_datagrams(Arc::clone(&socket), Arc::clone(&shared)));
            (socket.local_addr()?, Some(socket))
        } else {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let address = listener.local_addr()?;
            tokio::spawn(accept(listener, transport, tls.clone(), Arc::clone(&shared)));
            (address, None)
        };
        Ok(Self { transport, users, address, socket, tls, shared, arrivals })
    }

    /// What carries its messages.
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// Where the server sends to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the way to the server. Messages go to users of `to_domain`.
    pub(crate) async fn dial(self, server: SocketAddr, to_domain: &'static str) -> Result<Deployment, Failure> {
        let out = match self.socket {
            Some(socket) => Out::Datagrams(socket, server),
            None => {
                let stream = TcpStream::connect(server).await?;
                stream.set_nodelay(true)?;
                let (texts, queue) = mpsc::channel(QUEUE_MAX);
                if self.transport == Transport::Tls {
                    let domain = Domain::parse(LOCAL)?;
                    let stream = timeout(WAIT, self.tls.connect(stream, &domain, &domain)).await??;
                    serve(stream, texts.clone(), queue, Arc::clone(&self.shared));
                } else {
                    serve(stream, texts.clone(), queue, Arc::clone(&self.shared));
                }
                Out::Stream(texts)
            }
        };
        Ok(Deployment {
            transport: self.transport,
            users: self.users,
            address: self.address,
            out,
            to_domain,
            shared: self.shared,
            arrivals: Mutex::new(self.arrivals),
            in_flight: Semaphore::new(IN_FLIGHT_MAX),
        })
    }
}

impl Deployment {
    /// Requests that were sent again, since no answer had come.
    pub(crate) fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::Relaxed)
    }

    async fn write(&self, text: &str) -> Result<(), Failure> {
        match &self.out {
            Out::Datagrams(socket, server) => drop(socket.send_to(text.as_bytes(), server).await?),
            Out::Stream(queue) => queue.send(text.into()).await.map_err(|_| "the connection ended")?,
        }
        Ok(())
    }

    fn message(&self, request: u64, number: usize) -> String {
        let (user, body) = (name(number % self.users), text_of(number));
        let (word, address, to) = (self.transport.word(), self.address, number % self.users);
        let domain = self.to_domain;
        // The deployment's own users are named u, those of a partner p.
        let letter = if domain == REMOTE { 'p' } else { 'u' };
        format!(
            "MESSAGE sip:{letter}{to}@{domain} SIP/2.0\r\nVia: SIP/2.0/{word} {address};branch=z9hG4bK{request}.load;rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{LOCAL}>;tag={number}\r\nTo: <sip:{letter}{to}@{domain}>\r\n\
             Call-ID: {request}.load@{address}\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

impl Inside for Deployment {
    fn len(&self) -> usize {
        self.users
    }

    fn window(&self) -> usize {
        match self.transport {
            Transport::Udp => IN_FLIGHT_MAX,
            Transport::Tcp | Transport::Tls => self.users,
        }
    }

    fn arrivals(&self) -> &Mutex<mpsc::Receiver<Arrival>> {
        &self.arrivals
    }

    async fn send(&self, number: usize) -> Result<(), Failure> {
        let _place = self.in_flight.acquire().await?;
        let request = self.shared.made.fetch_add(1, Ordering::Relaxed);
        let (answered, mut answer) = oneshot::channel();
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(request, answered);
        let (text, begun, mut interval) = (self.message(request, number), Instant::now(), T1);
        self.write(&text).await?;
        let status = loop {
            match timeout(interval, &mut answer).await {
                Ok(status) => break status?,
                Err(_) if begun.elapsed() > Duration::from_secs(20) => return Err("no answer came".into()),
                Err(_) if self.transport == Transport::Udp => {
                    self.shared.repeated.fetch_add(1, Ordering::Relaxed);
                    self.write(&text).await?;
                }
                Err(_) => {}
            }
            interval *= 2;
        };
        if (200..300).contains(&status) {
            Ok(())
        } else {
            Err(format!("message {number} was answered {status}").into())
        }
    }
}

async fn read_datagrams(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut bytes = vec![0; 65_536];
    let mut last = 0;
    while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
        let text = String::from_utf8_lossy(&bytes[..length]);
        if let Some(answer) = shared.take(&text, &mut last) {
            // What is lost is asked for again.
            let _ = socket.send_to(answer.as_bytes(), from).await;
        }
    }
}

async fn accept(listener: TcpListener, transport: Transport, tls: Tls, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        let (texts, queue) = mpsc::channel(QUEUE_MAX);
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            if transport == Transport::Tls {
                // A connection that fails is seen as messages that do not arrive.
                if let Ok(stream) = tls.accept(stream, None).await {
                    serve(stream, texts, queue, shared);
                }
            } else {
                serve(stream, texts, queue, shared);
            }
        });
    }
}

/// Reads and writes one connection.
fn serve<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    texts: mpsc::Sender<Vec<u8>>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    tokio::spawn(async move {
        while let Some(mut bytes) = queue.recv().await {
            while let Ok(more) = queue.try_recv() {
                bytes.extend_from_slice(&more);
            }
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let (mut buffer, mut chunk, mut last) = (Vec::new(), vec![0; 65_536], 0);
        while let Ok(length @ 1..) = reader.read(&mut chunk).await {
            buffer.extend_from_slice(&chunk[..length]);
            let mut start = 0;
            while let Some(length) = length_of(&buffer[start..]) {
                let text = String::from_utf8_lossy(&buffer[start..start + length]);
                let answer = shared.take(&text, &mut last);
                start += length;
                if let Some(answer) = answer
                    && texts.send(answer.into_bytes()).await.is_err()
                {
                    return;
                }
            }
            buffer.drain(..start);
        }
    });
}

/// The length of the whole message that `bytes` begin with; keep-alives before it count.
pub(super) fn length_of(bytes: &[u8]) -> Option<usize> {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let head = bytes[blank..].windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[blank..blank + head]).to_ascii_lowercase();
    let value = text.lines().find_map(|line| line.strip_prefix("content-length:").or_else(|| line.strip_prefix("l:")));
    let body: usize = value.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
    (bytes.len() >= blank + head + body).then_some(blank + head + body)
}

impl Shared {
    /// Takes a message; the answer to it, if it is a request.
    fn take(&self, text: &str, last: &mut u64) -> Option<String> {
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("SIP/2.0 ") {
            let status: u16 = rest.get(..3)?.parse().ok()?;
            let (_, branch) = rest.split_once("branch=z9hG4bK")?;
            let number = branch.split('.').next()?.parse().ok()?;
            if status >= 200 {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                waiting?.send(status).ok()?;
            }
            return None;
        }
        let (head, body) = text.split_once("\r\n\r\n")?;
        if head.starts_with("ACK ") {
            return None;
        }
        if let Some(number) = number_of(body).filter(|_| head.starts_with("MESSAGE ")) {
            // A full channel is seen as a message that is lost.
            let _ = self.arrived.try_send(Arrival { number, at: Instant::now() });
        }
        *last += 1;
        Some(answer(head, *last))
    }
}

/// 200 to a request.
fn answer(head: &str, number: u64) -> String {
    let mut answer = String::from("SIP/2.0 200 OK\r\n");
    for line in head.split("\r\n").skip(1) {
        let name = line.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
        let tag = if line.contains(";tag=") { String::new() } else { format!(";tag=load{number}") };
        // Nothing that is written to a string fails.
        let _ = match name.as_str() {
            "via" | "v" | "from" | "f" | "call-id" | "i" | "cseq" | "record-route" => write!(answer, "{line}\r\n"),
            "to" | "t" => write!(answer, "{line}{tag}\r\n"),
            _ => Ok(()),
        };
    }
    answer.push_str("Content-Length: 0\r\n\r\n");
    answer
}
