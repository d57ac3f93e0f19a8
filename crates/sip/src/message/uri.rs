//! URIs (RFC 3261 §19.1): `sip:` and `sips:` taken apart, every other scheme kept as it came.
//!
//! Percent escapes are kept as written and undone once, on request. Two URIs are compared by §19.1.4, not by `==`.

use std::{borrow::Cow, fmt};

use super::{FieldError, scan::Params};

mod compare;
pub use compare::same_resource;

/// The scheme of a URI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// Any other, in lower case.
    Other(String),
}

/// A URI. The parts of a `sip:` or `sips:` URI are as written, except that the host is in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Uri {
    scheme: Scheme,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    params: Params,
    headers: Option<String>,
    opaque: String,
}

impl Uri {
    /// A `sip:` URI of `user` (plain text, escaped here) at `host`, which must be a host name, an IPv4 address or an IPv6
    /// reference in brackets.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, FieldError> {
        if !is_host(host) || user == Some("") {
            return Err(FieldError::Uri);
        }
        Ok(Self {
            scheme: Scheme::Sip,
            user: user.map(|user| escape(user, is_user_byte)),
            password: None,
            host: host.to_ascii_lowercase(),
            port,
            params: Params::NONE,
            headers: None,
            opaque: String::new(),
        })
    }

    /// Reads an addr-spec: the text between angle brackets, or a whole Request-URI.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let (scheme, rest) = text.split_once(':').ok_or(FieldError::Uri)?;
        if text.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(FieldError::Uri);
        }
        if scheme.eq_ignore_ascii_case("sip") {
            Self::parse_sip(Scheme::Sip, rest).ok_or(FieldError::Uri)
        } else if scheme.eq_ignore_ascii_case("sips") {
            Self::parse_sip(Scheme::Sips, rest).ok_or(FieldError::Uri)
        } else {
            Self::parse_other(scheme, rest).ok_or(FieldError::Uri)
        }
    }

    fn parse_other(scheme: &str, rest: &str) -> Option<Self> {
        let mut bytes = scheme.bytes();
        let first = bytes.next()?.is_ascii_alphabetic();
        let scheme_fits = first && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let rest_fits = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b));
        (scheme_fits && rest_fits).then(|| Self {
            scheme: Scheme::Other(scheme.to_ascii_lowercase()),
            user: None,
            password: None,
            host: String::new(),
            port: None,
            params: Params::NONE,
            headers: None,
            opaque: rest.to_owned(),
        })
    }

    fn parse_sip(scheme: Scheme, text: &str) -> Option<Self> {
        let (userinfo, rest) = match text.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, text),
        };
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').ok_or(userinfo)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
        };
        if user.is_some_and(|user| user.is_empty() || !is_escaped(user, is_user_byte))
            || password.is_some_and(|password| !is_escaped(password, |b| is_unreserved(b) || b"&=+$,".contains(&b)))
        {
            return None;
        }
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        if headers.is_some_and(|headers| !is_escaped(headers, |b| is_unreserved(b) || b"[]/?:+$&=".contains(&b))) {
            return None;
        }
        let (hostport, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = split_hostport(hostport)?;
        let params = Params::parse(params, is_param, is_param)?;
        Some(Self {
            scheme,
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            host: without_third_colon(host).to_ascii_lowercase(),
            port,
            params,
            headers: headers.map(str::to_owned),
            opaque: String::new(),
        })
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Whether this is a `sip:` URI.
    pub fn is_sip(&self) -> bool {
        self.scheme == Scheme::Sip
    }

    /// The user part as written, with its `%` escapes.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The user part as text; `None` if there is none, or if it does not decode to UTF-8.
    pub fn user_text(&self) -> Option<String> {
        unescape(self.user.as_deref()?)
    }

    /// The password as written.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The host in lower case, an IPv6 address in brackets; empty for other schemes.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The value of the `transport` parameter, in lower case.
    pub fn transport(&self) -> Option<String> {
        self.params.value("transport").map(str::to_ascii_lowercase)
    }

    /// The `gr` parameter (RFC 5627) as text: `Some("")` when it has no value.
    pub fn gr(&self) -> Option<String> {
        self.params.has("gr").then(|| self.params.value("gr").and_then(unescape).unwrap_or_default())
    }

    /// The `?` part as written.
    pub fn headers(&self) -> Option<&str> {
        self.headers.as_deref()
    }

    /// This URI with a parameter more, name and value escaped here.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        let value = value.map(|value| escape(value, is_param_byte));
        self.params.set(&escape(name, is_param_byte), value.as_deref());
        self
    }

    /// This URI without a parameter.
    #[must_use]
    pub fn without_param(mut self, name: &str) -> Self {
        self.params.remove(name);
        self
    }

    /// This URI without what a Request-URI must not have: headers and the `method` parameter (§19.1.1, table 1).
    pub(crate) fn into_request_uri(mut self) -> Self {
        self.params.remove("method");
        self.headers = None;
        self
    }

    /// The canonical form of an address of record (§10.3 step 5): scheme, user and host alone, escapes that need not be
    /// undone. Other schemes stay as they are.
    #[must_use]
    pub fn address_of_record(&self) -> Self {
        if matches!(self.scheme, Scheme::Other(_)) {
            return self.clone();
        }
        let user =
            self.user.as_deref().map(|user| unescape(user).map_or(user.to_owned(), |t| escape(&t, is_user_byte)));
        Self { user, password: None, port: None, params: Params::NONE, headers: None, ..self.clone() }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheme {
            Scheme::Other(scheme) => return write!(f, "{scheme}:{}", self.opaque),
            Scheme::Sip => f.write_str("sip:")?,
            Scheme::Sips => f.write_str("sips:")?,
        }
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

/// Host and port of `host:port`, `[v6]:port` or either without a port.
pub(crate) fn split_hostport(text: &str) -> Option<(&str, Option<u16>)> {
    let end = match text.strip_prefix('[') {
        Some(inner) => inner.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(end);
    let port = match super::scan::trim(rest).strip_prefix(':') {
        Some(port) => Some(parse_port(super::scan::trim(port))?),
        None if super::scan::trim(rest).is_empty() => None,
        None => return None,
    };
    let host = super::scan::trim(host);
    is_host(host).then_some((host, port))
}

fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

/// A host name, an IPv4 address or an IPv6 reference. An underscore is let through: machines are named so.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(_) => {
            let v6 = without_third_colon(text);
            v6.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok()
        }
        None => {
            let name = text.strip_suffix('.').unwrap_or(text);
            let label = |l: &str| {
                !l.is_empty()
                    && !l.starts_with('-')
                    && !l.ends_with('-')
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            };
            name.len() <= 253 && name.split('.').all(label)
        }
    }
}

/// The grammar of RFC 3261 permits a third colon before an IPv4 address in an IPv6 reference, by mistake (RFC 5118 §4.10):
/// it is read and not written again.
fn without_third_colon(host: &str) -> Cow<'_, str> {
    match host.split_once(":::") {
        Some((before, after)) if host.starts_with('[') && after.contains('.') => {
            Cow::Owned(format!("{before}::{after}"))
        }
        _ => Cow::Borrowed(host),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

fn is_user_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"&=+$,;?/".contains(&byte)
}

fn is_param_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"[]/:&+$".contains(&byte)
}

fn is_param(text: &str) -> bool {
    !text.is_empty() && is_escaped(text, is_param_byte)
}

/// Whether every byte is allowed or part of a `%` escape.
fn is_escaped(text: &str, allowed: fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
            if !hex(bytes.next()) || !hex(bytes.next()) {
                return false;
            }
        } else if !allowed(byte) {
            return false;
        }
    }
    true
}

fn escape(text: &str, allowed: fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if allowed(byte) {
            escaped.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            escaped.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
    escaped
}

/// Undoes `%` escapes once; `None` if the result is not UTF-8 or an escape is broken.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            plain.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests;
