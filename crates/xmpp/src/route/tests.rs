use std::time::Duration;

use lexicon::{CertificateFault, Domain, Timestamp};

use super::*;
use crate::stanza::{ErrorType, StanzaRef};
use crate::stream::{Condition as StreamCondition, Refusal};

const LIMITS: RouteLimits = RouteLimits {
    queue_stanzas: 3,
    queue_bytes: 1_000,
    queue_age: Duration::from_secs(60),
    backoff_min: Duration::from_secs(1),
    backoff_max: Duration::from_secs(300),
};

/// A route with a clock, whose outputs read as text.
struct Bench {
    route: Route<u32>,
    now: Now,
    tickets: u32,
}

impl Bench {
    fn new(limits: RouteLimits) -> Self {
        let pair = DomainPair { local: domain("contoso.example"), remote: domain("fabrikam.example") };
        Self { route: Route::new(pair, limits, [7; 32]), now: start(), tickets: 0 }
    }

    fn send(&mut self, stanza: &str) -> Vec<String> {
        self.send_within(stanza, Duration::from_secs(3_600))
    }

    fn send_within(&mut self, stanza: &str, lifetime: Duration) -> Vec<String> {
        self.tickets += 1;
        let (stanza, ticket) = (Batch::from_xml(stanza).unwrap(), self.tickets);
        self.handle(Input::Send { stanza, ticket, deadline: self.now.instant + lifetime })
    }

    fn message(&mut self) -> Vec<String> {
        self.send("<message from='a@contoso.example' to='b@fabrikam.example'/>")
    }

    fn down(&mut self, failure: RouteFailure) -> Vec<String> {
        self.handle(Input::Down(Some(failure)))
    }

    fn handle(&mut self, input: Input<u32>) -> Vec<String> {
        self.route.handle(self.now, input);
        std::iter::from_fn(|| self.route.poll()).map(|output| describe(&output)).collect()
    }

    /// Lets time pass; deadlines on the way are kept.
    fn wait(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now + duration;
        let mut outputs = Vec::new();
        while let Some(deadline) = self.route.deadline().filter(|deadline| *deadline <= end.instant) {
            self.now = self.now + deadline.saturating_duration_since(self.now.instant);
            outputs.extend(self.handle(Input::Deadline));
        }
        self.now = end;
        outputs
    }

    /// The delay that the route keeps now.
    fn delay(&self) -> Duration {
        match self.route.state() {
            RouteState::BackOff(until) => until - self.now.instant,
            state => panic!("no back-off but {state:?}"),
        }
    }
}

fn describe(output: &Output<u32>) -> String {
    match output {
        Output::Connect { without_sasl: false } => "connect".into(),
        Output::Connect { without_sasl: true } => "connect without sasl".into(),
        Output::Write { ticket, .. } => format!("write {ticket}"),
        Output::Bounce { ticket, error, reason, .. } => {
            format!("bounce {ticket} {} {} {}", reason.as_str(), error.condition, error.error_type)
        }
        Output::Superseded { ticket, .. } => format!("superseded {ticket}"),
    }
}

/// The one look at the clock; from here on the tests move time.
#[allow(clippy::disallowed_methods)]
fn start() -> Now {
    Now { instant: Instant::now(), wall: Timestamp::from_millis(0) }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn refused_connection() -> RouteFailure {
    RouteFailure::Unreachable("connection refused".into())
}

#[test]
fn stanzas_wait_for_the_stream_and_keep_their_order() {
    let mut bench = Bench::new(LIMITS);
    assert_eq!(bench.message(), ["connect"]);
    assert_eq!(bench.message(), [""; 0]);
    assert_eq!(bench.handle(Input::Up), ["write 1", "write 2"]);
    assert_eq!(bench.message(), ["write 3"]);
    assert_eq!(bench.handle(Input::Down(None)), [""; 0]);
    assert_eq!(bench.route.state(), RouteState::Idle);
    assert_eq!(bench.message(), ["connect"]);
}

#[test]
fn a_full_queue_bounces_what_comes_last() {
    let mut bench = Bench::new(LIMITS);
    for _ in 0..3 {
        bench.message();
    }
    assert_eq!(bench.message(), ["bounce 4 queue_full resource-constraint wait"]);
    assert_eq!(bench.handle(Input::Up), ["write 1", "write 2", "write 3"]);

    let mut bench = Bench::new(RouteLimits { queue_bytes: 100, ..LIMITS });
    bench.message();
    assert_eq!(bench.route.bytes_queued(), 59);
    assert_eq!(bench.route.room(), 41);
    assert_eq!(bench.message(), ["bounce 2 queue_full resource-constraint wait"]);
    assert_eq!(bench.route.bytes_queued(), 59);
}

/// Nothing may wait, but the attempt it causes helps the next stanza.
#[test]
fn a_queue_of_no_stanzas_still_connects() {
    let mut bench = Bench::new(RouteLimits { queue_stanzas: 0, ..LIMITS });
    assert_eq!(bench.message(), ["bounce 1 queue_full resource-constraint wait", "connect"]);
    bench.handle(Input::Up);
    assert_eq!(bench.message(), ["write 2"]);
}

#[test]
fn a_queued_stanza_keeps_only_its_own_bytes() {
    let mut bench = Bench::new(LIMITS);
    let read = Batch::from_xml("<message from='a@x' to='b@y'/><message><body>much more</body></message>").unwrap();
    bench.handle(Input::Send { stanza: read.single(0), ticket: 0, deadline: bench.now.instant + LIMITS.queue_age });
    assert_eq!(bench.route.bytes_queued(), "<message from='a@x' to='b@y'/>".len());
}

#[test]
fn a_stanza_is_bounced_at_the_queue_age_or_at_its_own_deadline() {
    let mut bench = Bench::new(LIMITS);
    bench.message();
    bench.send_within("<message/>", Duration::from_secs(20));
    assert_eq!(bench.wait(Duration::from_secs(59)), ["bounce 2 queue_age remote-server-timeout wait"]);
    assert_eq!(bench.wait(Duration::from_secs(1)), ["bounce 1 queue_age remote-server-timeout wait"]);
    assert_eq!(bench.route.deadline(), None);
}

#[test]
fn what_waiting_may_remedy_waits_through_the_back_off() {
    let mut bench = Bench::new(LIMITS);
    bench.message();
    assert_eq!(bench.down(refused_connection()), [""; 0]);
    assert_eq!(bench.message(), [""; 0]);
    assert_eq!(bench.wait(Duration::from_secs(1)), ["connect"]);
    assert_eq!(bench.handle(Input::Up), ["write 1", "write 2"]);
    assert_eq!(bench.route.failure(), None);
}

/// RFC 6120 §3.3: the delay grows and is random.
#[test]
fn delays_double_up_to_the_longest() {
    let mut bench = Bench::new(RouteLimits { queue_age: Duration::from_secs(86_400), ..LIMITS });
    bench.message();
    for whole in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        bench.down(refused_connection());
        let (delay, whole) = (bench.delay(), Duration::from_secs(whole));
        assert!(delay >= whole / 2 && delay <= whole, "{delay:?} of {whole:?}");
        assert_eq!(bench.wait(whole), ["connect"]);
    }
    // A stream that falls at once has not made up for it; one that lasts has.
    bench.handle(Input::Up);
    bench.down(refused_connection());
    assert!(bench.delay() >= LIMITS.backoff_max / 2);
    bench.handle(Input::Retry);
    bench.message();
    bench.handle(Input::Up);
    bench.wait(LIMITS.backoff_max);
    bench.down(refused_connection());
    assert!(bench.delay() <= LIMITS.backoff_min);
}

#[test]
fn the_same_seed_gives_the_same_delays_and_another_seed_others() {
    let delays = |seed| {
        let mut backoff = Backoff::new(seed);
        std::array::from_fn::<_, 6, _>(|_| backoff.delay(LIMITS.backoff_min, LIMITS.backoff_max, false))
    };
    assert_eq!(delays([1; 32]), delays([1; 32]));
    assert_ne!(delays([1; 32]), delays([2; 32]));
}

#[test]
fn what_cannot_succeed_is_bounced_at_once_and_during_the_back_off() {
    let mut bench = Bench::new(LIMITS);
    bench.message();
    let not_found = RouteFailure::NotFound("no such domain".into());
    assert_eq!(bench.down(not_found), ["bounce 1 route_failed remote-server-not-found cancel"]);
    assert_eq!(bench.message(), ["bounce 2 route_failed remote-server-not-found cancel"]);
    // A change may help.
    bench.handle(Input::Retry);
    assert_eq!(bench.message(), ["connect"]);
    let refused = RouteFailure::Stream(StreamFailure::Refused(Refusal::PartnerDisabled));
    assert_eq!(bench.down(refused), ["bounce 3 route_failed policy-violation modify"]);
    assert!(bench.delay() >= LIMITS.backoff_max / 2);
    bench.wait(LIMITS.backoff_max);
    assert_eq!(bench.message(), ["connect"]);
}

#[test]
fn external_refused_is_tried_once_more_without_sasl() {
    let refused = || {
        let (name, text) = ("not-authorized".into(), "".into());
        RouteFailure::Stream(StreamFailure::ExternalRefused { name, text, dialback_left: true })
    };
    let mut bench = Bench::new(LIMITS);
    bench.message();
    assert_eq!(bench.down(refused()), ["connect without sasl"]);
    assert_eq!(bench.down(refused()), [""; 0]);
    assert!(bench.delay() <= LIMITS.backoff_min);
}

/// partner-policy §1: what new rules no longer permit is closed; whether they can be met is still to be seen.
#[test]
fn a_stream_that_new_rules_ended_is_followed_by_an_attempt_under_them() {
    let changed = || RouteFailure::Stream(StreamFailure::Refused(Refusal::RulesChanged));
    let mut bench = Bench::new(LIMITS);
    assert_eq!(bench.message(), ["connect"]);
    assert_eq!(bench.down(changed()), ["connect"]);
    assert_eq!(bench.handle(Input::Up), ["write 1"]);
    assert!(bench.down(changed()).is_empty());
    assert_eq!(bench.message(), ["connect"]);
}

#[test]
fn an_attempt_that_ends_politely_is_no_loop() {
    let mut bench = Bench::new(LIMITS);
    bench.message();
    assert_eq!(bench.handle(Input::Down(None)), [""; 0]);
    assert!(bench.delay() > Duration::ZERO);
}

#[test]
fn closing_bounces_everything_with_the_reason() {
    let mut bench = Bench::new(LIMITS);
    bench.message();
    let shutdown = RouteFailure::Stream(StreamFailure::Refused(Refusal::Shutdown));
    assert_eq!(bench.handle(Input::Close(shutdown)), ["bounce 1 route_closed remote-server-timeout wait"]);
    assert_eq!(bench.route.state(), RouteState::Idle);
    assert_eq!(bench.route.bytes_queued(), 0);
}

/// Settings: of presence only the latest is kept. Subscriptions are not presence in that sense.
#[test]
fn a_later_presence_supersedes_the_one_that_waits() {
    let mut bench = Bench::new(LIMITS);
    bench.send("<presence from='a@x/1' to='b@y'/>");
    bench.message();
    assert_eq!(bench.send("<presence from='a@x/1' to='b@y' type='unavailable'/>"), ["superseded 1"]);
    assert_eq!(bench.send("<presence from='a@x/1' to='b@y' type='subscribe'/>"), [""; 0]);
    assert_eq!(bench.send("<presence from='a@x/1' to='b@y'/>"), ["superseded 3"], "room even in a full queue");
    assert_eq!(bench.handle(Input::Up), ["write 2", "write 4", "write 5"]);
    assert_eq!(bench.send("<presence from='a@x/1' to='b@y'/>"), ["write 6"]);
}

/// RFC 6120 §8.3.3.16, §8.3.3.17; the texts for people of sip-gateway.md.
#[test]
fn every_failure_has_its_own_error() {
    let remote = domain("fabrikam.example");
    let peer_error = |condition: StreamCondition| {
        let error = crate::stream::StreamError { name: condition.as_str().into(), text: "".into() };
        RouteFailure::Stream(StreamFailure::PeerError { error, stage: Stage::Header })
    };
    let stream = RouteFailure::Stream;
    let external_refused = |name: &str| {
        let (name, text) = (name.into(), "".into());
        stream(StreamFailure::ExternalRefused { name, text, dialback_left: false })
    };
    for (failure, condition, error_type, permanent) in [
        (RouteFailure::NotFound(String::new()), Condition::RemoteServerNotFound, ErrorType::Cancel, true),
        (RouteFailure::Unresolved(String::new()), Condition::RemoteServerTimeout, ErrorType::Wait, false),
        (refused_connection(), Condition::RemoteServerTimeout, ErrorType::Wait, false),
        (stream(StreamFailure::Timeout(Stage::Header)), Condition::RemoteServerTimeout, ErrorType::Wait, false),
        (
            stream(StreamFailure::Certificate(CertificateFault::Expired)),
            Condition::PolicyViolation,
            ErrorType::Modify,
            true,
        ),
        (stream(StreamFailure::StarttlsAbsent), Condition::PolicyViolation, ErrorType::Modify, true),
        (stream(StreamFailure::Refused(Refusal::PartnerUnknown)), Condition::PolicyViolation, ErrorType::Modify, true),
        (
            stream(StreamFailure::Refused(Refusal::ConnectionLimit)),
            Condition::ResourceConstraint,
            ErrorType::Wait,
            false,
        ),
        // XEP-0220 §2.1.1.
        (stream(StreamFailure::DialbackInvalid), Condition::InternalServerError, ErrorType::Cancel, false),
        (peer_error(StreamCondition::HostUnknown), Condition::RemoteServerNotFound, ErrorType::Cancel, true),
        (peer_error(StreamCondition::NotAuthorized), Condition::RemoteServerTimeout, ErrorType::Cancel, true),
        (peer_error(StreamCondition::SystemShutdown), Condition::RemoteServerTimeout, ErrorType::Wait, false),
        (external_refused("not-authorized"), Condition::RemoteServerTimeout, ErrorType::Cancel, true),
        (external_refused("temporary-auth-failure"), Condition::RemoteServerTimeout, ErrorType::Wait, false),
    ] {
        let error = failure.stanza_error(&remote);
        assert_eq!((error.condition, error.error_type), (condition, error_type), "{failure}");
        assert_eq!(failure.is_permanent(), permanent, "{failure}");
        assert!(error.text.is_some(), "{failure}");
    }
}

#[test]
fn a_bounce_of_the_route_is_an_answer_to_the_sender() {
    let error = refused_connection().stanza_error(&domain("fabrikam.example"));
    let sent = Batch::from_xml("<message from='a@contoso.example' to='b@fabrikam.example'/>").unwrap();
    let bounced = crate::stanza::bounce(&StanzaRef::of(sent.element(0)).unwrap(), &error).unwrap();
    let bounced = StanzaRef::of(bounced.element(0)).unwrap().error().unwrap();
    assert_eq!(bounced.text.as_deref(), Some("The server of fabrikam.example cannot be reached now."));
}
