//! The recorded story of one connection attempt, in or out.
//!
//! A report holds facts in the order in which they came about: whom we wanted, what DNS said, which addresses were tried,
//! what TLS and the certificate showed, what was offered, which methods were tried and how it ended. What to do about it
//! is `policy::diagnosis`'s part.
//!
//! The written form only grows: readers ignore fields that they do not know, a field that is missing has its empty value,
//! and a [code](Recorded) of a later version is kept. Texts of peers in it are data, never markup, and are cut.

use serde::{Deserialize, Serialize};

use crate::{Direction, Domain, Method, RowId, Timestamp};

mod code;

pub use code::{Code, Recorded};

/// Characters of one text that came from a peer.
pub const TEXT_CHARS_MAX: usize = 300;

/// Entries of one list.
pub const ENTRIES_MAX: usize = 32;

/// The recorded story of one connection attempt.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Sorts by the time of the attempt's end.
    pub id: RowId,
    /// When the attempt began.
    pub at: Timestamp,
    /// Until its outcome was known.
    #[serde(default)]
    pub duration_ms: u64,
    /// Who opened, or was to open, the connection.
    #[serde(with = "word")]
    pub direction: Direction,
    /// What the connection was for.
    #[serde(default, with = "word")]
    pub purpose: Purpose,
    /// With whom.
    #[serde(default, with = "word")]
    pub leg: Leg,
    /// Our domain, as asked for; inbound as the peer said it.
    #[serde(default)]
    pub local: Option<Domain>,
    /// The partner's domain, as asked for; inbound as the peer claimed it.
    #[serde(default)]
    pub remote: Option<Domain>,
    /// Primary domain of the partner that lists `remote`; none if no partner does.
    #[serde(default)]
    pub partner: Option<Domain>,
    /// The address of the other end.
    #[serde(default)]
    pub peer: Option<String>,
    /// How the partner's server was looked for; outbound only.
    #[serde(default)]
    pub lookup: Option<Lookup>,
    /// Addresses that were tried, in order; outbound only.
    #[serde(default)]
    pub dials: Vec<Dial>,
    /// The TLS in use.
    #[serde(default)]
    pub tls: Option<TlsUsed>,
    /// The certificate that the partner showed, and what is to be said of it.
    #[serde(default)]
    pub certificate: Option<CertificateSeen>,
    /// What the partner's server offered; outbound only.
    #[serde(default)]
    pub offered: Option<Offered>,
    /// Methods that were tried, in order.
    #[serde(default)]
    pub tries: Vec<Tried>,
    /// How far the stream had come: a word of the protocol core.
    #[serde(default)]
    pub stage: Option<String>,
    /// The method that authorised the pair.
    #[serde(default, with = "optional_word")]
    pub method: Option<Method>,
    /// How it ended.
    pub result: Recorded,
    /// The same in a sentence for the operator, with what the other side said.
    #[serde(default)]
    pub detail: String,
}

/// What a connection was for.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Purpose {
    /// Stanzas of a domain pair.
    #[default]
    Stanzas,
    /// Asking, or answering, whether a dialback key is valid.
    Verification,
    /// Only to make this report.
    Probe,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Stanzas, Self::Verification, Self::Probe];

    /// The word of the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stanzas => "stanzas",
            Self::Verification => "verification",
            Self::Probe => "probe",
        }
    }
}

/// On which side of us the other server is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Leg {
    /// It is a partner's: `local` is an internal domain, `remote` one of the partner's.
    #[default]
    Partner,
    /// It is an inner XMPP server: `local` is a partner's domain, for which we stand there, `remote` the internal one.
    Inner,
}

impl Leg {
    const ALL: [Self; 2] = [Self::Partner, Self::Inner];

    /// The word of the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Inner => "inner",
        }
    }
}

/// How the partner's server was looked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lookup {
    /// The host that the partner's settings name instead of DNS (proxy FQDN).
    #[serde(default)]
    pub via: Option<String>,
    /// Addresses that were found and may be dialled.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// How it ended.
    pub result: Recorded,
    /// The same in words.
    #[serde(default)]
    pub detail: String,
}

/// One address that was tried.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Dial {
    /// Address and port.
    pub address: String,
    /// How it ended.
    pub result: Recorded,
}

/// The TLS in use.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct TlsUsed {
    /// `TLS 1.3`.
    pub version: String,
    /// The cipher suite.
    pub cipher: String,
}

/// The certificate that the partner showed. Its verdicts are kept apart: each says something else about the remedy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateSeen {
    /// Whom it was issued to.
    #[serde(default)]
    pub subject: String,
    /// Who issued it.
    #[serde(default)]
    pub issuer: String,
    /// The domains it names, as written.
    #[serde(default)]
    pub names: Vec<String>,
    /// Start of its validity.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// End of its validity.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// SHA-256 of its key, hexadecimal: what a pin names.
    #[serde(default)]
    pub spki_sha256: String,
    /// Chain, validity, purpose and pin, judged by the partner's roots; none if nobody had to judge.
    #[serde(default)]
    pub chain: Option<Recorded>,
    /// Whether it names the remote domain; none without a remote domain or a readable certificate.
    #[serde(default)]
    pub identity: Option<Recorded>,
}

/// What the partner's server offered in its last features.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Offered {
    /// STARTTLS, in the features before TLS.
    pub starttls: bool,
    /// STARTTLS was said to be required.
    pub starttls_required: bool,
    /// SASL mechanisms.
    pub mechanisms: Vec<String>,
    /// Server dialback.
    pub dialback: bool,
    /// The longest stanza that it accepts.
    pub stanza_bytes_max: Option<u64>,
}

/// One method that was tried.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tried {
    /// The method.
    #[serde(with = "word")]
    pub method: Method,
    /// How it ended.
    pub result: Recorded,
    /// The same in words.
    #[serde(default)]
    pub detail: String,
}

/// `text` without control characters and cut to [`TEXT_CHARS_MAX`]: what a peer said, fit for a record.
pub fn text(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Types that are written as one of a few words.
trait Word: Copy + Sized + 'static {
    const ALL: &'static [Self];
    fn word(self) -> &'static str;
    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.word() == text)
    }
}

macro_rules! word {
    ($name:ident, $all:expr) => {
        impl Word for $name {
            const ALL: &'static [Self] = $all;
            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

word!(Direction, &[Direction::Inbound, Direction::Outbound]);
word!(Method, &Method::ALL);
word!(Purpose, &Purpose::ALL);
word!(Leg, &Leg::ALL);

mod word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Word;

    pub(super) fn serialize<T: Word, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.word())
    }

    pub(super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        T::of(&text).ok_or_else(|| D::Error::custom(format_args!("{text:?} is not a word known here")))
    }
}

mod optional_word {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Word;

    pub(super) fn serialize<T: Word, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Word::word).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(text.and_then(|text| T::of(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","at":1645557742000,"direction":"inbound",
        "result":"not_a_partner"}"#;

    #[test]
    fn a_report_of_an_earlier_version_is_read() {
        let report: Report = serde_json::from_str(LEAST).unwrap();
        assert_eq!((report.direction, report.purpose), (Direction::Inbound, Purpose::Stanzas));
        assert_eq!(report.result, Code::NotAPartner.into());
        assert_eq!((report.method, report.dials.len()), (None, 0));
    }

    #[test]
    fn a_report_of_a_later_version_is_read_and_keeps_its_code() {
        let later = LEAST.replace("not_a_partner", "quantum_refused").replacen('{', r#"{"colour":"red","#, 1);
        let report: Report = serde_json::from_str(&later).unwrap();
        assert_eq!(report.result.as_str(), "quantum_refused");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut report: Report = serde_json::from_str(LEAST).unwrap();
        report.method = Some(Method::TlsDialback);
        report.purpose = Purpose::Probe;
        report.tries.push(Tried { method: Method::SaslOverTls, result: Code::Ok.into(), detail: String::new() });
        report.lookup =
            Some(Lookup { via: None, addresses: Vec::new(), result: Code::DnsFailed.into(), detail: "x".to_owned() });
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert!(text.contains(r#""method":"tls_dialback""#) && text.contains(r#""purpose":"probe""#), "{text}");
    }

    #[test]
    fn what_a_peer_said_is_cut_and_has_no_control_characters() {
        assert_eq!(text("a\u{1b}[2Jb\n"), "a [2Jb ");
        assert_eq!(text(&"é".repeat(1000)).chars().count(), TEXT_CHARS_MAX);
    }
}
