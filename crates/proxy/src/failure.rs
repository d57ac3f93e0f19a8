//! Why a pair has no way to its partner: what the sender reads, and the code that leads an operator to a remedy.
//!
//! The condition of the error is the route's; its text says here what exactly is missing, since an internal user who is
//! told only "no acceptable security" can tell an administrator nothing.

use lexicon::{CertificateFault, DomainPair, report::Code};
use net::{dial::DialError, dns::DnsError};
use xmpp::{
    route::RouteFailure,
    stanza::{Condition, StanzaError},
    stream::{Refusal, Stage, StreamFailure, dialback::DialbackCondition},
    xml::XmlFault,
};

/// The failure of a look-up. A private address is like none: nothing but a setting can help.
pub(crate) fn of_dns(error: &DnsError) -> RouteFailure {
    match error {
        DnsError::NotFound | DnsError::NoService | DnsError::NoAddress(_) | DnsError::Private(_) => {
            RouteFailure::NotFound(error.to_string())
        }
        DnsError::Failed { .. } => RouteFailure::Unresolved(error.to_string()),
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

/// What the sender of a stanza is told that was on its way when the stream ended for this reason: the partner may have
/// it. Whatever the reason, it is for the sender to decide whether to send it again.
pub(crate) fn unknown(failure: &RouteFailure, pair: &DomainPair) -> StanzaError {
    let why =
        answer(failure, pair).text.unwrap_or_else(|| format!("The connection to the server of {} ended.", pair.remote));
    StanzaError::new(Condition::RemoteServerTimeout).with_text(format!("{why} It is not known whether this arrived."))
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
        StreamFailure::TlsDemanded | StreamFailure::TlsExcluded => {
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

/// The code of reports and metrics.
pub(crate) fn code(failure: &RouteFailure) -> Code {
    match failure {
        RouteFailure::NotFound(_) => Code::DnsNoServer,
        RouteFailure::Unresolved(_) => Code::DnsFailed,
        RouteFailure::Unreachable(_) => Code::Unreachable,
        RouteFailure::Stream(failure) => code_of_stream(failure),
    }
}

/// The same of a stream.
pub(crate) fn code_of_stream(failure: &StreamFailure) -> Code {
    match failure {
        StreamFailure::Certificate(fault) => Code::from(*fault),
        StreamFailure::CertificateExpired => Code::from(CertificateFault::Expired),
        StreamFailure::ClosedHere(_) | StreamFailure::PairNotTaken => Code::ClosedHere,
        StreamFailure::DialbackAbsent => Code::DialbackAbsent,
        StreamFailure::DialbackFailed(error) => match error.condition() {
            Some(DialbackCondition::RemoteServerTimeout) => Code::DialbackTimeout,
            _ => Code::DialbackRefused,
        },
        StreamFailure::DialbackInvalid => Code::DialbackInvalid,
        StreamFailure::Disconnected { .. } => Code::Disconnected,
        StreamFailure::ExternalAbsent(_) => Code::ExternalAbsent,
        StreamFailure::ExternalFailed(_) => Code::ExternalFailed,
        StreamFailure::ExternalRefused { .. } => Code::OurCertificateRefused,
        StreamFailure::MethodNotPermitted(_) => Code::MethodNotPermitted,
        StreamFailure::PeerClosed(_) => Code::PartnerClosed,
        StreamFailure::PeerError { .. } => Code::PartnerError,
        StreamFailure::AckTooHigh { .. } | StreamFailure::Protocol(..) => Code::ProtocolViolation,
        StreamFailure::Refused(refusal) => code_of_refusal(*refusal),
        StreamFailure::StarttlsAbsent => Code::StarttlsAbsent,
        StreamFailure::StarttlsFailed(_) => Code::StarttlsFailed,
        StreamFailure::Timeout(Stage::Dialback | Stage::Verify) => Code::DialbackTimeout,
        StreamFailure::Timeout(_) => Code::Timeout,
        StreamFailure::TlsDemanded | StreamFailure::TlsExcluded => Code::TlsExcluded,
        StreamFailure::TlsHandshake(_) => Code::TlsFailed,
        StreamFailure::TlsRequired => Code::TlsRequired,
        StreamFailure::Xml(error) if is_limit(error.fault) => Code::StreamLimit,
        StreamFailure::Xml(_) => Code::XmlInvalid,
    }
}

fn code_of_refusal(refusal: Refusal) -> Code {
    match refusal {
        Refusal::ConnectionLimit => Code::ConnectionLimit,
        Refusal::HostUnknown => Code::NotInternal,
        Refusal::LocalDisabled => Code::PartnerDisabled,
        Refusal::LocalNotPartner => Code::NotAPartner,
        Refusal::OwnDomain => Code::OwnDomain,
        Refusal::PartnerDisabled => Code::PartnerDisabled,
        Refusal::PartnerUnknown => Code::NotAPartner,
        Refusal::RulesChanged => Code::SettingsChanged,
        Refusal::SameSide => Code::SameSide,
        Refusal::ServerUnknown => Code::InnerServerUnknown,
        Refusal::Shutdown => Code::Shutdown,
        Refusal::SourceNotPermitted => Code::SourceNotPermitted,
    }
}

fn is_limit(fault: XmlFault) -> bool {
    matches!(
        fault,
        XmlFault::AttributesExceeded
            | XmlFault::BindingsExceeded
            | XmlFault::DepthExceeded
            | XmlFault::ElementBytesExceeded
            | XmlFault::ElementsExceeded
            | XmlFault::TagBytesExceeded
    )
}

#[cfg(test)]
mod tests {
    use lexicon::{Domain, Method};
    use net::dns::{Kind, NoAnswer, Question};

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
        let question = Question::Services(Kind::Starttls);
        let failed = DnsError::Failed { question, reason: NoAnswer::ServerFailure };
        let lookups = [
            (DnsError::NoAddress("xmpp.fabrikam.example".to_owned()), Condition::RemoteServerNotFound),
            (DnsError::NotFound, Condition::RemoteServerNotFound),
            (DnsError::NoService, Condition::RemoteServerNotFound),
            (failed, Condition::RemoteServerTimeout),
        ];
        for (error, condition) in lookups {
            assert_eq!(answer(&of_dns(&error), &pair).condition, condition, "{error}");
        }
    }
}
