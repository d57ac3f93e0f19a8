//! A partner's server that means harm: raw bytes, in plaintext or inside TLS, from addresses of its own, and a server of its
//! own that the name server leads to.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lexicon::Domain;
use net::tls::{Secured, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use interop::process::PATIENCE;

use crate::world::{OURS, STRANGER};

/// The request for TLS.
pub(crate) const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// The header of a stream that `from` opens to us.
pub(crate) fn header(from: &str) -> String {
    header_to(from, OURS)
}

pub(crate) fn header_to(from: &str, to: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
         xmlns:stream='http://etherx.jabber.org/streams' from='{from}' to='{to}' version='1.0'>"
    )
}

/// An address that the villain has not used before, far from all others.
pub(crate) fn fresh_address() -> IpAddr {
    static USED: AtomicU32 = AtomicU32::new(0);
    let [_, high, low, host] = USED.fetch_add(256, Ordering::Relaxed).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 200 + high % 50, low, host | 1))
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

enum Link {
    Plain(TcpStream),
    Tls(Runtime, Box<Secured<tokio::net::TcpStream>>),
}

/// A connection to one of our listeners, or of ours to the villain's.
pub(crate) struct Wire {
    link: Link,
    /// Everything heard since the last restart.
    pub(crate) heard: String,
    /// What was said last, to be told when nothing comes.
    said: Vec<u8>,
}

impl Wire {
    /// Connects from an address of its own.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::open_from(fresh_address(), address)
    }

    pub(crate) fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let connected = runtime().block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(source, 0))?;
            socket.connect(address).await?.into_std()
        });
        let stream = connected.expect("our listener accepts");
        stream.set_nonblocking(false).expect("a socket can block");
        Self::new(stream)
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time above zero is valid");
        stream.set_nodelay(true).expect("TCP knows no delay");
        Self { link: Link::Plain(stream), heard: String::new(), said: Vec::new() }
    }

    /// Writes; the other side may have closed already, which reading will show.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.said = bytes[..bytes.len().min(500)].to_vec();
        let _ = self.try_say(bytes);
    }

    /// Whether the bytes were taken.
    pub(crate) fn try_say(&mut self, bytes: &[u8]) -> bool {
        match &mut self.link {
            Link::Plain(stream) => stream.write_all(bytes).is_ok(),
            Link::Tls(runtime, stream) => runtime
                .block_on(async {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                })
                .is_ok(),
        }
    }

    /// Writing gives up after so long.
    pub(crate) fn patience(&self, limit: Duration) {
        if let Link::Plain(stream) = &self.link {
            stream.set_write_timeout(Some(limit)).expect("a time above zero is valid");
        }
    }

    /// Reads until `part` was heard. Panics at the end of the stream.
    pub(crate) fn wait_for(&mut self, part: &str) {
        while !self.heard.contains(part) {
            assert!(self.read(), "the stream ended without {part:?}: {}", self.heard);
        }
    }

    /// Reads until one of `parts` was heard, or to the end.
    pub(crate) fn wait_for_any(&mut self, parts: &[&str]) -> &str {
        while !parts.iter().any(|part| self.heard.contains(part)) && self.read() {}
        &self.heard
    }

    /// Reads to the end of the stream.
    pub(crate) fn end(&mut self) -> &str {
        while self.read() {}
        &self.heard
    }

    /// False at the end. A reset is an end too: who closes on unread bytes sends one.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let read = match &mut self.link {
            Link::Plain(stream) => stream.read(&mut bytes),
            Link::Tls(runtime, stream) => {
                let read = runtime.block_on(async { tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await });
                read.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            }
        };
        let ended = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe];
        match read {
            Ok(0) => false,
            Ok(count) => {
                self.heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
            Err(error) if ended.contains(&error.kind()) => false,
            Err(error) => {
                let said = String::from_utf8_lossy(&self.said);
                panic!("nothing within {PATIENCE:?} ({error}) to {said:?} after: {}", self.heard)
            }
        }
    }

    /// Asks for TLS, and makes the handshake as `from` with what `tls` has to show.
    pub(crate) fn starttls(mut self, from: &str, tls: &Tls) -> Self {
        self.say(header(from));
        self.wait_for("</stream:features>");
        self.say(STARTTLS);
        self.wait_for("<proceed ");
        let Link::Plain(stream) = self.link else { panic!("it is in TLS already") };
        stream.set_nonblocking(true).expect("a socket can be asynchronous");
        let runtime = runtime();
        let domain = |text| Domain::parse(text).expect("the test names a domain");
        let secured = runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            tls.connect(stream, &domain(from), &domain(OURS)).await.map_err(std::io::Error::other)
        });
        let secured = secured.expect("a certificate never ends the handshake");
        Self { link: Link::Tls(runtime, Box::new(secured)), heard: String::new(), said: Vec::new() }
    }

    /// A new header on the same connection, and what it is answered.
    pub(crate) fn restart(&mut self, from: &str) -> &str {
        self.heard.clear();
        self.say(header(from));
        self.wait_for_any(&["</stream:features>", "<stream:features/>", "</stream:stream>"])
    }

    /// SASL EXTERNAL; whether it succeeded.
    pub(crate) fn external(&mut self) -> bool {
        self.heard.clear();
        self.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
        self.wait_for_any(&["<success", "</failure>", "<failure", "</stream:stream>"]).contains("<success")
    }

    /// An attribute of the last element of this name that was heard.
    pub(crate) fn attribute(&self, element: &str, name: &str) -> String {
        let (_, rest) = self.heard.rsplit_once(&format!("<{element}")).expect("it was waited for");
        let (_, rest) = rest.split_once(&format!(" {name}='")).expect("it has the attribute");
        rest.split_once('\'').expect("an attribute ends").0.to_owned()
    }
}

type Conduct = Arc<dyn Fn(Wire) + Send + Sync>;

/// The villain's server: how it behaves, and who has come.
pub(crate) struct Den {
    conduct: Arc<Mutex<Conduct>>,
    visits: Arc<AtomicUsize>,
}

impl Den {
    /// Listens where the name server says that the villain is, and vouches for everything.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the port was free");
        let conduct: Arc<Mutex<Conduct>> = Arc::new(Mutex::new(Arc::new(oblige)));
        let visits = Arc::<AtomicUsize>::default();
        let den = Self { conduct: Arc::clone(&conduct), visits: Arc::clone(&visits) };
        // Ends with the test's process; it holds nothing but its port.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                visits.fetch_add(1, Ordering::SeqCst);
                let conduct = Arc::clone(&conduct.lock().unwrap_or_else(PoisonError::into_inner));
                thread::spawn(move || conduct(Wire::new(stream)));
            }
        });
        den
    }

    /// From now on connections are served so.
    pub(crate) fn behave(&self, conduct: impl Fn(Wire) + Send + Sync + 'static) {
        *self.conduct.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(conduct);
    }

    /// From now on everything is vouched for.
    pub(crate) fn behave_well(&self) {
        self.behave(oblige);
    }

    /// Connections that have come so far.
    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// Answers our header, under a stream id.
pub(crate) fn answer_header(wire: &mut Wire, id: &str, features: &str) {
    wire.wait_for("<stream:stream ");
    let answer = header(STRANGER).replace("version='1.0'>", &format!("id='{id}' version='1.0'>"));
    wire.say(format!("{answer}<stream:features>{features}</stream:features>"));
}

pub(crate) const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";

/// Takes our streams and calls every key valid.
pub(crate) fn oblige(mut wire: Wire) {
    answer_header(&mut wire, "villain", DIALBACK);
    if wire.wait_for_any(&["</db:verify>", "</db:result>"]).contains("</db:verify>") {
        answer_question(&mut wire, "valid");
    } else if wire.heard.contains("</db:result>") {
        let (from, to) = (wire.attribute("db:result", "to"), wire.attribute("db:result", "from"));
        wire.say(format!("<db:result from='{from}' to='{to}' type='valid'/>"));
    }
    wire.end();
}

/// Answers the question about a key that was heard.
pub(crate) fn answer_question(wire: &mut Wire, verdict: &str) {
    let of = |name: &str| wire.attribute("db:verify", name);
    let (from, to, id) = (of("to"), of("from"), of("id"));
    wire.say(format!("<db:verify from='{from}' to='{to}' id='{id}' type='{verdict}'/>"));
}

/// A stream on which the villain may send, if the row permits dialback without TLS.
pub(crate) fn authorised(address: SocketAddr) -> Wire {
    let mut wire = Wire::open(address);
    wire.say(header(STRANGER));
    wire.wait_for("</stream:features>");
    wire.say(format!("<db:result from='{STRANGER}' to='{OURS}'>a key of ours</db:result>"));
    wire.wait_for("type='valid'");
    wire.heard.clear();
    wire
}
