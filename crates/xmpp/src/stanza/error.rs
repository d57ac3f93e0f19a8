//! Stanza errors (RFC 6120 §8.3) and the answer that carries one.

use std::{fmt, str::FromStr};

use super::StanzaRef;
use crate::xml::{Batch, ElementRef, XmlWriter, ns};

/// A payload up to this many bytes is echoed in an error, as a courtesy (RFC 6120 §8.3.1 rule 6).
pub const ECHO_BYTES_MAX: usize = 1_024;

/// Longest text that is read from a peer's error, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// What a stanza error says to the sender.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StanzaError {
    /// What went wrong.
    pub condition: Condition,
    /// What the sender may do about it.
    pub error_type: ErrorType,
    /// For people, in English. Wire text: it never holds what only the operator may know.
    pub text: Option<String>,
    /// An application's own condition: element name and namespace.
    pub application: Option<(&'static str, &'static str)>,
}

impl StanzaError {
    /// The condition with the type that the standard recommends for it.
    pub fn new(condition: Condition) -> Self {
        Self { condition, error_type: condition.recommended_type(), text: None, application: None }
    }

    /// With a text for people.
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// With another type than the recommended one.
    pub fn with_type(self, error_type: ErrorType) -> Self {
        Self { error_type, ..self }
    }

    /// With an application's own condition.
    pub fn with_application(self, name: &'static str, namespace: &'static str) -> Self {
        Self { application: Some((name, namespace)), ..self }
    }

    /// Writes `<error/>` into an error stanza.
    pub fn write(&self, writer: &mut XmlWriter) {
        writer.start("error", ns::SERVER).attribute("type", self.error_type.as_str());
        writer.start(self.condition.as_str(), ns::STANZA_ERROR).end();
        if let Some(text) = &self.text {
            writer.start("text", ns::STANZA_ERROR).attribute("xml:lang", "en").text(text).end();
        }
        if let Some((name, namespace)) = self.application {
            writer.start(name, namespace).end();
        }
        writer.end();
    }
}

impl From<Condition> for StanzaError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}

impl fmt::Display for StanzaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.as_str())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// The error that answers `stanza`, from its recipient to its sender.
///
/// None where an error must not be sent: the stanza is itself an error (RFC 6120 §8.3.1 rule 8), the result of an iq,
/// or names no sender or no recipient.
pub fn bounce(stanza: &StanzaRef<'_>, error: &StanzaError) -> Option<Batch> {
    let (Some(from), Some(to), true) = (stanza.from(), stanza.to(), stanza.may_be_answered()) else {
        return None;
    };
    let mut writer = XmlWriter::new();
    writer.start(stanza.kind().as_str(), ns::SERVER);
    writer.attribute("from", to).attribute("to", from).attribute_if("id", stanza.id()).attribute("type", "error");
    if stanza.element().payload().len() <= ECHO_BYTES_MAX {
        writer.content_of(stanza.element());
    }
    error.write(&mut writer);
    writer.end();
    Some(writer.into_batch())
}

/// Reads `<error/>`; a missing or unknown one is `undefined-condition`.
pub(super) fn read(element: Option<ElementRef<'_>>) -> StanzaError {
    let Some(element) = element else { return StanzaError::new(Condition::UndefinedCondition) };
    let known = |child: ElementRef<'_>| child.name().parse::<Condition>().ok();
    let defined = || element.children().filter(|child| child.namespace() == ns::STANZA_ERROR);
    let condition = defined().find_map(known).unwrap_or(Condition::UndefinedCondition);
    let error_type = element.attribute("type").and_then(|word| word.parse().ok());
    let text = defined().find(|child| child.name() == "text").map(|text| clip(&text.text()));
    StanzaError {
        condition,
        error_type: error_type.unwrap_or(condition.recommended_type()),
        text: text.filter(|text| !text.is_empty()),
        application: None,
    }
}

fn clip(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

/// A word on the wire is none that the standard defines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not defined by RFC 6120 §8.3")]
pub struct UnknownWord;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)* _ => Err(UnknownWord) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What the sender may do (RFC 6120 §8.3.2).
    ErrorType {
        /// Retry after providing credentials.
        Auth = "auth",
        /// Do not retry.
        Cancel = "cancel",
        /// It was only a warning.
        Continue = "continue",
        /// Retry after changing what was sent.
        Modify = "modify",
        /// Retry after waiting.
        Wait = "wait",
    }
}

words! {
    /// The defined conditions, in the order of RFC 6120 §8.3.3.
    Condition {
        /// §8.3.3.1: does not conform to its schema.
        BadRequest = "bad-request",
        /// §8.3.3.2: something of that name exists.
        Conflict = "conflict",
        /// §8.3.3.3: not implemented.
        FeatureNotImplemented = "feature-not-implemented",
        /// §8.3.3.4: no permission.
        Forbidden = "forbidden",
        /// §8.3.3.5: no longer at this address.
        Gone = "gone",
        /// §8.3.3.6: a fault of ours.
        InternalServerError = "internal-server-error",
        /// §8.3.3.7: no such address.
        ItemNotFound = "item-not-found",
        /// §8.3.3.8: an address that is not one.
        JidMalformed = "jid-malformed",
        /// §8.3.3.9: not acceptable to the recipient or a server.
        NotAcceptable = "not-acceptable",
        /// §8.3.3.10: nobody may do this.
        NotAllowed = "not-allowed",
        /// §8.3.3.11: credentials are needed.
        NotAuthorized = "not-authorized",
        /// §8.3.3.12: a local policy is violated.
        PolicyViolation = "policy-violation",
        /// §8.3.3.13: the recipient cannot be reached now.
        RecipientUnavailable = "recipient-unavailable",
        /// §8.3.3.14: it is elsewhere.
        Redirect = "redirect",
        /// §8.3.3.15: a registration is needed.
        RegistrationRequired = "registration-required",
        /// §8.3.3.16: the remote domain does not exist or cannot be resolved.
        RemoteServerNotFound = "remote-server-not-found",
        /// §8.3.3.17: the remote server was not reached or did not answer in time.
        RemoteServerTimeout = "remote-server-timeout",
        /// §8.3.3.18: a lack of resources.
        ResourceConstraint = "resource-constraint",
        /// §8.3.3.19: this service is not provided.
        ServiceUnavailable = "service-unavailable",
        /// §8.3.3.20: a subscription is needed.
        SubscriptionRequired = "subscription-required",
        /// §8.3.3.21: none of these.
        UndefinedCondition = "undefined-condition",
        /// §8.3.3.22: understood, but not expected now.
        UnexpectedRequest = "unexpected-request",
    }
}

impl Condition {
    /// The type that RFC 6120 §8.3.3 recommends.
    pub fn recommended_type(self) -> ErrorType {
        match self {
            Self::Forbidden | Self::NotAuthorized | Self::RegistrationRequired | Self::SubscriptionRequired => {
                ErrorType::Auth
            }
            Self::Conflict
            | Self::FeatureNotImplemented
            | Self::Gone
            | Self::InternalServerError
            | Self::ItemNotFound
            | Self::NotAllowed
            | Self::RemoteServerNotFound
            | Self::ServiceUnavailable
            | Self::UndefinedCondition => ErrorType::Cancel,
            Self::BadRequest | Self::JidMalformed | Self::NotAcceptable | Self::PolicyViolation | Self::Redirect => {
                ErrorType::Modify
            }
            Self::RecipientUnavailable
            | Self::RemoteServerTimeout
            | Self::ResourceConstraint
            | Self::UnexpectedRequest => ErrorType::Wait,
        }
    }
}
