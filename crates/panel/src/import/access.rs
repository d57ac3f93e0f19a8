//! Access policies and who has them: of `Get-CsExternalAccessPolicy` and `Get-CsUser`.

use lexicon::{BareJid, Domain};
use policy::{AccessPolicy, PolicyIdentity, PolicyName};
use serde_json::{Value, json};
use store::ImportStep;

use super::{Basis, Planned, table::Reader};
use crate::api::v1::dto::FieldWarning;

pub(super) fn plan_policy(reader: &mut Reader<'_>, basis: &mut Basis) -> Planned {
    let subject = reader.text(&["identity"]).unwrap_or_default();
    let identity = match identity(&subject, basis) {
        Ok(identity) => identity,
        Err((code, message)) => {
            reader.refuse("identity", code, message);
            return Planned::invalid(subject);
        }
    };
    let before = basis.policies.get(&identity).cloned();
    let mut after = before.clone().unwrap_or_else(|| AccessPolicy::new(identity.clone()));
    // The original's defaults are those of a policy that says nothing.
    after.enable_federation_access =
        reader.flag(&["enablefederationaccess", "enable_federation_access"]).unwrap_or_default();
    after.enable_xmpp_access = reader.flag(&["enablexmppaccess", "enable_xmpp_access"]).unwrap_or_default();
    if reader.errors.is_empty() {
        basis.policies.insert(identity.clone(), after.clone());
    }
    Planned {
        subject: identity.to_string(),
        before: before.as_ref().map(form),
        after: form(&after),
        warnings: after.warnings().into_iter().map(FieldWarning::from).collect(),
        step: Some(ImportStep::Policy(after)),
        ..Planned::default()
    }
}

pub(super) fn plan_user(reader: &mut Reader<'_>, basis: &mut Basis) -> Planned {
    let subject = reader.text(&["sipaddress"]).unwrap_or_default();
    let Some(user) = user(&subject, basis, reader) else { return Planned::invalid(subject) };
    let policy = reader.text(&["externalaccesspolicy", "policy"]);
    let policy = policy.filter(|text| !matches!(text.to_lowercase().as_str(), "" | "global"));
    let name = match policy.as_deref().map(|text| name(text, basis)) {
        None => None,
        Some(Ok(name)) => Some(name),
        Some(Err((code, message))) => {
            reader.refuse("externalaccesspolicy", code, message);
            return Planned::invalid(user);
        }
    };
    let before = basis.assigned.get(&user).cloned();
    match &name {
        Some(name) => drop(basis.assigned.insert(user.clone(), name.clone())),
        None => drop(basis.assigned.remove(&user)),
    }
    if let Err(at) = basis.known.binary_search(&user) {
        basis.known.insert(at, user.clone());
    }
    let form = |name: Option<&PolicyName>| json!({ "policy": name.map(|name| format!("user:{name}")) });
    Planned {
        subject: user.to_string(),
        before: Some(form(before.as_ref())),
        after: form(name.as_ref()),
        step: Some(ImportStep::Assign(user, name)),
        ..Planned::default()
    }
}

/// `Global`, `Site:Redmond`, `Tag:Sales`, and ours.
fn identity(text: &str, basis: &Basis) -> Result<PolicyIdentity, (&'static str, String)> {
    let lower = text.to_lowercase();
    if lower == "global" {
        return Ok(PolicyIdentity::Global);
    }
    if let Some(site) = lower.strip_prefix("site:") {
        let domain = basis.sites.get(site).cloned().or_else(|| Domain::parse(site).ok());
        let internal = domain.filter(|domain| basis.snapshot.is_internal(domain));
        return internal.map(PolicyIdentity::Site).ok_or_else(|| {
            let site = &text["site:".len()..];
            let message = format!("the site {site} is none of our internal domains: say which with {site}=DOMAIN");
            ("site_unknown", message)
        });
    }
    if text.is_empty() {
        return Err(("required", "the identity of a policy is needed".to_owned()));
    }
    text_name(text).map(PolicyIdentity::User)
}

/// The name after `Tag:` or `user:`, or alone.
fn text_name(text: &str) -> Result<PolicyName, (&'static str, String)> {
    let name = match text.split_once(':') {
        Some((prefix, rest)) if matches!(prefix.to_lowercase().as_str(), "tag" | "user") => rest,
        _ => text,
    };
    name.parse().map_err(|error| ("identity_invalid", format!("{text}: {error}")))
}

/// The policy for users of this name.
fn name(text: &str, basis: &Basis) -> Result<PolicyName, (&'static str, String)> {
    let name = text_name(text)?;
    match basis.policies.contains_key(&PolicyIdentity::User(name.clone())) {
        true => Ok(name),
        false => {
            let message = format!("there is no access policy user:{name}: import the policies first");
            Err(("no_such_policy", message))
        }
    }
}

/// An address of ours, with or without `sip:`.
fn user(text: &str, basis: &Basis, reader: &mut Reader<'_>) -> Option<BareJid> {
    let address = text.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("sip:")).map_or(text, |_| &text[4..]);
    match BareJid::parse(address) {
        Ok(user) if user.local().is_none() => {
            reader.refuse("sipaddress", "not_a_user", "an address user@domain is needed")
        }
        Ok(user) if basis.snapshot.is_internal(user.domain()) => return Some(user),
        Ok(user) => {
            let message = format!("{} is not one of our internal domains", user.domain());
            reader.refuse("sipaddress", "not_internal", message);
        }
        Err(error) => reader.refuse("sipaddress", "address_invalid", format!("{address}: {error}")),
    }
    None
}

fn form(policy: &AccessPolicy) -> Value {
    json!({
        "enable_federation_access": policy.enable_federation_access,
        "enable_xmpp_access": policy.enable_xmpp_access,
    })
}
