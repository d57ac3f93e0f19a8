//! A connection that a partner opened: its stanzas go to the inside, their refusals come back as errors; where both sides
//! agreed to use it both ways (XEP-0288), it is offered to the routes too.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use lexicon::{Direction, DomainPair};
use net::{
    clock,
    dns::Kind,
    entropy,
    tls::{Secured, Tls},
};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    time::timeout,
};
use xmpp::stream::{
    self, DialbackVerdict, Inbound, InboundConfig, Input, KeyStatus, Output, PairRules, Refusal, StreamFailure,
};

use crate::{
    admission::{HalfOpen, StreamPlace},
    connection::{Connection, Side, Ways},
    edge::Edge,
    inner::Source,
    inside::ToRoute,
    pump::{Connected, Pump},
    reports::{End, Story},
    verify,
};

/// Verdicts on their way to one connection.
const VERDICTS_MAX: usize = 64;

/// What only a connection that a partner opened has.
struct Accepted {
    /// Given back when the first pair is authorised, else at the very end.
    half_open: HalfOpen,
    place: Option<StreamPlace>,
    /// On the leg of inner servers: where it came from.
    source: Option<Source>,
    to_routes: mpsc::Sender<ToRoute>,
    /// Given to those who verify keys for this stream.
    tell_verdict: mpsc::Sender<(DomainPair, DialbackVerdict)>,
    verdicts: mpsc::Receiver<(DomainPair, DialbackVerdict)>,
    /// Some pair was offered to the routes.
    offered: bool,
    /// Pairs that are authorised to ask after the keys of a probe, and for nothing else.
    asking: BTreeSet<DomainPair>,
}

/// Serves a connection to its end, and its stanzas to theirs.
pub(crate) async fn run(
    edge: Arc<Edge>,
    (socket, peer): (TcpStream, SocketAddr),
    kind: Kind,
    half_open: HalfOpen,
    ways: Ways,
) {
    let now = clock::now();
    let mut story = Story::inbound(peer, now);
    let tls = edge.tls.load_full();
    let connected = match kind {
        Kind::Starttls => Connected::Plain(socket),
        Kind::DirectTls => match Box::pin(accept_tls(&edge, &tls, (socket, peer), &mut story)).await {
            Some(secured) => Connected::Secured(Box::new(secured)),
            None => return,
        },
    };
    let config = InboundConfig {
        tls_available: !tls.identities().is_empty(),
        secret: edge.secret(),
        limits: edge.limits(),
        extensions: edge.extensions(),
    };
    let machine = Inbound::new(config, entropy::seed(), now);
    let number = edge.streams.open(Direction::Inbound, peer, now.wall);
    // A half-open connection may have to make room at any moment, and then this goes no further.
    let _listed = edge.streams.listed(number);
    let (tell_verdict, verdicts) = mpsc::channel(VERDICTS_MAX);
    let (source, to_routes) = (Source::of(&edge, peer.ip()).await, ways.to_routes.clone());
    let side = Accepted {
        half_open,
        place: None,
        source,
        to_routes,
        tell_verdict,
        verdicts,
        offered: false,
        asking: BTreeSet::new(),
    };
    let pump = Pump::new(machine, connected, Direction::Inbound, tls);
    let mut connection = Box::new(Connection::new(&edge, (number, pump, story), side, &ways, Arc::<Notify>::default()));
    drop((ways, edge));
    connection.serve().await;
    connection.side.place = None;
    connection.report_end();
    if !connection.side.half_open.is_authorised() {
        // It keeps its place until our last words have left.
        Box::pin(connection.pump.finish()).await;
        return;
    }
    let offered = connection.side.offered;
    Box::pin(connection.end(offered)).await;
}

/// The handshake of a connection to a listener for direct TLS.
async fn accept_tls(
    edge: &Edge,
    tls: &Tls,
    (socket, peer): (TcpStream, SocketAddr),
    story: &mut Story,
) -> Option<Secured<TcpStream>> {
    let mut stopping = edge.stopping.clone();
    let handshake = timeout(edge.limits().establishment_timeout, tls.accept_direct(socket));
    let failure = tokio::select! {
        done = handshake => match done {
            Ok(Ok(secured)) => return Some(secured),
            Ok(Err(error)) => StreamFailure::TlsHandshake(error.to_string().into()),
            Err(_) => StreamFailure::Timeout(stream::Stage::Tls),
        },
        _ = stopping.wait_for(|stop| *stop) => StreamFailure::Refused(Refusal::Shutdown),
    };
    tracing::debug!(%peer, %failure, "no direct TLS");
    story.broke(&failure);
    edge.events.report(story.without_stream(edge));
    None
}

impl Side for Accepted {
    type Machine = Inbound;
    type Event = (DomainPair, DialbackVerdict);

    const DIRECTION: Direction = Direction::Inbound;

    fn rules(
        connection: &mut Connection<Self>,
        pair: &DomainPair,
        about_to_authorise: bool,
    ) -> Result<PairRules, Refusal> {
        let Connection { edge, pump, side, .. } = connection;
        let (chain, now) = (pump.chain(), clock::now());
        if let Some(source) = &side.source {
            let snapshot = edge.snapshot();
            edge.partner(&snapshot, pair)?;
            if !source.may_be(&snapshot, &pair.remote) {
                return Err(Refusal::SourceNotPermitted);
            }
        }
        let rules = match edge.rules(pair, chain, now) {
            // Prosody asks after a key only on a stream on which it has proved itself. One that is no partner may do so while
            // it is probed; it takes no place, and no stanza of it passes.
            Err(refusal) if !about_to_authorise || refusal == Refusal::PartnerUnknown => {
                let rules = edge.rules_to_ask(pair, chain, now).ok_or(refusal)?;
                side.asking.insert(pair.clone());
                return Ok(rules);
            }
            judged => judged?,
        };
        side.asking.remove(pair);
        if about_to_authorise && side.place.is_none() {
            side.place = edge.place(&pair.remote, Direction::Inbound);
            if side.place.is_none() {
                return Err(Refusal::ConnectionLimit);
            }
        }
        Ok(rules)
    }

    fn may_carry(connection: &Connection<Self>, pair: &DomainPair) -> bool {
        !connection.side.asking.contains(pair)
    }

    fn authorised(connection: &mut Connection<Self>, pair: DomainPair) {
        connection.side.half_open.authorised();
        // A hint: the route does without it when it has much to do.
        let _ = connection.side.to_routes.try_send(ToRoute::Alive(pair));
    }

    fn both_ways(connection: &mut Connection<Self>, pair: DomainPair) {
        connection.side.offered = true;
        connection.carrier.offer(pair);
    }

    fn obey(connection: &mut Connection<Self>, output: Output) {
        let Connection { edge, pump, side, .. } = connection;
        match output {
            Output::VerifyDialback(request) => {
                tokio::spawn(verify::run(Arc::clone(edge), request, side.tell_verdict.clone()));
            }
            Output::AskKey(request) => {
                let status = edge.key_status(&request);
                if status == KeyStatus::InFlight {
                    side.half_open.proved();
                }
                pump.feed(Input::KeyStatus(&request, status));
            }
            _ => {}
        }
    }

    async fn wait(&mut self) -> Self::Event {
        match self.verdicts.recv().await {
            Some(verdict) => verdict,
            // Never: the connection keeps a sender.
            None => std::future::pending().await,
        }
    }

    /// Who only claims to be the partner, with a key that is being verified or a certificate that was refused, takes none
    /// of the partner's places: there is another look for one when the pair is authorised.
    fn done_for_now(connection: &mut Connection<Self>) {
        if connection.pump.machine.facts().authorised.is_empty() {
            connection.side.place = None;
        }
    }

    fn act(connection: &mut Connection<Self>, (pair, verdict): Self::Event) {
        connection.report_key(&pair, &verdict);
        connection.pump.feed(Input::DialbackVerdict(&pair, verdict));
    }
}

impl Connection<Accepted> {
    /// A key that proves nothing is an attempt of its own when other pairs keep the stream alive.
    fn report_key(&self, pair: &DomainPair, verdict: &DialbackVerdict) {
        if self.pump.machine.facts().authorised.is_empty() {
            return;
        }
        let failure = match verdict {
            DialbackVerdict::Valid => return,
            DialbackVerdict::Invalid => StreamFailure::DialbackInvalid,
            DialbackVerdict::Error(error) => StreamFailure::DialbackFailed(error.clone()),
        };
        self.report(Some(pair), End::Failed(Some(&failure)));
    }

    /// A connection that never carried a pair was an attempt that failed, or a question about a key.
    fn report_end(&self) {
        let facts = self.pump.machine.facts();
        if facts.attempts.iter().any(|attempt| attempt.failure.is_none()) {
            return;
        }
        let failure = self.closed.as_ref().and_then(Option::as_ref);
        let end = if facts.keys_asked > 0 && facts.attempts.is_empty() { End::Done } else { End::Failed(failure) };
        self.report(None, end);
    }
}
