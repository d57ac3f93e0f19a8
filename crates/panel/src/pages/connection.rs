//! The connection settings in words: what may be chosen, and what the choice permits by the table of 18 rows, why not, and what
//! would make it valid.

use lexicon::Method as Way;
use policy::{Negotiation, Requirement};

use super::{
    Words,
    partners::{requirement_word, warning_word},
};

/// One of a list to choose from: value, name, rule.
pub(super) type Choice = (&'static str, &'static str, &'static str);

pub(super) struct Choices {
    pub(super) partner_type: [Choice; 3],
    pub(super) tls: [Choice; 3],
    pub(super) sasl: [Choice; 3],
    pub(super) dialback: [Choice; 2],
}

impl Choices {
    pub(super) fn new(words: &'static Words) -> Self {
        Self {
            partner_type: [
                ("federated", words.federated, words.federated_rule),
                ("public_verified", words.public_verified, words.public_verified_rule),
                ("public_unverified", words.public_unverified, words.public_unverified_rule),
            ],
            tls: [
                ("required", words.required, words.tls_required),
                ("optional", words.optional, words.tls_optional),
                ("not_supported", words.not_supported, words.tls_not_supported),
            ],
            sasl: [
                ("required", words.required, words.sasl_required),
                ("optional", words.optional, words.sasl_optional),
                ("not_supported", words.not_supported, words.sasl_not_supported),
            ],
            dialback: [("true", words.yes, words.dialback_yes), ("false", words.no, words.dialback_no)],
        }
    }
}

/// What the connection type permits.
pub(super) struct Permits {
    /// Name, whether it is permitted, why not.
    pub(super) methods: Vec<(&'static str, bool, &'static str)>,
    pub(super) is_valid: bool,
    pub(super) warnings: Vec<&'static str>,
    /// Changes of one setting that make it valid: value of the button, its text.
    pub(super) remedies: Vec<(String, String)>,
}

impl Permits {
    pub(super) fn of(words: &'static Words, negotiation: Negotiation) -> Self {
        let row = negotiation.row();
        let ways = [
            (Way::SaslOverTls, words.sasl_over_tls),
            (Way::TlsDialback, words.tls_dialback),
            (Way::TcpDialback, words.tcp_dialback),
        ];
        let methods = ways.map(|(way, name)| match row.permits(way) {
            true => (name, true, words.permitted),
            false => (name, false, why_not(words, way, negotiation)),
        });
        let codes = row.warnings().iter().map(|warning| warning.as_str());
        let remedies = if row.is_valid() { Vec::new() } else { remedies(words, negotiation) };
        Self {
            methods: methods.to_vec(),
            is_valid: row.is_valid(),
            warnings: codes.filter_map(|code| warning_word(words, code)).collect(),
            remedies,
        }
    }
}

fn why_not(words: &'static Words, way: Way, negotiation: Negotiation) -> &'static str {
    let Negotiation { tls, sasl, dialback } = negotiation;
    match way {
        Way::SaslOverTls if tls == Requirement::NotSupported => words.because_tls_not_supported,
        Way::SaslOverTls => words.because_sasl_not_supported,
        _ if !dialback => words.because_no_dialback,
        Way::TlsDialback if tls == Requirement::NotSupported => words.because_tls_not_supported,
        Way::TcpDialback if tls == Requirement::Required => words.because_tls_required,
        _ if sasl == Requirement::Required => words.because_sasl_required,
        _ => words.because_sasl_offered,
    }
}

/// Strongest first.
fn remedies(words: &'static Words, negotiation: Negotiation) -> Vec<(String, String)> {
    use Requirement::{NotSupported, Optional, Required};
    let with_tls = |tls| ("tls", words.tls_negotiation, tls, Negotiation { tls, ..negotiation });
    let with_sasl = |sasl| ("sasl", words.sasl_negotiation, sasl, Negotiation { sasl, ..negotiation });
    let tried =
        [with_tls(Required), with_tls(Optional), with_sasl(Required), with_sasl(Optional), with_sasl(NotSupported)];
    let valid = tried.into_iter().filter(|(.., changed)| changed.row().is_valid());
    let mut remedies: Vec<_> = valid
        .map(|(field, label, value, _)| {
            let text = Words::fill(words.set_to, &[label, requirement_word(words, value.as_str())]);
            (format!("{field}={}", value.as_str()), text)
        })
        .collect();
    if (Negotiation { dialback: true, ..negotiation }).row().is_valid() {
        remedies
            .push(("dialback=true".to_owned(), Words::fill(words.set_to, &[words.dialback_negotiation, words.yes])));
    }
    remedies
}
