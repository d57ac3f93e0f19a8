use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use lexicon::Timestamp;
use sip::{
    Message, Method, Name, Request, Response, Status,
    digest::{Algorithm, Credentials, Nonces, ha1},
    message::{datagram, warning},
};
use tokio::net::UdpSocket;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_422_480_123);
const WITHIN: Duration = Duration::from_secs(10);

/// A gateway in the hands of the test.
struct Gateway {
    socket: UdpSocket,
    nonces: Nonces,
}

impl Gateway {
    async fn open() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        Self { socket, nonces: Nonces::new([5; 32], Duration::from_secs(300), 10) }
    }

    async fn user(&self) -> SipUser {
        let gateway = self.socket.local_addr().unwrap();
        let (user, domain, password) = ("hana".to_owned(), "contoso.example".to_owned(), "pw".to_owned());
        SipUser::start(SipAccount { user, domain, password, gateway }, [6; 32]).await.unwrap()
    }

    async fn message(&self) -> (Message, SocketAddr) {
        let mut scratch = vec![0; 65_535];
        let (length, source) =
            tokio::time::timeout(WITHIN, self.socket.recv_from(&mut scratch)).await.unwrap().unwrap();
        let bytes = Bytes::copy_from_slice(&scratch[..length]);
        (datagram(bytes, &sip::Limits::default()).unwrap().unwrap(), source)
    }

    async fn request(&self, method: Method) -> (Request, SocketAddr) {
        let (Message::Request(request), source) = self.message().await else { panic!("a request") };
        assert_eq!(request.method, method);
        (request, source)
    }

    async fn answer(&self, response: &Response, to: SocketAddr) {
        self.socket.send_to(&response.to_bytes(), to).await.unwrap();
    }

    /// Challenges a request of this method and takes the one with credentials.
    async fn challenge(&mut self, method: Method) -> (Request, SocketAddr) {
        let (request, source) = self.request(method.clone()).await;
        let mut refusal = Response::to(&request, Status::UNAUTHORIZED, "t");
        for challenge in self.nonces.challenge(NOW, "contoso.example", &[Algorithm::Sha256, Algorithm::Md5], false) {
            refusal.headers.push(Name::WwwAuthenticate, challenge).unwrap();
        }
        self.answer(&refusal, source).await;
        let (request, source) = self.request(method).await;
        self.check(&request);
        (request, source)
    }

    fn check(&mut self, request: &Request) {
        let credentials = Credentials::find(&request.headers, "contoso.example").unwrap();
        let stored = |algorithm| Some(ha1(algorithm, "hana", "contoso.example", "pw"));
        self.nonces.check(NOW, &request.method, &credentials, stored).unwrap();
    }
}

#[tokio::test]
async fn registers_by_answering_a_challenge_and_then_sends_with_credentials() {
    let mut gateway = Gateway::open().await;
    let user = gateway.user().await;
    let (outcome, ()) = tokio::join!(user.register(600), async {
        let (request, source) = gateway.challenge(Method::Register).await;
        assert_eq!(request.headers.expires(), Some(600));
        assert_eq!(request.headers.cseq().unwrap().number, 2);
        gateway.answer(&Response::to(&request, Status::OK, "t"), source).await;
    });
    assert_eq!(outcome.unwrap().status, Status::OK);

    let (outcome, ()) = tokio::join!(user.send_message("juliet@fabrikam.example", "h\u{e9}"), async {
        let (request, source) = gateway.request(Method::Message).await;
        gateway.check(&request);
        assert_eq!(
            (request.uri.to_string().as_str(), &request.body()[..]),
            ("sip:juliet@fabrikam.example", "h\u{e9}".as_bytes())
        );
        let mut refusal = Response::to(&request, Status::FORBIDDEN, "t");
        refusal.headers.push(Name::Warning, warning("contoso.example", "no \"partner\"")).unwrap();
        gateway.answer(&refusal, source).await;
    });
    assert_eq!(outcome.unwrap().to_string(), "403 Forbidden (no \"partner\")");
}

#[tokio::test]
async fn receives_a_message_once_and_answers_its_repetition() {
    let gateway = Gateway::open().await;
    let mut user = gateway.user().await;
    let from = NameAddr::new(Uri::parse("sip:juliet@fabrikam.example;gr=balcony").unwrap()).with_tag("j");
    let to = Uri::sip(Some("hana"), "127.0.0.1", Some(user.address().port())).unwrap();
    let mut request = Request::out_of_dialog(Method::Message, to.clone(), &from, &NameAddr::new(to), "c", 1).unwrap();
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKone;rport", gateway.socket.local_addr().unwrap());
    request.headers.push_front(Name::Via, via).unwrap();
    request.set_body("text/plain", "Wherefore?").unwrap();
    for _ in 0..2 {
        gateway.socket.send_to(&request.to_bytes(), user.address()).await.unwrap();
        let (Message::Response(response), _) = gateway.message().await else { panic!("a response") };
        assert_eq!(response.status, Status::OK);
    }
    let expected = Received { from: "juliet@fabrikam.example".to_owned(), text: "Wherefore?".to_owned() };
    assert_eq!(user.next_message(WITHIN).await, Some(expected));
    assert_eq!(user.next_message(Duration::ZERO).await, None);
}

#[tokio::test]
async fn a_wrong_password_ends_in_401() {
    let mut gateway = Gateway::open().await;
    let user = gateway.user().await;
    let begun = Instant::now();
    let (outcome, ()) = tokio::join!(user.register(600), async {
        let (request, source) = gateway.challenge(Method::Register).await;
        let mut refusal = Response::to(&request, Status::UNAUTHORIZED, "t");
        let again = gateway.nonces.challenge(NOW, "contoso.example", &[Algorithm::Md5], false);
        refusal.headers.push(Name::WwwAuthenticate, &again[0]).unwrap();
        gateway.answer(&refusal, source).await;
    });
    assert_eq!(outcome.unwrap().status, Status::UNAUTHORIZED);
    assert!(begun.elapsed() < WITHIN);
}
