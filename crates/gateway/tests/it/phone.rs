//! A scripted SIP endpoint on a real socket.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::{Bytes, BytesMut};
use net::tls::Tls;
use sip::{
    Method, Name, NameAddr, Request, Response, Status, Tokens, Uri,
    digest::Client,
    message::{Frame, Limits, Message, StreamFramer, datagram},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::scene::{PASSWORD, PATIENCE};

/// A stream of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

enum Wire {
    Udp(UdpSocket),
    Stream(&'static str, Box<dyn Stream>, StreamFramer, BytesMut),
}

/// An endpoint of one user of contoso.example.
pub(crate) struct Phone {
    wire: Wire,
    local: SocketAddr,
    user: String,
    digest: Client,
    tokens: Tokens,
    cseq: u32,
    registration: String,
    requests: VecDeque<Request>,
}

impl Phone {
    pub(crate) async fn udp(gateway: SocketAddr, user: &str) -> Self {
        let any = if gateway.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(any).await.unwrap();
        socket.connect(gateway).await.unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(Wire::Udp(socket), local, user)
    }

    pub(crate) async fn tcp(gateway: SocketAddr, user: &str) -> Self {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let local = stream.local_addr().unwrap();
        Self::stream("TCP", stream, local, user)
    }

    /// With TLS; `tls` shows its first certificate.
    pub(crate) async fn tls(gateway: SocketAddr, tls: &Tls, user: &str) -> Self {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let local = stream.local_addr().unwrap();
        let name = crate::scene::domain("contoso.example");
        let secured = tls.connect(stream, &name, &name).await.unwrap();
        Self::stream("TLS", secured, local, user)
    }

    fn stream(transport: &'static str, stream: impl Stream + 'static, local: SocketAddr, user: &str) -> Self {
        let framer = StreamFramer::new(Limits::default());
        Self::new(Wire::Stream(transport, Box::new(stream), framer, BytesMut::new()), local, user)
    }

    /// The same with another address in Via than its own.
    pub(crate) fn advertising(mut self, local: SocketAddr) -> Self {
        self.local = local;
        self
    }

    fn new(wire: Wire, local: SocketAddr, user: &str) -> Self {
        let mut tokens = Tokens::new(net::entropy::seed());
        let digest = Client::new(user, PASSWORD, tokens.seed());
        let registration = tokens.make();
        Self { wire, local, user: user.to_owned(), digest, tokens, cseq: 0, registration, requests: VecDeque::new() }
    }

    /// The same endpoint with another password.
    pub(crate) fn with_password(mut self, password: &str) -> Self {
        self.digest = Client::new(&self.user, password, self.tokens.seed());
        self
    }

    pub(crate) fn address(&self) -> String {
        format!("sip:{}@contoso.example", self.user)
    }

    pub(crate) fn contact(&self) -> String {
        let transport = if matches!(self.wire, Wire::Stream(..)) { ";transport=tcp" } else { "" };
        format!("sip:{}@{}{transport}", self.user, self.local)
    }

    /// A request without Via and Authorization.
    pub(crate) fn request(&mut self, method: Method, uri: &str, from: &str, to: &str) -> Request {
        self.cseq += 1;
        let uri = Uri::parse(uri).unwrap();
        let from = NameAddr::new(Uri::parse(from).unwrap()).with_tag(&self.tokens.make());
        let to = NameAddr::new(Uri::parse(to).unwrap());
        let call_id = self.tokens.make();
        Request::out_of_dialog(method, uri, &from, &to, &call_id, self.cseq).unwrap()
    }

    pub(crate) fn text_request(&mut self, to: &str, body: &str) -> Request {
        let from = self.address();
        let mut request = self.request(Method::Message, to, &from, to);
        request.set_body("text/plain;charset=UTF-8", body.to_owned()).unwrap();
        request
    }

    pub(crate) fn register_request(&mut self, expires: u32) -> Request {
        let (address, contact) = (self.address(), self.contact());
        let mut request = self.request(Method::Register, "sip:contoso.example", &address, &address);
        request.headers.set(Name::CallId, self.registration.clone()).unwrap();
        request.headers.push(Name::Contact, format!("<{contact}>")).unwrap();
        request.headers.push(Name::Expires, expires).unwrap();
        request
    }

    pub(crate) async fn register(&mut self, expires: u32) -> Response {
        let request = self.register_request(expires);
        self.ask(request).await
    }

    pub(crate) async fn options(&mut self) -> Response {
        let from = self.address();
        let request = self.request(Method::Options, "sip:contoso.example", &from, "sip:contoso.example");
        self.ask(request).await
    }

    /// Sends a text and waits for the answer.
    pub(crate) async fn say(&mut self, to: &str, body: &str) -> Response {
        let request = self.text_request(to, body);
        self.ask(request).await
    }

    /// Sends a text of which the answer will be waited for later; the endpoint must know a nonce.
    pub(crate) async fn begin(&mut self, to: &str, body: &str) -> Request {
        let request = self.text_request(to, body);
        let request = self.prepared(request);
        self.write(request.to_bytes()).await;
        request
    }

    /// Sends a request, answers a challenge once, and returns the final answer.
    pub(crate) async fn ask(&mut self, request: Request) -> Response {
        let first = self.prepared(request.clone());
        let had_credentials = first.headers.first(Name::Authorization).is_some();
        self.write(first.to_bytes()).await;
        let response = self.response().await;
        if response.status != Status::UNAUTHORIZED || !self.digest.take_challenge(&response, had_credentials) {
            return response;
        }
        let mut again = request;
        self.cseq += 1;
        again.headers.set(Name::CSeq, format!("{} {}", self.cseq, again.method)).unwrap();
        let again = self.prepared(again);
        self.write(again.to_bytes()).await;
        self.response().await
    }

    /// The request with Via, and credentials if a challenge is known.
    pub(crate) fn prepared(&mut self, mut request: Request) -> Request {
        let transport = if let Wire::Stream(transport, ..) = self.wire { transport } else { "UDP" };
        let via = format!("SIP/2.0/{transport} {};branch=z9hG4bK{};rport", self.local, self.tokens.make());
        request.headers.push_front(Name::Via, via).unwrap();
        if let Some(credentials) = self.digest.authorize(&request.method, &request.uri) {
            request.headers.push(Name::Authorization, credentials).unwrap();
        }
        request
    }

    pub(crate) async fn write(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        match &mut self.wire {
            Wire::Udp(socket) => drop(socket.send(&bytes).await.unwrap()),
            Wire::Stream(_, stream, ..) => {
                stream.write_all(&bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    /// Writes as much as the gateway takes before it closes.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) {
        if let Wire::Stream(_, stream, ..) = &mut self.wire {
            let _ = stream.write_all(bytes).await;
        }
    }

    /// The next final response; requests that come before it are kept.
    pub(crate) async fn response(&mut self) -> Response {
        loop {
            match self.read().await.expect("an answer comes") {
                Message::Response(response) if response.status.is_provisional() => {}
                Message::Response(response) => return response,
                Message::Request(request) => self.requests.push_back(request),
            }
        }
    }

    /// The next request.
    pub(crate) async fn next_request(&mut self) -> Request {
        if let Some(request) = self.requests.pop_front() {
            return request;
        }
        match self.read().await.expect("a request comes") {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{} instead of a request", response.status),
        }
    }

    /// Takes the next MESSAGE with `status` and returns its text.
    pub(crate) async fn hear(&mut self, status: u16) -> String {
        let request = self.next_request().await;
        assert_eq!(request.method, Method::Message);
        self.reply(&request, status).await;
        String::from_utf8(request.body().to_vec()).unwrap()
    }

    pub(crate) async fn reply(&mut self, request: &Request, status: u16) {
        let response = Response::to(request, Status::new(status).unwrap(), &self.tokens.make());
        self.write(response.to_bytes()).await;
    }

    /// Whether the gateway has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.read().await.is_none()
    }

    /// The next message; none when the connection has ended.
    pub(crate) async fn read(&mut self) -> Option<Message> {
        match &mut self.wire {
            Wire::Udp(socket) => {
                let mut buffer = vec![0; 65_536];
                let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("something comes").unwrap();
                buffer.truncate(length);
                datagram(buffer.into(), &Limits::default()).unwrap()
            }
            Wire::Stream(_, stream, framer, buffer) => loop {
                match framer.next(buffer).unwrap() {
                    Some(Frame::Message(message)) => return Some(message),
                    Some(_) => continue,
                    None => {}
                }
                let read = timeout(PATIENCE, stream.read_buf(buffer)).await.expect("something comes");
                if matches!(read, Ok(0) | Err(_)) {
                    return None;
                }
            },
        }
    }
}
