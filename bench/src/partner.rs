//! A partner's XMPP server that does no more than a load needs: SASL EXTERNAL inside TLS, both ways, and messages.
//!
//! It writes its XML as text and looks for the few words that it waits for: its own cost must not hide the server's.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lexicon::Domain;
use net::tls::{Identities, Secured, Tls};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    time::timeout,
};

use crate::{
    Failure, LOCAL, REMOTE,
    certificates::Certificates,
    road::{ARRIVALS_MAX, Arrival, number_of},
};

pub(crate) const WAIT: Duration = Duration::from_secs(10);
pub(crate) const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
pub(crate) const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

type Stream = Secured<TcpStream>;

/// The partner.
pub(crate) struct Partner {
    address: SocketAddr,
    tls: Tls,
    writer: Mutex<Option<WriteHalf<Stream>>>,
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
    errors: Arc<AtomicU64>,
}

impl Partner {
    /// Listens on a free loopback port.
    pub(crate) async fn listen(certificates: &Certificates) -> Result<Self, Failure> {
        let tls = Tls::new(Identities::load(std::slice::from_ref(&certificates.remote))?)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (arrived, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let errors = Arc::new(AtomicU64::new(0));
        tokio::spawn(accept(listener, tls.clone(), arrived, Arc::clone(&errors)));
        Ok(Self { address, tls, writer: Mutex::new(None), arrivals: Mutex::new(arrivals), errors })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the server has sent.
    pub(crate) fn arrivals(&self) -> &Mutex<mpsc::Receiver<Arrival>> {
        &self.arrivals
    }

    /// Stanza errors received.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Opens the stream for our stanzas.
    pub(crate) async fn dial(&self, server: SocketAddr) -> Result<(), Failure> {
        let stream = timeout(WAIT, self.open(server)).await.map_err(|_| "the server does not finish the stream")??;
        let (reader, writer) = tokio::io::split(stream);
        tokio::spawn(count_errors(reader, Arc::clone(&self.errors)));
        *self.writer.lock().await = Some(writer);
        Ok(())
    }

    async fn open(&self, server: SocketAddr) -> Result<Stream, Failure> {
        let (local, remote) = (Domain::parse(REMOTE)?, Domain::parse(LOCAL)?);
        let mut plain = TcpStream::connect(server).await?;
        plain.set_nodelay(true)?;
        plain.write_all(header().as_bytes()).await?;
        expect(&mut plain, "</stream:features>").await?;
        plain.write_all(format!("<starttls xmlns='{TLS}'/>").as_bytes()).await?;
        expect(&mut plain, "<proceed").await?;
        let mut stream = self.tls.connect(plain, &local, &remote).await?;
        stream.write_all(header().as_bytes()).await?;
        let features = expect(&mut stream, "</stream:features>").await?;
        if !features.contains("EXTERNAL") {
            return Err(format!("the server offers no EXTERNAL: {features}").into());
        }
        let auth = format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>");
        stream.write_all(auth.as_bytes()).await?;
        expect(&mut stream, "<success").await?;
        stream.write_all(header().as_bytes()).await?;
        expect(&mut stream, "stream:features").await?;
        Ok(stream)
    }

    /// Writes stanzas.
    pub(crate) async fn write(&self, stanzas: &[u8]) -> Result<(), Failure> {
        let mut writer = self.writer.lock().await;
        let writer = writer.as_mut().ok_or("the stream is not open")?;
        writer.write_all(stanzas).await?;
        Ok(writer.flush().await?)
    }
}

fn header() -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         from='{REMOTE}' to='{LOCAL}' version='1.0'>"
    )
}

fn answering_header(id: &str) -> String {
    header().replace("version='1.0'>", &format!("id='{id}' version='1.0'>"))
}

/// Reads until `word` has come; what was read. More than it may come only where the peer waits for nothing of ours.
pub(crate) async fn expect<S: AsyncRead + Unpin>(stream: &mut S, word: &str) -> Result<String, Failure> {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = timeout(WAIT, stream.read(&mut chunk)).await.map_err(|_| format!("no {word} came"))??;
        read.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&read);
        // The end of the element, so that nothing of it is left for TLS to read.
        if text.find(word).is_some_and(|at| text[at..].contains('>')) {
            return Ok(text.into_owned());
        }
        if length == 0 || text.contains("<stream:error") || text.contains("<failure") {
            return Err(format!("waiting for {word}: {text}").into());
        }
    }
}

async fn accept(listener: TcpListener, tls: Tls, arrived: mpsc::Sender<Arrival>, errors: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, arrived, errors) = (tls.clone(), arrived.clone(), Arc::clone(&errors));
        tokio::spawn(async move {
            // A stream that ends is seen as messages that do not arrive.
            if let Ok(stream) = answer(stream, &tls).await {
                receive(stream, &arrived, &errors).await;
            }
        });
    }
}

async fn answer(mut plain: TcpStream, tls: &Tls) -> Result<Stream, Failure> {
    plain.set_nodelay(true)?;
    expect(&mut plain, "<stream:stream").await?;
    let features = format!("<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>");
    plain.write_all(format!("{}{features}", answering_header("a")).as_bytes()).await?;
    expect(&mut plain, "<starttls").await?;
    plain.write_all(format!("<proceed xmlns='{TLS}'/>").as_bytes()).await?;
    let mut stream = tls.accept(plain, Some(&Domain::parse(REMOTE)?)).await?;
    expect(&mut stream, "<stream:stream").await?;
    let mechanisms = format!("<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>");
    let features = format!("{}<stream:features>{mechanisms}</stream:features>", answering_header("b"));
    stream.write_all(features.as_bytes()).await?;
    expect(&mut stream, "<auth").await?;
    stream.write_all(format!("<success xmlns='{SASL}'/>").as_bytes()).await?;
    expect(&mut stream, "<stream:stream").await?;
    let features = format!("{}<stream:features/>", answering_header("c"));
    stream.write_all(features.as_bytes()).await?;
    Ok(stream)
}

async fn receive<S: AsyncRead + Unpin>(mut stream: S, arrived: &mpsc::Sender<Arrival>, errors: &AtomicU64) {
    const END: &[u8] = b"</message>";
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        let at = Instant::now();
        buffer.extend_from_slice(&chunk[..length]);
        let mut start = 0;
        while let Some(end) = buffer[start..].windows(END.len()).position(|window| window == END) {
            let stanza = String::from_utf8_lossy(&buffer[start..start + end]);
            start += end + END.len();
            if stanza.contains("type='error'") || stanza.contains("type=\"error\"") {
                errors.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let number = stanza.split_once("<body>").and_then(|(_, text)| number_of(text));
            if let Some(number) = number
                && arrived.send(Arrival { number, at }).await.is_err()
            {
                return;
            }
        }
        buffer.drain(..start);
    }
}

/// The server answers nothing on the stream for our stanzas but errors.
async fn count_errors(mut reader: ReadHalf<Stream>, errors: Arc<AtomicU64>) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = reader.read(&mut chunk).await {
        let text = String::from_utf8_lossy(&chunk[..length]);
        errors.fetch_add(text.matches("<error").count() as u64, Ordering::Relaxed);
    }
}
