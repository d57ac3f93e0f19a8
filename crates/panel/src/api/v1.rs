//! API v1: it only grows. Requests with fields that it does not know are refused, so that a mistyped name never passes for
//! a change; readers of answers ignore what they do not know.

use std::collections::BTreeMap;

use ::policy::role::Act;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{MethodRouter, delete, get, patch, post, put},
};

use crate::{Means, access};

pub mod dto;

pub(crate) mod body;
pub(crate) mod problem;

pub(crate) use event::Stopped;

mod administrator;
mod audit;
mod certificate;
mod contact;
mod dns;
mod domain;
mod event;
mod import;
mod message;
mod openapi;
mod partner;
mod policy;
mod probe;
mod registration;
mod report;
mod setting;
mod state;
mod status;
mod stream;
mod token;
mod trunk;
mod user;

/// Largest request body in octets: PEM roots of a partner fit, escaped.
const BODY_BYTES_MAX: usize = 1 << 20;

/// One method of a resource, with what who calls it does.
struct Operation {
    method: &'static str,
    path: &'static str,
    act: Act,
    handler: MethodRouter<Means>,
}

macro_rules! operations {
    ($($method:ident $path:literal $act:ident => $handler:expr;)*) => {
        vec![$(Operation { method: stringify!($method), path: $path, act: Act::$act, handler: $method($handler) },)*]
    };
}

/// All of them.
fn operations() -> impl Iterator<Item = Operation> {
    [access_operations(), configuration_operations(), people_operations(), running_operations()].into_iter().flatten()
}

/// Who may do what, and what they did.
fn access_operations() -> Vec<Operation> {
    operations! {
        get "/administrators" Administer => administrator::list;
        post "/administrators" Administer => administrator::add;
        patch "/administrators/{name}" Administer => administrator::set;
        delete "/administrators/{name}" Administer => administrator::remove;
        get "/audit" Audit => audit::list;
        get "/audit/verify" Audit => audit::verify;
        get "/certificates" ReadCertificates => certificate::list;
        get "/certificates/check" ReadCertificates => certificate::check;
        post "/certificates/reload" ReloadCertificates => certificate::reload;
        get "/tokens" Administer => token::list;
        post "/tokens" Administer => token::add;
        delete "/tokens/{name}" Administer => token::remove;
        get "/openapi.json" OwnAccount => openapi::show;
        get "/whoami" OwnAccount => token::who_am_i;
        put "/whoami/password" OwnAccount => administrator::change_own;
    }
}

/// What is configured.
fn configuration_operations() -> Vec<Operation> {
    operations! {
        get "/dns" ReadConfiguration => dns::list;
        get "/domains" ReadConfiguration => domain::list;
        post "/domains" ChangeConfiguration => domain::add;
        get "/domains/{name}" ReadConfiguration => domain::show;
        patch "/domains/{name}" ChangeConfiguration => domain::set;
        delete "/domains/{name}" ChangeConfiguration => domain::remove;
        post "/import" ChangeConfiguration => import::import;
        get "/partners" ReadConfiguration => partner::list;
        post "/partners" ChangeConfiguration => partner::add;
        get "/partners/export" Audit => import::export;
        get "/partners/{domain}" ReadConfiguration => partner::show;
        get "/partners/{domain}/refusals" ReadOperation => partner::refusals;
        patch "/partners/{domain}" ChangeConfiguration => partner::set;
        delete "/partners/{domain}" ChangeConfiguration => partner::remove;
        get "/policies" ReadConfiguration => policy::list;
        post "/policies" ChangeConfiguration => policy::add;
        get "/policies/{identity}" ReadConfiguration => policy::show;
        patch "/policies/{identity}" ChangeConfiguration => policy::set;
        delete "/policies/{identity}" ChangeConfiguration => policy::remove;
        get "/settings" ReadConfiguration => setting::list;
        patch "/settings" ChangeConfiguration => setting::set;
        get "/settings/{name}" ReadConfiguration => setting::show;
        get "/trunks" ReadConfiguration => trunk::list;
        post "/trunks" ChangeConfiguration => trunk::add;
        get "/trunks/{name}" ReadConfiguration => trunk::show;
        patch "/trunks/{name}" ChangeConfiguration => trunk::set;
        delete "/trunks/{name}" ChangeConfiguration => trunk::remove;
        post "/trunks/{name}/test" Operate => trunk::test;
    }
}

/// Users and their contacts.
fn people_operations() -> Vec<Operation> {
    operations! {
        get "/contacts" ReadPeople => contact::list;
        post "/contacts" ChangePeople => contact::add;
        post "/contacts/accept" ChangePeople => contact::accept;
        post "/contacts/block" ChangePeople => contact::block;
        post "/contacts/decline" ChangePeople => contact::decline;
        post "/contacts/end" ChangePeople => contact::end;
        post "/contacts/unblock" ChangePeople => contact::unblock;
        get "/invitations" ReadPeople => contact::invitations;
        get "/users" ReadPeople => user::list;
        post "/users" ChangePeople => user::add;
        get "/users/{address}" ReadPeople => user::show;
        patch "/users/{address}" ChangePeople => user::set;
        delete "/users/{address}" ChangePeople => user::remove;
        get "/users/{address}/backend" ReadPeople => user::show_backend;
        put "/users/{address}/backend" ChangeConfiguration => user::set_backend;
        put "/users/{address}/password" ChangePeople => user::set_password;
        get "/users/{address}/policy" ReadPeople => policy::of_user;
        put "/users/{address}/policy" ChangePeople => policy::assign;
    }
}

/// What is going on.
fn running_operations() -> Vec<Operation> {
    operations! {
        get "/events" ReadOperation => event::stream;
        post "/messages/test" Operate => message::test;
        post "/probes" ProbePartner => probe::start;
        get "/probes/{id}" ReadOperation => probe::show;
        delete "/probes/{id}" ProbePartner => probe::cancel;
        get "/registrations" ReadOperation => registration::list;
        get "/reports" ReadOperation => report::list;
        get "/reports/{id}" ReadOperation => report::show;
        get "/status" ReadOperation => status::show;
        get "/streams" ReadOperation => stream::list;
        delete "/streams/{number}" Operate => stream::close;
    }
}

/// Method and path of every operation, for who checks that each is known.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    operations().map(|operation| (operation.method, operation.path))
}

/// The routes, each behind the check of the caller's role.
pub(crate) fn router() -> Router<Means> {
    let mut resources: BTreeMap<&str, MethodRouter<Means>> = BTreeMap::new();
    for Operation { path, act, handler, .. } in operations() {
        let bytes_max = if path == "/import" { import::FILE_BYTES_MAX } else { BODY_BYTES_MAX };
        let guarded = handler
            .layer(DefaultBodyLimit::max(bytes_max))
            .route_layer(middleware::from_fn_with_state(act, access::require));
        let resource = resources.remove(path).unwrap_or_default();
        resources.insert(path, resource.merge(guarded));
    }
    resources.into_iter().fold(Router::new(), |router, (path, resource)| router.route(path, resource))
}
