//! What a request is refused for before its meaning is looked at (RFC 3261 §8.2.1–3, and §16.3 where it would be passed
//! on): method, scheme, hops, extensions, body, the forms of answer that it accepts.
//!
//! These are pure questions about one request; [`refusal`] asks them in the standard's order. Loops and requests on two
//! paths are found elsewhere: the first needs our addresses, the second the other transactions.

use crate::message::{Method, Name, Request, Response, Scheme, Status};

/// What the one who answers understands.
#[derive(Clone, Copy, Debug)]
pub struct Understood<'a> {
    /// The methods, as in Allow.
    pub methods: &'a str,
    /// Option tags that Require may name.
    pub extensions: &'a [&'a str],
    /// Types of bodies that are understood, in lower case; `*/*` for any.
    pub bodies: &'a [&'a str],
    /// Types of bodies that an answer may have; empty if it needs none.
    pub answers: &'a [&'a str],
    /// Whether the request would be passed on, so that Max-Forwards counts (§16.3 step 3; RFC 4475 §3.3.11).
    pub passes_on: bool,
}

/// Why and how a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: Status,
    /// What the answer says besides.
    pub fields: Vec<(Name, String)>,
}

impl Refusal {
    fn plain(status: Status) -> Self {
        Self { status, fields: Vec::new() }
    }

    fn with(status: Status, name: Name, value: impl Into<String>) -> Self {
        Self { status, fields: vec![(name, value.into())] }
    }

    /// The answer.
    pub fn response(&self, request: &Request, tag: &str) -> Response {
        let mut response = Response::to(request, self.status, tag);
        for (name, value) in &self.fields {
            // A token of the request's is repeated; none that was read holds a control character but by quoting.
            let _left_out = response.headers.push(*name, value);
        }
        response
    }
}

/// The first reason to refuse a request. ACK is never refused, and CANCEL is the transaction layer's (§9.2).
pub fn refusal(request: &Request, understood: &Understood<'_>) -> Option<Refusal> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return None;
    }
    method(request, understood.methods)
        .or_else(|| scheme(request))
        .or_else(|| hops(request).filter(|_| understood.passes_on))
        .or_else(|| extensions(request, understood.extensions))
        .or_else(|| body(request, understood.bodies))
        .or_else(|| accept(request, understood.answers))
}

/// §8.2.1, §21.5.2: 405 for a method that is known and not served here, 501 for one that is not known.
pub fn method(request: &Request, allow: &str) -> Option<Refusal> {
    let is_allowed = allow.split(',').any(|method| method.trim() == request.method.as_str());
    let status = match request.method {
        Method::Other(_) => Status::NOT_IMPLEMENTED,
        _ => Status::METHOD_NOT_ALLOWED,
    };
    (!is_allowed).then(|| Refusal::with(status, Name::Allow, allow))
}

/// §8.2.2.1: 416 for a Request-URI that is no `sip:` URI; §10.3: 400 for a REGISTER whose To is none.
pub fn scheme(request: &Request) -> Option<Refusal> {
    if !request.uri.is_sip() {
        return Some(Refusal::plain(Status::UNSUPPORTED_URI_SCHEME));
    }
    let is_other = request.headers.to().is_ok_and(|to| matches!(to.uri.scheme(), Scheme::Other(_)));
    (is_other && request.method == Method::Register).then(|| Refusal::plain(Status::BAD_REQUEST))
}

/// §16.3 step 3: 483 when no hop is left.
pub fn hops(request: &Request) -> Option<Refusal> {
    (request.headers.max_forwards() == Some(0)).then(|| Refusal::plain(Status::TOO_MANY_HOPS))
}

/// §8.2.2.3: 420 with what is not understood of Require. Proxy-Require is for proxies.
pub fn extensions(request: &Request, understood: &[&str]) -> Option<Refusal> {
    let unknown: Vec<_> = request.headers.values(Name::Require).filter(|tag| !understood.contains(tag)).collect();
    (!unknown.is_empty()).then(|| Refusal::with(Status::BAD_EXTENSION, Name::Unsupported, unknown.join(", ")))
}

/// §8.2.3: 415 with what is understood, for a body of another type or encoding that may not be ignored.
pub fn body(request: &Request, understood: &[&str]) -> Option<Refusal> {
    let headers = &request.headers;
    let disposition = headers.first(Name::ContentDisposition).unwrap_or("").to_ascii_lowercase();
    let is_optional = disposition.split(';').any(|param| param.replace([' ', '\t'], "") == "handling=optional");
    if request.body().is_empty() || is_optional {
        return None;
    }
    let is_plain = headers.values(Name::ContentEncoding).all(|coding| coding.eq_ignore_ascii_case("identity"));
    if !is_plain {
        return Some(Refusal::with(Status::UNSUPPORTED_MEDIA_TYPE, Name::AcceptEncoding, "identity"));
    }
    let is_understood = match headers.content_type() {
        Ok(Some(kind)) => understood.iter().any(|one| *one == "*/*" || *one == kind.essence),
        Ok(None) | Err(_) => false,
    };
    let accept = || Refusal::with(Status::UNSUPPORTED_MEDIA_TYPE, Name::Accept, understood.join(", "));
    (!is_understood).then(accept)
}

/// §21.4.7: 406 when no form of the answer is accepted (RFC 4475 §3.3.15).
pub fn accept(request: &Request, answers: &[&str]) -> Option<Refusal> {
    let ranges = request.headers.accept()?;
    let is_accepted = |answer: &&str| ranges.iter().any(|range| range.covers(answer));
    let refused = !answers.is_empty() && !answers.iter().any(is_accepted);
    refused.then(|| Refusal::plain(Status::NOT_ACCEPTABLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Uri;

    const UNDERSTOOD: Understood<'_> = Understood {
        methods: "MESSAGE, OPTIONS",
        extensions: &["timer"],
        bodies: &["text/plain"],
        answers: &[],
        passes_on: true,
    };

    fn request(method: &str, fields: &[(Name, &str)]) -> Request {
        let uri = Uri::parse("sip:hana@contoso.example").unwrap();
        let mut request = Request::new(Method::parse(method).unwrap(), uri);
        for (name, value) in fields {
            request.headers.push(*name, value).unwrap();
        }
        request
    }

    #[test]
    fn the_first_reason_of_the_standards_order_counts() {
        let all = [(Name::MaxForwards, "0"), (Name::Require, "timer, 100rel, x"), (Name::ContentType, "text/html")];
        for (method, skip, status, field) in [
            ("SUBSCRIBE", 0, Status::METHOD_NOT_ALLOWED, Some((Name::Allow, "MESSAGE, OPTIONS"))),
            ("NEWMETHOD", 0, Status::NOT_IMPLEMENTED, Some((Name::Allow, "MESSAGE, OPTIONS"))),
            ("MESSAGE", 0, Status::TOO_MANY_HOPS, None),
            ("MESSAGE", 1, Status::BAD_EXTENSION, Some((Name::Unsupported, "100rel, x"))),
            ("MESSAGE", 2, Status::UNSUPPORTED_MEDIA_TYPE, Some((Name::Accept, "text/plain"))),
        ] {
            let mut request = request(method, &all[skip..2]);
            request.set_body("text/html", "<p>").unwrap();
            let refusal = refusal(&request, &UNDERSTOOD).unwrap();
            assert_eq!(refusal.status, status);
            let fields = field.map(|(name, value)| (name, value.to_owned()));
            assert_eq!(refusal.fields, fields.into_iter().collect::<Vec<_>>());
        }
        assert_eq!(refusal(&request("ACK", &all), &UNDERSTOOD), None);
        assert_eq!(refusal(&request("OPTIONS", &[]), &UNDERSTOOD), None);
    }

    /// §8.2.3, §20.11: `handling=optional` lets a body be ignored.
    #[test]
    fn a_body_that_may_be_ignored_is_no_reason() {
        for (name, value, status) in [
            (Name::ContentDisposition, "render; handling = optional", None),
            (Name::ContentDisposition, "render;handling=required", Some(Status::UNSUPPORTED_MEDIA_TYPE)),
            (Name::ContentEncoding, "gzip", Some(Status::UNSUPPORTED_MEDIA_TYPE)),
        ] {
            let mut request = request("MESSAGE", &[(name, value)]);
            let kind = if name == Name::ContentEncoding { "text/plain" } else { "text/html" };
            request.set_body(kind, "a").unwrap();
            assert_eq!(refusal(&request, &UNDERSTOOD).map(|refusal| refusal.status), status, "{value}");
        }
    }
}
