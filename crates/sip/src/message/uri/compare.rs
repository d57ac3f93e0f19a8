//! When two URIs name the same resource (RFC 3261 §19.1.4): what a registrar compares bindings by.

use super::{Scheme, Uri, unescape};

/// Whether the two are equivalent. Not transitive, as the standard says. URIs of other schemes are compared as written.
pub fn same_resource(a: &Uri, b: &Uri) -> bool {
    if matches!(a.scheme, Scheme::Other(_)) || matches!(b.scheme, Scheme::Other(_)) {
        return a.scheme == b.scheme && a.opaque == b.opaque;
    }
    a.scheme == b.scheme
        && same_part(a.user.as_deref(), b.user.as_deref())
        && same_part(a.password.as_deref(), b.password.as_deref())
        && a.host == b.host
        && a.port == b.port
        && params_agree(a, b)
        && params_agree(b, a)
        && same_headers(a, b)
}

fn same_part(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || canonical(a) == canonical(b),
        (None, None) => true,
        _ => false,
    }
}

/// Parameters of `a` against those of `b`: what is in both must match; some may not be in one alone. The text of the
/// standard does not name `transport` among them, but its examples do.
fn params_agree(a: &Uri, b: &Uri) -> bool {
    a.params.iter().all(|(name, value)| {
        let name = canonical(name);
        match b.params.iter().find(|(other, _)| canonical(other).eq_ignore_ascii_case(&name)) {
            Some((_, other)) => canonical(value.unwrap_or("")).eq_ignore_ascii_case(&canonical(other.unwrap_or(""))),
            None => !["user", "ttl", "method", "maddr", "transport"].iter().any(|k| name.eq_ignore_ascii_case(k)),
        }
    })
}

fn same_headers(a: &Uri, b: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let mut headers: Vec<_> = uri
            .headers
            .as_deref()
            .unwrap_or("")
            .split('&')
            .filter(|header| !header.is_empty())
            .map(|header| {
                let (name, value) = header.split_once('=').unwrap_or((header, ""));
                (canonical(name).to_ascii_lowercase(), canonical(value))
            })
            .collect();
        headers.sort();
        headers
    };
    sorted(a) == sorted(b)
}

/// Undoes escapes of unreserved characters; an escaped reserved one stays distinct from the bare one.
fn canonical(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let escape = rest.get(at..at + 3).unwrap_or(&rest[at..]);
        match unescape(escape) {
            Some(one) if one.bytes().all(|b| !b";/?:@&=+$,%".contains(&b)) => out.push_str(&one),
            _ => out.push_str(&escape.to_ascii_uppercase()),
        }
        rest = &rest[at + escape.len()..];
    }
    out.push_str(rest);
    out
}
