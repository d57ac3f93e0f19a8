//! Users and contacts in memory: what the stanza path asks instead of the database.
//!
//! The book is loaded before the gateway listens and follows the store by revision. A contact that the gateway itself has
//! opened is entered as soon as it is durable; an older row that arrives later changes nothing.

use std::collections::{HashMap, HashSet};

use ::sip::digest::Algorithm;
use lexicon::{BareJid, Domain, RowId};
use policy::Contact;
use store::{Credential, Revisions, Store, StoreError, User};
use tokio::sync::{mpsc, watch};

/// What changed in the store.
#[derive(Debug)]
pub(crate) enum Change {
    /// All users as they are now.
    Users(Vec<User>),
    /// Contacts that changed, ended ones among them.
    Contacts(Vec<store::Contact>),
    /// Who serves internal addresses as it is now.
    Serving(Box<store::Serving>),
    /// Everything up to these revisions was sent.
    UpTo(Revisions),
}

/// An account of the registrar.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// What the user proves to know.
    pub(crate) credentials: Vec<Credential>,
    /// Whether the user may register, send and receive.
    pub(crate) enabled: bool,
}

impl Account {
    /// The stored hash for an algorithm in a realm; none: the user has no password for it.
    pub(crate) fn ha1(&self, algorithm: Algorithm, realm: &str) -> Option<String> {
        let fits = |credential: &&Credential| {
            Algorithm::of(Some(&credential.algorithm)) == Some(algorithm) && credential.realm == realm
        };
        self.credentials.iter().find(fits).map(|credential| credential.ha1.clone())
    }
}

/// A contact row as far as stanzas are judged by it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    contact: Contact,
    revision: u64,
}

/// Users by address, contacts by internal user and partner's user.
#[derive(Debug, Default)]
pub(crate) struct Book {
    users: HashMap<BareJid, Account>,
    contacts: HashMap<BareJid, HashMap<BareJid, Entry>>,
    /// Those of all addresses, which share their memory.
    domains: HashSet<Domain>,
    /// Invitations that wait; the store limits their number.
    invited: HashSet<(BareJid, BareJid)>,
}

/// A change of who may see whose presence, or the answer to an invitation, which the partner's user is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Watching {
    pub(crate) internal: BareJid,
    pub(crate) partner: BareJid,
    pub(crate) permitted: bool,
}

impl Book {
    /// The account of `address`, enabled or not.
    pub(crate) fn account(&self, address: &BareJid) -> Option<&Account> {
        self.users.get(address)
    }

    /// Whether stanzas for `address` find a user.
    pub(crate) fn exists(&self, address: &BareJid) -> bool {
        self.users.get(address).is_some_and(|account| account.enabled)
    }

    /// All addresses with an account.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &BareJid> {
        self.users.keys()
    }

    /// What stands between the two.
    pub(crate) fn contact(&self, internal: &BareJid, partner: &BareJid) -> Contact {
        let entry = self.contacts.get(internal).and_then(|of_user| of_user.get(partner));
        let invited = !self.invited.is_empty() && self.invited.contains(&(internal.clone(), partner.clone()));
        Contact { invited, ..entry.map(|entry| entry.contact).unwrap_or_default() }
    }

    /// Whether anything stands between this internal user and any partner's user.
    pub(crate) fn has_contacts(&self, internal: &BareJid) -> bool {
        self.contacts.contains_key(internal)
    }

    /// The partners' users who may watch an internal user, as far as that is stored.
    pub(crate) fn watchers(&self, internal: &BareJid) -> impl Iterator<Item = &BareJid> {
        let of_user = self.contacts.get(internal).into_iter().flatten();
        of_user.filter(|(_, entry)| entry.contact.authorised).map(|(partner, _)| partner)
    }

    /// Internal users who are watched by anybody.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &BareJid> {
        self.contacts.keys().filter(|internal| self.watchers(internal).next().is_some())
    }

    /// All internal users with their watchers.
    pub(crate) fn watching_pairs(&self) -> impl Iterator<Item = (&BareJid, &BareJid)> {
        self.contacts.keys().flat_map(|internal| self.watchers(internal).map(move |partner| (internal, partner)))
    }

    /// Notes that an invitation waits.
    pub(crate) fn invite(&mut self, internal: BareJid, partner: BareJid) {
        self.invited.insert((internal, partner));
    }

    /// Takes all users; those who are gone or disabled are returned.
    pub(crate) fn take_users(&mut self, users: Vec<User>) -> Vec<BareJid> {
        let account = |user: User| (user.address, Account { credentials: user.credentials, enabled: user.enabled });
        let before = std::mem::replace(&mut self.users, users.into_iter().map(account).collect());
        before.into_keys().filter(|address| !self.exists(address)).collect()
    }

    /// Takes a contact row unless a newer one is known; what the partner's user must be told of it.
    pub(crate) fn take_contact(&mut self, row: &store::Contact) -> Option<Watching> {
        let contact = row.state;
        let (internal, partner) = (self.shared(&row.internal), self.shared(&row.partner));
        let of_user = self.contacts.entry(internal).or_default();
        let before = of_user.get(&row.partner).copied();
        if before.is_some_and(|before| before.revision > row.revision) {
            return None;
        }
        if contact.is_stranger() {
            of_user.remove(&row.partner);
            if of_user.is_empty() {
                self.contacts.remove(&row.internal);
            }
        } else {
            of_user.insert(partner, Entry { contact, revision: row.revision });
        }
        let permitted = before.is_some_and(|before| before.contact.authorised);
        let answered = !contact.invited && self.invited.remove(&(row.internal.clone(), row.partner.clone()));
        (permitted != contact.authorised || answered).then(|| Watching {
            internal: row.internal.clone(),
            partner: row.partner.clone(),
            permitted: contact.authorised,
        })
    }

    /// The address with the domain that others have already.
    fn shared(&mut self, address: &BareJid) -> BareJid {
        match self.domains.get(address.domain()) {
            Some(domain) => address.clone().sharing(domain),
            None => {
                self.domains.insert(address.domain().clone());
                address.clone()
            }
        }
    }
}

/// Loads the book and who serves internal addresses; with them comes the revision to follow from.
pub(crate) async fn load(store: &Store) -> Result<(Book, store::Serving, Revisions), StoreError> {
    let seen = *store.topics().borrow();
    let mut book = Book::default();
    book.take_users(store.users().await?);
    let mut behind = Behind(0, None);
    while let Some(rows) = behind.next(store).await? {
        for row in rows {
            book.take_contact(&row);
        }
    }
    for invitation in store.invitations(None).await? {
        book.invite(invitation.internal, invitation.partner);
    }
    Ok((book, store.serving().await?, seen))
}

/// Contacts behind a revision, and of that revision behind a row, in parts: reading all at once takes more memory than to
/// hold them.
struct Behind(u64, Option<RowId>);

impl Behind {
    async fn next(&mut self, store: &Store) -> Result<Option<Vec<store::Contact>>, StoreError> {
        let rows = store.contacts_behind(self.0, self.1).await?;
        if let Some(last) = rows.last() {
            *self = Self(last.revision, Some(last.id));
        }
        Ok((!rows.is_empty()).then_some(rows))
    }
}

/// Sends what changes after `seen` until the gateway or the store is gone.
pub(crate) async fn follow(store: Store, mut seen: Revisions, changes: mpsc::Sender<Change>) {
    let mut topics = store.topics();
    loop {
        let now = *topics.borrow_and_update();
        match next(&store, seen, now, &changes).await {
            Ok(true) => seen = now,
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, "users and contacts could not be read; the gateway goes on with what it has");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        }
        if closed(&mut topics, &changes).await {
            return;
        }
    }
}

/// How long to wait after the store failed.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

async fn next(
    store: &Store,
    seen: Revisions,
    now: Revisions,
    changes: &mpsc::Sender<Change>,
) -> Result<bool, StoreError> {
    if now.users != seen.users && changes.send(Change::Users(store.users().await?)).await.is_err() {
        return Ok(false);
    }
    if now.edge != seen.edge {
        let serving = Change::Serving(Box::new(store.serving().await?));
        if changes.send(serving).await.is_err() {
            return Ok(false);
        }
    }
    if now.contacts != seen.contacts {
        let mut behind = Behind(seen.contacts, None);
        while let Some(rows) = behind.next(store).await? {
            if changes.send(Change::Contacts(rows)).await.is_err() {
                return Ok(false);
            }
        }
    }
    Ok(changes.send(Change::UpTo(now)).await.is_ok())
}

/// Waits for the next revision; whether there is nobody left to wait for.
async fn closed(topics: &mut watch::Receiver<Revisions>, changes: &mpsc::Sender<Change>) -> bool {
    tokio::select! {
        changed = topics.changed() => changed.is_err(),
        () = changes.closed() => true,
    }
}
