//! A connection that we open: it carries the stanzas of one of our domains, or of several, to one partner, and the
//! partner's too where both sides agreed to use it both ways (XEP-0288).

use std::sync::Arc;

use lexicon::{Direction, DomainPair, report};
use net::clock;
use tokio::sync::{Notify, mpsc};
use xmpp::{
    route::RouteFailure,
    stream::{Input, Outbound, OutboundConfig, Output, PairRules, Purpose, Refusal, StreamFailure},
};

use crate::{
    admission::StreamPlace,
    carrier::{Carriage, Event, News},
    connection::{Connection, Side, Ways},
    dial,
    edge::Edge,
    pump::Pump,
    reports::{End, Story},
    routes::lane::Lane,
};

/// A connection to be made.
pub(crate) struct Attempt {
    /// Its number.
    pub(crate) connection: u64,
    pub(crate) lane: Arc<Lane>,
    /// Whether SASL may be tried.
    pub(crate) sasl: bool,
    pub(crate) place: StreamPlace,
    /// Pairs to be added later.
    pub(crate) additions: mpsc::Receiver<Arc<Lane>>,
    /// Wakes the stream when a lane has something.
    pub(crate) ready: Arc<Notify>,
}

/// What only a connection that we opened has.
struct Dialled {
    carriage: Carriage,
    additions: mpsc::Receiver<Arc<Lane>>,
}

/// Makes the connection and serves it to its end.
pub(crate) async fn run(edge: Arc<Edge>, attempt: Attempt, ways: Ways) {
    let Attempt { connection: number, lane, sasl, place, additions, ready } = attempt;
    let pair = lane.pair.clone();
    let mut stopping = edge.stopping.clone();
    let mut story = Story::outbound(pair.clone(), report::Purpose::Stanzas);
    let connected = tokio::select! {
        connected = Box::pin(dial::connect(&edge, &pair, &mut story)) => connected,
        _ = stopping.wait_for(|stop| *stop) => Err(StreamFailure::Refused(Refusal::Shutdown).into()),
    };
    let (socket, peer) = match connected {
        Ok(connected) => connected,
        Err(failure) => {
            tracing::debug!(%pair, %failure, "no connection");
            edge.events.report(story.without_stream(&edge));
            let _ = ways.news.send(News { connection: number, event: Event::Closed(Some(failure)) }).await;
            return;
        }
    };
    let now = clock::now();
    let config = OutboundConfig {
        purpose: Purpose::Stanzas(pair.clone()),
        sasl,
        secret: edge.secret(),
        limits: edge.limits(),
        extensions: edge.extensions(),
    };
    let pump = Pump::new(Outbound::new(config, now), socket, Direction::Outbound, edge.tls.load_full());
    edge.streams.open_as(number, Direction::Outbound, peer, now.wall);
    let side = Dialled { carriage: Carriage { peer, other_targets: false }, additions };
    let mut connection = Box::new(Connection::new(&edge, (number, pump, story), side, &ways, ready));
    connection.carrier.add(lane);
    drop((ways, edge));
    connection.serve().await;
    drop(place);
    connection.report_end(&pair);
    Box::pin(connection.end(true)).await;
}

impl Side for Dialled {
    type Machine = Outbound;
    type Event = Arc<Lane>;

    const DIRECTION: Direction = Direction::Outbound;

    fn rules(connection: &mut Connection<Self>, pair: &DomainPair, _: bool) -> Result<PairRules, Refusal> {
        let rules = connection.edge.rules(pair, connection.pump.chain(), clock::now())?;
        Ok(connection.story.tighten(rules))
    }

    fn authorised(connection: &mut Connection<Self>, pair: DomainPair) {
        let features = connection.pump.machine.facts().features.as_ref();
        connection.side.carriage.other_targets |= features.is_some_and(|features| features.dialback_errors);
        connection.carrier.authorised(pair, connection.side.carriage);
    }

    /// The partner's stanzas simply come.
    fn both_ways(_: &mut Connection<Self>, _: DomainPair) {}

    fn obey(connection: &mut Connection<Self>, output: Output) {
        let Connection { edge, pump, number, .. } = connection;
        match output {
            Output::KeySent(pair, id) => edge.streams.key_sent(*number, pair, id),
            Output::AskKey(request) => {
                let status = edge.key_status(&request);
                pump.feed(Input::KeyStatus(&request, status));
            }
            _ => {}
        }
    }

    async fn wait(&mut self) -> Self::Event {
        match self.additions.recv().await {
            Some(lane) => lane,
            // The routes have ended, and with them the proxy.
            None => std::future::pending().await,
        }
    }

    fn act(connection: &mut Connection<Self>, lane: Self::Event) {
        let pair = lane.pair.clone();
        connection.carrier.add(lane);
        connection.pump.feed(Input::AddPair(pair));
    }
}

impl Connection<Dialled> {
    fn report_end(&self, pair: &DomainPair) {
        let attempts = &self.pump.machine.facts().attempts;
        if attempts.iter().all(|attempt| attempt.failure.is_some()) {
            self.report(Some(pair), End::Failed(self.closed.as_ref().and_then(Option::as_ref)));
        }
    }
}

/// For the routes: a connection that could not be begun at all.
pub(crate) fn at_limit() -> RouteFailure {
    StreamFailure::Refused(Refusal::ConnectionLimit).into()
}
