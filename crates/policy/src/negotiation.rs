//! The negotiation of a partner: which methods its three settings permit.
//!
//! The 18 combinations of TLS, SASL and dialback are one table, [`ROWS`]. The row is asked when a domain pair is about
//! to be authorised, with the method really used, in both directions: a row that permits nothing is never saved, so it
//! is refused when the partner is changed and not when it is dialled.

use std::{fmt, str::FromStr};

use lexicon::{Method, MethodSet};

use crate::{FieldError, FieldWarning};

mod available;
#[cfg(test)]
mod tests;

pub use available::{Available, Downgrade, Unavailable, downgrade};

/// How much TLS, or SASL EXTERNAL, matters with a partner.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Requirement {
    /// Must be negotiated.
    Required,
    /// Is negotiated if the partner can.
    Optional,
    /// Is never negotiated.
    NotSupported,
}

impl Requirement {
    /// All, in the order of the form.
    pub const ALL: [Self; 3] = [Self::Required, Self::Optional, Self::NotSupported];

    /// The word used in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::NotSupported => "not_supported",
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is not one of the three requirements.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are required, optional and not_supported")]
pub struct RequirementError;

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        Self::ALL.into_iter().find(|requirement| requirement.as_str() == text).ok_or(RequirementError)
    }
}

/// The three settings that are judged together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Negotiation {
    /// STARTTLS or direct TLS.
    pub tls: Requirement,
    /// SASL EXTERNAL with certificates (XEP-0178).
    pub sasl: Requirement,
    /// Server dialback (XEP-0220).
    pub dialback: bool,
}

impl Default for Negotiation {
    fn default() -> Self {
        Self { tls: Requirement::Required, sasl: Requirement::Required, dialback: true }
    }
}

impl Negotiation {
    /// The row of the table that is this combination.
    pub fn row(self) -> &'static Row {
        row(self)
    }
}

impl fmt::Display for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS {}, SASL {}, dialback {}", self.tls, self.sasl, self.dialback)
    }
}

/// One combination and what follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// 1 to 18, as documented.
    pub number: u8,
    /// The combination.
    pub negotiation: Negotiation,
    /// What may authorise a pair; empty exactly when the row is invalid.
    pub methods: MethodSet,
    /// Whether the combination can be saved.
    pub verdict: Verdict,
}

/// Whether a row can be saved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Yes, after these warnings were shown.
    Permitted(&'static [RowWarning]),
    /// No.
    Invalid(Invalid),
}

/// What an administrator should know about a row that can be saved.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RowWarning {
    /// SASL is required, so dialback never authorises anything.
    DialbackInoperative,
    /// SASL needs TLS, and TLS may be missing.
    TlsOptionalWithSasl,
    /// Traffic may cross the network unencrypted.
    PlaintextPossible,
    /// Traffic always crosses the network unencrypted.
    PlaintextOnly,
}

impl RowWarning {
    /// All.
    pub const ALL: [Self; 4] =
        [Self::DialbackInoperative, Self::TlsOptionalWithSasl, Self::PlaintextPossible, Self::PlaintextOnly];

    /// The code of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DialbackInoperative => "dialback_inoperative",
            Self::TlsOptionalWithSasl => "tls_optional_with_sasl",
            Self::PlaintextPossible => "plaintext_possible",
            Self::PlaintextOnly => "plaintext_only",
        }
    }

    /// What follows, in a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::DialbackInoperative => {
                "SASL is required, so dialback is never used with this partner; set SASL to optional to permit it"
            }
            Self::TlsOptionalWithSasl => {
                "SASL works only over TLS; where the partner does not negotiate TLS, SASL is not available"
            }
            Self::PlaintextPossible => {
                "where the partner does not negotiate TLS, messages cross the network unencrypted; \
                 set TLS to required to prevent it"
            }
            Self::PlaintextOnly => {
                "all messages of this partner cross the network unencrypted and the partner is identified by DNS alone"
            }
        }
    }

    /// The field it is shown at.
    pub const fn field(self) -> &'static str {
        match self {
            Self::DialbackInoperative => "dialback",
            Self::TlsOptionalWithSasl | Self::PlaintextPossible | Self::PlaintextOnly => "tls",
        }
    }

    /// Whether the partner's traffic can be read on the way.
    pub const fn is_plaintext(self) -> bool {
        matches!(self, Self::PlaintextPossible | Self::PlaintextOnly)
    }
}

impl From<RowWarning> for FieldWarning {
    fn from(warning: RowWarning) -> Self {
        Self::new(warning.field(), warning.as_str(), warning.text())
    }
}

/// Why a row cannot be saved.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Invalid {
    /// SASL EXTERNAL is asked for without the TLS that carries the certificates.
    SaslRequiresTls,
    /// Neither SASL nor dialback is left.
    NoAuthenticationMethod,
}

impl Invalid {
    /// The code of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SaslRequiresTls => "sasl_requires_tls",
            Self::NoAuthenticationMethod => "no_authentication_method",
        }
    }

    /// What is wrong.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SaslRequiresTls => "SASL requires TLS",
            Self::NoAuthenticationMethod => "SASL or dialback must be enabled",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SaslRequiresTls => "set TLS to required or optional, or SASL to not_supported",
            Self::NoAuthenticationMethod => {
                "enable dialback, or set SASL to required or optional together with TLS required or optional"
            }
        }
    }

    /// The field it is shown at.
    pub const fn field(self) -> &'static str {
        "sasl"
    }
}

impl From<Invalid> for FieldError {
    fn from(invalid: Invalid) -> Self {
        Self::new(invalid.field(), invalid.as_str(), format!("{}: {}", invalid.reason(), invalid.remedy()))
    }
}

impl Row {
    /// Whether the combination can be saved.
    pub fn is_valid(&self) -> bool {
        matches!(self.verdict, Verdict::Permitted(_))
    }

    /// Whether a pair may be authorised by `method`.
    pub fn permits(&self, method: Method) -> bool {
        self.methods.contains(method)
    }

    /// What to show before saving; none of an invalid row.
    pub fn warnings(&self) -> &'static [RowWarning] {
        match self.verdict {
            Verdict::Permitted(warnings) => warnings,
            Verdict::Invalid(_) => &[],
        }
    }

    /// Why the row cannot be saved, if so.
    pub fn invalid(&self) -> Option<Invalid> {
        match self.verdict {
            Verdict::Permitted(_) => None,
            Verdict::Invalid(invalid) => Some(invalid),
        }
    }
}

/// The row that is `negotiation`.
pub fn row(negotiation: Negotiation) -> &'static Row {
    let sasl = negotiation.sasl as usize;
    let tls = negotiation.tls as usize;
    &ROWS[sasl * 6 + tls * 2 + usize::from(!negotiation.dialback)]
}

/// The 18 rows in documented order: by SASL, then TLS, then dialback.
pub static ROWS: [Row; 18] = {
    use Invalid::{NoAuthenticationMethod as NO_METHOD, SaslRequiresTls as SASL_NEEDS_TLS};
    use Method::{SaslOverTls as SASL, TcpDialback as TCP, TlsDialback as TLS};
    use Requirement::{NotSupported as NOT, Optional as OPT, Required as REQ};
    use RowWarning::{DialbackInoperative, PlaintextOnly, PlaintextPossible, TlsOptionalWithSasl};
    [
        permitted(1, REQ, REQ, true, &[SASL], &[DialbackInoperative]),
        permitted(2, REQ, REQ, false, &[SASL], &[]),
        permitted(3, OPT, REQ, true, &[SASL], &[TlsOptionalWithSasl, DialbackInoperative]),
        permitted(4, OPT, REQ, false, &[SASL], &[TlsOptionalWithSasl]),
        invalid(5, NOT, REQ, true, SASL_NEEDS_TLS),
        invalid(6, NOT, REQ, false, SASL_NEEDS_TLS),
        permitted(7, REQ, OPT, true, &[SASL, TLS], &[]),
        permitted(8, REQ, OPT, false, &[SASL], &[]),
        permitted(9, OPT, OPT, true, &[SASL, TLS, TCP], &[TlsOptionalWithSasl, PlaintextPossible]),
        permitted(10, OPT, OPT, false, &[SASL], &[TlsOptionalWithSasl]),
        invalid(11, NOT, OPT, true, SASL_NEEDS_TLS),
        invalid(12, NOT, OPT, false, SASL_NEEDS_TLS),
        permitted(13, REQ, NOT, true, &[TLS], &[]),
        invalid(14, REQ, NOT, false, NO_METHOD),
        permitted(15, OPT, NOT, true, &[TLS, TCP], &[PlaintextPossible]),
        invalid(16, OPT, NOT, false, NO_METHOD),
        permitted(17, NOT, NOT, true, &[TCP], &[PlaintextOnly]),
        invalid(18, NOT, NOT, false, NO_METHOD),
    ]
};

const fn permitted(
    number: u8,
    tls: Requirement,
    sasl: Requirement,
    dialback: bool,
    methods: &[Method],
    warnings: &'static [RowWarning],
) -> Row {
    let negotiation = Negotiation { tls, sasl, dialback };
    Row { number, negotiation, methods: MethodSet::of(methods), verdict: Verdict::Permitted(warnings) }
}

const fn invalid(number: u8, tls: Requirement, sasl: Requirement, dialback: bool, reason: Invalid) -> Row {
    let negotiation = Negotiation { tls, sasl, dialback };
    Row { number, negotiation, methods: MethodSet::EMPTY, verdict: Verdict::Invalid(reason) }
}
