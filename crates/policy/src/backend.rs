//! What serves an internal domain: an ordered list, of which an address may be assigned another than the first.

use std::{fmt, str::FromStr};

use crate::{FieldError, TrunkName, form::Form};

/// Most backends of one domain.
pub const BACKENDS_MAX: usize = 16;

/// What serves an internal domain, or one of its addresses.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Backend {
    /// A program that connects to us (XEP-0114): every address of the domain may exist.
    Component,
    /// The built-in SIP registrar: users are accounts.
    Registrar,
    /// A SIP deployment behind the trunk of this name: every address of the domain may exist.
    Trunk(TrunkName),
    /// An XMPP server of our own side ([`crate::InnerServer`]): every address of the domain may exist.
    Xmpp,
}

impl Backend {
    /// The trunk's name, if it is one.
    pub fn trunk(&self) -> Option<&TrunkName> {
        match self {
            Self::Trunk(name) => Some(name),
            _ => None,
        }
    }
}

/// The word used in the API and on the command line.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => f.pad("component"),
            Self::Registrar => f.pad("registrar"),
            Self::Trunk(name) => write!(f, "trunk:{name}"),
            Self::Xmpp => f.pad("xmpp"),
        }
    }
}

/// A text is not a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("allowed are component, registrar, xmpp, and trunk:NAME")]
pub struct BackendError;

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        match text {
            "component" => Ok(Self::Component),
            "registrar" => Ok(Self::Registrar),
            "xmpp" => Ok(Self::Xmpp),
            other => {
                let name = other.strip_prefix("trunk:").and_then(|name| name.parse().ok());
                name.map(Self::Trunk).ok_or(BackendError)
            }
        }
    }
}

/// What backends need and what a domain has, or will have with the same change.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// All trunks.
    pub trunks: &'a [TrunkName],
    /// A secret for a component.
    pub has_secret: bool,
    /// An XMPP server.
    pub has_server: bool,
}

/// Checks the backends of a domain as entered, first choice first.
pub fn check(texts: &[String], around: &Around<'_>) -> Result<Vec<Backend>, Vec<FieldError>> {
    let mut form = Form::default();
    let backends = form.list("backends", "not_a_choice", texts, BACKENDS_MAX);
    if texts.is_empty() {
        form.refuse("backends", "required", "at least one backend is needed");
    }
    for name in backends.iter().filter_map(Backend::trunk).filter(|name| !around.trunks.contains(name)) {
        form.refuse("backends", "no_such_trunk", format!("there is no trunk {name}: add it first"));
    }
    if backends.contains(&Backend::Component) && !around.has_secret {
        form.refuse("secret", "required", "a component needs a secret: give one");
    }
    if backends.contains(&Backend::Xmpp) && !around.has_server {
        form.refuse("xmpp_server", "required", "the backend xmpp needs a server: say where it is");
    }
    form.finish(backends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_backends_in_order_each_with_what_it_needs() {
        let trunks = ["lync".parse().unwrap()];
        for (texts, has_secret, has_server, told) in [
            (&["registrar", "trunk:lync"][..], false, false, &[][..]),
            (&["xmpp", "component", "registrar"], true, true, &[]),
            (&[], false, false, &["backends required"]),
            (&["trunk:lync", "trunk:lync"], false, false, &["backends repeated"]),
            (&["pigeon", "trunk:", "trunk:Lync"], false, false, &["backends not_a_choice"; 3]),
            (&["trunk:pbx"], false, false, &["backends no_such_trunk"]),
            (&["component", "xmpp"], false, false, &["secret required", "xmpp_server required"]),
        ] {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            let checked = check(&texts, &Around { trunks: &trunks, has_secret, has_server });
            match checked {
                Ok(backends) => {
                    assert_eq!(backends.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
                    assert!(told.is_empty(), "{texts:?}");
                }
                Err(errors) => {
                    let codes: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect();
                    assert_eq!(codes, told, "{texts:?}");
                }
            }
        }
    }
}
