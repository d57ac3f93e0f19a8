//! `legation contact`.

use clap::{Args, Subcommand};
use panel::api::v1::dto::{Contact, ContactPair};

use super::{Caller, import::Importing};
use crate::{
    client::escape,
    output::{self, Failure, Format},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List contacts and pending invitations
    List {
        /// Only those of this internal user
        #[arg(long, value_name = "ADDRESS")]
        internal: Option<String>,
        /// Only those of this partner's user
        #[arg(long, value_name = "ADDRESS")]
        partner: Option<String>,
    },
    /// Add a partner's user for an internal user: opens presence and messages
    Add(Pair),
    /// Add many: a CSV or JSON file with the columns internal and partner
    Import(Importing),
    /// Accept the invitation of a partner's user
    Accept(Pair),
    /// Decline the invitation of a partner's user
    Decline(Pair),
    /// End a contact: the partner's user is a stranger again
    End(Pair),
    /// Block a partner's user, who is then answered as if the internal user did not exist
    Block(Pair),
    /// Unblock a partner's user
    Unblock(Pair),
}

/// Whose contact.
#[derive(Debug, Args)]
pub(super) struct Pair {
    /// The internal user: alice@contoso.example
    internal: String,
    /// The partner's user: juliet@fabrikam.example
    partner: String,
}

impl Command {
    pub(super) async fn run(self, caller: &Caller) -> Result<(), Failure> {
        let (pair, path, done) = match self {
            Self::List { internal, partner } => return list(caller, internal, partner).await,
            Self::Import(importing) => return importing.run(caller, "contacts").await,
            Self::Add(pair) => (pair, "", "Added"),
            Self::Accept(pair) => (pair, "/accept", "Accepted"),
            Self::Decline(pair) => (pair, "/decline", "Declined"),
            Self::End(pair) => (pair, "/end", "Ended"),
            Self::Block(pair) => (pair, "/block", "Blocked"),
            Self::Unblock(pair) => (pair, "/unblock", "Unblocked"),
        };
        let request = ContactPair { internal: pair.internal, partner: pair.partner };
        let answer = caller.client.post(&format!("/api/v1/contacts{path}"), &request).await?;
        let contact: Contact = answer.read()?;
        caller.done(
            &contact,
            format_args!("{done}: {} and {} (state: {}).", contact.internal, contact.partner, state(&contact)),
        )
    }
}

async fn list(caller: &Caller, internal: Option<String>, partner: Option<String>) -> Result<(), Failure> {
    let filters = [("internal", internal), ("partner", partner)];
    let query: Vec<_> = filters
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escape(&value))))
        .collect();
    let path = format!("/api/v1/contacts{}{}", if query.is_empty() { "" } else { "?" }, query.join("&"));
    let contacts: Vec<Contact> = caller.client.list(&path).await?;
    match caller.format {
        Format::Json => output::json(&contacts),
        Format::Table => {
            let rows = contacts.iter().map(|contact| {
                let since = output::time(&contact.created_at);
                [contact.internal.clone(), contact.partner.clone(), state(contact), contact.invited_by.clone(), since]
            });
            output::table(["internal", "partner", "state", "made by", "since"], rows);
            Ok(())
        }
    }
}

fn state(contact: &Contact) -> String {
    policy::Contact {
        added: contact.added,
        written: contact.written,
        authorised: contact.authorised,
        invited: contact.invited,
        blocked: contact.blocked,
    }
    .to_string()
}
