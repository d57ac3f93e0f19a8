//! A scripted deployment that speaks message sessions: it answers OPTIONS by itself, everything else as the test says.

use std::{net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use policy::{
    Trunk,
    trunk::{SessionMode, TrunkTransport},
};
use sip::{
    Method, Name, NameAddr, Request, Response, Status, Tokens, Uri,
    dialog::Dialog,
    message::{Frame, Limits, Message, StreamFramer, datagram},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::scene::PATIENCE;

/// A description as Lync and Skype for Business write it (gateway's reference §2).
pub(crate) const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
     m=message 5060 sip null\r\na=accept-types:text/plain multipart/alternative text/html application/im-iscomposing+xml\r\n";

/// What carries bytes to the gateway.
#[derive(Clone)]
enum Wire {
    Udp(Arc<UdpSocket>, SocketAddr),
    Tcp(mpsc::UnboundedSender<Bytes>),
}

pub(crate) struct Party {
    pub(crate) address: SocketAddr,
    transport: TrunkTransport,
    wire: Option<Wire>,
    wires: mpsc::UnboundedReceiver<Wire>,
    requests: mpsc::UnboundedReceiver<Request>,
    responses: mpsc::UnboundedReceiver<Response>,
    hang_up: watch::Sender<u32>,
    tokens: Tokens,
    number: u32,
    task: JoinHandle<()>,
}

/// To the test.
#[derive(Clone)]
struct Heard {
    requests: mpsc::UnboundedSender<Request>,
    responses: mpsc::UnboundedSender<Response>,
}

impl Party {
    /// Over UDP, at an address of loopback. `gateway` is where its own requests go.
    pub(crate) async fn udp(at: &str, gateway: SocketAddr) -> Self {
        let socket = Arc::new(UdpSocket::bind(at).await.unwrap());
        let address = socket.local_addr().unwrap();
        let wire = Wire::Udp(Arc::clone(&socket), gateway);
        let mut party = Self::new(address, TrunkTransport::Udp, |heard, _, _| tokio::spawn(datagrams(socket, heard)));
        party.wire = Some(wire);
        party
    }

    /// Over TCP: it waits for the gateway's connection.
    pub(crate) async fn tcp() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = |heard, wires, hang_up| tokio::spawn(connections(listener, heard, wires, hang_up));
        Self::new(address, TrunkTransport::Tcp, serve)
    }

    fn new(
        address: SocketAddr,
        transport: TrunkTransport,
        start: impl FnOnce(Heard, mpsc::UnboundedSender<Wire>, watch::Receiver<u32>) -> JoinHandle<()>,
    ) -> Self {
        let ((to_requests, requests), (to_responses, responses)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (wired, wires) = mpsc::unbounded_channel();
        let (hang_up, hung_up) = watch::channel(0);
        let task = start(Heard { requests: to_requests, responses: to_responses }, wired, hung_up);
        let tokens = Tokens::new(net::entropy::seed());
        Self { address, transport, wire: None, wires, requests, responses, hang_up, tokens, number: 0, task }
    }

    /// Its trunk, in session mode.
    pub(crate) fn trunk(&self) -> Trunk {
        let mut trunk = Trunk::new("pbx".parse().unwrap());
        trunk.targets = vec![self.address.to_string().parse().unwrap()];
        trunk.transport = self.transport;
        trunk.sources = vec!["127.0.0.1".parse().unwrap()];
        trunk.session_mode = SessionMode::Session;
        trunk
    }

    pub(crate) fn contact(&self) -> String {
        let transport = if self.transport == TrunkTransport::Tcp { ";transport=tcp" } else { "" };
        format!("<sip:{}{transport}>", self.address)
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> Request {
        timeout(PATIENCE, self.requests.recv()).await.expect("a request comes").unwrap()
    }

    /// The next request, which has this method.
    pub(crate) async fn expect(&mut self, method: Method) -> Request {
        let request = self.request().await;
        assert_eq!(request.method, method, "{request:?}");
        request
    }

    pub(crate) fn has_heard_nothing(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    pub(crate) fn has_no_answer(&mut self) -> bool {
        self.responses.try_recv().is_err()
    }

    /// The next response that is no 100.
    pub(crate) async fn response(&mut self) -> Response {
        timeout(PATIENCE, self.responses.recv()).await.expect("an answer comes").unwrap()
    }

    pub(crate) async fn send(&mut self, bytes: Bytes) {
        while let Ok(wire) = self.wires.try_recv() {
            self.wire = Some(wire);
        }
        if self.wire.is_none() {
            self.wire = timeout(PATIENCE, self.wires.recv()).await.expect("a connection comes");
        }
        match self.wire.as_ref().unwrap() {
            Wire::Udp(socket, gateway) => drop(socket.send_to(&bytes, gateway).await.unwrap()),
            Wire::Tcp(outbox) => outbox.send(bytes).unwrap(),
        }
    }

    /// Ends its connections.
    pub(crate) fn hang_up(&mut self) {
        self.wire = None;
        while self.wires.try_recv().is_ok() {}
        self.hang_up.send_modify(|times| *times += 1);
    }

    pub(crate) fn token(&mut self) -> String {
        self.tokens.make()
    }

    /// The request with a Via of its own.
    pub(crate) fn with_via(&mut self, mut request: Request) -> Request {
        let transport = self.transport.as_str().to_ascii_uppercase();
        let branch = self.token();
        let via = format!("SIP/2.0/{transport} {};branch=z9hG4bK{branch};rport", self.address);
        request.headers.push_front(Name::Via, via).unwrap();
        request
    }

    /// An INVITE with a description, not sent yet.
    pub(crate) fn invite(&mut self, from: &str, to: &str, fields: &[(&str, &str)]) -> Request {
        self.number += 1;
        let uri = Uri::parse(to).unwrap();
        let from = NameAddr::new(Uri::parse(from).unwrap()).with_tag(&self.token());
        let call_id = self.token();
        let to = NameAddr::new(uri.clone());
        let mut request = Request::out_of_dialog(Method::Invite, uri, &from, &to, &call_id, self.number).unwrap();
        request.headers.push(Name::Contact, self.contact()).unwrap();
        for (name, value) in fields {
            request.headers.push_named(name, value).unwrap();
        }
        request.set_body("application/sdp", SDP).unwrap();
        self.with_via(request)
    }

    /// Sends a request, and waits for its final answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        self.send(request.to_bytes()).await;
        self.response().await
    }

    /// Opens a session and acknowledges it.
    pub(crate) async fn open(&mut self, from: &str, to: &str) -> Dialog {
        let invite = self.invite(from, to, &[]);
        let response = self.ask(&invite).await;
        assert_eq!(response.status.code(), 200, "{response:?}");
        self.acknowledge(&invite, &response).await
    }

    /// Acknowledges the 2xx to an INVITE.
    pub(crate) async fn acknowledge(&mut self, invite: &Request, response: &Response) -> Dialog {
        let dialog = Dialog::as_uac(invite, response).unwrap();
        let ack = dialog.ack(invite.headers.cseq().unwrap().number).unwrap();
        let ack = self.with_via(ack);
        self.send(ack.to_bytes()).await;
        dialog
    }

    /// Accepts an INVITE of the gateway's and waits for the ACK.
    pub(crate) async fn accept(&mut self, invite: &Request, fields: &[(&str, &str)]) -> Dialog {
        let tag = self.token();
        let fields = [&[("Contact", self.contact())], &*owned(fields)].concat();
        self.reply(invite, 200, &tag, &fields, Some(("application/sdp", SDP))).await;
        let ack = self.expect(Method::Ack).await;
        let dialog = Dialog::as_uas(invite, &tag).unwrap();
        assert!(dialog.is_of(&ack));
        dialog
    }

    pub(crate) async fn reply(
        &mut self,
        request: &Request,
        status: u16,
        tag: &str,
        fields: &[(&str, String)],
        body: Option<(&str, &'static str)>,
    ) {
        let mut response = Response::to(request, Status::new(status).unwrap(), tag);
        for (name, value) in fields {
            response.headers.push_named(name, value).unwrap();
        }
        if let Some((kind, body)) = body {
            response.set_body(kind, body).unwrap();
        }
        self.send(response.to_bytes()).await;
    }

    /// Answers a request in a dialog.
    pub(crate) async fn take(&mut self, request: &Request, status: u16) {
        self.reply(request, status, "none", &[], None).await;
    }

    /// The text of the next MESSAGE, which is answered so.
    pub(crate) async fn hear(&mut self, status: u16) -> String {
        let request = self.expect(Method::Message).await;
        self.take(&request, status).await;
        String::from_utf8(request.body().to_vec()).unwrap()
    }

    /// A request in a dialog with its Via.
    pub(crate) fn inside(&mut self, dialog: &mut Dialog, method: Method, kind: &str, body: &str) -> Request {
        let mut request = dialog.request(method.clone()).unwrap();
        if method == Method::Invite {
            request.headers.push(Name::Contact, self.contact()).unwrap();
        }
        if !body.is_empty() {
            request.set_body(kind, body.to_owned()).unwrap();
        }
        self.with_via(request)
    }

    /// Sends a text in a dialog, of which the answer comes later.
    pub(crate) async fn say(&mut self, dialog: &mut Dialog, body: &str) -> Request {
        let request = self.inside(dialog, Method::Message, "text/plain;charset=UTF-8", body);
        self.send(request.to_bytes()).await;
        request
    }

    /// Ends a session.
    pub(crate) async fn bye(&mut self, dialog: &mut Dialog) -> Response {
        let request = self.inside(dialog, Method::Bye, "", "");
        self.ask(&request).await
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn owned<'a>(fields: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

impl Heard {
    /// Hands a message on; the answer to OPTIONS.
    fn take(&self, message: Message) -> Option<Bytes> {
        match message {
            Message::Request(request) if request.method == Method::Options => {
                return Some(Response::to(&request, Status::OK, "party").to_bytes());
            }
            Message::Request(request) => drop(self.requests.send(request)),
            Message::Response(response) if response.status == Status::TRYING => {}
            Message::Response(response) => drop(self.responses.send(response)),
        }
        None
    }
}

async fn datagrams(socket: Arc<UdpSocket>, heard: Heard) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else { continue };
        let message = datagram(Bytes::copy_from_slice(&buffer[..length]), &Limits::default()).unwrap();
        if let Some(answer) = message.and_then(|message| heard.take(message)) {
            socket.send_to(&answer, source).await.unwrap();
        }
    }
}

async fn connections(
    listener: TcpListener,
    heard: Heard,
    wires: mpsc::UnboundedSender<Wire>,
    hang_up: watch::Receiver<u32>,
) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (outbox, mut waiting) = mpsc::unbounded_channel::<Bytes>();
        let _ = wires.send(Wire::Tcp(outbox.clone()));
        let (heard, mut hang_up) = (heard.clone(), hang_up.clone());
        hang_up.borrow_and_update();
        tokio::spawn(async move {
            let (mut read, mut write) = socket.into_split();
            let (mut framer, mut buffer) = (StreamFramer::new(Limits::default()), BytesMut::new());
            loop {
                while let Some(frame) = framer.next(&mut buffer).unwrap() {
                    if let Frame::Message(message) = frame
                        && let Some(answer) = heard.take(message)
                    {
                        outbox.send(answer).unwrap();
                    }
                }
                tokio::select! {
                    read = read.read_buf(&mut buffer) => if !matches!(read, Ok(1..)) { return },
                    Some(bytes) = waiting.recv() => if write.write_all(&bytes).await.is_err() { return },
                    _ = hang_up.changed() => return,
                }
            }
        });
    }
}
