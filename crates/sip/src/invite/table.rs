//! All sessions of a shard.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use lexicon::Now;

use super::{
    Command, Context, Counters, Event, Input, Invitation, InviteError, Output, SessionId, Settings,
    interval::{Asked, too_small},
    session::Session,
};
use crate::{
    dialog::Dialogs,
    message::{Request, Status},
    token::Tokens,
    transaction::{Flow, SendError, ServerId, Ticket},
};

/// Retry-After when there are too many sessions.
const FULL_RETRY_SECONDS: u32 = 30;

/// All sessions of a shard.
#[derive(Debug)]
pub struct Sessions {
    settings: Settings,
    tokens: Tokens,
    made: u32,
    sessions: BTreeMap<SessionId, Session>,
    dialogs: Dialogs<SessionId>,
    /// INVITEs of peers that wait for an answer.
    by_invite: BTreeMap<ServerId, SessionId>,
    deadlines: BTreeSet<(Instant, SessionId)>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

/// What is indexed of a session.
type Indexed = (Option<Instant>, Option<ServerId>);

impl Sessions {
    /// No sessions. `seed` is secret: tags and Call-IDs follow from it.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        let mut tokens = Tokens::new(seed);
        let dialogs = Dialogs::new(settings.sessions_max, tokens.seed());
        Self {
            settings,
            tokens,
            made: 0,
            sessions: BTreeMap::new(),
            dialogs,
            by_invite: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one input. All outputs are to be polled before the next.
    pub fn handle(&mut self, now: Now, input: Input) {
        let now = now.instant;
        match input {
            Input::Invited { id, flow, request, contact } => self.invited(now, id, flow, request, contact),
            Input::Request { id, flow, request } => self.request(now, id, flow, request),
            Input::Cancelled(id) => self.withdrawn(now, id, None),
            Input::Abandoned { id, error } => self.withdrawn(now, id, Some(error)),
            Input::Acknowledged { id, request } => match self.dialogs.find(&request).copied() {
                Some(session) => self.with(now, session, |s, context| s.acknowledged(context, id, request)),
                None => self.counters.strays += 1,
            },
            Input::Answer { ticket, answer } => {
                self.with_ticket(now, ticket, |session, context| session.answered(context, ticket, answer));
            }
            Input::Provisional { ticket, response } => self.with_ticket(now, ticket, |session, context| {
                if session.is_inviting() {
                    context.event(session.id, Event::Progress(response));
                }
            }),
            Input::Again { ticket, response } => {
                self.with_ticket(now, ticket, |session, context| session.again(context, ticket, &response));
            }
            Input::Command(id, command) => self.command(now, id, command),
            Input::Tick => {}
        }
        self.expire(now);
    }

    /// Opens a session; its first request is among the outputs.
    pub fn invite(&mut self, now: Now, invitation: Invitation) -> Result<SessionId, InviteError> {
        if self.is_full() {
            return Err(InviteError::TooMany);
        }
        let id = self.next_id();
        let mut context = Context {
            now: now.instant,
            settings: &self.settings,
            tokens: &mut self.tokens,
            counters: &mut self.counters,
            outputs: &mut self.outputs,
        };
        let session = Session::inviting(&mut context, id, invitation)?;
        self.enter(session);
        Ok(id)
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// What was refused or dropped so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many sessions are held, those that have ended and stay for what comes late among them.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether a session is held, or stays for what comes late.
    pub fn contains(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// The session that a request claims to be in, by Call-ID and our tag. The peer's tag is looked at when it goes in.
    pub fn of_request(&self, request: &Request) -> Option<SessionId> {
        self.dialogs.find(request).copied()
    }

    fn is_full(&self) -> bool {
        self.sessions.len() >= self.settings.sessions_max
    }

    fn next_id(&mut self) -> SessionId {
        loop {
            self.made = self.made.wrapping_add(1);
            if !self.sessions.contains_key(&SessionId(self.made)) {
                return SessionId(self.made);
            }
        }
    }

    fn enter(&mut self, session: Session) {
        let id = session.id;
        // There is room: as many dialogs as sessions.
        let _entered = self.dialogs.insert(&session.call_id, &session.local_tag, id);
        let after = (session.deadline(), session.pending_invite());
        self.sessions.insert(id, session);
        self.index(id, (None, None), after);
    }

    /// Keeps the indexes true after a session has changed.
    fn index(&mut self, id: SessionId, before: Indexed, after: Indexed) {
        if before.0 != after.0 {
            before.0.map(|at| self.deadlines.remove(&(at, id)));
            after.0.map(|at| self.deadlines.insert((at, id)));
        }
        if before.1 != after.1 {
            before.1.map(|invite| self.by_invite.remove(&invite));
            after.1.map(|invite| self.by_invite.insert(invite, id));
        }
    }

    /// Lets a session take something.
    fn with(&mut self, now: Instant, id: SessionId, take: impl FnOnce(&mut Session, &mut Context<'_>)) {
        let Some(session) = self.sessions.get_mut(&id) else {
            self.counters.strays += 1;
            return;
        };
        let before = (session.deadline(), session.pending_invite());
        let mut context = Context {
            now,
            settings: &self.settings,
            tokens: &mut self.tokens,
            counters: &mut self.counters,
            outputs: &mut self.outputs,
        };
        take(session, &mut context);
        if session.is_finished() {
            self.dialogs.remove(&session.call_id, &session.local_tag);
            self.sessions.remove(&id);
            self.index(id, before, (None, None));
        } else {
            let after = (session.deadline(), session.pending_invite());
            self.index(id, before, after);
        }
    }

    fn with_ticket(&mut self, now: Instant, ticket: Ticket, take: impl FnOnce(&mut Session, &mut Context<'_>)) {
        match SessionId::of(ticket) {
            Some(id) => self.with(now, id, take),
            None => self.counters.strays += 1,
        }
    }

    fn refuse(&mut self, now: Instant, id: ServerId, request: &Request, status: Status, retry_seconds: Option<u32>) {
        let mut context = Context {
            now,
            settings: &self.settings,
            tokens: &mut self.tokens,
            counters: &mut self.counters,
            outputs: &mut self.outputs,
        };
        context.refuse(id, request, status, retry_seconds);
    }

    fn invited(&mut self, now: Instant, invite: ServerId, flow: Flow, request: Request, contact: Arc<str>) {
        if self.is_full() {
            self.counters.invitations_refused += 1;
            let retry = Some(FULL_RETRY_SECONDS);
            return self.refuse(now, invite, &request, Status::SERVICE_UNAVAILABLE, retry);
        }
        let asked = match Asked::of(&request, self.settings.interval_seconds_min) {
            Ok(asked) => asked,
            Err(seconds) => {
                let response = too_small(&request, &self.tokens.make(), seconds);
                return self.outputs.push_back(Output::Respond { id: invite, response });
            }
        };
        let id = self.next_id();
        let mut context = Context {
            now,
            settings: &self.settings,
            tokens: &mut self.tokens,
            counters: &mut self.counters,
            outputs: &mut self.outputs,
        };
        match Session::offered(&mut context, id, invite, &request, asked, contact) {
            Ok(session) => {
                self.enter(session);
                self.outputs.push_back(Output::Event(id, Event::Offered { flow, request }));
            }
            // Its Contact or Record-Route cannot be used.
            Err(_) => self.refuse(now, invite, &request, Status::BAD_REQUEST, None),
        }
    }

    fn request(&mut self, now: Instant, id: ServerId, flow: Flow, request: Request) {
        match self.dialogs.find(&request).copied() {
            Some(session) => self.with(now, session, |session, context| session.request(context, id, flow, request)),
            None => {
                self.counters.requests_unknown += 1;
                self.refuse(now, id, &request, Status::NO_SUCH_TRANSACTION, None);
            }
        }
    }

    fn withdrawn(&mut self, now: Instant, invite: ServerId, abandoned: Option<SendError>) {
        match self.by_invite.get(&invite).copied() {
            Some(id) => self.with(now, id, |session, context| session.withdrawn(context, invite, abandoned)),
            None => self.counters.strays += 1,
        }
    }

    fn command(&mut self, now: Instant, id: SessionId, command: Command) {
        if self.sessions.contains_key(&id) {
            return self.with(now, id, |session, context| session.command(context, command));
        }
        self.counters.commands_dropped += 1;
        if let Command::Request { name, .. } = command {
            let answer = Err(SendError::Unsendable);
            self.outputs.push_back(Output::Event(id, Event::Answered { name, answer }));
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            // A session that is gone or has nothing due takes its deadline with it.
            self.with(now, id, |session, context| session.due(context));
            if self.sessions.get(&id).is_none_or(|session| session.deadline() == Some(at)) {
                self.deadlines.remove(&(at, id));
            }
        }
    }
}
