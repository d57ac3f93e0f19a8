//! The control panel with many partners: what a look at the table costs, as a browser gets it over HTTPS on one connection.
//!
//! Store, panel and browser are in this process; the times are from the request to the whole answer.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lexicon::{Direction, Domain, Timestamp, report::Code};
use net::{
    entropy,
    tls::{Identities, Secured, Tls},
};
use panel::{Live, Means, Status, WebListeners};
use policy::Partner;
use store::{Actor, Backend, ImportStep, Store};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Failure, LOCAL, certificates,
    figures::{Bound, Comparison},
};

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) partners: usize,
    pub(crate) looks: usize,
}

/// The most that a list, a search or a page may take, and a check of the form, in milliseconds.
const LIST_MAX_MS: f64 = 20.0;
const CHECK_MAX_MS: f64 = 10.0;

const SERVER: &str = "legation";

struct Nothing;

impl Live for Nothing {
    fn status(&self) -> panel::Answer<'_, Status> {
        Box::pin(async { Status::default() })
    }

    fn in_force(&self, _: store::Revisions) -> panel::Answer<'_, ()> {
        Box::pin(async {})
    }
}

pub(crate) async fn measure(plan: Plan) -> Result<Comparison, Failure> {
    let folder = tempfile::tempdir()?;
    let store = populated(folder.path(), plan.partners).await?;
    let means = Means { store: store.clone(), credentials: |_, _, _| Vec::new(), live: Arc::new(Nothing) };
    let files = certificates::make(folder.path())?.local;
    let bound = WebListeners::bind(&["127.0.0.1:0".parse()?], std::slice::from_ref(&files))?;
    let web = bound.serve(means);
    let mut browser = Browser::connect(web.addresses()[0]).await?;
    browser.sign_in(&store).await?;
    let mut table = Comparison::default();
    let last = format!("/partners?page={}", (plan.partners / 50).saturating_sub(1));
    for (median, worst, path) in [
        ("first page: p50, ms", "first page: p99, ms", "/partners"),
        ("last page: p50, ms", "last page: p99, ms", last.as_str()),
        ("search by suffix: p50, ms", "search by suffix: p99, ms", "/partners?q=it.p1"),
        ("filter by state: p50, ms", "filter by state: p99, ms", "/partners?state=down"),
        ("sort by last success: p50, ms", "sort by last success: p99, ms", "/partners?sort=-last_success"),
        ("overview: p50, ms", "overview: p99, ms", "/"),
    ] {
        let times = browser.look(plan.looks, "GET", path, "").await?;
        table.note(SERVER, median, Bound::AtMost(LIST_MAX_MS), percentile(&times, 0.5));
        table.note(SERVER, worst, Bound::AtMost(LIST_MAX_MS), percentile(&times, 0.99));
    }
    let form = "primary_domain=new.example&additional_domains=&partner_type=federated&tls=not_supported&sasl=required\
                &dialback=true&keep_alive=true&enabled=true&action=commit&revision=&connection_limit=";
    let times = browser.look(plan.looks, "POST", "/partners/new", form).await?;
    table.note(SERVER, "check of the form: p50, ms", Bound::AtMost(CHECK_MAX_MS), percentile(&times, 0.5));
    table.note(SERVER, "check of the form: p99, ms", Bound::AtMost(CHECK_MAX_MS), percentile(&times, 0.99));
    // After a change everything is read anew, once.
    let mut cold = Vec::new();
    for round in 0..5 {
        let edge = store.edge().await?;
        let mut partner = edge.partners.get(round).ok_or("there are too few partners")?.partner.clone();
        partner.keep_alive = !partner.keep_alive;
        store.set_partner(&Actor::new("bench", "bench"), None, &partner).await?;
        cold.extend(browser.look(1, "GET", "/partners", "").await?);
    }
    table.note(SERVER, "first page after a change: p50, ms", Bound::None, percentile(&cold, 0.5));
    web.stop().await;
    Ok(table)
}

/// Partners with two domains each, all of which have been reached or not.
async fn populated(folder: &Path, partners: usize) -> Result<Store, Failure> {
    let store = Store::open(folder.join("data/legation.db")).await?;
    let actor = Actor::new("bench", "bench");
    let local = Domain::parse(LOCAL)?;
    store.add_domain(&actor, &local, &[Backend::Registrar]).await?;
    let mut steps = Vec::with_capacity(partners);
    for number in 0..partners {
        let mut partner = Partner::new(Domain::parse(&format!("p{number}.example"))?);
        partner.additional_domains = vec![Domain::parse(&format!("it.p{number}.example"))?];
        partner.description = format!("Partner number {number}, asked for by department {}", number % 97).into();
        steps.push(ImportStep::Partner(Box::new(partner)));
    }
    let revision = store.topics().borrow().edge;
    store.import(&actor, revision, &steps).await?;
    let now = net::clock::now().wall;
    for chunk in (0..partners).collect::<Vec<_>>().chunks(500) {
        let reports: Result<Vec<_>, Failure> = chunk.iter().map(|number| report(now, &local, *number)).collect();
        store.add_reports(&reports?).await?;
    }
    Ok(store)
}

fn report(now: Timestamp, local: &Domain, number: usize) -> Result<lexicon::Report, Failure> {
    let remote = Domain::parse(&format!("p{number}.example"))?;
    let ended = if number.is_multiple_of(10) { Code::CertificateExpired } else { Code::Ok };
    let method = (ended == Code::Ok).then_some(lexicon::Method::SaslOverTls);
    Ok(lexicon::Report {
        id: entropy::row_id(now),
        at: now,
        duration_ms: 120,
        direction: Direction::Outbound,
        leg: lexicon::report::Leg::Partner,
        purpose: lexicon::report::Purpose::Stanzas,
        local: Some(local.clone()),
        partner: Some(remote.clone()),
        remote: Some(remote),
        peer: None,
        lookup: None,
        dials: Vec::new(),
        tls: None,
        certificate: None,
        offered: None,
        tries: Vec::new(),
        stage: None,
        method,
        result: ended.into(),
        detail: String::new(),
    })
}

/// One connection, as a browser keeps it.
struct Browser {
    stream: Secured<TcpStream>,
    cookie: String,
    form_token: String,
}

impl Browser {
    async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let (tls, host) = (Tls::new(Identities::default())?, Domain::parse(LOCAL)?);
        let stream = tls.connect(TcpStream::connect(address).await?, &host, &host).await?;
        Ok(Self { stream, cookie: String::new(), form_token: String::new() })
    }

    /// By the link that makes the first administrator.
    async fn sign_in(&mut self, store: &Store) -> Result<(), Failure> {
        let until = Timestamp::from_millis(net::clock::now().wall.as_millis() + 600_000);
        store.offer_setup(&Actor::new("bench", "bench"), "first", until).await?;
        let password = "correct+horse+battery";
        let made =
            self.send("POST", "/setup/first", &format!("name=ops1&password={password}&again={password}")).await?;
        let cookie = made.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next());
        self.cookie = cookie.ok_or_else(|| format!("nobody is signed in: {made}"))?.to_owned();
        let page = self.send("GET", "/partners", "").await?;
        let token = page.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.form_token = token.ok_or("the page has no form")?.to_owned();
        Ok(())
    }

    async fn look(&mut self, times: usize, method: &str, path: &str, body: &str) -> Result<Vec<Duration>, Failure> {
        let body = if body.is_empty() { String::new() } else { format!("{body}&form_token={}", self.form_token) };
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let started = Instant::now();
            let answer = self.send(method, path, &body).await?;
            took.push(started.elapsed());
            if !answer.starts_with("HTTP/1.1 200") && !answer.contains("SASL requires TLS") {
                return Err(format!("{method} {path}: {answer}").into());
            }
        }
        Ok(took)
    }

    /// The whole answer.
    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<String, Failure> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {LOCAL}\r\ncookie: {}\r\norigin: https://{LOCAL}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let (mut answer, mut buffer) = (Vec::new(), vec![0; 65_536]);
        loop {
            let read = self.stream.read(&mut buffer).await?;
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
            let text = String::from_utf8_lossy(&answer);
            if read == 0 {
                return Err(format!("the connection ended: {text}").into());
            }
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                if rest.len() >= length.unwrap_or_default() {
                    return Ok(text.into_owned());
                }
            }
        }
    }
}

fn percentile(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
