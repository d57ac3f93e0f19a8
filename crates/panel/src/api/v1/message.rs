//! A test message: whether an address is reached, hop by hop (the original's `Test-CsXmppIM`).

use axum::{Json, extract::State};
use lexicon::{BareJid, Domain};
use serde_json::json;

use super::{
    body::{Body, Nothing, Parameters, address},
    dto::{FieldError, MessageTest, NewMessageTest},
    problem::Refused,
};
use crate::{Means, access::Caller};

/// Who a test comes from if nobody is named.
const SENDER: &str = "postmaster";

pub(crate) async fn test(
    State(means): State<Means>,
    Caller { actor, .. }: Caller,
    Parameters(Nothing {}): Parameters<Nothing>,
    body: Body,
) -> Result<Json<MessageTest>, Refused> {
    let new: NewMessageTest = body.parse()?;
    let edge = means.store.edge().await?;
    let mut errors = Vec::new();
    let mut refuse = |field: &str, code: &str, message: String| {
        errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message });
    };
    let mut unread = Vec::new();
    let to = address("to", new.to.trim(), &mut unread).filter(|to| {
        let is_known = edge.snapshot.is_internal(to.domain()) || edge.snapshot.partner_of(to.domain()).is_some();
        match (to.local().is_some(), is_known) {
            (false, _) => refuse("to", "not_a_user", "the address of a user is needed".to_owned()),
            (true, false) => {
                let message = format!("{} is neither an internal domain nor one of a partner", to.domain());
                refuse("to", "not_a_partner", message);
            }
            (true, true) => return true,
        }
        false
    });
    let from = match new.from.as_deref().map(str::trim).filter(|from| !from.is_empty()) {
        Some(text) => address("from", text, &mut unread).filter(|from| {
            let is_internal = edge.snapshot.is_internal(from.domain());
            if !is_internal {
                refuse("from", "not_internal", format!("{} is not one of our internal domains", from.domain()));
            }
            is_internal
        }),
        None => match sender(edge.snapshot.internal_domains().next()) {
            Some(sender) => Some(sender),
            None => {
                refuse("from", "not_internal", "there is no internal domain yet".to_owned());
                None
            }
        },
    };
    errors.extend(unread);
    let (Some(from), Some(to), true) = (from, to, errors.is_empty()) else { return Err(Refused::fields(errors)) };
    means.store.record(&actor, "message.tested", &to.to_string(), json!({ "from": from.to_string() })).await?;
    let now = net::clock::now().wall;
    let text = format!("Test message of an administrator of {}, {now}. No answer is needed.", from.domain());
    let steps = means.live.test_message(from.clone(), to.clone(), text).await;
    let passed = !steps.is_empty() && steps.iter().all(|step| step.ok);
    Ok(Json(MessageTest { from: from.to_string(), to: to.to_string(), passed, steps }))
}

fn sender(domain: Option<&Domain>) -> Option<BareJid> {
    BareJid::parse(&format!("{SENDER}@{}", domain?)).ok()
}
