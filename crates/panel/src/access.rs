//! Who may call: over the Unix socket, the caller's uid as the kernel says it (SO_PEERCRED).

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use store::Actor;

use crate::api::v1::problem::Refused;

/// The uid of root.
const ROOT: u32 = 0;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Peer {
    /// Its effective uid when it connected; none if the kernel did not say.
    pub(crate) uid: Option<u32>,
}

/// The caller after it was let in: the author of what it changes.
#[derive(Clone, Debug)]
pub(crate) struct Administrator(pub(crate) Actor);

/// Root and the server's own user administer.
pub(crate) fn is_administrator(peer: Peer, own_uid: u32) -> bool {
    peer.uid.is_some_and(|uid| uid == ROOT || uid == own_uid)
}

/// Lets administrators in and nobody else.
pub(crate) async fn check(
    State(own_uid): State<u32>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let uid = peer.uid.map_or_else(|| "unknown".to_owned(), |uid| uid.to_string());
    if !is_administrator(peer, own_uid) {
        tracing::warn!(uid, "a caller on the socket was refused");
        return Refused::forbidden(&uid).into_response();
    }
    request.extensions_mut().insert(Administrator(Actor::new(format!("uid:{uid}"), "socket")));
    next.run(request).await
}

impl<S: Sync> FromRequestParts<S> for Administrator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refused::forbidden("unknown"))
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
