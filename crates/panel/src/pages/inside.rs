//! The API, called in this process in somebody's name.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use tower_service::Service as _;

use crate::{
    access::Caller,
    api::v1::{Stopped, dto::Problem},
};

/// Largest answer that is read, in octets.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Inside(Router);

impl Inside {
    /// Of the API without a check of the caller.
    pub(crate) fn new(api: Router) -> Self {
        Self(api)
    }

    /// What the API answers, or its refusal.
    pub(crate) async fn get<T: DeserializeOwned>(&self, caller: &Caller, path: &str) -> Result<T, Problem> {
        self.ask(caller, Method::GET, path, None, &()).await
    }

    /// The same with a body, and with the revision that a change is based on.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        revision: Option<u64>,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| broken(&error))?;
        let response = self.call(caller, method, path, revision, body).await?;
        read(response).await
    }

    /// Sends a file as it is.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        file: Vec<u8>,
    ) -> Result<T, Problem> {
        read(self.call(caller, Method::POST, path, None, file).await?).await
    }

    /// The answer as it is.
    pub(crate) async fn raw(&self, caller: &Caller, path: &str) -> Response {
        match self.call(caller, Method::GET, path, None, Vec::new()).await {
            Ok(response) => response,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// What happens, as it happens, from behind the event that the caller has seen last.
    pub(crate) async fn events(
        &self,
        caller: &Caller,
        last: Option<&HeaderValue>,
        stopped: Option<Stopped>,
    ) -> Response {
        let mut request = Request::builder().uri("/api/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let Ok(mut request) = request.body(Body::empty()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        request.extensions_mut().insert(caller.clone());
        if let Some(stopped) = stopped {
            request.extensions_mut().insert(stopped);
        }
        match self.0.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn call(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        revision: Option<u64>,
        body: Vec<u8>,
    ) -> Result<Response, Problem> {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if let Some(revision) = revision {
            request = request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        let mut request = request.body(Body::from(body)).map_err(|error| broken(&error))?;
        request.extensions_mut().insert(caller.clone());
        match self.0.clone().call(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Problem> {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| broken(&error))?;
    if status.is_success() {
        let text: &[u8] = if status == StatusCode::NO_CONTENT { b"null" } else { &bytes };
        return serde_json::from_slice(text).map_err(|error| broken(&error));
    }
    Err(serde_json::from_slice(&bytes).unwrap_or_else(|error| broken(&error)))
}

fn broken(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "the API could not be asked");
    Problem { status: 500, detail: error.to_string(), ..Problem::default() }
}
