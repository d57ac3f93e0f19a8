//! Reading requests: bodies field by field, so that every fault is told at once; queries; conditions.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use lexicon::{BareJid, Domain};
use policy::{PolicyIdentity, TrunkName, TrustRoots};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{dto::FieldError, problem::Refused};

/// Fields whose value no message repeats.
const SECRETS: [&str; 3] = ["password", "dialback_passphrase", "secret"];

/// A request body that is a JSON object.
pub(crate) struct Body(Map<String, Value>);

impl<S: Sync + Send> FromRequest<S> for Body {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let bytes = Bytes::from_request(request, state).await?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Refused::malformed("the request body must be a JSON object")),
            Err(error) => Err(Refused::malformed(format!("the request body is not JSON: {error}"))),
        }
    }
}

impl Body {
    /// What fits `T`, and an error for each field that does not. Every field of `T` has a default, and unknown ones are
    /// denied, so a field can be tried alone.
    pub(crate) fn read<T: DeserializeOwned + Default>(self) -> (T, Vec<FieldError>) {
        let (mut good, mut errors) = (Map::new(), Vec::new());
        for (name, value) in self.0 {
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            match serde_json::from_value::<T>(alone) {
                Ok(_) => drop(good.insert(name, value)),
                Err(error) => errors.push(fault(name, &error.to_string())),
            }
        }
        (serde_json::from_value(Value::Object(good)).unwrap_or_default(), errors)
    }

    /// `T`, or every error.
    pub(crate) fn parse<T: DeserializeOwned + Default>(self) -> Result<T, Refused> {
        let (value, errors) = self.read();
        if errors.is_empty() { Ok(value) } else { Err(Refused::fields(errors)) }
    }

    /// The fields as they are.
    pub(crate) fn into_fields(self) -> Map<String, Value> {
        self.0
    }
}

fn fault(field: String, message: &str) -> FieldError {
    let unknown = message.starts_with("unknown field");
    let message = if !unknown && SECRETS.contains(&field.as_str()) { "must be a text" } else { message };
    let code = match message.split_once(' ') {
        _ if unknown => "unknown_field",
        Some(("unknown", _)) => "not_a_choice",
        _ => "wrong_type",
    };
    FieldError { field, code: code.to_owned(), message: message.to_owned() }
}

/// A request body that is a file, as it is.
pub(crate) struct File(pub(crate) Bytes);

impl<S: Sync + Send> FromRequest<S> for File {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        Ok(Self(Bytes::from_request(request, state).await?))
    }
}

/// A query string; unknown parameters are refused where `T` denies them.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync + Send> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Query(value) = Query::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The one parameter of changes that can be tried.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Try {
    /// Say what would happen, save nothing.
    pub(crate) dry_run: bool,
}

/// No parameters.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The part of the path that names what a request is about.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Sync + Send> FromRequestParts<S> for Named<Domain> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        Domain::parse(&text).map(Self).map_err(|error| Refused::malformed(format!("{text}: {error}")))
    }
}

impl<S: Sync + Send> FromRequestParts<S> for Named<BareJid> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        BareJid::parse(&text).map(Self).map_err(|error| Refused::malformed(format!("{text}: {error}")))
    }
}

impl<S: Sync + Send> FromRequestParts<S> for Named<TrunkName> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|error| Refused::malformed(format!("{text}: {error}")))
    }
}

impl<S: Sync + Send> FromRequestParts<S> for Named<PolicyIdentity> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|error| Refused::malformed(format!("{text}: {error}")))
    }
}

/// `If-Match`: the revision that a change is based on (RFC 9110 §13.1.1). `*` is any.
pub(crate) struct Expected(pub(crate) Option<u64>);

impl<S: Sync> FromRequestParts<S> for Expected {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let revision =
            text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
        match revision {
            Some(revision) => Ok(Self(Some(revision))),
            None => Err(Refused::malformed("If-Match must be the ETag of an earlier answer, or *")),
        }
    }
}

/// The ETag of `revision`.
pub(crate) fn etag(revision: u64) -> HeaderMap {
    let value = format!("\"{revision}\"").parse().expect("digits in quotes are a header value");
    HeaderMap::from_iter([(header::ETAG, value)])
}

/// How often an unconditional change is repeated on what somebody else has just changed.
pub(crate) const ATTEMPTS_MAX: u32 = 5;

/// The faults of reading and of policy together; a field that could not be read is told once.
pub(crate) fn together(mut errors: Vec<FieldError>, found: Vec<policy::FieldError>) -> Vec<FieldError> {
    let unread: Vec<_> = errors.iter().map(|error| error.field.clone()).collect();
    let found = found.into_iter().filter(|error| !unread.iter().any(|field| field == error.field));
    errors.extend(found.map(FieldError::from));
    errors
}

/// Policy knows PEM only as text; whether certificates stand in it is asked of those who will trust them.
pub(crate) fn unreadable_roots(roots: &TrustRoots) -> Option<FieldError> {
    let TrustRoots::Pem(pem) = roots else { return None };
    let error = net::tls::Roots::from_pem(pem).err()?;
    let field = "trust_roots".to_owned();
    Some(FieldError { field, code: "pem_invalid".to_owned(), message: error.to_string() })
}

/// An address in a field; an error is kept and a stand-in returned by the caller.
pub(crate) fn address(field: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<BareJid> {
    let text = text.trim();
    let (code, message) = match BareJid::parse(text) {
        Ok(address) if address.local().is_some() => return Some(address),
        Ok(_) => ("not_a_user", format!("{text} is a domain; an address of a user is needed: name@domain")),
        Err(_) if text.is_empty() => ("required", "an address is required".to_owned()),
        Err(error) => ("address_invalid", format!("{text}: {error}")),
    };
    errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message });
    None
}
