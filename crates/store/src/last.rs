//! The last attempts of all partners in memory: the state of ten thousand partners is asked for with every look at their table.

use std::{collections::BTreeMap, sync::Arc};

use lexicon::Domain;

use crate::{Store, StoreError, report::LastReports};

/// The last attempts of every pair, by the primary domain of the partner.
pub type LastOfPartners = BTreeMap<Domain, Vec<LastReports>>;

/// What is kept, and the revision of the edge that it was read at: a partner that is removed forgets its own.
pub(crate) type Kept = tokio::sync::Mutex<Option<(u64, Arc<LastOfPartners>)>>;

impl Store {
    /// The last attempts of every pair.
    pub async fn last_of_partners(&self) -> Result<Arc<LastOfPartners>, StoreError> {
        let mut kept = self.core.last.lock().await;
        let revision = self.core.revisions.borrow().edge;
        if let Some((_, last)) = kept.as_ref().filter(|(at, _)| *at == revision) {
            return Ok(Arc::clone(last));
        }
        let mut all = LastOfPartners::new();
        for last in self.last_reports(None).await? {
            all.entry(last.partner.clone()).or_default().push(last);
        }
        let all = Arc::new(all);
        *kept = Some((revision, Arc::clone(&all)));
        Ok(all)
    }

    /// Reads those of these partners again, whose attempts have just been stored.
    pub(crate) async fn refresh_last(&self, partners: impl Iterator<Item = Domain>) -> Result<(), StoreError> {
        let mut kept = self.core.last.lock().await;
        let Some((_, all)) = kept.as_mut() else { return Ok(()) };
        for partner in partners {
            let last = self.last_reports(Some(&partner)).await?;
            let all = Arc::make_mut(all);
            if last.is_empty() {
                all.remove(&partner);
            } else {
                all.insert(partner, last);
            }
        }
        Ok(())
    }
}
