//! API v1: it only grows. Requests with fields that it does not know are refused, so that a mistyped name never passes for
//! a change; readers of answers ignore what they do not know.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post, put},
};

use crate::Means;

pub mod dto;

pub(crate) mod body;
pub(crate) mod problem;

mod audit;
mod certificate;
mod contact;
mod dns;
mod domain;
mod import;
mod partner;
mod policy;
mod probe;
mod report;
mod setting;
mod state;
mod status;
mod stream;
mod trunk;
mod user;

/// Largest request body in octets: PEM roots of a partner fit, escaped.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The routes.
pub(crate) fn router() -> Router<Means> {
    Router::new()
        .route("/audit", get(audit::list))
        .route("/audit/verify", get(audit::verify))
        .route("/certificates", get(certificate::list))
        .route("/certificates/check", get(certificate::check))
        .route("/certificates/reload", post(certificate::reload))
        .route("/contacts", get(contact::list).post(contact::add))
        .route("/contacts/accept", post(contact::accept))
        .route("/contacts/block", post(contact::block))
        .route("/contacts/decline", post(contact::decline))
        .route("/contacts/end", post(contact::end))
        .route("/contacts/unblock", post(contact::unblock))
        .route("/dns", get(dns::list))
        .route("/domains", get(domain::list).post(domain::add))
        .route("/domains/{name}", get(domain::show).patch(domain::set).delete(domain::remove))
        .route("/import", post(import::import).layer(DefaultBodyLimit::max(import::FILE_BYTES_MAX)))
        .route("/invitations", get(contact::invitations))
        .route("/partners", get(partner::list).post(partner::add))
        .route("/partners/export", get(import::export))
        .route("/partners/{domain}", get(partner::show).patch(partner::set).delete(partner::remove))
        .route("/policies", get(policy::list).post(policy::add))
        .route("/policies/{identity}", get(policy::show).patch(policy::set).delete(policy::remove))
        .route("/probes", post(probe::start))
        .route("/probes/{id}", get(probe::show).delete(probe::cancel))
        .route("/reports", get(report::list))
        .route("/reports/{id}", get(report::show))
        .route("/settings", get(setting::list).patch(setting::set))
        .route("/settings/{name}", get(setting::show))
        .route("/status", get(status::show))
        .route("/streams", get(stream::list))
        .route("/streams/{number}", delete(stream::close))
        .route("/trunks", get(trunk::list).post(trunk::add))
        .route("/trunks/{name}", get(trunk::show).patch(trunk::set).delete(trunk::remove))
        .route("/trunks/{name}/test", post(trunk::test))
        .route("/users", get(user::list).post(user::add))
        .route("/users/{address}", get(user::show).patch(user::set).delete(user::remove))
        .route("/users/{address}/backend", get(user::show_backend).put(user::set_backend))
        .route("/users/{address}/policy", get(policy::of_user).put(policy::assign))
        .route("/users/{address}/password", put(user::set_password))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
