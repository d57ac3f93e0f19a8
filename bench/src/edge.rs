//! The edge beside Prosody and ejabberd: the same traffic for each, in one run, both ends played here.
//!
//! Partners open streams with TLS 1.3 and authorise them; their messages go to whatever is inside. For Prosody and
//! ejabberd that is a component on a TCP connection (XEP-0114), which this process plays. For us it is the other end of
//! the link, in the server's process: it takes every batch, looks at the ids, settles and counts; its CPU time is part of
//! what is measured, a second TCP connection is not. The figure is the CPU time of the server's process.

mod component;
mod dns;
mod foreign;
mod load;
pub(crate) mod ours;
mod peer;
mod subject;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use net::tls::CertificateFiles;
use tokio::time::sleep;

use crate::{
    Failure, certificates,
    figures::{Bound, Comparison},
};
use peer::{Proof, Stream};
pub(crate) use subject::ROLE_EDGE;
use subject::Subject;

/// How many partners prove themselves by SASL EXTERNAL.
const EXTERNAL_PARTNERS: usize = 8;

/// The one that cannot, its certificate being of an unknown authority.
const DIALBACK_PARTNER: &str = "dialback.example";

/// How many take turns in the measurement of many.
const MANY_PARTNERS: usize = 1000;

/// The name of a partner.
fn external_partner(number: usize) -> String {
    format!("partner{number}.example")
}

/// Partners that messages from inside go to, in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Towards {
    /// Those that also send.
    Few,
    /// [`MANY_PARTNERS`] others.
    Many,
}

impl Towards {
    fn partners(self) -> Vec<String> {
        match self {
            Self::Few => (0..EXTERNAL_PARTNERS).map(external_partner).collect(),
            Self::Many => (0..MANY_PARTNERS).map(|number| format!("partner{number}.many.example")).collect(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Few => "few",
            Self::Many => "many",
        }
    }

    fn of(word: &str) -> Result<Self, Failure> {
        let all = [Self::Few, Self::Many];
        all.into_iter().find(|towards| towards.word() == word).ok_or_else(|| format!("{word}: few or many").into())
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages of each run on us; a tenth on the others, which take that much longer.
    pub(crate) messages: usize,
    /// Idle streams.
    pub(crate) streams: usize,
    /// Streams set up one after the other.
    pub(crate) set_ups: usize,
}

struct World {
    plan: Plan,
    certificates: certificates::Certificates,
    unknown: CertificateFiles,
    /// Messages that have reached partners.
    delivered: Arc<AtomicU64>,
}

/// Measures every server that is named.
pub(crate) async fn measure(plan: Plan, names: &[String]) -> Result<Comparison, Failure> {
    let folder = tempfile::tempdir()?;
    let mut partners = Towards::Few.partners();
    partners.extend([DIALBACK_PARTNER.to_owned(), "*.many.example".to_owned()]);
    let certificates = certificates::make_for(folder.path(), &partners)?;
    let unknown = certificates::make_unknown(folder.path(), DIALBACK_PARTNER)?;
    let (port, delivered) = peer::listen(&certificates.remote).await?;
    let dns = dns::serve(port).await?;
    let world = World { plan, certificates, unknown, delivered };
    let mut table = Comparison::default();
    for name in names {
        let subject = match name.as_str() {
            "legation" => Subject::ours(&world.certificates, dns)?,
            "prosody" => foreign::prosody(folder.path(), &world.certificates, dns).await?,
            "ejabberd" => foreign::ejabberd(folder.path(), &world.certificates, dns).await?,
            other => return Err(format!("{other}: legation, prosody or ejabberd").into()),
        };
        let of_us = name == "legation";
        if let Err(failure) = world.measure(subject, of_us, &mut table).await {
            // The rows that follow stay empty; other servers are still measured.
            crate::figures::complain(&failure);
        }
    }
    Ok(table)
}

impl World {
    async fn measure(&self, mut subject: Subject, of_us: bool, table: &mut Comparison) -> Result<(), Failure> {
        let Plan { streams, set_ups, .. } = self.plan;
        let messages = if of_us { self.plan.messages } else { self.plan.messages / 10 };
        let name = subject.name;
        sleep(Duration::from_secs(2)).await;
        table.note(
            name,
            "memory of the process with no stream, MiB",
            Bound::AtMost(40.0),
            subject.memory_kib()? / 1024.0,
        );

        self.set_up(&subject, Proof::External, 20).await?;
        let cost = self.set_up(&subject, Proof::External, set_ups).await?;
        table.note(name, "stream set-up TLS 1.3 + EXTERNAL, CPU ms each", Bound::AtMost(0.45), cost);
        match self.set_up(&subject, Proof::Dialback, set_ups).await {
            Ok(cost) => table.note(name, "stream set-up TLS + dialback, CPU ms each", Bound::AtMost(0.9), cost),
            Err(failure) => crate::figures::complain(&failure),
        }

        let before = subject.memory_kib()?;
        let idle = self.open(&subject, streams).await?;
        sleep(Duration::from_secs(1)).await;
        let each = (subject.memory_kib()? - before) / streams as f64;
        table.note(name, "memory per idle authorised stream, KiB", Bound::AtMost(20.0), each);
        drop(idle);

        let mut busy = self.open(&subject, EXTERNAL_PARTNERS).await?;
        load::flood(&mut subject, &mut busy, messages / 10, 16).await?;
        let cost = load::flood(&mut subject, &mut busy, messages, 16).await?;
        table.note(name, "partner to inside, 16 per write, CPU ms per 1,000", Bound::AtMost(1.0), cost);
        let cost = load::flood(&mut subject, &mut busy, messages, 1).await?;
        table.note(name, "partner to inside, one per write, CPU ms per 1,000", Bound::AtMost(2.5), cost);
        let p99 = load::pace(&mut subject, &mut busy[0], 1000, 5).await?;
        table.note(name, "latency at 1,000 messages/s, p99, ms", Bound::AtMost(0.25), p99.as_secs_f64() * 1e3);

        self.outward(&mut subject, Towards::Few, 16 * EXTERNAL_PARTNERS, 16).await?;
        let cost = self.outward(&mut subject, Towards::Few, messages, 16).await?;
        table.note(name, "inside to partner, 16 per write, CPU ms per 1,000", Bound::AtMost(1.2), cost);
        drop(busy);

        // The streams are set up by the first message to each.
        self.outward(&mut subject, Towards::Many, MANY_PARTNERS, 1).await?;
        sleep(Duration::from_secs(2)).await;
        let cost = self.outward(&mut subject, Towards::Many, (messages / 10).max(10 * MANY_PARTNERS), 1).await?;
        table.note(name, "inside to 1,000 partners in turn, CPU ms per 1,000", Bound::AtMost(4.0), cost);
        Ok(())
    }

    /// Opens and closes streams one after the other; CPU milliseconds of each.
    async fn set_up(&self, subject: &Subject, proof: Proof, count: usize) -> Result<f64, Failure> {
        let cpu = subject.cpu()?;
        for number in 0..count {
            let (partner, files) = match proof {
                Proof::External => (external_partner(number % EXTERNAL_PARTNERS), &self.certificates.remote),
                Proof::Dialback => (DIALBACK_PARTNER.to_owned(), &self.unknown),
            };
            drop(peer::open(subject.address, &partner, files, proof).await?);
        }
        sleep(Duration::from_millis(200)).await;
        Ok((subject.cpu()? - cpu).as_secs_f64() * 1e3 / count as f64)
    }

    async fn open(&self, subject: &Subject, count: usize) -> Result<Vec<(String, Stream)>, Failure> {
        let mut streams = Vec::with_capacity(count);
        for number in 0..count {
            let partner = external_partner(number % EXTERNAL_PARTNERS);
            let stream = peer::open(subject.address, &partner, &self.certificates.remote, Proof::External).await?;
            streams.push((partner, stream));
        }
        Ok(streams)
    }

    async fn outward(
        &self,
        subject: &mut Subject,
        towards: Towards,
        messages: usize,
        together: usize,
    ) -> Result<f64, Failure> {
        let (cpu, before) = (subject.cpu()?, self.delivered.load(Ordering::Relaxed));
        subject.send(towards, messages, together).await?;
        let sent = (messages / together * together) as u64;
        let delivered = || Ok(self.delivered.load(Ordering::Relaxed) - before);
        load::wait_for(delivered, sent, &format!("{} reached partners", subject.name)).await?;
        Ok((subject.cpu()? - cpu).as_secs_f64() * 1e6 / sent as f64)
    }
}
