//! Typed header field values that are neither addresses nor Via.

use std::fmt;

use super::{
    Method,
    scan::{Params, is_token, quote, trim},
};

/// A header field value does not follow its grammar.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldError {
    /// From, To, Contact or Route.
    #[error("Malformed Address")]
    Address,
    /// Call-ID.
    #[error("Malformed Call-ID")]
    CallId,
    /// CSeq, or its method is not that of the request.
    #[error("Malformed CSeq")]
    CSeq,
    /// A media type.
    #[error("Malformed Content-Type")]
    MediaType,
    /// The field must be there.
    #[error("Missing {0}")]
    Missing(&'static str),
    /// A number.
    #[error("Malformed {0}")]
    Number(&'static str),
    /// The field may be there once.
    #[error("Repeated {0}")]
    Repeated(&'static str),
    /// A URI.
    #[error("Malformed URI")]
    Uri,
    /// Via.
    #[error("Malformed Via")]
    Via,
}

/// CSeq (§20.16): the number is below 2³¹ (§8.1.1.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Reads the value.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let (number, method) = trim(text).split_once([' ', '\t']).ok_or(FieldError::CSeq)?;
        let number = digits(number).filter(|n| *n < 1 << 31).ok_or(FieldError::CSeq)?;
        let method = Method::parse(trim(method)).ok_or(FieldError::CSeq)?;
        Ok(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// A media type with parameters: Content-Type, and each value of Accept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaType {
    /// `text/plain`, in lower case; `*` stands for any part in Accept.
    pub essence: String,
    /// `charset` and others.
    pub params: Params,
}

impl MediaType {
    /// Reads the value.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        Self::read(text).ok_or(FieldError::MediaType)
    }

    fn read(text: &str) -> Option<Self> {
        let (essence, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (kind, subtype) = essence.split_once('/')?;
        let (kind, subtype) = (trim(kind), trim(subtype));
        let fits = is_token(kind) && is_token(subtype);
        let essence = format!("{kind}/{subtype}").to_ascii_lowercase();
        Some(Self { essence, params: Params::parse_header(params)? }).filter(|_| fits)
    }

    /// Whether a range of Accept covers `essence` (lower case).
    pub fn covers(&self, essence: &str) -> bool {
        let range = self.essence.as_str();
        let refused = self.params.value("q").is_some_and(|q| matches!(q, "0" | "0.0" | "0.00" | "0.000"));
        let kind = range.strip_suffix("/*").filter(|kind| *kind != "*");
        let within = kind.is_some_and(|kind| essence.split_once('/').is_some_and(|(k, _)| k == kind));
        !refused && (range == "*/*" || range == essence || within)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.essence, self.params)
    }
}

/// Who refreshes a session (RFC 4028 §4), as seen from the request that says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refresher {
    /// The sender of the request.
    Uac,
    /// Its receiver.
    Uas,
}

impl Refresher {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            _ if text.eq_ignore_ascii_case("uac") => Some(Self::Uac),
            _ if text.eq_ignore_ascii_case("uas") => Some(Self::Uas),
            _ => None,
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// Warning (§20.43) with code 399 and the agent that warns.
pub fn warning(agent: &str, text: &str) -> String {
    let agent = if is_token(agent) { agent } else { "-" };
    format!("399 {agent} {}", quote(text))
}

/// 1*DIGIT, leading zeros permitted; `None` if it is none or exceeds 32 bits.
pub(crate) fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// delta-seconds that may be larger than we can count: then the largest (§20.19 allows to 2³²−1).
pub(crate) fn delta_seconds(text: &str) -> Option<u32> {
    let text = trim(text);
    let all_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cseq_is_a_number_below_two_to_the_31_and_a_method() {
        assert_eq!(CSeq::parse("0009   INVITE").unwrap(), CSeq { number: 9, method: Method::Invite });
        assert_eq!(CSeq::parse("2147483647 MESSAGE").unwrap().number, 2_147_483_647);
        for bad in ["2147483648 MESSAGE", "36893488147419103232 REGISTER", "1", "1MESSAGE", "-1 MESSAGE", "1 ME SS", ""]
        {
            assert_eq!(CSeq::parse(bad), Err(FieldError::CSeq), "{bad}");
        }
    }

    #[test]
    fn a_range_of_accept_covers_types() {
        for (range, essence, covers) in [
            ("text/plain", "text/plain", true),
            ("Text/*;level=1", "text/html", true),
            ("*/*", "application/im-iscomposing+xml", true),
            ("text/*;q=0", "text/plain", false),
            ("text/*", "textual/plain", false),
        ] {
            assert_eq!(MediaType::parse(range).unwrap().covers(essence), covers, "{range}");
        }
        assert!(MediaType::parse("text").is_err());
        assert_eq!(MediaType::parse("text / plain ; charset = UTF-8").unwrap().to_string(), "text/plain;charset=UTF-8");
    }

    #[test]
    fn a_warning_cannot_leave_its_quotes() {
        assert_eq!(warning("contoso.example", "no \"x\"\r\nVia: y"), "399 contoso.example \"no \\\"x\\\"  Via: y\"");
    }
}
