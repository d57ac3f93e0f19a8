//! What a person wrote about an inner server, checked into an [`InnerServer`] or into every error at once.

use super::{InnerServer, SOURCES_MAX, TARGETS_MAX};
use crate::{
    FieldError, FieldWarning,
    form::{Form, NegotiationEntered},
    negotiation::RowWarning,
};

/// An inner server, or changes to one, as entered. What is `None` stays as it is, or has its default; a list replaces the
/// whole list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InnerServerChanges {
    /// `host`, `host:port` or addresses: one to eight.
    pub targets: Option<Vec<String>>,
    /// Networks that it may connect from; empty: its targets' addresses.
    pub sources: Option<Vec<String>>,
    /// `required`, `optional` or `not_supported`.
    pub tls: Option<String>,
    /// `required`, `optional` or `not_supported`.
    pub sasl: Option<String>,
    /// Whether dialback is supported.
    pub dialback: Option<bool>,
    /// `system` or PEM text.
    pub trust_roots: Option<String>,
    /// Replaces the whole list.
    pub pins: Option<Vec<String>>,
}

impl InnerServerChanges {
    /// Checks the changes together with what stays of `stored`; without it, a new server.
    pub fn check(&self, stored: Option<&InnerServer>) -> Result<InnerServer, Vec<FieldError>> {
        let mut form = Form::default();
        let mut server = stored.cloned().unwrap_or_else(|| InnerServer::new(Vec::new()));
        if let Some(texts) = &self.targets {
            server.targets = form.targets(texts, TARGETS_MAX);
        }
        if server.targets.is_empty() && self.targets.as_ref().is_none_or(Vec::is_empty) {
            form.refuse("targets", "required", "at least one target is needed: HOST or HOST:PORT");
        }
        if let Some(texts) = &self.sources {
            server.sources = form.sources(texts, SOURCES_MAX);
        }
        let entered =
            NegotiationEntered { tls: self.tls.as_deref(), sasl: self.sasl.as_deref(), dialback: self.dialback };
        form.negotiation(entered, &mut server.negotiation);
        form.trust_roots(self.trust_roots.as_deref(), &mut server.trust_roots);
        if let Some(texts) = &self.pins {
            server.pins = form.pins(texts);
        }
        form.finish(server)
    }
}

impl InnerServer {
    /// What an administrator should know about it.
    pub fn warnings(&self) -> Vec<FieldWarning> {
        let warnings = self.negotiation.row().warnings().iter();
        warnings.map(|warning| FieldWarning::new(warning.field(), warning.as_str(), text(*warning))).collect()
    }
}

const fn text(warning: RowWarning) -> &'static str {
    match warning {
        RowWarning::DialbackInoperative => "SASL is required, so dialback is never used with this server",
        RowWarning::TlsOptionalWithSasl => {
            "SASL works only over TLS; where the server does not negotiate TLS, SASL is not available"
        }
        RowWarning::PlaintextPossible => {
            "where the server does not negotiate TLS, messages cross the inner network unencrypted; set TLS to required \
             to prevent it"
        }
        RowWarning::PlaintextOnly => {
            "all messages cross the inner network unencrypted and the server is known by dialback to its configured \
             addresses alone"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::{ROWS, Verdict};

    fn at(target: &str) -> InnerServerChanges {
        InnerServerChanges { targets: Some(vec![target.to_owned()]), ..InnerServerChanges::default() }
    }

    #[test]
    fn every_error_is_told_at_once() {
        let changes = InnerServerChanges {
            targets: Some(vec!["10.0.0.300".to_owned(), "xmpp.contoso.example:x".to_owned()]),
            sources: Some(vec!["10.0.0.0/8".to_owned(), "10.0.0.0/8".to_owned()]),
            sasl: Some("maybe".to_owned()),
            trust_roots: Some(String::new()),
            pins: Some(vec!["e3b0".to_owned()]),
            ..InnerServerChanges::default()
        };
        let errors = changes.check(None).unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect();
        let expected = [
            "targets host_invalid",
            "targets host_invalid",
            "sources repeated",
            "sasl not_a_choice",
            "trust_roots pem_invalid",
            "pins pin_invalid",
        ];
        assert_eq!(told, expected);
        let errors = InnerServerChanges::default().check(None).unwrap_err();
        assert_eq!((errors[0].field, errors[0].code), ("targets", "required"));
    }

    /// The same 18 rows as for a partner, with the same refusals.
    #[test]
    fn each_row_is_judged_as_for_a_partner() {
        for row in &ROWS {
            let changes = InnerServerChanges {
                tls: Some(row.negotiation.tls.to_string()),
                sasl: Some(row.negotiation.sasl.to_string()),
                dialback: Some(row.negotiation.dialback),
                ..at("10.0.0.7")
            };
            match (changes.check(None), row.verdict) {
                (Ok(server), Verdict::Permitted(warnings)) => {
                    assert_eq!(server.negotiation, row.negotiation);
                    let codes: Vec<_> = server.warnings().iter().map(|warning| warning.code).collect();
                    assert_eq!(codes, warnings.iter().map(|warning| warning.as_str()).collect::<Vec<_>>());
                }
                (Err(errors), Verdict::Invalid(invalid)) => assert_eq!(errors, [FieldError::from(invalid)]),
                (checked, verdict) => panic!("row {}: {checked:?} for {verdict:?}", row.number),
            }
        }
    }

    #[test]
    fn what_is_left_out_of_a_change_stays() {
        let stored = InnerServerChanges { sources: Some(vec!["10.0.0.0/8".to_owned()]), ..at("10.0.0.7") };
        let stored = stored.check(None).unwrap();
        let changed = InnerServerChanges { sasl: Some("required".to_owned()), ..InnerServerChanges::default() };
        let changed = changed.check(Some(&stored)).unwrap();
        assert_eq!((&changed.targets, &changed.sources), (&stored.targets, &stored.sources));
        assert_ne!(changed.negotiation, stored.negotiation);
    }
}
