//! Our server under test: the proxy alone, in a process of its own, with an inside that settles at once and counts.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{Domain, DomainPair};
use link::{Inbox, Link, SendError, Settled, snapshots};
use net::{dns::DnsConfig, tls::CertificateFiles};
use policy::{EdgeSnapshot, Negotiation, Partner, Requirement, Settings, settings::PrivateTargets};
use proxy::ProxyConfig;
use tokio::sync::mpsc;
use xmpp::{stanza::StanzaRef, xml::Batch};

use super::{DIALBACK_PARTNER, Towards, component::Arrivals, load::message};
use crate::{Failure, LOCAL};

/// What the process is told: certificate, key, root, name server.
pub(crate) fn serve(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    net::tls::install_provider();
    let arguments: Vec<String> = arguments.collect();
    let [certificate, key, root, dns] = arguments.as_slice() else { return Err("four arguments are needed".into()) };
    let config = ProxyConfig {
        listen: vec!["127.0.0.1:0".parse()?],
        certificates: vec![CertificateFiles { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }],
        dns: DnsConfig { name_servers: vec![dns.parse()?], ..DnsConfig::default() },
        ..ProxyConfig::default()
    };
    let snapshot = snapshot(&fs::read_to_string(root)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (publish, watched) = snapshots();
        publish.send_replace(Some(Arc::new(snapshot)));
        let (edge, inside) = link::local(256);
        let proxy = proxy::start(config, watched, edge).await?;
        let arrivals = Arc::new(Arrivals::default());
        tokio::spawn(count(inside.inbox, Arc::clone(&arrivals)));
        obey(proxy.addresses()[0], &arrivals, inside.link).await
    })
}

fn snapshot(root: &str) -> Result<EdgeSnapshot, Failure> {
    let mut settings = Settings::new("a passphrase for measurements".parse()?);
    settings.allow_private_targets = PrivateTargets::All;
    settings.connection_limit = 100_000;
    settings.partner_connection_limit = 1000;
    settings.half_open_limit = 10_000;
    settings.half_open_per_address = 10_000;
    settings.partner_stanzas_per_second = 1_000_000;
    settings.queue_stanzas = 100_000;
    settings.queue_bytes = 64 << 20;
    settings.queue_bytes_total = 1 << 30;
    let mut partners = Vec::new();
    for name in [Towards::Few, Towards::Many].into_iter().flat_map(Towards::partners) {
        let mut partner = Partner::new(Domain::parse(&name)?);
        partner.negotiation = Negotiation { tls: Requirement::Required, sasl: Requirement::Required, dialback: false };
        partner.trust_roots = root.parse()?;
        partners.push(partner);
    }
    let mut partner = Partner::new(Domain::parse(DIALBACK_PARTNER)?);
    partner.negotiation = Negotiation { tls: Requirement::Required, sasl: Requirement::Optional, dialback: true };
    partners.push(partner);
    Ok(EdgeSnapshot::new(1, partners, [Domain::parse(LOCAL)?], settings))
}

async fn count(mut inbox: Inbox, arrivals: Arc<Arrivals>) {
    while let Some(envelope) = inbox.receive().await {
        for element in envelope.batch.elements() {
            let stanza = StanzaRef::of(element);
            arrivals.note(stanza.as_ref().and_then(|stanza| stanza.id()).unwrap_or_default());
        }
        envelope.receipts.settle_all(&Settled::Done);
    }
}

/// Does what the load says, line by line, and answers each line with one.
async fn obey(address: SocketAddr, arrivals: &Arrivals, link: Link) -> Result<(), Failure> {
    let (tell, mut told) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    });
    say(&address.to_string())?;
    while let Some(line) = told.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["count"] => say(&arrivals.count().to_string())?,
            ["p99"] => say(&arrivals.p99().as_micros().to_string())?,
            ["send", towards, messages, together] => {
                send(&link, Towards::of(towards)?, messages.parse()?, together.parse()?).await?;
                say("sent")?;
            }
            _ => return Err(format!("no such word: {line}").into()),
        }
    }
    Ok(())
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Sends messages to partners in turn, so many in an envelope, and waits until each is settled.
async fn send(link: &Link, towards: Towards, messages: usize, together: usize) -> Result<(), Failure> {
    let mut port = link.port(4096);
    let local = Domain::parse(LOCAL)?;
    let mut batches = Vec::new();
    for remote in towards.partners() {
        let text = message(LOCAL, &remote, "m").repeat(together);
        batches.push((DomainPair { local: local.clone(), remote: Domain::parse(&remote)? }, text));
    }
    for number in 0..messages / together {
        let (pair, text) = &batches[number % batches.len()];
        // Read anew each time, as the inside makes each stanza anew.
        let mut batch = Batch::from_xml(text.as_str())?;
        loop {
            match port.try_send(pair.clone(), batch, Instant::now() + Duration::from_secs(60)) {
                Ok(_) => break,
                Err(SendError::Full(full)) => batch = full,
                Err(SendError::Closed(_)) => return Err("the proxy has stopped".into()),
            }
            if port.has_credit() {
                port.room().await;
            } else {
                done(port.settlement().await.outcome)?;
            }
        }
        while let Some(settlement) = port.try_settlement() {
            done(settlement.outcome)?;
        }
    }
    while port.unsettled() > 0 {
        done(port.settlement().await.outcome)?;
    }
    Ok(())
}

fn done(outcome: Settled) -> Result<(), Failure> {
    match outcome {
        Settled::Written | Settled::Done => Ok(()),
        Settled::Refused(error) | Settled::Unknown(error) => Err(format!("a message was refused: {error:?}").into()),
    }
}
