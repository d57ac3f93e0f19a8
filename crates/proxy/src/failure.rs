//! Why a pair has no way to its partner: what the sender reads, and the class that leads an operator to a remedy.
//!
//! The condition of the error is the route's; its text says here what exactly is missing, since an internal user who is
//! told only "no acceptable security" can tell an administrator nothing.

use lexicon::{CertificateFault, DomainPair};
use net::{dial::DialError, dns::DnsError};
use policy::diagnosis::Failure;
use xmpp::{
    route::RouteFailure,
    stanza::{Condition, StanzaError},
    stream::{Refusal, StreamFailure},
};

/// The failure of a look-up. A private address is like none: nothing but a setting can help.
pub(crate) fn of_dns(error: &DnsError) -> RouteFailure {
    match error {
        DnsError::NotFound | DnsError::NoService | DnsError::Private(_) => RouteFailure::NotFound(error.to_string()),
        DnsError::Failed(_) => RouteFailure::Unresolved(error.to_string()),
    }
}

/// The failure of dialling every address.
pub(crate) fn of_dial(error: &DialError) -> RouteFailure {
    RouteFailure::Unreachable(error.to_string())
}

/// What the sender of a stanza of `pair` is told.
pub(crate) fn answer(failure: &RouteFailure, pair: &DomainPair) -> StanzaError {
    let error = failure.stanza_error(&pair.remote);
    let RouteFailure::Stream(failure) = failure else { return error };
    match detail(failure, pair) {
        Some(text) => error.with_text(text),
        None => error,
    }
}

/// Policy's answer to stanzas of a pair that may not be served.
pub(crate) fn refusal(refusal: Refusal, pair: &DomainPair) -> StanzaError {
    RouteFailure::Stream(StreamFailure::Refused(refusal)).stanza_error(&pair.remote)
}

/// The answer to a stanza above the limit that the partner's server has advertised.
pub(crate) fn too_long(pair: &DomainPair, bytes_max: u64) -> StanzaError {
    let text = format!("The server of {} accepts stanzas of at most {bytes_max} bytes.", pair.remote);
    StanzaError::new(Condition::PolicyViolation).with_text(text)
}

fn detail(failure: &StreamFailure, DomainPair { local, remote }: &DomainPair) -> Option<String> {
    let missing = match failure {
        StreamFailure::Certificate(CertificateFault::Missing) => "it showed no certificate, and SASL is".to_owned(),
        StreamFailure::Certificate(fault) => format!("its certificate {fault}, and SASL is"),
        StreamFailure::ExternalAbsent(_) => "it does not offer SASL EXTERNAL, which is".to_owned(),
        StreamFailure::StarttlsAbsent => "it does not offer STARTTLS, which is".to_owned(),
        StreamFailure::TlsRequired => "it went on without TLS, which is".to_owned(),
        StreamFailure::TlsExcluded => {
            return Some(no_security(remote, "it requires TLS, which its partner settings exclude"));
        }
        StreamFailure::DialbackAbsent => {
            return Some(no_security(remote, "it offers no authentication that its partner settings permit"));
        }
        StreamFailure::MethodNotPermitted(method) => {
            return Some(no_security(remote, &format!("its partner settings do not permit {method}")));
        }
        StreamFailure::ExternalRefused { .. } => {
            return Some(format!("The server of {remote} did not accept the certificate of {local}."));
        }
        StreamFailure::DialbackFailed(_) => {
            return Some(format!("The server of {remote} could not verify {local} by dialback."));
        }
        StreamFailure::DialbackInvalid => {
            return Some(format!("The server of {remote} called the dialback key of {local} invalid."));
        }
        StreamFailure::TlsHandshake(_) => {
            return Some(format!("The TLS handshake with the server of {remote} failed."));
        }
        StreamFailure::Timeout(_) => return Some(format!("The server of {remote} did not answer in time.")),
        StreamFailure::Disconnected { .. } => return Some(format!("The connection to the server of {remote} broke.")),
        _ => return None,
    };
    Some(no_security(remote, &format!("{missing} required by its partner settings")))
}

fn no_security(remote: &lexicon::Domain, why: &str) -> String {
    format!("No acceptable security with {remote}: {why}.")
}

/// The class of reports and metrics.
pub(crate) fn class(failure: &RouteFailure) -> Failure {
    match failure {
        RouteFailure::NotFound(_) => Failure::DnsNoAddress,
        RouteFailure::Unresolved(_) => Failure::DnsFailed,
        RouteFailure::Unreachable(_) => Failure::ConnectFailed,
        RouteFailure::Stream(failure) => class_of_stream(failure),
    }
}

fn class_of_stream(failure: &StreamFailure) -> Failure {
    match failure {
        StreamFailure::Certificate(fault) => Failure::Certificate(*fault),
        StreamFailure::DialbackFailed(_) | StreamFailure::DialbackInvalid => Failure::DialbackRefused,
        StreamFailure::ExternalFailed(_) | StreamFailure::ExternalRefused { .. } => Failure::OurCertificateRefused,
        StreamFailure::DialbackAbsent
        | StreamFailure::ExternalAbsent(_)
        | StreamFailure::MethodNotPermitted(_)
        | StreamFailure::TlsExcluded => Failure::NoPermittedMethod,
        StreamFailure::StarttlsAbsent | StreamFailure::TlsRequired => Failure::TlsNotOffered,
        StreamFailure::StarttlsFailed(_) | StreamFailure::TlsHandshake(_) => Failure::TlsFailed,
        StreamFailure::PeerError { .. } | StreamFailure::PeerClosed(_) => Failure::ClosedByPartner,
        StreamFailure::Disconnected { .. } => Failure::ConnectFailed,
        StreamFailure::Timeout(_) => Failure::Timeout,
        StreamFailure::Refused(refusal) => match refusal {
            Refusal::ConnectionLimit | Refusal::Shutdown => Failure::Limit,
            Refusal::HostUnknown => Failure::NotInternal,
            Refusal::OwnDomain | Refusal::PartnerUnknown => Failure::NotAPartner,
            Refusal::PartnerDisabled => Failure::PartnerDisabled,
            Refusal::RulesChanged => Failure::NoPermittedMethod,
        },
        StreamFailure::ClosedHere(_) | StreamFailure::PairNotTaken => Failure::Limit,
        StreamFailure::Protocol(..) | StreamFailure::Xml(_) => Failure::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use lexicon::{Domain, Method};

    use super::*;

    /// sip-gateway.md, "Refusals to SIP": security failures are refusals of policy that name the domain.
    #[test]
    fn the_sender_reads_what_exactly_is_missing() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let pair = DomainPair { local: domain("contoso.example"), remote: domain("fabrikam.example") };
        for (failure, condition, words) in [
            (StreamFailure::StarttlsAbsent, Condition::PolicyViolation, "does not offer STARTTLS"),
            (StreamFailure::Certificate(CertificateFault::Expired), Condition::PolicyViolation, "has expired"),
            (StreamFailure::ExternalAbsent("".into()), Condition::PolicyViolation, "SASL EXTERNAL"),
            (StreamFailure::MethodNotPermitted(Method::TcpDialback), Condition::PolicyViolation, "TCP dialback"),
            (StreamFailure::Refused(Refusal::PartnerUnknown), Condition::PolicyViolation, "not a federation partner"),
            (StreamFailure::Refused(Refusal::PartnerDisabled), Condition::PolicyViolation, "disabled"),
            (StreamFailure::Refused(Refusal::ConnectionLimit), Condition::ResourceConstraint, "connections"),
        ] {
            let error = answer(&RouteFailure::Stream(failure), &pair);
            let text = error.text.unwrap();
            assert_eq!(error.condition, condition, "{text}");
            assert!(text.contains(words) && text.contains("fabrikam.example"), "{text}");
        }
        let lookups = [
            (DnsError::NotFound, Condition::RemoteServerNotFound),
            (DnsError::NoService, Condition::RemoteServerNotFound),
            (DnsError::Failed(String::new()), Condition::RemoteServerTimeout),
        ];
        for (error, condition) in lookups {
            assert_eq!(answer(&of_dns(&error), &pair).condition, condition, "{error}");
        }
    }
}
