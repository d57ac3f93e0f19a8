//! `ms-diagnostics`: why a request failed, in the words of Lync and Skype for Business.
//!
//! `CODE;reason="…";source="host"`. Codes of the deployment are read as they are. The field's own list of codes is not
//! public for gateways, and a client translates those that it knows, so ours lie outside it: 61000 plus the status code of
//! the answer, whose reason is the text that stands in `Warning: 399` as well.

use sip::{Headers, Response, message::quote};
use xmpp::stanza::StanzaError;

use crate::{
    body::pieces,
    error::{self, Answer, one_line},
};

/// The field.
pub const MS_DIAGNOSTICS: &str = "ms-diagnostics";

/// The field as edge servers show it to other organisations.
const MS_DIAGNOSTICS_PUBLIC: &str = "ms-diagnostics-public";

/// What is added to a status code to make a code of ours.
const CODE_BASE: u32 = 61_000;

/// What the field says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diagnostics {
    /// The number of the cause.
    pub code: u32,
    /// For people, on one line of at most 200 characters; empty if nothing is said.
    pub reason: String,
    /// The host that found the cause.
    pub source: Option<String>,
}

impl Diagnostics {
    /// What `headers` say; none without a field or if it does not begin with a code.
    pub fn read(headers: &Headers) -> Option<Self> {
        let value = headers.named(MS_DIAGNOSTICS).or_else(|| headers.named(MS_DIAGNOSTICS_PUBLIC))?;
        let mut pieces = pieces(value);
        let code = pieces.next().filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        let mut diagnostics = Self { code, ..Self::default() };
        for (name, value) in pieces.filter_map(|piece| piece.split_once('=')) {
            let value = one_line(&sip::message::unquote(value.trim()));
            match name.trim() {
                name if name.eq_ignore_ascii_case("reason") => diagnostics.reason = value,
                name if name.eq_ignore_ascii_case("source") => diagnostics.source = Some(value),
                _ => {}
            }
        }
        Some(diagnostics)
    }

    /// What our answer means. `source` is our host.
    pub fn of(answer: &Answer, source: &str) -> Self {
        let reason = answer.text.clone().unwrap_or_else(|| answer.status.phrase().to_owned());
        Self { code: CODE_BASE + u32::from(answer.status.code()), reason, source: Some(source.to_owned()) }
    }

    /// The value of the field.
    pub fn value(&self) -> String {
        let mut value = format!("{};reason={}", self.code, quote(&self.reason));
        if let Some(source) = &self.source {
            value.push_str(";source=");
            value.push_str(&quote(source));
        }
        value
    }
}

/// The stanza error for an answer that is no success: the condition of its status, with the reason of its diagnostics, else
/// with its phrase.
pub fn failure(response: &Response) -> StanzaError {
    let reason = Diagnostics::read(&response.headers).map(|diagnostics| diagnostics.reason).unwrap_or_default();
    error::to_xmpp(response.status, if reason.is_empty() { response.phrase() } else { &reason })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sip::{Method, Request, Status, Uri};
    use xmpp::stanza::Condition;

    use super::*;

    fn with(name: &str, value: &str) -> Headers {
        let mut headers = Headers::default();
        headers.push_named(name, value).unwrap();
        headers
    }

    /// Code and form of the gateway's reference (1047: TLS with a federated peer failed); no real server was at hand.
    #[test]
    fn the_field_is_read() {
        let value = "1047;reason=\"Failed to complete TLS negotiation; see log\";fqdn=\"a.example\";source=\"edge.contoso.example\"";
        for name in ["ms-diagnostics", "Ms-Diagnostics", "ms-diagnostics-public"] {
            let found = Diagnostics::read(&with(name, value)).unwrap();
            assert_eq!(found.code, 1047);
            assert_eq!(found.reason, "Failed to complete TLS negotiation; see log");
            assert_eq!(found.source.as_deref(), Some("edge.contoso.example"));
        }
        let bare = Diagnostics::read(&with("ms-diagnostics", "504")).unwrap();
        assert_eq!(bare, Diagnostics { code: 504, ..Diagnostics::default() });
        for bad in ["", "reason=\"x\"", "x;reason=\"y\"", "-1", "99999999999"] {
            assert_eq!(Diagnostics::read(&with("ms-diagnostics", bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_refusal_of_ours_says_why() {
        let answer = Answer::new(Status::FORBIDDEN).with_text("f.example is not a \"federation\" partner");
        let ours = Diagnostics::of(&answer, "gw.contoso.example");
        let value = "61403;reason=\"f.example is not a \\\"federation\\\" partner\";source=\"gw.contoso.example\"";
        assert_eq!(ours.value(), value);
        assert_eq!(Diagnostics::read(&with("ms-diagnostics", value)), Some(ours));
        let wordless = Diagnostics::of(&Answer::new(Status::TEMPORARILY_UNAVAILABLE), "gw");
        assert_eq!(wordless.value(), "61480;reason=\"Temporarily Unavailable\";source=\"gw\"");
    }

    /// RFC 7247 §7.2, table 3.
    #[test]
    fn a_failed_message_is_told_with_the_reason() {
        let request = Request::new(Method::Message, Uri::parse("sip:romeo@example.net").unwrap());
        let mut response = Response::to(&request, Status::TEMPORARILY_UNAVAILABLE, "t").with_phrase("Gone\tfishing");
        let error = failure(&response);
        assert_eq!((error.condition, error.text.as_deref()), (Condition::RecipientUnavailable, Some("Gone fishing")));
        response.headers.push_named(MS_DIAGNOSTICS, "15030;reason=\"Failed to route to peer\"").unwrap();
        assert_eq!(failure(&response).text.as_deref(), Some("Failed to route to peer"));
    }

    proptest! {
        #[test]
        fn no_field_panics(value in "\\PC{0,60}|[0-9]{1,4}(;(reason|source)=\"?[a-z;\\\\\"]{0,9}\"?){0,3}") {
            if let Some(found) = Diagnostics::read(&with("ms-diagnostics", &value)) {
                prop_assert_eq!(Diagnostics::read(&with("ms-diagnostics", &found.value())), Some(found));
            }
        }
    }
}
