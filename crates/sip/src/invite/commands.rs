//! What the user wants.

use super::{
    Command, Context, End, Event, Output, Payload,
    session::{Kind, Ours, Session, Stage, Unacked, put},
};
use crate::{
    message::{Method, Name, Response, Status},
    transaction::SendError,
};

impl Session {
    pub(super) fn command(&mut self, context: &mut Context<'_>, command: Command) {
        let fits = match &command {
            Command::Ring => self.stage == Stage::Offered,
            Command::Accept(_) | Command::Refuse(..) => self.theirs.is_some(),
            Command::Request { .. } => true,
            Command::Reinvite(_) | Command::End(_) => self.stage != Stage::Over,
        };
        if !fits {
            context.counters.commands_dropped += 1;
            return;
        }
        match command {
            Command::Ring => self.ring(context),
            Command::Accept(payload) => self.accept(context, payload),
            Command::Refuse(status, payload) => self.refuse(context, status, payload),
            Command::Request { name, method, payload } => self.send_request(context, name, method, payload),
            Command::Reinvite(payload) => self.reinvite(context, payload),
            Command::End(payload) => self.close(context, payload),
        }
    }

    fn ring(&mut self, context: &mut Context<'_>) {
        let Some(theirs) = &self.theirs else { return };
        let mut response = theirs.answer.clone();
        response.status = Status::RINGING;
        let _ours = response.headers.push(Name::Contact, &self.contact);
        context.respond(theirs.id, response);
    }

    pub(super) fn accept(&mut self, context: &mut Context<'_>, payload: Payload) {
        let Some(theirs) = self.theirs.take() else { return };
        let mut response = theirs.answer;
        let headers = &mut response.headers;
        let contact = headers.push(Name::Contact, &self.contact);
        let allow = headers.push(Name::Allow, &context.settings.allow);
        let interval = self.interval.answer(context.now, theirs.asked, &mut response);
        if contact.and(allow).and(interval).is_err() || add(&mut response, &payload).is_err() {
            context.counters.unwritable += 1;
        }
        if let (Some(dialog), Some(target)) = (&mut self.dialog, theirs.target) {
            dialog.set_target(target);
        }
        if let Some((kind, body)) = payload.body {
            self.description = Some((kind.into(), body));
        }
        if theirs.is_invite {
            self.unacked = Some(Box::new(Unacked::new(context.now, theirs.id, response.clone())));
        }
        context.respond(theirs.id, response);
        if self.stage == Stage::Offered {
            self.stage = Stage::Open;
        }
    }

    fn refuse(&mut self, context: &mut Context<'_>, status: Status, payload: Payload) {
        let Some(theirs) = self.theirs.take() else { return };
        let mut response = theirs.answer;
        // What is no refusal would leave the caller waiting.
        response.status = if status.class() > 2 { status } else { Status::SERVER_INTERNAL_ERROR };
        if add(&mut response, &payload).is_err() {
            context.counters.unwritable += 1;
        }
        context.respond(theirs.id, response);
        if self.stage == Stage::Offered {
            self.end(context, End::Closed);
        }
    }

    fn send_request(&mut self, context: &mut Context<'_>, name: u64, method: Method, payload: Payload) {
        let own = [Method::Invite, Method::Update, Method::Ack, Method::Cancel, Method::Bye];
        let fits = self.stage == Stage::Open && !own.contains(&method);
        let sent =
            fits.then(|| self.send(context, method, payload, |_, headers| headers.push(Name::Supported, "timer")));
        match sent.flatten() {
            Some((ticket, _)) => self.requests.push((ticket, name)),
            None => {
                context.counters.commands_dropped += 1;
                context.event(self.id, Event::Answered { name, answer: Err(SendError::Unsendable) });
            }
        }
    }

    /// §14.1: not while another INVITE is under way, whoever sent it.
    fn reinvite(&mut self, context: &mut Context<'_>, payload: Payload) {
        if self.stage != Stage::Open || self.ours.is_some() {
            context.counters.commands_dropped += 1;
            return context.event(self.id, Event::Reinvited(Err(SendError::Unsendable)));
        }
        let kind = Kind::Reinvite;
        self.ours =
            Some(Box::new(Ours { ticket: None, retry_at: Some(context.now), number: 0, kind, payload, tries: 0 }));
        self.retry(context);
    }

    fn close(&mut self, context: &mut Context<'_>, payload: Payload) {
        match self.stage {
            Stage::Inviting => {
                context.outputs.extend(self.ours.as_ref().and_then(|ours| ours.ticket).map(Output::Cancel));
                self.end(context, End::Closed);
            }
            Stage::Offered => self.refuse(context, Status::TEMPORARILY_UNAVAILABLE, payload),
            Stage::Open => {
                self.end(context, End::Closed);
                self.hang_up(context, payload);
            }
            Stage::Over => {}
        }
    }
}

fn add(response: &mut Response, payload: &Payload) -> Result<(), crate::message::HeaderError> {
    put(&mut response.headers, &payload.fields);
    match &payload.body {
        Some((content_type, body)) => response.set_body(content_type, body.clone()),
        None => Ok(()),
    }
}
