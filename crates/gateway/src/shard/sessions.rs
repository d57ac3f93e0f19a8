//! Message sessions: INVITE dialogs with `m=message` in which texts cross as MESSAGE (RFC 7573 in the dialect of Lync).
//!
//! Two machines work here and this module joins them. [`invite::Sessions`] holds the dialogs and knows no meaning;
//! [`interwork::session::Session`] holds one conversation of two users and knows no SIP. What one says becomes an input of
//! the other; all inputs stand in one queue, so that each machine is drained before its next input.
//!
//! * A text for a user behind a trunk in session mode opens a session. Where the deployment refuses it as something that it
//!   does not know (405, 415, 488, 501, 606), this text and those of the next minutes go as MESSAGE outside a dialog.
//! * Whoever sends us an INVITE, from whatever trunk or as a user of the registrar, is answered, and texts for them go in
//!   that session while it stands.
//! * A request in a dialog must come from the party of the dialog; to all others the dialog does not exist (481).
//! * Texts are judged one by one as outside of dialogs. A session by itself permits nothing.
//!
//! Left out: MSRP, early media, sessions for components and inner XMPP servers, which speak stanzas.

mod dialogs;
mod inside;
mod inviting;
mod opening;
mod status;
mod texts;
mod typing;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ::sip::{
    Flow, Transport,
    invite::{self, SessionId},
    transaction::{Output, ServerId, Ticket},
};
use interwork::session::{self, Leg, Session};
use lexicon::BareJid;
use link::Receipt;
use xmpp::stanza::{Condition, StanzaError};

use super::{Shard, memory::Pair, outward::Letter, request::Origin};

/// Sessions at most, those that have ended and stay for what comes late among them.
const SESSIONS_MAX: usize = 16_384;
/// How long texts for a user whose deployment knows no sessions go outside of them.
const REFUSED_FOR: Duration = Duration::from_secs(300);
/// Users of whom that is remembered.
const REFUSING_MAX: usize = 16_384;
/// Longest wait before we invite again after a glare, in milliseconds (RFC 3261 §14.1).
const GLARE_WAIT_MAX_MS: u32 = 4000;

/// An input of a conversation.
type Input = session::Input<u64, Box<Letter>>;

/// All message sessions of the shard.
#[derive(Debug)]
pub(super) struct Sessions {
    dialogs: invite::Sessions,
    talks: HashMap<u64, Talk>,
    by_pair: HashMap<Pair, u64>,
    legs: BTreeMap<SessionId, Dialog>,
    /// INVITEs whose first text is on its way.
    judged: BTreeMap<ServerId, SessionId>,
    /// The INVITE that the dialogs are taking at this moment.
    offering: Option<inviting::Offer>,
    texts: texts::Texts,
    /// Requests in dialogs that are sent once more if their connection ends.
    sent: HashMap<Ticket, ::sip::Request>,
    /// Users whose deployment refuses sessions, and until when.
    refusing: HashMap<BareJid, Instant>,
    contacts: HashMap<(Transport, Arc<str>), Arc<str>>,
    steps: VecDeque<Step>,
    /// Dialogs that have ended, and when to look whether they may be forgotten.
    lingering: VecDeque<(Instant, SessionId)>,
    deadlines: BTreeSet<(Instant, u64)>,
    made: u64,
}

/// A conversation.
#[derive(Debug)]
struct Talk {
    pair: Pair,
    machine: Session<u64, Box<Letter>>,
    legs: Vec<(Leg, SessionId)>,
    /// The Call-ID of its last dialog.
    thread: Option<Box<str>>,
    /// Steps that wait for it.
    queued: usize,
    deadline: Option<Instant>,
}

/// A dialog of a conversation.
#[derive(Debug)]
struct Dialog {
    talk: u64,
    leg: Leg,
    /// Who is at the other end.
    origin: Origin,
    /// What the other end's requests come on.
    flow: Option<Flow>,
    source: Option<SocketAddr>,
    /// The target of the trunk that our INVITE was taken by.
    target: Option<SocketAddr>,
    is_lync: bool,
    takes_typing: bool,
    /// Our INVITE carries the first text.
    has_first: bool,
    /// Our INVITE that has no final answer, and whether it was cancelled.
    invite: Option<Ticket>,
    is_cancelled: bool,
    /// Why it could not be sent.
    failure: Option<StanzaError>,
    /// An INVITE of theirs that is not accepted yet.
    offer: Option<Box<inviting::Acceptance>>,
    /// It had no description: the ACK must have one.
    wants_answer: bool,
    in_flight: u8,
    is_over: bool,
}

/// An input that waits for its turn.
#[derive(Debug)]
enum Step {
    Dialog(invite::Input),
    Talk { talk: u64, input: Input, turn: Turn },
}

/// What else follows from an input of a conversation.
#[derive(Debug)]
enum Turn {
    Plain,
    /// Texts that it refuses go outside of sessions.
    Pages,
    /// It is a stanza with a chat state, which must end.
    State(Receipt),
}

impl Sessions {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let settings = invite::Settings { sessions_max: SESSIONS_MAX, ..invite::Settings::default() };
        Self {
            dialogs: invite::Sessions::new(settings, seed),
            talks: HashMap::new(),
            by_pair: HashMap::new(),
            legs: BTreeMap::new(),
            judged: BTreeMap::new(),
            offering: None,
            texts: texts::Texts::default(),
            sent: HashMap::new(),
            refusing: HashMap::new(),
            contacts: HashMap::new(),
            steps: VecDeque::new(),
            lingering: VecDeque::new(),
            deadlines: BTreeSet::new(),
            made: 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let talks = self.deadlines.first().map(|(at, _)| *at);
        let lingering = self.lingering.front().map(|(at, _)| *at);
        [self.dialogs.deadline(), talks, lingering].into_iter().flatten().min()
    }

    /// Whether nothing is held of any session.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let held = [self.talks.len(), self.by_pair.len(), self.legs.len(), self.judged.len(), self.sent.len()];
        held.iter().all(|count| *count == 0) && self.dialogs.is_empty() && self.texts.is_empty()
    }

    fn tell(&mut self, input: invite::Input) {
        self.steps.push_back(Step::Dialog(input));
    }

    fn command(&mut self, id: SessionId, command: invite::Command) {
        self.tell(invite::Input::Command(id, command));
    }

    /// Queues an input for a conversation.
    fn give(&mut self, talk: u64, input: Input, turn: Turn) {
        if let Some(known) = self.talks.get_mut(&talk) {
            known.queued += 1;
            self.steps.push_back(Step::Talk { talk, input, turn });
        }
    }

    /// The conversation of a pair, which may be a new one.
    fn talk(&mut self, now: Instant, pair: &Pair, glare_wait: Duration) -> u64 {
        if let Some(talk) = self.by_pair.get(pair) {
            return *talk;
        }
        self.made += 1;
        let settings = session::Settings { glare_wait, ..session::Settings::default() };
        let machine = Session::new(now, settings);
        let talk = Talk { pair: pair.clone(), machine, legs: Vec::new(), thread: None, queued: 0, deadline: None };
        self.by_pair.insert(pair.clone(), self.made);
        self.talks.insert(self.made, talk);
        self.made
    }

    /// The dialog of a leg.
    fn dialog_of(&self, talk: u64, leg: Leg) -> Option<SessionId> {
        let legs = &self.talks.get(&talk)?.legs;
        legs.iter().find(|(known, _)| *known == leg).map(|(_, id)| *id)
    }

    /// A dialog that has ended is no leg any more once its last request has its answer.
    fn release(&mut self, id: SessionId) {
        let Some(dialog) = self.legs.get(&id).filter(|dialog| dialog.is_over && dialog.in_flight == 0) else { return };
        let talk = dialog.talk;
        if let Some(known) = self.talks.get_mut(&talk) {
            known.legs.retain(|(_, of)| *of != id);
        }
        self.arm(talk);
    }

    /// Forgets the dialogs in which nothing more can be sent.
    fn forget_ended(&mut self, now: Instant) {
        while let Some((_, id)) = self.lingering.pop_front_if(|(at, _)| *at <= now) {
            let answers_owed = self.legs.get(&id).is_some_and(|dialog| dialog.in_flight > 0);
            if self.dialogs.contains(id) || answers_owed {
                self.lingering.push_back((now + dialogs::LINGER, id));
            } else {
                self.legs.remove(&id);
            }
        }
    }

    /// Keeps the deadline of a conversation, or forgets it if it is over.
    fn arm(&mut self, number: u64) {
        let Some(talk) = self.talks.get_mut(&number) else { return };
        let is_over = talk.queued == 0 && talk.legs.is_empty() && talk.machine.is_over();
        let deadline = if is_over { None } else { talk.machine.deadline() };
        if talk.deadline != deadline {
            talk.deadline.map(|at| self.deadlines.remove(&(at, number)));
            deadline.map(|at| self.deadlines.insert((at, number)));
            talk.deadline = deadline;
        }
        if is_over {
            self.by_pair.remove(&talk.pair);
            self.talks.remove(&number);
        }
    }

    /// Notes that the deployment of a user knows no sessions.
    fn refuses(&mut self, user: &BareJid, now: Instant) {
        if self.refusing.len() >= REFUSING_MAX {
            self.refusing.retain(|_, until| *until > now);
        }
        if self.refusing.len() < REFUSING_MAX {
            self.refusing.insert(user.clone(), now + REFUSED_FOR);
        }
    }

    fn is_refusing(&self, user: &BareJid, now: Instant) -> bool {
        self.refusing.get(user).is_some_and(|until| *until > now)
    }
}

impl Shard {
    /// What the transactions say of INVITEs.
    pub(super) fn session_output(&mut self, output: Output) {
        let input = match output {
            Output::Provisional { ticket, response } => {
                self.note_progress(ticket);
                invite::Input::Provisional { ticket, response }
            }
            Output::Again { ticket, response } => invite::Input::Again { ticket, response },
            Output::Cancelled(id) => invite::Input::Cancelled(id),
            Output::Acknowledged { id, request, .. } => invite::Input::Acknowledged { id, request },
            Output::Abandoned { id, error } => invite::Input::Abandoned { id, error },
            Output::Transmit { .. } | Output::Request { .. } | Output::Answer { .. } => return,
        };
        self.sessions.tell(input);
    }

    /// What time alone does.
    pub(super) fn tick_sessions(&mut self) {
        let now = self.now.instant;
        if self.sessions.dialogs.deadline().is_some_and(|at| at <= now) {
            self.sessions.tell(invite::Input::Tick);
        }
        self.sessions.forget_ended(now);
        while let Some((_, talk)) = self.sessions.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.sessions.deadlines.pop_first();
            if let Some(known) = self.sessions.talks.get_mut(&talk) {
                known.deadline = None;
            }
            self.sessions.give(talk, Input::Deadline, Turn::Plain);
        }
    }

    /// Gives both machines their inputs until none is left.
    pub(super) fn settle_sessions(&mut self) {
        let before = self.sessions.dialogs.counters();
        while let Some(step) = self.sessions.steps.pop_front() {
            match step {
                Step::Dialog(input) => {
                    self.sessions.dialogs.handle(self.now, input);
                    self.take_dialog_outputs();
                }
                Step::Talk { talk, input, turn } => self.converse_on(talk, input, turn),
            }
        }
        let after = self.sessions.dialogs.counters();
        if before != after {
            self.counters.dialogs(after);
        }
    }

    /// A conversation takes an input.
    fn converse_on(&mut self, number: u64, input: Input, turn: Turn) {
        let now = self.now.instant;
        let Some(talk) = self.sessions.talks.get_mut(&number) else { return };
        talk.queued -= 1;
        talk.machine.handle(now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| talk.machine.poll()).collect();
        let (pages, mut lost) = (matches!(turn, Turn::Pages), None);
        for output in outputs {
            match (output, &turn) {
                (session::Output::Dropped(reason), Turn::State(_)) => lost = Some(reason),
                (session::Output::Dropped(reason), _) => self.counters.sip(typing::counted(reason)),
                (output, _) => self.take_talk_output(number, output, pages),
            }
        }
        if let Turn::State(receipt) = turn {
            match lost {
                Some(reason) => self.silence(receipt, reason.as_str()),
                None => {
                    self.counters.from_partners.delivered();
                    receipt.done();
                }
            }
        }
        self.sessions.arm(number);
    }

    fn take_talk_output(&mut self, talk: u64, output: session::Output<u64, Box<Letter>>, pages: bool) {
        match output {
            session::Output::Open { leg, first } => self.open_session(talk, leg, first),
            session::Output::Cancel(leg) => self.cancel_session(talk, leg),
            session::Output::Accept(leg) => self.accept_session(talk, leg),
            session::Output::Message { leg, text } => self.send_text(talk, leg, text),
            session::Output::Typing { leg, activity } => self.send_typing(talk, leg, activity),
            session::Output::End(leg) => {
                if let Some(id) = self.sessions.dialog_of(talk, leg) {
                    self.sessions.command(id, invite::Command::End(invite::Payload::default()));
                }
            }
            session::Output::Deliver(letter) => self.take_letter(*letter),
            session::Output::Reject(letter) => self.reject_letter(&letter),
            session::Output::State(state) => self.tell_state(talk, state),
            session::Output::Settle { token, result } => self.settle_text(token, result, pages),
            session::Output::Dropped(reason) => self.counters.sip(typing::counted(reason)),
        }
    }

    /// How long to wait after a glare: at random, or two gateways would meet again and again.
    fn glare_wait(&mut self) -> Duration {
        let [a, b, ..] = self.tokens.seed();
        Duration::from_millis(u64::from(u32::from(u16::from_be_bytes([a, b])) % (GLARE_WAIT_MAX_MS + 1)))
    }

    /// Ends the sessions of users whom another trunk, or none, serves by now.
    pub(super) fn end_moved_sessions(&mut self) {
        let mut moved = BTreeSet::new();
        for dialog in self.sessions.legs.values() {
            let Origin::Trunk(name) = &dialog.origin else { continue };
            let Some(talk) = self.sessions.talks.get(&dialog.talk) else { continue };
            let serves =
                self.serving.trunk_of(&talk.pair.internal).is_some_and(|trunk| trunk.name == *name && trunk.enabled);
            if !serves {
                moved.insert(dialog.talk);
            }
        }
        let error = StanzaError::new(Condition::ServiceUnavailable);
        let error = error.with_text("The recipient's system is switched off");
        moved.into_iter().for_each(|talk| self.sessions.give(talk, Input::Stop(error.clone()), Turn::Plain));
    }

    /// Which sessions there are, with the two who talk.
    pub(super) fn talking_pairs(&self) -> impl Iterator<Item = (u64, &Pair)> {
        self.sessions.talks.iter().map(|(number, talk)| (*number, &talk.pair))
    }

    /// Ends a session for this reason, which who waits for a message in it is told.
    pub(super) fn stop_session(&mut self, talk: u64, error: StanzaError) {
        self.sessions.give(talk, Input::Stop(error), Turn::Plain);
    }

    /// Ends the sessions of a user who is none any more.
    pub(super) fn end_sessions_of(&mut self, user: &BareJid) {
        let theirs = self.sessions.talks.iter().filter(|(_, talk)| talk.pair.internal == *user);
        let error = StanzaError::new(Condition::ServiceUnavailable);
        for talk in theirs.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.sessions.give(talk, Input::Stop(error.clone()), Turn::Plain);
        }
    }

    /// The shard stops: all sessions end, and what waits in them is refused.
    pub(super) fn give_up_sessions(&mut self) {
        let error = StanzaError::new(Condition::RecipientUnavailable).with_text("The gateway is stopping");
        for talk in self.sessions.talks.keys().copied().collect::<Vec<_>>() {
            self.sessions.give(talk, Input::Stop(error.clone()), Turn::Plain);
        }
        self.settle_sessions();
        self.refuse_texts(&error);
    }
}
