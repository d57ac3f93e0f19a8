//! What one REGISTER does to the bindings of one address (RFC 3261 §10.3 steps 6 and 7).

use super::*;
use crate::message::Headers;

/// The bindings after `request`.
pub(super) fn apply(
    limits: &Limits,
    now: Instant,
    mut bindings: Vec<Binding>,
    request: &Request,
    flow: &Flow,
    source: SocketAddr,
) -> Result<Vec<Binding>, RegisterError> {
    let headers = &request.headers;
    let (call_id, cseq) = (headers.call_id()?, headers.cseq()?.number);
    let list = match headers.contacts()? {
        Contacts::All => return remove_all(bindings, headers, call_id, cseq),
        Contacts::List(list) => list,
    };
    for contact in list {
        let lifetime = lifetime(limits, &contact, headers)?;
        if contact.uri.scheme() != &Scheme::Sip {
            return Err(RegisterError::UnsupportedScheme);
        }
        let known = bindings.iter().position(|binding| is_same(binding, &contact));
        if known.is_some_and(|at| is_out_of_order(&bindings[at], call_id, cseq)) {
            return Err(RegisterError::OutOfOrder);
        }
        let new = lifetime.map(|lifetime| binding(contact, headers, flow, source, now + lifetime)).transpose()?;
        match (known, new) {
            (Some(at), Some(new)) => bindings[at] = new,
            (Some(at), None) => drop(bindings.remove(at)),
            (None, Some(new)) => bindings.push(new),
            (None, None) => {}
        }
        if bindings.len() > limits.contacts_max {
            return Err(RegisterError::TooManyContacts);
        }
    }
    Ok(bindings)
}

fn remove_all(
    bindings: Vec<Binding>,
    headers: &Headers,
    call_id: &str,
    cseq: u32,
) -> Result<Vec<Binding>, RegisterError> {
    if headers.expires() != Some(0) {
        return Err(RegisterError::Malformed(FieldError::Number("Expires")));
    }
    match bindings.iter().any(|binding| is_out_of_order(binding, call_id, cseq)) {
        true => Err(RegisterError::OutOfOrder),
        false => Ok(Vec::new()),
    }
}

fn is_out_of_order(binding: &Binding, call_id: &str, cseq: u32) -> bool {
    binding.call_id == call_id && cseq <= binding.cseq
}

/// The same contact by §19.1.4, or the same flow of the same instance by RFC 5626 §6.
fn is_same(binding: &Binding, contact: &NameAddr) -> bool {
    let instance = contact.params.unquoted("+sip.instance");
    let reg_id = contact.params.value("reg-id");
    if let (Some(instance), Some(reg_id)) = (instance, reg_id)
        && binding.instance.as_deref() == Some(&*instance)
        && binding.reg_id.as_deref() == Some(reg_id)
    {
        return true;
    }
    same_resource(&binding.contact, &contact.uri)
}

/// How long the contact is to live; `None` if it is to go.
fn lifetime(limits: &Limits, contact: &NameAddr, headers: &Headers) -> Result<Option<Duration>, RegisterError> {
    let own = contact.params.value("expires").and_then(seconds);
    let asked = own.or_else(|| headers.expires()).unwrap_or(limits.expires_default_s);
    if asked == 0 {
        return Ok(None);
    }
    if asked < limits.expires_min_s.min(3600) {
        return Err(RegisterError::IntervalTooBrief(limits.expires_min_s));
    }
    Ok(Some(Duration::from_secs(asked.min(limits.expires_max_s).into())))
}

/// delta-seconds; what is not a number counts as absent (§10.2.1.1), what is too large as the largest.
fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

fn binding(
    contact: NameAddr,
    headers: &Headers,
    flow: &Flow,
    source: SocketAddr,
    expires_at: Instant,
) -> Result<Binding, RegisterError> {
    Ok(Binding {
        flow: flow.clone(),
        source,
        path: headers.routes(Name::Path)?,
        instance: contact.params.unquoted("+sip.instance").map(|instance| instance.into_owned()),
        reg_id: contact.params.value("reg-id").map(str::to_owned),
        q: contact.params.value("q").and_then(thousandths).unwrap_or(Q_DEFAULT),
        accept: headers.accept(),
        expires_at,
        is_unreachable: false,
        call_id: headers.call_id()?.to_owned(),
        cseq: headers.cseq()?.number,
        id: 0,
        contact: contact.uri,
    })
}

/// qvalue (§25.1): `0`, `1`, `0.5`, at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (value <= 1000).then_some(value)
}
