//! Requests of SIP endpoints: what is judged before a method is looked at, and who sent it.
//!
//! A request from an address that a trunk serves must have come from that trunk. All others are authenticated by digest, and
//! From must be the authenticated address, so nobody can send in another's name and nobody outside can send at all. OPTIONS is answered to anybody, since it tells nothing of users.
//! Everything else is refused with what we do support (RFC 3261 §8.2.1).

use std::fmt::Display;

use ::sip::{
    Flow, Method, Name, Request, Response, Status, Transport, Uri,
    digest::{Algorithm, Credentials, DigestError},
    message::{Scheme, same_resource, warning},
    transaction::ServerId,
};
use interwork::{diagnostics::MS_DIAGNOSTICS, error::Answer, uri};
use lexicon::BareJid;
use policy::TrunkName;
use store::Backend;

use super::Shard;

/// Value of Allow.
const ALLOW: &str = "ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PUBLISH, REGISTER, SUBSCRIBE, UPDATE";

/// What Require may ask for where a session is concerned (RFC 4028).
const TIMER: &str = "timer";

/// A proof that cannot be right, for users who do not exist: the answer then takes as long as for those who do.
const NO_HA1: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: ServerId,
    pub(super) flow: Flow,
    pub(super) request: Request,
    /// Who sent it, once that is known.
    pub(super) origin: Option<Origin>,
}

/// Who sent a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// A user of the built-in registrar, by password.
    RegistrarUser,
    /// A trunk, for an address that it serves.
    Trunk(TrunkName),
}

/// Why a request is refused before its method is looked at.
enum Flawed {
    /// With this status.
    Status(Status),
    /// With this status and a header field.
    Field(Status, &'static str, String),
}

impl Shard {
    /// Takes a request from the transaction layer.
    pub(super) fn request(&mut self, id: ServerId, flow: Flow, request: Request) {
        let incoming = Incoming { id, flow, request, origin: None };
        match self.flaw(&incoming.request) {
            Some(Flawed::Status(status)) => {
                self.counters.sip("refused");
                return self.answer(&incoming, Answer::new(status), &[]);
            }
            Some(Flawed::Field(status, name, value)) => {
                self.counters.sip("refused");
                return self.answer(&incoming, Answer::new(status), &[(name, &value)]);
            }
            None => {}
        }
        let in_dialog = incoming.request.headers.to().is_ok_and(|to| to.tag().is_some());
        match incoming.request.method {
            Method::Notify | Method::Benotify => self.notice(&incoming),
            Method::Subscribe if in_dialog => self.resubscribe(&incoming),
            _ if in_dialog => self.in_dialog(incoming),
            Method::Invite => self.invite(incoming),
            Method::Bye | Method::Info | Method::Update => self.in_dialog(incoming),
            Method::Register => self.register(incoming),
            Method::Message => self.message(incoming),
            Method::Options => self.options(&incoming),
            Method::Publish => self.publish(incoming),
            Method::Subscribe => self.subscribe(incoming),
            Method::Other(_) => self.refuse_method(&incoming, Status::NOT_IMPLEMENTED),
            _ => self.refuse_method(&incoming, Status::METHOD_NOT_ALLOWED),
        }
    }

    /// RFC 3261 §8.2.2, §16.3 and §8.2.2.3, in this order. Proxy-Require is for proxies.
    fn flaw(&self, request: &Request) -> Option<Flawed> {
        let status = |status| Some(Flawed::Status(status));
        let to = request.headers.to();
        let is_secure = to.as_ref().is_ok_and(|to| to.uri.scheme() == &Scheme::Sips);
        if !request.uri.is_sip() || is_secure {
            return status(Status::UNSUPPORTED_URI_SCHEME);
        }
        if request.headers.max_forwards() == Some(0) {
            return status(Status::TOO_MANY_HOPS);
        }
        let mut vias = request.headers.vias().flatten();
        if vias.any(|via| self.flows.is_ours(&via)) {
            return status(Status::LOOP_DETECTED);
        }
        let has_timer = matches!(request.method, Method::Invite | Method::Update);
        let unknown = |tag: &&str| !(has_timer && tag.eq_ignore_ascii_case(TIMER));
        let required: Vec<&str> = request.headers.values(Name::Require).filter(unknown).collect();
        if !required.is_empty() {
            return Some(Flawed::Field(Status::BAD_EXTENSION, "Unsupported", required.join(", ")));
        }
        None
    }

    pub(super) fn options(&mut self, incoming: &Incoming) {
        let accept = interwork::message::ACCEPT;
        self.answer(incoming, Answer::new(Status::OK), &[("Allow", ALLOW), ("Accept", accept)]);
    }

    pub(super) fn refuse_method(&mut self, incoming: &Incoming, status: Status) {
        self.counters.sip("method");
        self.answer(incoming, Answer::new(status), &[("Allow", ALLOW)]);
    }

    /// The internal address that sent the request, which then says from where; none if it was answered with a refusal or a
    /// challenge.
    pub(super) fn sender(&mut self, incoming: &mut Incoming) -> Option<BareJid> {
        let from = self.claimed_sender(incoming);
        let Some(from) = from else {
            self.stranger(incoming, "unknown_sender", "You are not a user of this server");
            return None;
        };
        if let Some(Backend::Trunk(name)) = self.serving.backend_of(&from).cloned() {
            // Known before it is proved, so that a refusal is told as its deployment reads it.
            incoming.origin = Some(Origin::Trunk(name.clone()));
            return self.admit_trunk(incoming, &from, &name).then_some(from);
        }
        if incoming.flow.transport == Transport::Tls && !self.proven_trunks(incoming).is_empty() {
            self.stranger(incoming, "sender_not_of_trunk", "From is no address that this system serves");
            return None;
        }
        incoming.origin = Some(Origin::RegistrarUser);
        self.authenticate(incoming)
    }

    /// From, if it is an address of a domain of ours.
    fn claimed_sender(&self, incoming: &Incoming) -> Option<BareJid> {
        let from = incoming.request.headers.from().ok().and_then(|from| uri::to_jid(&from.uri).ok())?;
        let is_internal = self.snapshot().is_some_and(|edge| edge.is_internal(from.domain()));
        is_internal.then(|| from.into_bare())
    }

    /// The user who sent the request; none if it was answered with a refusal or a challenge.
    pub(super) fn authenticate(&mut self, incoming: &Incoming) -> Option<BareJid> {
        let Some(from) = self.claimed_sender(incoming) else {
            self.stranger(incoming, "unknown_sender", "You are not a user of this server");
            return None;
        };
        let realm = from.domain().as_ascii().to_owned();
        let Some(credentials) = Credentials::find(&incoming.request.headers, &realm) else {
            self.challenge(incoming, &from, &realm, false);
            return None;
        };
        let user = claimed(&credentials.username, &from);
        match self.check(incoming, &credentials, user.as_ref(), &realm) {
            Ok(()) => {}
            Err(DigestError::Stale) => {
                self.challenge(incoming, &from, &realm, true);
                return None;
            }
            Err(DigestError::Malformed | DigestError::Wrong) => {
                self.counters.sip("wrong_credentials");
                self.challenge(incoming, &from, &realm, false);
                return None;
            }
        }
        if user.as_ref() != Some(&from) {
            self.stranger(incoming, "sender_mismatch", "From must be the authenticated address");
            return None;
        }
        Some(from)
    }

    fn check(
        &mut self,
        incoming: &Incoming,
        credentials: &Credentials,
        user: Option<&BareJid>,
        realm: &str,
    ) -> Result<(), DigestError> {
        let request = &incoming.request;
        let named = Uri::parse(&credentials.uri).map_err(|_| DigestError::Malformed)?;
        if !same_resource(&named, &request.uri) {
            return Err(DigestError::Malformed);
        }
        let account = user.and_then(|user| self.book.account(user)).filter(|account| account.enabled);
        let ha1 = |algorithm: Algorithm| match account {
            Some(account) => account.ha1(algorithm, realm),
            None => Some(NO_HA1.to_owned()),
        };
        self.nonces.check(self.now.wall, &request.method, credentials, ha1)
    }

    /// 401 with a challenge for each algorithm that the user has; for others as for most users.
    fn challenge(&mut self, incoming: &Incoming, from: &BareJid, realm: &str, stale: bool) {
        self.charge(incoming);
        let account = self.book.account(from).filter(|account| account.enabled);
        let has = |algorithm: &Algorithm| account.is_none_or(|account| account.ha1(*algorithm, realm).is_some());
        let algorithms: Vec<_> = [Algorithm::Sha256, Algorithm::Md5].into_iter().filter(has).collect();
        let challenges = self.nonces.challenge(self.now.wall, realm, &algorithms, stale);
        let texts: Vec<String> = challenges.iter().map(ToString::to_string).collect();
        let fields: Vec<_> = texts.iter().map(|text| ("WWW-Authenticate", text.as_str())).collect();
        self.answer(incoming, Answer::new(Status::UNAUTHORIZED), &fields);
    }

    /// 403 to somebody whose requests we do not take, counted.
    pub(super) fn stranger(&mut self, incoming: &Incoming, reason: &'static str, text: &str) {
        self.counters.sip(reason);
        self.charge(incoming);
        self.answer(incoming, Answer::new(Status::FORBIDDEN).with_text(text), &[]);
    }

    fn charge(&mut self, incoming: &Incoming) {
        if let Some(source) = self.flows.source(incoming.flow.id) {
            self.penalties.charge(source, self.now.instant);
        }
    }

    /// Answers a request: status, `Warning: 399` for a text, Retry-After, and `fields`.
    pub(super) fn answer(&mut self, incoming: &Incoming, answer: Answer, fields: &[(&str, &str)]) {
        let diagnostics = self.diagnostics(incoming, &answer);
        let mut response = self.response(&incoming.request, answer, fields);
        if let Some(diagnostics) = diagnostics {
            // The answer is complete without it.
            let _left_out = response.headers.push_named(MS_DIAGNOSTICS, diagnostics);
        }
        if incoming.request.method == Method::Invite && self.invite_judged(incoming.id, &response) {
            return;
        }
        let is_gone = self.flows.flow(incoming.flow.id).is_none();
        if is_gone && matches!(incoming.origin, Some(Origin::Trunk(_))) {
            return self.answer_elsewhere(incoming, &response);
        }
        self.respond(incoming.id, response);
    }

    fn response(&mut self, request: &Request, answer: Answer, fields: &[(&str, &str)]) -> Response {
        let mut response = Response::to(request, answer.status, &self.tokens.make());
        let mut put = |name: &str, value: &dyn Display| {
            // A value with a control character is left out; the answer is complete without it.
            let _left_out = response.headers.push_named(name, value);
        };
        for (name, value) in fields {
            put(name, value);
        }
        if let Some(seconds) = answer.retry_after {
            put("Retry-After", &seconds);
        }
        if let Some(text) = &answer.text {
            put("Warning", &warning(request.uri.host(), text));
        }
        response
    }
}

/// The address that a digest user name stands for: the localpart as it is stored, or the user's plain name, alone or with
/// the domain of From.
fn claimed(username: &str, from: &BareJid) -> Option<BareJid> {
    if from.local() == Some(username) {
        return Some(from.clone());
    }
    let domain = from.domain().as_ascii();
    let name = username.strip_suffix(domain).and_then(|name| name.strip_suffix('@')).unwrap_or(username);
    uri::of_name(name, from.domain().clone()).ok()
}
