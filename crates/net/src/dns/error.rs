//! Why a domain's server is not found, in the kinds that reports tell apart.

use std::{fmt, net::IpAddr};

use hickory_resolver::{
    net::{DnsError as WireError, NetError},
    proto::op::ResponseCode,
};

use super::Kind;

/// Why a domain's server is not found. Each text finishes the sentence "fabrikam.example: …".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DnsError {
    /// Neither SRV nor address records: the domain has no server, or does not exist.
    #[error("DNS knows no server for the domain")]
    NotFound,
    /// The SRV target is ".".
    #[error("DNS says that the domain offers no XMPP federation (SRV target \".\")")]
    NoService,
    /// A server is named, by SRV or by the administrator, and no such host has an address.
    #[error("{0} is named as the domain's server and has no address")]
    NoAddress(String),
    /// A question was not answered; trying again later may help.
    #[error("the DNS lookup of {question} failed: {reason}")]
    Failed {
        /// Which question.
        question: Question,
        /// What came instead of an answer.
        reason: NoAnswer,
    },
    /// Only addresses that may not be dialled were found.
    #[error("the address {0} may not be dialled (setting allow_private_targets)")]
    Private(IpAddr),
}

/// What was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// The SRV records of one kind.
    Services(Kind),
    /// The addresses of a host.
    Addresses(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Services(kind) => write!(f, "{} records", kind.service()),
            Self::Addresses(host) => write!(f, "the addresses of {host}"),
        }
    }
}

/// What came instead of an answer. Never absence: only the name server's word for it is that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// The name server refused to answer.
    Refused,
    /// The name server failed (SERVFAIL).
    ServerFailure,
    /// No name server answered in time.
    TimedOut,
    /// No name server can be reached.
    Unreachable,
    /// The name server sends us to others instead of asking them: it does not resolve.
    Referral,
    /// Anything else, such as an answer that cannot be read.
    Other(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the name server refused to answer"),
            Self::ServerFailure => f.write_str("the name server answered SERVFAIL"),
            Self::TimedOut => f.write_str("no name server answered in time"),
            Self::Unreachable => f.write_str("no name server can be reached"),
            Self::Referral => f.write_str("the name server does not resolve names, it refers to other servers"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The meaning of an error of the client: `Ok` is absence, on the word of a name server (NXDOMAIN, or no such records).
pub(super) fn absence(error: &NetError) -> Result<(), NoAnswer> {
    Err(match error {
        NetError::Dns(WireError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError if none.soa.is_some() || none.ns.is_none() => return Ok(()),
            ResponseCode::NXDomain | ResponseCode::NoError => NoAnswer::Referral,
            code => NoAnswer::Other(format!("the name server answered {code}")),
        },
        NetError::Dns(WireError::ResponseCode(ResponseCode::ServFail)) => NoAnswer::ServerFailure,
        NetError::Dns(WireError::ResponseCode(ResponseCode::Refused)) => NoAnswer::Refused,
        NetError::Dns(WireError::ResponseCode(code)) => NoAnswer::Other(format!("the name server answered {code}")),
        NetError::Timeout => NoAnswer::TimedOut,
        NetError::NoConnections | NetError::Io(_) => NoAnswer::Unreachable,
        other => NoAnswer::Other(other.to_string()),
    })
}
