//! The API's client: HTTP/1.1 over the Unix socket in the data directory.
//!
//! The caller's uid is the credential; there is nothing to log in with. One request opens one connection.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use panel::api::v1::dto::{Page, Problem};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest answer that is read, in octets.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    socket: PathBuf,
}

/// What the server answered, if it did what was asked.
#[derive(Debug)]
pub(crate) struct Answer(Bytes);

impl Answer {
    /// The body as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The body, read as what the API promises.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.0).map_err(|error| ClientError::Broken(error.to_string()))
    }
}

impl Client {
    /// Of the server that listens at `socket`.
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, json(body)?).await
    }

    /// Sends a file as it is.
    pub(crate) async fn post_file(&self, path: &str, file: Vec<u8>) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, file.into()).await
    }

    /// Changes something only if it still has the revision that was read.
    pub(crate) async fn patch_if(
        &self,
        path: &str,
        revision: Option<u64>,
        body: &impl Serialize,
    ) -> Result<Answer, ClientError> {
        self.send_if(Method::PATCH, path, revision, json(body)?).await
    }

    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<Answer, ClientError> {
        self.send(Method::PUT, path, json(body)?).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &impl Serialize) -> Result<Answer, ClientError> {
        self.send(Method::PATCH, path, json(body)?).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::DELETE, path, Bytes::new()).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ClientError> {
        self.send_if(method, path, None, body).await
    }

    async fn send_if(
        &self,
        method: Method,
        path: &str,
        revision: Option<u64>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let exchange = self.exchange(method, path, revision, body);
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Lost(format!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        revision: Option<u64>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Unreachable { socket: self.socket.clone(), source })?;
        let lost = |error: &dyn fmt::Display| ClientError::Lost(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "legation")
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, revision.map_or_else(|| "*".to_owned(), |revision| format!("\"{revision}\"")))
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| lost(&error))?;
        connection.abort();
        let body = body.to_bytes();
        if status.is_success() { Ok(Answer(body)) } else { Err(refusal(status, &body)) }
    }
}

fn json(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| ClientError::Broken(error.to_string()))
}

/// What a refusing answer says; a body that is no problem document is reported by its status alone.
fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ClientError::Refused(problem),
        Err(_) => ClientError::Broken(format!("the server answered {status}")),
    }
}

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody answers on the socket, or it may not be used.
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The connection ended before the answer; the change may have been made.
    Lost(String),
    /// The answer is not that of this API.
    Broken(String),
    /// The server refused; nothing was changed.
    Refused(Problem),
}

/// One line for each faulty field, else what happened.
impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { socket, source } => {
                let socket = socket.display();
                match source.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                        write!(
                            f,
                            "no server answers on {socket}: start it with legation serve, or name another with --socket"
                        )
                    }
                    io::ErrorKind::PermissionDenied => {
                        write!(
                            f,
                            "the socket {socket} may be used only by root and by the user that the server runs as"
                        )
                    }
                    _ => write!(f, "cannot reach the server on {socket}: {source}"),
                }
            }
            Self::Lost(reason) => write!(f, "the server did not answer ({reason}); look whether the change was made"),
            Self::Broken(reason) => write!(f, "the answer cannot be understood: {reason}"),
            Self::Refused(problem) if problem.errors.is_empty() => f.write_str(&problem.detail),
            Self::Refused(problem) => {
                for (index, error) in problem.errors.iter().enumerate() {
                    let end = if index == 0 { "" } else { "\n" };
                    write!(f, "{end}{}: {}", error.field, error.message)?;
                }
                Ok(())
            }
        }
    }
}

impl Client {
    /// All items of a list that comes in pages. `path` may have a query.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &after {
                Some(after) => self.get(&format!("{path}{joint}after={}", escape(after))).await?,
                None => self.get(path).await?,
            };
            let page: Page<T> = page.read()?;
            items.extend(page.items);
            match page.next {
                // A server that repeats itself must not keep us here.
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(items),
            }
        }
    }
}

/// `text` as one segment of a path or one value of a query (RFC 3986 §3.3, §3.4).
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_segment_of_a_path() {
        assert_eq!(escape("juliet@fabrikam.example"), "juliet@fabrikam.example");
        assert_eq!(escape("a/b?c#d%e f@ü&g=h"), "a%2Fb%3Fc%23d%25e%20f@%C3%BC%26g%3Dh");
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_told_by_its_status() {
        let error = refusal(StatusCode::BAD_GATEWAY, b"<html>");
        assert!(error.to_string().contains("502"), "{error}");
    }
}
