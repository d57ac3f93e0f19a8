//! A scripted SIP deployment behind a trunk: it answers OPTIONS, and MESSAGE as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use net::tls::Tls;
use policy::{Trunk, trunk::TrunkTransport};
use sip::{
    Method, Name, Request, Response, Status,
    message::{Frame, Limits, Message, StreamFramer, datagram},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use crate::{phone::Stream, scene::PATIENCE};

/// What it does and has seen.
#[derive(Debug)]
struct State {
    /// The answer to MESSAGE; 0: silence.
    message: AtomicU16,
    /// The answer to OPTIONS; 0: silence.
    options: AtomicU16,
    /// OPTIONS seen.
    asked: AtomicUsize,
    /// Connections accepted.
    accepted: AtomicUsize,
    heard: mpsc::UnboundedSender<Request>,
}

pub(crate) struct Pbx {
    pub(crate) address: SocketAddr,
    pub(crate) transport: TrunkTransport,
    state: Arc<State>,
    messages: mpsc::UnboundedReceiver<Request>,
    task: JoinHandle<()>,
}

impl Pbx {
    fn new(address: SocketAddr, transport: TrunkTransport, start: impl FnOnce(Arc<State>) -> JoinHandle<()>) -> Self {
        let (heard, messages) = mpsc::unbounded_channel();
        let (asked, accepted) = Default::default();
        let state = State { message: AtomicU16::new(200), options: AtomicU16::new(200), asked, accepted, heard };
        let state = Arc::new(state);
        let task = start(Arc::clone(&state));
        Self { address, transport, state, messages, task }
    }

    pub(crate) async fn udp() -> Self {
        Self::udp_at("127.0.0.1:0").await
    }

    pub(crate) async fn udp_at(address: &str) -> Self {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        Self::new(address, TrunkTransport::Udp, |state| tokio::spawn(datagrams(socket, state)))
    }

    pub(crate) async fn tcp() -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), None)
    }

    pub(crate) async fn tcp_at(address: SocketAddr) -> Self {
        Self::listening(TcpListener::bind(address).await.unwrap(), None)
    }

    pub(crate) async fn tls(tls: Tls) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(tls))
    }

    fn listening(listener: TcpListener, tls: Option<Tls>) -> Self {
        let address = listener.local_addr().unwrap();
        let transport = if tls.is_some() { TrunkTransport::Tls } else { TrunkTransport::Tcp };
        Self::new(address, transport, |state| tokio::spawn(connections(listener, tls, state)))
    }

    /// A trunk with these deployments as its targets, which may send from loopback.
    pub(crate) fn trunk(targets: &[&Self]) -> Trunk {
        let mut trunk = Trunk::new("pbx".parse().unwrap());
        trunk.targets = targets.iter().map(|pbx| pbx.address.to_string().parse().unwrap()).collect();
        trunk.transport = targets[0].transport;
        trunk.sources = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        trunk
    }

    pub(crate) fn answers(&self, status: u16) {
        self.state.message.store(status, Ordering::SeqCst);
    }

    pub(crate) fn answers_options(&self, status: u16) {
        self.state.options.store(status, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// The next MESSAGE.
    pub(crate) async fn next(&mut self) -> Request {
        timeout(PATIENCE, self.messages.recv()).await.expect("a message comes").unwrap()
    }

    /// The text of the next MESSAGE.
    pub(crate) async fn hear(&mut self) -> String {
        String::from_utf8(self.next().await.body().to_vec()).unwrap()
    }

    pub(crate) fn has_heard_nothing(&mut self) -> bool {
        self.messages.try_recv().is_err()
    }

    /// It ends with all its connections.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl State {
    /// The answer to a request, if it gets one.
    fn answer(&self, message: Message) -> Option<Bytes> {
        let Message::Request(request) = message else { return None };
        let status = match request.method {
            Method::Options => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                &self.options
            }
            _ => {
                self.heard.send(request.clone()).ok()?;
                &self.message
            }
        };
        let mut response = Response::to(&request, Status::new(status.load(Ordering::SeqCst))?, "pbx");
        if response.status.code() == 503 {
            response.headers.push(Name::RetryAfter, 120).unwrap();
        }
        Some(response.to_bytes())
    }
}

async fn datagrams(socket: UdpSocket, state: Arc<State>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else { continue };
        let message = datagram(Bytes::copy_from_slice(&buffer[..length]), &Limits::default()).unwrap();
        if let Some(answer) = message.and_then(|message| state.answer(message)) {
            socket.send_to(&answer, source).await.unwrap();
        }
    }
}

async fn connections(listener: TcpListener, tls: Option<Tls>, state: Arc<State>) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        state.accepted.fetch_add(1, Ordering::SeqCst);
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        open.spawn(async move {
            match tls {
                None => connection(Box::new(socket), state).await,
                Some(tls) => {
                    if let Ok(secured) = tls.accept(socket, None).await {
                        connection(Box::new(secured), state).await;
                    }
                }
            }
        });
    }
}

async fn connection(mut stream: Box<dyn Stream>, state: Arc<State>) {
    let (mut framer, mut buffer) = (StreamFramer::new(Limits::default()), BytesMut::new());
    loop {
        while let Some(frame) = framer.next(&mut buffer).unwrap() {
            if let Frame::Message(message) = frame
                && let Some(answer) = state.answer(message)
            {
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
                let _ = stream.flush().await;
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}
