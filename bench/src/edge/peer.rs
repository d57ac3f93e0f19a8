//! Partners: streams to the server under test, and a server that answers those it opens.
//!
//! They write their XML as text and look for the few words that they wait for: their own cost must not hide the server's.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use lexicon::Domain;
use net::tls::{CertificateFiles, Identities, Secured, Tls};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    Failure, LOCAL,
    partner::{SASL, TLS, WAIT, expect},
};

pub(crate) type Stream = Secured<TcpStream>;

/// How a stream is authorised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    External,
    Dialback,
}

/// Opens a stream as `from` and authorises it. A new TLS context each time: no handshake is cut short by an earlier one.
pub(crate) async fn open(
    server: std::net::SocketAddr,
    from: &str,
    certificate: &CertificateFiles,
    proof: Proof,
) -> Result<Stream, Failure> {
    let tls = Tls::new(Identities::load(std::slice::from_ref(certificate))?)?;
    let opening = async {
        let mut plain = TcpStream::connect(server).await?;
        plain.set_nodelay(true)?;
        plain.write_all(header(from).as_bytes()).await?;
        expect(&mut plain, "</stream:features>").await?;
        plain.write_all(format!("<starttls xmlns='{TLS}'/>").as_bytes()).await?;
        expect(&mut plain, "<proceed").await?;
        let mut stream = tls.connect(plain, &Domain::parse(from)?, &Domain::parse(LOCAL)?).await?;
        stream.write_all(header(from).as_bytes()).await?;
        let features = expect(&mut stream, "stream:features>").await?;
        match proof {
            Proof::External if !features.contains("EXTERNAL") => {
                return Err(format!("no EXTERNAL is offered: {features}").into());
            }
            Proof::External => {
                let auth = format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>");
                stream.write_all(auth.as_bytes()).await?;
                expect(&mut stream, "<success").await?;
                stream.write_all(header(from).as_bytes()).await?;
                expect(&mut stream, "stream:features").await?;
            }
            Proof::Dialback => {
                let key = format!("<db:result from='{from}' to='{LOCAL}'>any-key-will-do</db:result>");
                stream.write_all(key.as_bytes()).await?;
                let answer = expect(&mut stream, "<db:result").await?;
                if !answer.contains("valid'") && !answer.contains("valid\"") || answer.contains("invalid") {
                    return Err(format!("dialback failed: {answer}").into());
                }
            }
        }
        Ok(stream)
    };
    timeout(WAIT, opening).await.map_err(|_| "the server does not finish a stream")?
}

fn header(from: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{from}' to='{LOCAL}' version='1.0'>"
    )
}

/// Listens for streams of the server under test: vouches for every dialback key, counts the messages of the others.
pub(crate) async fn listen(certificate: &CertificateFiles) -> Result<(u16, Arc<AtomicU64>), Failure> {
    let tls = Tls::new(Identities::load(std::slice::from_ref(certificate))?)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let messages = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&messages);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, counted) = (tls.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                // A stream that fails is seen as messages or verdicts that do not come.
                let _ = answer(stream, &tls, &counted).await;
            });
        }
    });
    Ok((port, messages))
}

async fn answer(mut plain: TcpStream, tls: &Tls, messages: &AtomicU64) -> Result<(), Failure> {
    plain.set_nodelay(true)?;
    let (local, remote) = addresses(&expect(&mut plain, "<stream:stream").await?)?;
    let features = format!("<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>");
    plain.write_all(format!("{}{features}", answering(&local, &remote, "a")).as_bytes()).await?;
    expect(&mut plain, "<starttls").await?;
    plain.write_all(format!("<proceed xmlns='{TLS}'/>").as_bytes()).await?;
    let mut stream = tls.accept(plain, Some(&Domain::parse(&local)?)).await?;
    let mechanisms = format!("<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>");
    let dialback = "<dialback xmlns='urn:xmpp:features:dialback'/>";
    serve(&mut stream, &local, &remote, &format!("{mechanisms}{dialback}"), messages).await
}

/// Answers whatever comes.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    local: &str,
    remote: &str,
    features: &str,
    messages: &AtomicU64,
) -> Result<(), Failure> {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    let mut features = features;
    loop {
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&chunk[..length]);
        // Stanzas and words end with `>`; the rest waits.
        let Some(end) = buffer.iter().rposition(|byte| *byte == b'>') else { continue };
        let text = String::from_utf8_lossy(&buffer[..=end]).into_owned();
        buffer.drain(..=end);
        messages.fetch_add(text.matches("</message").count() as u64, Ordering::Relaxed);
        if text.contains("<stream:stream") {
            let answer = format!("{}<stream:features>{features}</stream:features>", answering(local, remote, "b"));
            stream.write_all(answer.as_bytes()).await?;
        }
        if text.contains("<auth") {
            features = "";
            stream.write_all(format!("<success xmlns='{SASL}'/>").as_bytes()).await?;
        }
        if text.contains("<db:verify") {
            let id = attribute(&text, "id").unwrap_or_default();
            let verdict = format!("<db:verify from='{local}' to='{remote}' id='{id}' type='valid'/>");
            stream.write_all(verdict.as_bytes()).await?;
        }
        if text.contains("<db:result") {
            let verdict = format!("<db:result from='{local}' to='{remote}' type='valid'/>");
            stream.write_all(verdict.as_bytes()).await?;
        }
        if text.contains("</stream:stream>") {
            stream.write_all(b"</stream:stream>").await?;
            return Ok(stream.shutdown().await?);
        }
        stream.flush().await?;
    }
}

fn answering(local: &str, remote: &str, id: &str) -> String {
    header(local).replace(&format!("to='{LOCAL}'"), &format!("to='{remote}' id='{id}'"))
}

/// Whom a header is for and who sends it.
fn addresses(header: &str) -> Result<(String, String), Failure> {
    let header = header.split_once("<stream:stream").map_or("", |(_, header)| header);
    match (attribute(header, "to"), attribute(header, "from")) {
        (Some(to), Some(from)) => Ok((to.to_owned(), from.to_owned())),
        // A server that does not say who it is can only be the one under test.
        (Some(to), None) => Ok((to.to_owned(), LOCAL.to_owned())),
        _ => Err(format!("a header without addresses: {header}").into()),
    }
}

/// The first attribute of this name.
pub(crate) fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = [" ", "\t", "\n"].iter().find_map(|space| text.find(&format!("{space}{name}=")))?;
    let value = &text[at + name.len() + 2..];
    let quote = value.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    value[1..].split(quote).next()
}
