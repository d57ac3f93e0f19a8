//! Files of many changes: our own exports, and what the administrators of the original have.
//!
//! A file is a [`table::Table`]; what it holds is told by its columns. A [`Plan`] is what it would change of what is stored,
//! row by row, each judged by `policy` as if it were entered alone, upon those before it. A plan with an invalid row is not
//! carried out unless the caller has said that such rows are to be left out.

use std::collections::BTreeMap;

use lexicon::{BareJid, Domain};
use policy::{AccessPolicies, AccessPolicy, EdgeSnapshot, PolicyIdentity, PolicyName, partner::Directory};
use serde_json::Value;
use store::{ImportStep, StoreError};

use crate::{
    Means,
    api::v1::dto::{FieldChange, FieldError, FieldWarning, Import, ImportRow},
};

pub(crate) mod table;

mod access;
mod contact;
mod partner;
mod setting;

use table::{Reader, Table};

/// Errors told of a file that is not imported; a dry run tells all.
const ERRORS_MAX: usize = 1000;

/// What a file holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Partners,
    Settings,
    Policies,
    Users,
    Contacts,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Partners => "partners",
            Self::Settings => "settings",
            Self::Policies => "policies",
            Self::Users => "users",
            Self::Contacts => "contacts",
        }
    }

    /// By the columns that only such a file has.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        let any = |columns: &[&str]| columns.iter().any(|column| table.has(column));
        let all = |columns: &[&str]| columns.iter().all(|column| table.has(column));
        if all(&["internal", "partner"]) {
            Some(Self::Contacts)
        } else if any(&["primary_domain", "tlsnegotiation", "saslnegotiation", "partnertype"]) {
            Some(Self::Partners)
        } else if any(&["streaminactivitytimeout", "partnerconnectionlimit", "subscriptionrefreshinterval"]) {
            Some(Self::Settings)
        } else if table.has("sipaddress") {
            Some(Self::Users)
        } else if any(&["enablexmppaccess", "enablefederationaccess"]) {
            Some(Self::Policies)
        } else {
            None
        }
    }
}

/// What is stored now, as far as plans are made by it; rows change it for those behind them.
pub(crate) struct Basis {
    snapshot: EdgeSnapshot,
    directory: Directory,
    policies: BTreeMap<PolicyIdentity, AccessPolicy>,
    assigned: BTreeMap<BareJid, PolicyName>,
    /// Internal addresses that are known: accounts, and those with an assignment or a contact.
    known: Vec<BareJid>,
    accounts: Vec<BareJid>,
    /// Internal domains of which only the registrar's accounts exist.
    registrar_only: Vec<Domain>,
    contacts: BTreeMap<(BareJid, BareJid), policy::Contact>,
    /// Names of the original's sites, with the internal domains that stand for them.
    sites: BTreeMap<String, Domain>,
}

impl Basis {
    pub(crate) async fn read(means: &Means, sites: BTreeMap<String, Domain>) -> Result<Self, StoreError> {
        let snapshot = means.store.snapshot().await?;
        let policies = means.store.access_policies().await?.into_iter();
        let assigned: BTreeMap<_, _> = means.store.policy_assignments().await?.into_iter().collect();
        let accounts: Vec<_> = means.store.users().await?.into_iter().map(|user| user.address).collect();
        let contacts = means.store.contacts_since(0).await?.into_iter();
        let contacts: BTreeMap<_, _> =
            contacts.map(|contact| ((contact.internal, contact.partner), contact.state)).collect();
        let of_contacts = contacts.iter().filter(|(_, state)| !state.is_stranger()).map(|((internal, _), _)| internal);
        let mut known: Vec<_> = accounts.iter().chain(assigned.keys()).chain(of_contacts).cloned().collect();
        known.sort_unstable();
        known.dedup();
        let only = |domain: &store::InternalDomain| domain.backends == [store::Backend::Registrar];
        let domains = means.store.domains().await?.into_iter().filter(only);
        Ok(Self {
            directory: snapshot.directory().clone(),
            snapshot,
            policies: policies.map(|stored| (stored.policy.identity.clone(), stored.policy)).collect(),
            assigned,
            known,
            accounts,
            registrar_only: domains.map(|domain| domain.name).collect(),
            contacts,
            sites,
        })
    }

    /// The edge revision that a plan is made for.
    pub(crate) fn revision(&self) -> u64 {
        self.snapshot.revision()
    }

    fn access(&self) -> AccessPolicies {
        let assigned = self.assigned.iter().map(|(user, name)| (user.clone(), name.clone()));
        AccessPolicies::new(self.policies.values().cloned(), assigned)
    }
}

/// What a file would change.
pub(crate) struct Plan {
    pub(crate) import: Import,
    pub(crate) steps: Vec<ImportStep>,
}

impl Plan {
    /// Of a file upon what is stored.
    pub(crate) fn make(kind: Kind, table: &Table, mut basis: Basis) -> Self {
        let before = basis.access();
        let (mut rows, mut steps) = (Vec::new(), Vec::new());
        for row in &table.rows {
            let mut reader = Reader::new(row);
            let planned = match kind {
                Kind::Partners => partner::plan(&mut reader, &mut basis),
                Kind::Settings => setting::plan(&mut reader, &mut basis),
                Kind::Policies => access::plan_policy(&mut reader, &mut basis),
                Kind::Users => access::plan_user(&mut reader, &mut basis),
                Kind::Contacts => contact::plan(&mut reader, &mut basis),
            };
            let (mut told, step) = planned.told(reader.errors);
            told.row = row.number as u64;
            steps.extend(step);
            rows.push(told);
        }
        let after = basis.access();
        let may = |access: &AccessPolicies, user: &BareJid| {
            let policy = access.effective(user);
            policy.enable_federation_access && policy.enable_xmpp_access
        };
        let moved = |from: bool| {
            let moved = basis.known.iter().filter(|user| may(&before, user) == from && may(&after, user) != from);
            moved.map(ToString::to_string).collect()
        };
        let (gains_access, loses_access) = (moved(false), moved(true));
        let import = Import { kind: kind.as_str().to_owned(), rows, gains_access, loses_access, dry_run: false };
        Self { import, steps }
    }

    /// The errors of rows, each field with the number of its row.
    pub(crate) fn errors(&self) -> Vec<FieldError> {
        let of_row = |row: &ImportRow| {
            let field = |field: &str| format!("row {} {field}", row.row).trim_end().to_owned();
            let errors = row.errors.iter().map(move |error| FieldError { field: field(&error.field), ..error.clone() });
            errors.collect::<Vec<_>>()
        };
        self.import.rows.iter().flat_map(of_row).take(ERRORS_MAX).collect()
    }
}

/// What one row comes to.
#[derive(Default)]
struct Planned {
    subject: String,
    /// None: it was there before.
    before: Option<Value>,
    after: Value,
    warnings: Vec<FieldWarning>,
    errors: Vec<FieldError>,
    step: Option<ImportStep>,
}

impl Planned {
    /// A row that could not be understood.
    fn invalid(subject: impl ToString) -> Self {
        Self { subject: subject.to_string(), ..Self::default() }
    }

    fn told(self, mut errors: Vec<FieldError>) -> (ImportRow, Option<ImportStep>) {
        let Self { subject, before, after, warnings, errors: found, step } = self;
        errors.extend(found);
        let changes = if errors.is_empty() { changes(before.as_ref(), &after) } else { Vec::new() };
        let action = match (&before, errors.is_empty()) {
            (_, false) => "invalid",
            (_, true) if changes.is_empty() => "unchanged",
            (Some(_), true) => "change",
            (None, true) => "add",
        };
        let step = step.filter(|_| matches!(action, "add" | "change"));
        (ImportRow { row: 0, subject, action: action.to_owned(), changes, errors, warnings }, step)
    }
}

/// The fields of two objects that differ.
fn changes(before: Option<&Value>, after: &Value) -> Vec<FieldChange> {
    let Value::Object(after) = after else { return Vec::new() };
    let was = |field: &str| before.and_then(|before| before.get(field)).cloned().unwrap_or_default();
    let all = after.iter().map(|(field, after)| FieldChange {
        field: field.clone(),
        before: was(field),
        after: after.clone(),
    });
    all.filter(|change| change.before != change.after).collect()
}
