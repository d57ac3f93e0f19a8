//! Writes that traffic causes, grouped: one task takes what is queued and commits it together.
//!
//! A write is taken up as soon as the writer is free; what arrives during a commit shares the next one. So a lone write
//! waits for one commit, many wait for two, and none for a timer (the budget is 20 ms). The queue is bounded: beyond it
//! the caller waits.

use std::sync::Arc;

use lexicon::BareJid;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Contact, InvitationOutcome, Store, StoreError,
    contact::{self, Step},
    head::Change,
    invitation,
    sqlite::Core,
};

/// Writes waiting for the writer at most.
const QUEUE_MAX: usize = 1024;
/// Writes in one transaction at most.
const GROUP_MAX: usize = 256;

/// What the task is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Write(Write, oneshot::Sender<Result<Written, StoreError>>),
    Stop(oneshot::Sender<()>),
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Step { internal: BareJid, partner: BareJid, step: Step },
    Invite { internal: BareJid, partner: BareJid },
}

/// What it came to.
#[derive(Debug)]
pub(crate) enum Written {
    Contact(Contact),
    Invitation(InvitationOutcome),
}

impl Store {
    /// The internal user has written to the partner's user: messages are open. Durable when this returns.
    pub async fn contact_written(&self, internal: &BareJid, partner: &BareJid) -> Result<Contact, StoreError> {
        self.contact_step(internal, partner, Step::Written).await
    }

    /// The internal user has added the partner's user: presence and messages are open. Durable when this returns.
    pub async fn contact_added(&self, internal: &BareJid, partner: &BareJid) -> Result<Contact, StoreError> {
        self.contact_step(internal, partner, Step::Added).await
    }

    /// The partner's user has added the internal user and the partner type permits it without an approval. Durable when
    /// this returns.
    pub async fn contact_authorised(&self, internal: &BareJid, partner: &BareJid) -> Result<Contact, StoreError> {
        self.contact_step(internal, partner, Step::Authorised).await
    }

    /// Keeps a pending invitation, within the limits. Durable when this returns [`InvitationOutcome::Recorded`].
    ///
    /// The caller has made sure that the internal user exists.
    pub async fn invitation_received(
        &self,
        internal: &BareJid,
        partner: &BareJid,
    ) -> Result<InvitationOutcome, StoreError> {
        let write = Write::Invite { internal: internal.clone(), partner: partner.clone() };
        match self.write(write).await? {
            Written::Invitation(outcome) => Ok(outcome),
            Written::Contact(_) => Err(StoreError::Closed),
        }
    }

    /// What traffic has done to a contact. Durable when this returns; a step that changes nothing writes nothing.
    pub async fn contact_step(&self, internal: &BareJid, partner: &BareJid, step: Step) -> Result<Contact, StoreError> {
        let write = Write::Step { internal: internal.clone(), partner: partner.clone(), step };
        match self.write(write).await? {
            Written::Contact(contact) => Ok(contact),
            Written::Invitation(_) => Err(StoreError::Closed),
        }
    }

    async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.traffic.send(Command::Write(write, reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Starts the task; it ends when the last [`Store`] is dropped or with [`stop`].
pub(crate) fn start(core: Arc<Core>) -> mpsc::Sender<Command> {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(run(core, receiver));
    sender
}

/// Waits until everything queued is committed and the task has ended.
pub(crate) async fn stop(sender: &mpsc::Sender<Command>) {
    let (done, ended) = oneshot::channel();
    if sender.send(Command::Stop(done)).await.is_ok() {
        let _ = ended.await;
    }
}

async fn run(core: Arc<Core>, mut queue: mpsc::Receiver<Command>) {
    let mut commands = Vec::new();
    while queue.recv_many(&mut commands, GROUP_MAX).await > 0 {
        let (mut writes, mut replies, mut stops) = (Vec::new(), Vec::new(), Vec::new());
        for command in commands.drain(..) {
            match command {
                Command::Write(write, reply) => {
                    writes.push(write);
                    replies.push(reply);
                }
                Command::Stop(done) => stops.push(done),
            }
        }
        settle(&core, &writes, replies).await;
        if !stops.is_empty() {
            drop((core, queue));
            for done in stops {
                let _ = done.send(());
            }
            return;
        }
    }
}

/// Commits the group; if it fails, each write alone, so that one that cannot be done harms no other.
async fn settle(core: &Core, writes: &[Write], replies: Vec<oneshot::Sender<Result<Written, StoreError>>>) {
    match commit(core, writes).await {
        Ok(done) => {
            for (reply, written) in replies.into_iter().zip(done) {
                let _ = reply.send(Ok(written));
            }
        }
        Err(error) => {
            tracing::warn!(%error, writes = writes.len(), "a group of writes failed and is repeated one by one");
            for (write, reply) in writes.iter().zip(replies) {
                let alone = commit(core, std::slice::from_ref(write)).await;
                let _ = reply.send(alone.and_then(|mut done| done.pop().ok_or(StoreError::Closed)));
            }
        }
    }
}

async fn commit(core: &Core, writes: &[Write]) -> Result<Vec<Written>, StoreError> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut change = Change::begin(core).await?;
    let mut changed = false;
    let mut done = Vec::with_capacity(writes.len());
    for write in writes {
        done.push(match write {
            Write::Step { internal, partner, step } => {
                let (contact, stepped) = contact::step(&mut change, internal, partner, *step).await?;
                changed |= stepped;
                Written::Contact(contact)
            }
            Write::Invite { internal, partner } => {
                let outcome = invitation::record(&mut change, internal, partner).await?;
                changed |= outcome == InvitationOutcome::Recorded;
                Written::Invitation(outcome)
            }
        });
    }
    if changed {
        change.commit().await?;
    }
    Ok(done)
}
