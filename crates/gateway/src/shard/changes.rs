//! What the store tells: changes that others made, and how our own writes ended.

use super::{Change, Serving, Shard, Stored, memory};

impl Shard {
    /// Takes what changed in the store.
    pub(super) fn changed(&mut self, change: Change) {
        match change {
            Change::Users(users) => {
                for address in self.book.take_users(users) {
                    self.registrar.remove(&address.to_string());
                    self.end_sessions_of(&address);
                    self.forget_presence_of(&address);
                    self.end_watching_of(&address);
                }
            }
            Change::Contacts(rows) => {
                for row in rows {
                    let pair = memory::Pair { internal: row.internal.clone(), partner: row.partner.clone() };
                    let before = self.book.contact(&row.internal, &row.partner);
                    let watching = self.book.take_contact(&row);
                    // A row that is older than what is known has changed nothing.
                    let after = self.book.contact(&row.internal, &row.partner);
                    match watching {
                        Some(watching) if !self.components.is_changing(&pair) => self.tell(&watching),
                        None if before.blocked != after.blocked => self.show_changed(&pair),
                        _ => {}
                    }
                    if before.added && !after.added {
                        self.contact_unadded(&pair);
                    }
                }
            }
            Change::Serving(mut serving) => {
                self.components.take(std::mem::take(&mut serving.components));
                let access = std::mem::take(&mut serving.access);
                self.serving = Serving::new(*serving);
                self.take_trunks();
                self.end_moved_sessions();
                self.watch_trunks();
                self.take_access(access);
            }
            Change::UpTo(revisions) => {
                self.applied.send_replace(revisions);
            }
        }
    }

    /// Takes the end of a store write.
    pub(super) fn stored(&mut self, stored: Stored) {
        self.writes -= 1;
        match stored {
            Stored::Written { pair, contact } => self.written(pair, contact),
            Stored::Invited { pair, receipt, outcome } => self.invited(pair, receipt, outcome),
            Stored::Added { pair, contact } => self.added(&pair, contact),
            Stored::Watched { receipt, contact } => self.watched(receipt, contact),
            Stored::Stepped { pair, contact, opens } => self.stepped(&pair, contact, opens),
        }
    }
}
