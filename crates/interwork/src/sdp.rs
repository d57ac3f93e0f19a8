//! Session descriptions of instant-message sessions (RFC 4566, RFC 3264, in the dialect of Lync and Skype for Business).
//!
//! The only medium that we speak is `m=message PORT sip FORMAT` (`x-ms-message` of old servers): the texts of the session
//! are MESSAGE requests in its dialog, so neither port nor address of the description ever receives anything. MSRP is
//! refused. Other media of an offer are answered with port 0 (RFC 3264 §6). A description of ours never changes, so a
//! re-INVITE gets the same answer again.

use std::{fmt::Write as _, net::IpAddr};

use sip::{Name, Request, Response, Status, message::quote};

use crate::{body::Media, error::Answer};

mod read;
#[cfg(test)]
mod tests;

/// The media type of a description, and the value of Accept where it is missing.
pub const SDP: &str = "application/sdp";

/// Most bytes of a description.
pub const SDP_BYTES_MAX: usize = 16_384;

/// Most media of a description.
pub const MEDIA_MAX: usize = 16;

/// The types of bodies that we take in a session, for `a=accept-types`.
pub const ACCEPT_TYPES: &str = "text/plain text/html multipart/alternative application/im-iscomposing+xml";

/// What a description says of a session with texts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    media: Vec<MediaLine>,
    /// Which of them carries the texts.
    chosen: usize,
    direction: Direction,
    /// In lower case, as listed; none if there is no list.
    accept_types: Option<Vec<String>>,
    accept_wrapped_types: Vec<String>,
}

/// An `m=` line.
#[derive(Clone, Debug, Eq, PartialEq)]
struct MediaLine {
    media: String,
    port: u16,
    protocol: String,
    formats: String,
}

/// RFC 3264 §6.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    Inactive,
    ReceiveOnly,
    SendOnly,
    SendReceive,
}

/// Why a description leads to no session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A body of another type.
    #[error("Only application/sdp is accepted")]
    ContentType,
    /// Compressed or otherwise encoded.
    #[error("Content-Encoding is not supported")]
    ContentEncoding,
    /// The other end takes no plain text.
    #[error("Messages of type text/plain must be accepted")]
    Format,
    /// No description, or larger than the limits.
    #[error("Malformed session description")]
    Malformed,
    /// No messages among the media.
    #[error("Only instant messages are available")]
    Media,
    /// Messages, but over MSRP.
    #[error("Messages are carried in SIP, not in MSRP")]
    Transport,
}

impl Refusal {
    /// The answer to an INVITE; [`fields`](Self::fields) belong to it, and say why.
    pub fn answer(self) -> Answer {
        Answer::new(match self {
            Self::ContentType | Self::ContentEncoding => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed => Status::BAD_REQUEST,
            Self::Format | Self::Media | Self::Transport => Status::NOT_ACCEPTABLE_HERE,
        })
    }

    /// The warning code of RFC 3261 §20.43. The transport of MSRP is named by the media line, so it has its own code.
    fn warning(self) -> u16 {
        match self {
            Self::Transport => 302,
            Self::Media => 304,
            Self::Format => 305,
            Self::ContentEncoding | Self::ContentType | Self::Malformed => 399,
        }
    }

    /// Further header fields of the answer. `agent` is the host that warns.
    pub fn fields(self, agent: &str) -> Vec<(&'static str, String)> {
        let is_token =
            !agent.is_empty() && agent.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte));
        let agent = if is_token { agent } else { "-" };
        let mut fields = vec![("Warning", format!("{} {agent} {}", self.warning(), quote(&self.to_string())))];
        match self {
            Self::ContentType => fields.push(("Accept", SDP.to_owned())),
            Self::ContentEncoding => fields.push(("Accept-Encoding", "identity".to_owned())),
            _ => {}
        }
        fields
    }
}

impl Description {
    /// The offer of an INVITE; none if it has no body, and so wants ours (RFC 3261 §13.2.1).
    pub fn of_request(request: &Request) -> Result<Option<Self>, Refusal> {
        Self::of(&request.headers, request.body())
    }

    /// The answer in a 2xx to our INVITE; none if it has no body, which is no answer.
    pub fn of_response(response: &Response) -> Result<Option<Self>, Refusal> {
        Self::of(&response.headers, response.body())
    }

    fn of(headers: &sip::Headers, body: &[u8]) -> Result<Option<Self>, Refusal> {
        if body.is_empty() {
            return Ok(None);
        }
        if headers.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(Refusal::ContentEncoding);
        }
        let media = headers.first(Name::ContentType).and_then(Media::read).ok_or(Refusal::ContentType)?;
        if media.essence() != SDP {
            return Err(Refusal::ContentType);
        }
        Self::read(body).map(Some)
    }

    /// Whether the other end takes bodies of this type (lower case) in the session, not only within another body. Without
    /// a list it takes plain text.
    pub fn accepts(&self, essence: &str) -> bool {
        let Some(types) = &self.accept_types else { return essence == "text/plain" };
        let kind = essence.split_once('/').map_or(essence, |(kind, _)| kind);
        types.iter().any(|range| range == "*" || range == essence || range.strip_suffix("/*") == Some(kind))
    }

    /// What the other end takes only within another body (`a=accept-wrapped-types`).
    pub fn wrapped_types(&self) -> &[String] {
        &self.accept_wrapped_types
    }

    /// Our answer to this offer: the texts at `address` and `port`, all other media refused.
    pub fn answer(&self, address: IpAddr, port: u16) -> String {
        let mut text = head(address);
        for (at, line) in self.media.iter().enumerate() {
            let MediaLine { media, protocol, formats, .. } = line;
            if at == self.chosen {
                write_messages(&mut text, media, port);
                if let Some(direction) = self.direction.answered() {
                    put(&mut text, format_args!("a={direction}"));
                }
            } else {
                put(&mut text, format_args!("m={media} 0 {protocol} {formats}"));
            }
        }
        text
    }
}

/// Our offer: texts and nothing else.
pub fn offer(address: IpAddr, port: u16) -> String {
    let mut text = head(address);
    write_messages(&mut text, "message", port);
    text
}

impl Direction {
    fn read(attribute: &str) -> Option<Self> {
        match attribute {
            "inactive" => Some(Self::Inactive),
            "recvonly" => Some(Self::ReceiveOnly),
            "sendonly" => Some(Self::SendOnly),
            "sendrecv" => Some(Self::SendReceive),
            _ => None,
        }
    }

    /// What the answer to it says; nothing where that is the default.
    fn answered(self) -> Option<&'static str> {
        match self {
            Self::Inactive => Some("inactive"),
            Self::ReceiveOnly => Some("sendonly"),
            Self::SendOnly => Some("recvonly"),
            Self::SendReceive => None,
        }
    }
}

fn head(address: IpAddr) -> String {
    let kind = if address.is_ipv4() { "IP4" } else { "IP6" };
    let mut text = String::with_capacity(256);
    put(&mut text, format_args!("v=0"));
    put(&mut text, format_args!("o=- 0 0 IN {kind} {address}"));
    put(&mut text, format_args!("s=session"));
    put(&mut text, format_args!("c=IN {kind} {address}"));
    put(&mut text, format_args!("t=0 0"));
    text
}

fn write_messages(text: &mut String, media: &str, port: u16) {
    put(text, format_args!("m={media} {port} sip null"));
    put(text, format_args!("a=accept-types:{ACCEPT_TYPES}"));
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = writeln!(text, "{line}\r").is_ok();
}
