//! Who may call, and what they may do (`partner-policy` §6).
//!
//! Over the Unix socket the caller's uid is the credential, as the kernel says it (SO_PEERCRED): root and the server's own user
//! are administrators, nobody else is let in. Over HTTPS it is a token, sent as `Authorization: Bearer` (RFC 6750 §2.1).
//! Whether there is a route is said only to those who were let in; each route names the [`Act`] that it is.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use policy::role::{Act, Role};
use store::Actor;

use crate::{Means, api::v1::problem::Refused};

/// The uid of root.
const ROOT: u32 = 0;

/// The other end of a connection to the socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Peer {
    /// Its effective uid when it connected; none if the kernel did not say.
    pub(crate) uid: Option<u32>,
}

/// The other end of an HTTPS connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// Who was let in: the author of what is changed, with what they may do.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    pub(crate) role: Role,
}

/// Root and the server's own user administer.
pub(crate) fn is_administrator(peer: Peer, own_uid: u32) -> bool {
    peer.uid.is_some_and(|uid| uid == ROOT || uid == own_uid)
}

/// On the socket: lets administrators in and nobody else.
pub(crate) async fn by_uid(
    State(own_uid): State<u32>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let uid = peer.uid.map_or_else(|| "unknown".to_owned(), |uid| uid.to_string());
    if !is_administrator(peer, own_uid) {
        tracing::warn!(uid, "a caller on the socket was refused");
        return Refused::stranger(&uid).into_response();
    }
    let actor = Actor::new(format!("uid:{uid}"), "socket");
    request.extensions_mut().insert(Caller { actor, role: Role::Administrator });
    next.run(request).await
}

/// Over HTTPS: lets in who shows a token that has not expired.
pub(crate) async fn by_token(State(means): State<Means>, mut request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Remote>().map_or_else(String::new, |remote| remote.0.ip().to_string());
    let secret = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret =
        secret.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, secret)) = secret else {
        return Refused::no_token("a token is needed: Authorization: Bearer").into_response();
    };
    let token = match means.store.token_of(secret.trim()).await {
        Ok(token) => token,
        Err(error) => return Refused::from(error).into_response(),
    };
    let Some(token) = token.filter(|token| token.expires_at > net::clock::now().wall) else {
        tracing::warn!(origin, "a caller with a token that is unknown or has expired was refused");
        return Refused::no_token("the token is unknown or has expired").into_response();
    };
    let actor = Actor::new(format!("token:{}", token.name), origin);
    request.extensions_mut().insert(Caller { actor, role: token.role });
    next.run(request).await
}

/// At a route: lets those go on whose role may.
pub(crate) async fn require(State(act): State<Act>, caller: Caller, request: Request, next: Next) -> Response {
    match caller.may(act) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

impl Caller {
    /// Whether the role may do this, or the answer that says who may.
    pub(crate) fn may(&self, act: Act) -> Result<(), Refused> {
        if self.role.may(act) { Ok(()) } else { Err(Refused::role(self.role, act)) }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refused::stranger("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_servers_own_user_administer() {
        for (uid, own, allowed) in [
            (Some(0), 1000, true),
            (Some(1000), 1000, true),
            (Some(1001), 1000, false),
            (Some(1000), 0, false),
            (None, 0, false),
            (None, 1000, false),
        ] {
            assert_eq!(is_administrator(Peer { uid }, own), allowed, "{uid:?} {own}");
        }
    }
}
