//! Names of header fields (RFC 3261 §7.3.1, §20): case means nothing, some have a one-letter form.

/// A header field that this crate knows by name. Any other is [`Name::Other`] and found by its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Name {
    /// A name outside this list.
    Other,
    /// Accept.
    Accept,
    /// Accept-Encoding.
    AcceptEncoding,
    /// Allow.
    Allow,
    /// Allow-Events (RFC 6665).
    AllowEvents,
    /// Authorization.
    Authorization,
    /// Call-ID.
    CallId,
    /// Contact.
    Contact,
    /// Content-Disposition.
    ContentDisposition,
    /// Content-Encoding.
    ContentEncoding,
    /// Content-Language.
    ContentLanguage,
    /// Content-Length: written by the writer alone.
    ContentLength,
    /// Content-Type.
    ContentType,
    /// CSeq.
    CSeq,
    /// Date.
    Date,
    /// Event (RFC 6665).
    Event,
    /// Expires.
    Expires,
    /// From.
    From,
    /// Max-Forwards.
    MaxForwards,
    /// Min-Expires.
    MinExpires,
    /// Min-SE (RFC 4028).
    MinSe,
    /// Path (RFC 3327).
    Path,
    /// Proxy-Authenticate.
    ProxyAuthenticate,
    /// Proxy-Authorization.
    ProxyAuthorization,
    /// Proxy-Require.
    ProxyRequire,
    /// Reason (RFC 3326).
    Reason,
    /// Record-Route.
    RecordRoute,
    /// Require.
    Require,
    /// Retry-After.
    RetryAfter,
    /// Route.
    Route,
    /// Server.
    Server,
    /// Session-Expires (RFC 4028).
    SessionExpires,
    /// Subject.
    Subject,
    /// Subscription-State (RFC 6665).
    SubscriptionState,
    /// Supported.
    Supported,
    /// Timestamp.
    Timestamp,
    /// To.
    To,
    /// Unsupported.
    Unsupported,
    /// User-Agent.
    UserAgent,
    /// Via.
    Via,
    /// Warning.
    Warning,
    /// WWW-Authenticate.
    WwwAuthenticate,
}

/// Canonical spelling, one-letter form; in the order of [`Name`], after [`Name::Other`].
const TABLE: &[(Name, &str, Option<char>)] = &[
    (Name::Accept, "Accept", None),
    (Name::AcceptEncoding, "Accept-Encoding", None),
    (Name::Allow, "Allow", None),
    (Name::AllowEvents, "Allow-Events", Some('u')),
    (Name::Authorization, "Authorization", None),
    (Name::CallId, "Call-ID", Some('i')),
    (Name::Contact, "Contact", Some('m')),
    (Name::ContentDisposition, "Content-Disposition", None),
    (Name::ContentEncoding, "Content-Encoding", Some('e')),
    (Name::ContentLanguage, "Content-Language", None),
    (Name::ContentLength, "Content-Length", Some('l')),
    (Name::ContentType, "Content-Type", Some('c')),
    (Name::CSeq, "CSeq", None),
    (Name::Date, "Date", None),
    (Name::Event, "Event", Some('o')),
    (Name::Expires, "Expires", None),
    (Name::From, "From", Some('f')),
    (Name::MaxForwards, "Max-Forwards", None),
    (Name::MinExpires, "Min-Expires", None),
    (Name::MinSe, "Min-SE", None),
    (Name::Path, "Path", None),
    (Name::ProxyAuthenticate, "Proxy-Authenticate", None),
    (Name::ProxyAuthorization, "Proxy-Authorization", None),
    (Name::ProxyRequire, "Proxy-Require", None),
    (Name::Reason, "Reason", None),
    (Name::RecordRoute, "Record-Route", None),
    (Name::Require, "Require", None),
    (Name::RetryAfter, "Retry-After", None),
    (Name::Route, "Route", None),
    (Name::Server, "Server", None),
    (Name::SessionExpires, "Session-Expires", Some('x')),
    (Name::Subject, "Subject", Some('s')),
    (Name::SubscriptionState, "Subscription-State", None),
    (Name::Supported, "Supported", Some('k')),
    (Name::Timestamp, "Timestamp", None),
    (Name::To, "To", Some('t')),
    (Name::Unsupported, "Unsupported", None),
    (Name::UserAgent, "User-Agent", None),
    (Name::Via, "Via", Some('v')),
    (Name::Warning, "Warning", None),
    (Name::WwwAuthenticate, "WWW-Authenticate", None),
];

impl Name {
    /// The name in any spelling.
    pub fn of(text: &str) -> Self {
        let Some(first) = text.chars().next().map(|letter| letter.to_ascii_lowercase()) else { return Self::Other };
        let is_named = |(_, full, short): &&(Self, &str, Option<char>)| match text.len() {
            1 => *short == Some(first),
            length => full.len() == length && full.eq_ignore_ascii_case(text),
        };
        TABLE.iter().find(is_named).map_or(Self::Other, |(name, ..)| *name)
    }

    /// The canonical spelling; empty for [`Name::Other`].
    pub fn as_str(self) -> &'static str {
        (self as usize).checked_sub(1).and_then(|at| TABLE.get(at)).map_or("", |(_, full, _)| full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_by_its_spellings() {
        for (name, full, short) in TABLE {
            assert_eq!(Name::of(&full.to_ascii_uppercase()), *name);
            assert_eq!(name.as_str(), *full);
            if let Some(letter) = short {
                assert_eq!(Name::of(&letter.to_string()), *name);
            }
        }
        assert_eq!(Name::of("NewFangledHeader"), Name::Other);
        assert_eq!(Name::of("C%6Fntact"), Name::Other);
    }
}
