//! What a person wrote about a trunk, checked into a [`Trunk`] or into every error at once.

use super::{PEER_NAMES_MAX, SOURCES_MAX, TARGETS_MAX, Trunk, TrunkName, TrunkTransport};
use crate::{FieldError, FieldWarning, form::Form};

/// A new trunk as entered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrunkDraft {
    /// Its identity.
    pub name: String,
    /// Everything else; what is left out has its default.
    pub changes: TrunkChanges,
}

/// Changes to a trunk as entered. What is `None` stays as it is; a list replaces the whole list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrunkChanges {
    /// At most 1,024 characters.
    pub description: Option<String>,
    /// `host`, `host:port` or addresses: one to eight.
    pub targets: Option<Vec<String>>,
    /// `udp`, `tcp` or `tls`.
    pub transport: Option<String>,
    /// Domain names, without wildcards: needed with TLS, and with nothing else.
    pub peer_names: Option<Vec<String>>,
    /// `system` or PEM text.
    pub trust_roots: Option<String>,
    /// Networks: needed without TLS.
    pub sources: Option<Vec<String>>,
    /// Whether every hop behind it has congestion control.
    pub congestion_safe: Option<bool>,
    /// `plain` or `lync`.
    pub dialect: Option<String>,
    /// `pager` or `session`.
    pub session_mode: Option<String>,
    /// Whether the trunk is enabled.
    pub enabled: Option<bool>,
}

/// A trunk that may be saved, with what to show first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checked {
    /// Valid in every field.
    pub trunk: Trunk,
    /// To be shown; they do not prevent saving.
    pub warnings: Vec<FieldWarning>,
}

impl TrunkDraft {
    /// Checks every field. Whether there is such a trunk already is for the store to say.
    pub fn check(&self) -> Result<Checked, Vec<FieldError>> {
        let mut form = Form::default();
        let name = self.name.trim().parse::<TrunkName>();
        if let Err(error) = &name {
            let code = if self.name.trim().is_empty() { "required" } else { "name_invalid" };
            form.refuse("name", code, error);
        }
        // With a bad name the other fields are judged under a stand-in, so that their errors show too.
        let mut trunk = Trunk::new(name.unwrap_or_else(|_| TrunkName::stand_in()));
        fill(&mut form, &mut trunk, &self.changes);
        finish(form, trunk)
    }
}

impl TrunkChanges {
    /// Checks the changes together with what stays of `stored`.
    pub fn check(&self, stored: &Trunk) -> Result<Checked, Vec<FieldError>> {
        let (mut form, mut trunk) = (Form::default(), stored.clone());
        fill(&mut form, &mut trunk, self);
        finish(form, trunk)
    }
}

fn finish(form: Form, trunk: Trunk) -> Result<Checked, Vec<FieldError>> {
    form.finish(()).map(|()| Checked { warnings: trunk.warnings(), trunk })
}

fn fill(form: &mut Form, trunk: &mut Trunk, changes: &TrunkChanges) {
    if let Some(text) = &changes.description {
        trunk.description = form.description(text);
    }
    let before = form.errors.len();
    form.word("transport", changes.transport.as_deref(), &mut trunk.transport);
    let transport = (form.errors.len() == before).then_some(trunk.transport);
    form.word("dialect", changes.dialect.as_deref(), &mut trunk.dialect);
    form.word("session_mode", changes.session_mode.as_deref(), &mut trunk.session_mode);
    form.trust_roots(changes.trust_roots.as_deref(), &mut trunk.trust_roots);
    targets(form, trunk, changes);
    peer_names(form, trunk, changes, transport);
    sources(form, trunk, changes, transport);
    trunk.congestion_safe = changes.congestion_safe.unwrap_or(trunk.congestion_safe);
    trunk.enabled = changes.enabled.unwrap_or(trunk.enabled);
}

fn targets(form: &mut Form, trunk: &mut Trunk, changes: &TrunkChanges) {
    if let Some(texts) = &changes.targets {
        trunk.targets = form.targets(texts, TARGETS_MAX);
    }
    if trunk.targets.is_empty() && changes.targets.as_ref().is_none_or(Vec::is_empty) {
        form.refuse("targets", "required", "at least one target is needed: HOST or HOST:PORT");
    }
}

/// A certificate is shown with TLS and with nothing else. A transport that could not be read is not judged.
fn peer_names(form: &mut Form, trunk: &mut Trunk, changes: &TrunkChanges, transport: Option<TrunkTransport>) {
    if let Some(texts) = &changes.peer_names {
        trunk.peer_names = form.list("peer_names", "domain_invalid", texts, PEER_NAMES_MAX);
    }
    let is_entered = changes.peer_names.as_ref().is_some_and(|texts| !texts.is_empty());
    match transport {
        Some(TrunkTransport::Tls) if trunk.peer_names.is_empty() && !is_entered => {
            let message = "with TLS at least one name is needed that the trunk's certificate must show (RFC 5922, no \
                           wildcards)";
            form.refuse("peer_names", "required", message);
        }
        Some(other @ (TrunkTransport::Tcp | TrunkTransport::Udp)) if is_entered || !trunk.peer_names.is_empty() => {
            let message = format!("{other} shows no certificate: set the transport to tls, or empty peer_names");
            form.refuse("peer_names", "not_allowed", message);
        }
        _ => {}
    }
}

/// Without TLS a trunk is known by its address alone.
fn sources(form: &mut Form, trunk: &mut Trunk, changes: &TrunkChanges, transport: Option<TrunkTransport>) {
    if let Some(texts) = &changes.sources {
        trunk.sources = form.sources(texts, SOURCES_MAX);
    }
    let Some(other @ (TrunkTransport::Tcp | TrunkTransport::Udp)) = transport else { return };
    let is_entered = changes.sources.as_ref().is_some_and(|texts| !texts.is_empty());
    if trunk.sources.is_empty() && !is_entered {
        let message = format!("with {other} the trunk is known by its address: at least one network is needed");
        form.refuse("sources", "required", message);
    }
    if let Some(everywhere) = trunk.sources.iter().find(|network| network.is_everywhere()) {
        let message = format!("{everywhere} is everybody: with {other} anyone could send as this trunk");
        form.refuse("sources", "not_allowed", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    /// One of each kind that may be saved.
    fn over(transport: &str) -> TrunkChanges {
        TrunkChanges {
            targets: texts(&["sip.contoso.example"]),
            transport: Some(transport.to_owned()),
            peer_names: (transport == "tls").then(|| vec!["sip.contoso.example".to_owned()]),
            sources: (transport != "tls").then(|| vec!["192.0.2.0/24".to_owned()]),
            ..TrunkChanges::default()
        }
    }

    fn add(name: &str, changes: TrunkChanges) -> Result<Checked, Vec<FieldError>> {
        TrunkDraft { name: name.to_owned(), changes }.check()
    }

    fn codes(changes: TrunkChanges) -> Vec<String> {
        let errors = add("pbx", changes).err().unwrap_or_default();
        errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect()
    }

    #[test]
    fn every_error_is_told_at_once() {
        let changes = TrunkChanges {
            description: Some("x".repeat(1025)),
            targets: texts(&["a b", "10.0.0.1", "10.0.0.1"]),
            transport: Some("sctp".to_owned()),
            peer_names: texts(&["*.contoso.example"]),
            trust_roots: Some("none".to_owned()),
            sources: texts(&["10.0.0.1/8"]),
            dialect: Some("cisco".to_owned()),
            session_mode: Some("msrp".to_owned()),
            ..TrunkChanges::default()
        };
        let errors = add("A trunk", changes).unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect();
        let expected = [
            "name name_invalid",
            "description too_long",
            "transport not_a_choice",
            "dialect not_a_choice",
            "session_mode not_a_choice",
            "trust_roots pem_invalid",
            "targets host_invalid",
            "targets repeated",
            "peer_names domain_invalid",
            "sources network_invalid",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_trunk_with_tls_is_known_by_names_and_another_by_its_address() {
        for (transport, names, sources, told) in [
            ("tls", &["a.example"][..], &[][..], &[][..]),
            ("tls", &["a.example"], &["0.0.0.0/0"], &[]),
            ("tls", &[], &["192.0.2.7"], &["peer_names required"]),
            ("tls", &["192.0.2.7"], &[], &["peer_names domain_invalid"]),
            ("tcp", &[], &["192.0.2.7"], &[]),
            ("udp", &[], &["192.0.2.7", "2001:db8::/32"], &[]),
            ("tcp", &[], &[], &["sources required"]),
            ("udp", &["a.example"], &["192.0.2.7"], &["peer_names not_allowed"]),
            ("udp", &[], &["::/0"], &["sources not_allowed"]),
        ] {
            let changes = TrunkChanges { peer_names: texts(names), sources: texts(sources), ..over(transport) };
            assert_eq!(codes(changes), told, "{transport} {names:?} {sources:?}");
        }
    }

    #[test]
    fn targets_are_one_to_eight() {
        let eight: Vec<_> = (1..=8).map(|host| format!("192.0.2.{host}:5061")).collect();
        let nine = [eight.clone(), vec!["sip.contoso.example".to_owned()]].concat();
        for (targets, told) in
            [(Some(eight), &[][..]), (Some(nine), &["targets too_many"]), (Some(vec![]), &["targets required"])]
        {
            assert_eq!(codes(TrunkChanges { targets, ..over("tls") }), told);
        }
        assert_eq!(codes(TrunkChanges { targets: None, ..over("tls") }), ["targets required"]);
    }

    #[test]
    fn what_is_left_out_of_a_change_stays_and_is_judged_with_it() {
        let stored = add("pbx", over("tls")).unwrap().trunk;
        assert_eq!(TrunkChanges::default().check(&stored).unwrap().trunk, stored);
        let errors = TrunkChanges { transport: Some("tcp".to_owned()), ..TrunkChanges::default() }.check(&stored);
        let told: Vec<_> = errors.unwrap_err().iter().map(|error| (error.field, error.code)).collect();
        assert_eq!(told, [("peer_names", "not_allowed"), ("sources", "required")]);
        let changes = TrunkChanges {
            transport: Some("tcp".to_owned()),
            peer_names: texts(&[]),
            sources: texts(&["192.0.2.7"]),
            ..TrunkChanges::default()
        };
        let changed = changes.check(&stored).unwrap();
        assert_eq!((changed.trunk.transport, changed.trunk.targets), (TrunkTransport::Tcp, stored.targets));
    }

    #[test]
    fn what_is_doubtful_is_saved_with_a_warning() {
        let with = |transport: &str, dialect: &str, mode: &str| TrunkChanges {
            dialect: Some(dialect.to_owned()),
            session_mode: Some(mode.to_owned()),
            ..over(transport)
        };
        for (changes, told) in [
            (with("tls", "plain", "pager"), &[][..]),
            (with("tls", "lync", "session"), &[]),
            (with("tls", "lync", "pager"), &["lync_sessions"]),
            (with("tcp", "plain", "session"), &["plaintext_only"]),
            (with("udp", "lync", "session"), &["plaintext_only", "lync_without_udp"]),
            (TrunkChanges { congestion_safe: Some(true), ..over("udp") }, &["plaintext_only", "congestion_over_udp"]),
        ] {
            let warnings = add("pbx", changes).unwrap().warnings;
            assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), told);
        }
    }
}
