//! Refusals as `application/problem+json` (RFC 9457). Callers are administrators, so the store's own sentences are told.

use axum::{
    Json,
    extract::rejection::{BytesRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use policy::role::{Act, Role};
use store::{DomainHolder, Fault, StoreError};

use super::dto::{FieldError, Problem};

/// A request that was refused; nothing was changed.
#[derive(Debug)]
pub(crate) struct Refused(Box<Problem>);

impl Refused {
    fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            kind: format!("urn:legation:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
        }))
    }

    /// Fields are faulty: all of them.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let fields = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.message),
            several => format!("{} fields cannot be accepted; nothing was saved", several.len()),
        };
        let mut refused = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Not valid", fields);
        refused.0.errors = errors;
        refused
    }

    /// One field is faulty.
    pub(crate) fn field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.to_owned(), code: code.to_owned(), message: message.into() }])
    }

    /// The request cannot be read at all.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Cannot be read", detail)
    }

    /// The caller on the socket is neither root nor the server's own user.
    pub(crate) fn stranger(uid: &str) -> Self {
        let detail = format!("uid {uid} may not administer this server; root and the server's own user may");
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not permitted", detail)
    }

    /// The caller's role is not enough.
    pub(crate) fn role(role: Role, act: Act) -> Self {
        let roles: Vec<_> = act.roles().map(Role::as_str).collect();
        let detail = format!("this needs the role {}; yours is {role}", roles.join(" or "));
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not permitted", detail)
    }

    /// Nobody is known by what the caller has shown.
    pub(crate) fn no_token(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not known", detail)
    }

    /// The server failed.
    pub(crate) fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "The server failed", error.to_string())
    }

    /// As much as is allowed is going on already.
    pub(crate) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too much at once", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", format!("there is no {what}"))
    }
}

/// For paths without a route.
pub(crate) async fn no_such_resource(uri: Uri) -> Refused {
    Refused::not_found(&format!("resource {}", uri.path()))
}

/// For routes without the method.
pub(crate) async fn no_such_method() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", "this resource has no such method")
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self.0)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        if error.fault() == Fault::Us {
            tracing::error!(%error, "a request failed");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Self::new(status, "failed", "The server failed", text);
        }
        match &error {
            StoreError::Conflict { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "changed", "Changed in the meantime", text)
            }
            StoreError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", text),
            StoreError::Exists { .. } => Self::new(StatusCode::CONFLICT, "exists", "Exists already", text),
            StoreError::DomainInUse { .. } | StoreError::PolicyInUse { .. } | StoreError::TrunkInUse { .. } => {
                Self::new(StatusCode::CONFLICT, "in_use", "Still in use", text)
            }
            StoreError::DomainTaken { holder, .. } => {
                let code = if *holder == DomainHolder::Internal { "domain_is_internal" } else { "domain_in_use" };
                Self::field("additional_domains", code, text)
            }
            StoreError::NoBackend { .. } => Self::field("backend", "no_such_backend", text),
            StoreError::NoInnerServer { .. } => Self::field("xmpp_server", "required", text),
            StoreError::NoTrunk { .. } => Self::field("backends", "no_such_trunk", text),
            StoreError::NoSecret { .. } => Self::field("secret", "required", text),
            StoreError::NotRegistrar { .. } => Self::field("address", "not_registrar", text),
            StoreError::NotAPartner { .. } => Self::field("partner", "not_a_partner", text),
            StoreError::NotInternal { .. } => Self::field("internal", "not_internal", text),
            _ => Self::field("address", "not_a_user", text),
        }
    }
}

impl From<BytesRejection> for Refused {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let (body, file) = (super::BODY_BYTES_MAX, super::import::FILE_BYTES_MAX);
            let detail = format!("a request body has at most {body} octets, a file to import at most {file}");
            return Self::new(rejection.status(), "too_large", "Too large", detail);
        }
        Self::malformed("the request body ended early")
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<PathRejection> for Refused {
    fn from(rejection: PathRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}
