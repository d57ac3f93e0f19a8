//! Access policies and the users they are assigned to (`partner-policy` §5).
//!
//! They are read with [`crate::Serving`] by who judges stanzas. An assignment needs no account: users behind trunks and inner
//! servers have policies too.

use lexicon::{BareJid, Domain, RowId, Timestamp};
use policy::{AccessPolicies, AccessPolicy, PolicyIdentity, PolicyName};
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Actor, Store, StoreError, domain,
    head::{Change, Topic, unsigned},
    trunk::parse_texts,
};

/// A policy as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredPolicy {
    /// The policy.
    pub policy: AccessPolicy,
    /// To how many users it is assigned; 0 where it is not for users.
    pub users: u64,
    /// Revision of its last change; 0: the global one out of the box.
    pub revision: u64,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Store {
    /// All policies: the global one, those of sites, those of users, each by name.
    pub async fn access_policies(&self) -> Result<Vec<StoredPolicy>, StoreError> {
        load_all(&mut *self.core.readers.acquire().await?).await
    }

    /// One policy.
    pub async fn access_policy(&self, identity: &PolicyIdentity) -> Result<Option<StoredPolicy>, StoreError> {
        let policies = self.access_policies().await?;
        Ok(policies.into_iter().find(|stored| stored.policy.identity == *identity))
    }

    /// Adds a policy of a site or for users.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError::NotInternal`] for a site that is no internal domain.
    pub async fn add_access_policy(&self, actor: &Actor, policy: &AccessPolicy) -> Result<StoredPolicy, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if existing(change.connection(), &policy.identity).await.is_ok() {
            return Err(StoreError::Exists { what: format!("the access policy {}", policy.identity) });
        }
        let stored = put(&mut change, actor, None, policy).await?;
        change.commit().await?;
        Ok(stored)
    }

    /// Changes a policy. `expected` is the revision that the caller has read, if it matters.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`].
    pub async fn set_access_policy(
        &self,
        actor: &Actor,
        expected: Option<u64>,
        policy: &AccessPolicy,
    ) -> Result<StoredPolicy, StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), &policy.identity).await?;
        check_revision(&before, expected)?;
        if before.policy == *policy {
            return Ok(before);
        }
        let stored = put(&mut change, actor, Some(&before), policy).await?;
        change.commit().await?;
        Ok(stored)
    }

    /// Removes a policy; the global one is as it was out of the box again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`]; [`StoreError::PolicyInUse`] while it is assigned to users.
    pub async fn remove_access_policy(
        &self,
        actor: &Actor,
        expected: Option<u64>,
        identity: &PolicyIdentity,
    ) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        let before = existing(change.connection(), identity).await?;
        check_revision(&before, expected)?;
        if before.users > 0 {
            return Err(StoreError::PolicyInUse { policy: identity.to_string(), users: before.users });
        }
        if before.policy == AccessPolicy::global() {
            return Ok(());
        }
        forget(change.connection(), identity).await?;
        change.touch(Topic::Edge);
        let (action, after) = match identity {
            PolicyIdentity::Global => ("policy.reset", Some(audit_form(&AccessPolicy::global()))),
            _ => ("policy.removed", None),
        };
        change.audit(actor, action, &identity.to_string(), Some(audit_form(&before.policy)), after).await?;
        change.commit().await?;
        Ok(())
    }

    /// Which policy is assigned to an address; none: that of its site, or the global one, counts.
    pub async fn assigned_policy(&self, address: &BareJid) -> Result<Option<PolicyName>, StoreError> {
        find_assigned(&mut *self.core.readers.acquire().await?, address).await
    }

    /// The users with a policy of their own, by address.
    pub async fn policy_assignments(&self) -> Result<Vec<(BareJid, PolicyName)>, StoreError> {
        load_assigned(&mut *self.core.readers.acquire().await?).await
    }

    /// Assigns a policy to an internal address, whether it has an account or not; none: takes it back.
    ///
    /// # Errors
    /// [`StoreError::NotAUser`], [`StoreError::NotInternal`]; [`StoreError::NotFound`] if there is no such policy.
    pub async fn assign_policy(
        &self,
        actor: &Actor,
        address: &BareJid,
        policy: Option<&PolicyName>,
    ) -> Result<(), StoreError> {
        let mut change = Change::begin(&self.core).await?;
        if assign(&mut change, actor, address, policy).await? {
            change.commit().await?;
        }
        Ok(())
    }
}

/// Adds or changes a policy inside a write.
pub(crate) async fn put(
    change: &mut Change<'_>,
    actor: &Actor,
    before: Option<&StoredPolicy>,
    policy: &AccessPolicy,
) -> Result<StoredPolicy, StoreError> {
    if let PolicyIdentity::Site(domain) = &policy.identity
        && !domain::exists(change.connection(), domain).await?
    {
        return Err(StoreError::NotInternal { domain: domain.clone() });
    }
    let stored = write(change, policy, before.map_or(0, |before| before.users)).await?;
    let action = if before.is_some() { "policy.updated" } else { "policy.added" };
    let form = before.map(|before| audit_form(&before.policy));
    change.audit(actor, action, &policy.identity.to_string(), form, Some(audit_form(policy))).await?;
    Ok(stored)
}

/// Assigns a policy inside a write; whether that changed anything.
pub(crate) async fn assign(
    change: &mut Change<'_>,
    actor: &Actor,
    address: &BareJid,
    policy: Option<&PolicyName>,
) -> Result<bool, StoreError> {
    if address.local().is_none() {
        return Err(StoreError::NotAUser { address: address.to_string() });
    }
    if !domain::exists(change.connection(), address.domain()).await? {
        return Err(StoreError::NotInternal { domain: address.domain().clone() });
    }
    let before = find_assigned(change.connection(), address).await?;
    if before.as_ref() == policy {
        return Ok(false);
    }
    let text = address.to_string();
    match policy {
        Some(name) => {
            let identity = PolicyIdentity::User(name.clone());
            let assigned = sqlx::query(
                "INSERT INTO access_assignment (address, domain, policy_id) \
                 SELECT $1, $2, id FROM access_policy WHERE identity = $3 \
                 ON CONFLICT (address) DO UPDATE SET policy_id = excluded.policy_id",
            );
            let assigned = assigned.bind(&text).bind(address.domain().as_ascii()).bind(identity.to_string());
            if assigned.execute(change.connection()).await?.rows_affected() == 0 {
                return Err(StoreError::NotFound { what: format!("access policy {identity}") });
            }
        }
        None => drop(forget_assignment(change.connection(), address).await?),
    }
    change.touch(Topic::Edge);
    let form = |name: Option<&PolicyName>| name.map(|name| json!({ "policy": name.as_str() }));
    change.audit(actor, "user.policy_changed", &text, form(before.as_ref()), form(policy)).await?;
    Ok(true)
}

/// What the gateway judges by, inside one transaction.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<AccessPolicies, StoreError> {
    let policies = load_all(connection).await?.into_iter().map(|stored| stored.policy);
    Ok(AccessPolicies::new(policies.collect::<Vec<_>>(), load_assigned(connection).await?))
}

/// Takes back what is assigned to an address; whether something was.
pub(crate) async fn forget_assignment(
    connection: &mut SqliteConnection,
    address: &BareJid,
) -> Result<bool, StoreError> {
    let delete = sqlx::query("DELETE FROM access_assignment WHERE address = $1").bind(address.to_string());
    Ok(delete.execute(connection).await?.rows_affected() > 0)
}

/// An internal domain is gone: with it go its policy and what was assigned to its users.
pub(crate) async fn forget_domain(connection: &mut SqliteConnection, domain: &Domain) -> Result<(), StoreError> {
    let delete = sqlx::query("DELETE FROM access_assignment WHERE domain = $1").bind(domain.as_ascii());
    delete.execute(&mut *connection).await?;
    forget(connection, &PolicyIdentity::Site(domain.clone())).await
}

async fn forget(connection: &mut SqliteConnection, identity: &PolicyIdentity) -> Result<(), StoreError> {
    let delete = sqlx::query("DELETE FROM access_policy WHERE identity = $1").bind(identity.to_string());
    delete.execute(connection).await?;
    Ok(())
}

/// Writes a policy, new or not.
async fn write(change: &mut Change<'_>, policy: &AccessPolicy, users: u64) -> Result<StoredPolicy, StoreError> {
    let (id, now, revision): (RowId, _, _) = (change.row_id(), change.now(), change.revision());
    sqlx::query(
        "INSERT INTO access_policy (id, identity, enable_federation_access, enable_xmpp_access, partners, revision, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (identity) DO UPDATE SET \
         enable_federation_access = excluded.enable_federation_access, \
         enable_xmpp_access = excluded.enable_xmpp_access, partners = excluded.partners, \
         revision = excluded.revision, updated_at = excluded.updated_at",
    )
    .bind(id.to_string())
    .bind(policy.identity.to_string())
    .bind(policy.enable_federation_access)
    .bind(policy.enable_xmpp_access)
    .bind(partners(policy).to_string())
    .bind(revision)
    .bind(now.as_millis())
    .bind(now.as_millis())
    .execute(change.connection())
    .await?;
    change.touch(Topic::Edge);
    Ok(StoredPolicy { policy: policy.clone(), users, revision: unsigned(revision), updated_at: Some(now) })
}

pub(crate) async fn existing(
    connection: &mut SqliteConnection,
    identity: &PolicyIdentity,
) -> Result<StoredPolicy, StoreError> {
    let found = load_all(connection).await?.into_iter().find(|stored| stored.policy.identity == *identity);
    found.ok_or_else(|| StoreError::NotFound { what: format!("access policy {identity}") })
}

fn check_revision(stored: &StoredPolicy, expected: Option<u64>) -> Result<(), StoreError> {
    match expected {
        Some(expected) if expected != stored.revision => {
            let what = format!("the access policy {}", stored.policy.identity);
            Err(StoreError::Conflict { what, revision: stored.revision })
        }
        _ => Ok(()),
    }
}

async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<StoredPolicy>, StoreError> {
    let rows = sqlx::query(
        "SELECT identity, enable_federation_access, enable_xmpp_access, partners, revision, updated_at, \
         (SELECT COUNT(*) FROM access_assignment a WHERE a.policy_id = p.id) AS users FROM access_policy p",
    )
    .fetch_all(connection)
    .await?;
    let mut policies: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
    if !policies.iter().any(|stored| stored.policy.identity == PolicyIdentity::Global) {
        policies.push(StoredPolicy { policy: AccessPolicy::global(), users: 0, revision: 0, updated_at: None });
    }
    policies.sort_by(|a, b| a.policy.identity.cmp(&b.policy.identity));
    Ok(policies)
}

fn read(row: &SqliteRow) -> Result<StoredPolicy, StoreError> {
    let identity: &str = row.try_get("identity")?;
    let bad = |reason: &dyn ToString| StoreError::damaged(format!("access policy {identity}"), reason.to_string());
    Ok(StoredPolicy {
        policy: AccessPolicy {
            identity: identity.parse().map_err(|error| bad(&error))?,
            enable_federation_access: row.try_get("enable_federation_access")?,
            enable_xmpp_access: row.try_get("enable_xmpp_access")?,
            partners: parse_texts(row.try_get("partners")?).map_err(|error| bad(&error))?,
        },
        users: unsigned(row.try_get("users")?),
        revision: unsigned(row.try_get("revision")?),
        updated_at: Some(Timestamp::from_millis(row.try_get("updated_at")?)),
    })
}

async fn find_assigned(connection: &mut SqliteConnection, address: &BareJid) -> Result<Option<PolicyName>, StoreError> {
    let row = sqlx::query(
        "SELECT a.address, p.identity FROM access_assignment a JOIN access_policy p ON p.id = a.policy_id \
         WHERE a.address = $1",
    )
    .bind(address.to_string())
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(read_assigned).transpose()?.map(|(_, name)| name))
}

async fn load_assigned(connection: &mut SqliteConnection) -> Result<Vec<(BareJid, PolicyName)>, StoreError> {
    let rows = sqlx::query(
        "SELECT a.address, p.identity FROM access_assignment a JOIN access_policy p ON p.id = a.policy_id \
         ORDER BY a.address",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_assigned).collect()
}

fn read_assigned(row: &SqliteRow) -> Result<(BareJid, PolicyName), StoreError> {
    let address: &str = row.try_get(0)?;
    let bad = |reason: &dyn ToString| StoreError::damaged(format!("the policy of {address}"), reason.to_string());
    match row.try_get::<&str, _>(1)?.parse().map_err(|error| bad(&error))? {
        PolicyIdentity::User(name) => Ok((BareJid::parse(address).map_err(|error| bad(&error))?, name)),
        other => Err(bad(&format!("{other} is not a policy for users"))),
    }
}

fn partners(policy: &AccessPolicy) -> Value {
    policy.partners.iter().map(Domain::as_ascii).collect()
}

fn audit_form(policy: &AccessPolicy) -> Value {
    json!({
        "identity": policy.identity.to_string(),
        "enable_federation_access": policy.enable_federation_access,
        "enable_xmpp_access": policy.enable_xmpp_access,
        "partners": partners(policy),
    })
}
