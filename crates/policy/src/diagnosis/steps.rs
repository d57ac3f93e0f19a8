//! A report told step by step in plain words.

use lexicon::{
    Direction, Report,
    report::{CertificateSeen, Code, Offered, Recorded, Tried},
};

use super::diagnose;

/// The names of steps, in their order.
pub const STEPS: [&str; 8] =
    ["lookup", "connect", "tls", "certificate_chain", "certificate_identity", "offered", "method", "result"];

/// One step of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Which of [`STEPS`].
    pub name: &'static str,
    /// How it ended.
    pub result: Recorded,
    /// What happened, in a sentence.
    pub text: String,
}

/// The steps of `report`, in order; the last one is its result.
pub fn steps(report: &Report) -> Vec<Step> {
    let remote = report.remote.as_ref().map_or("the other server", |domain| domain.as_unicode());
    let mut steps = Vec::new();
    let mut tell = |name, result: &Recorded, text| steps.push(Step { name, result: result.clone(), text });
    let ok = Recorded::Known(Code::Ok);
    if let Some(lookup) = &report.lookup {
        let found = lookup.addresses.join(", ");
        let text = match (&lookup.via, lookup.result.is_ok()) {
            (Some(via), true) => format!("The partner's settings name the server {via}: {found}."),
            (Some(via), false) => format!("The partner's settings name the server {via}: {}.", lookup.detail),
            (None, true) => format!("The server of {remote} was found at {found}."),
            (None, false) => format!("The server of {remote} was not found: {}.", lookup.detail),
        };
        tell("lookup", &lookup.result, text);
    }
    for dial in &report.dials {
        tell("connect", &dial.result, format!("{} {}.", dial.address, dialled(&dial.result)));
    }
    if let (Direction::Inbound, Some(peer)) = (report.direction, &report.peer) {
        tell("connect", &ok, format!("{peer} connected to this server."));
    }
    if let Some(tls) = &report.tls {
        tell("tls", &ok, format!("{} with {}.", tls.version, tls.cipher));
    }
    if let Some(certificate) = &report.certificate {
        if let Some(chain) = &certificate.chain {
            tell("certificate_chain", chain, chain_told(certificate, chain));
        }
        if let Some(identity) = &certificate.identity {
            tell("certificate_identity", identity, identity_told(certificate, identity, remote));
        }
    }
    if let Some(offered) = &report.offered {
        tell("offered", &ok, offer_told(offered));
    }
    for tried in &report.tries {
        tell("method", &tried.result, tried_told(tried));
    }
    let mut end = diagnose(report).summary;
    if !report.result.is_ok() && !report.detail.is_empty() && report.result.known().is_some() {
        end = format!("{end} In detail: {}.", report.detail.trim_end_matches('.'));
    }
    tell("result", &report.result, end);
    steps
}

fn dialled(result: &Recorded) -> &str {
    match result {
        Recorded::Known(Code::Ok) => "accepted the connection",
        Recorded::Known(Code::ConnectRefused) => "refused the connection",
        Recorded::Known(Code::Unreachable) => "is unreachable",
        Recorded::Known(Code::ConnectTimeout) => "did not answer in time",
        Recorded::Known(Code::TlsFailed) => "accepted the connection and failed the TLS handshake",
        Recorded::Known(Code::Timeout) => "accepted the connection and did not end the TLS handshake in time",
        Recorded::Known(_) => "could not be dialled",
        Recorded::Later(word) => word,
    }
}

fn chain_told(certificate: &CertificateSeen, chain: &Recorded) -> String {
    let CertificateSeen { subject, issuer, not_after, .. } = certificate;
    let shown = match (subject.is_empty(), not_after) {
        (true, _) => "The certificate".to_owned(),
        (false, None) => format!("The certificate of {subject}, issued by {issuer},"),
        (false, Some(end)) => format!("The certificate of {subject}, issued by {issuer} and valid until {end},"),
    };
    let verdict = match chain {
        Recorded::Known(Code::Ok) => "is trusted",
        Recorded::Known(Code::CertificateMissing) => "was not shown",
        Recorded::Known(Code::CertificateMalformed) => "cannot be read",
        Recorded::Known(Code::CertificateExpired) => "has expired",
        Recorded::Known(Code::CertificateNotYetValid) => "is not valid yet",
        Recorded::Known(Code::CertificateSelfSigned) => "is self-signed",
        Recorded::Known(Code::CertificateUntrustedIssuer) => {
            "leads to no trusted authority: the issuer is unknown here, or an intermediate certificate is missing"
        }
        Recorded::Known(Code::CertificateIntermediateMissing) => "was shown without the certificate of its issuer",
        Recorded::Known(Code::CertificateWrongPurpose) => "may not be used by a server",
        Recorded::Known(Code::CertificateBadSignature) => "has a signature that is wrong or not accepted",
        Recorded::Known(Code::CertificateRevoked) => "was revoked",
        Recorded::Known(Code::CertificatePinMismatch) => "has a key that is none of the pinned ones",
        other => return format!("{shown} was judged: {}.", other.as_str()),
    };
    format!("{shown} {verdict}.")
}

fn identity_told(certificate: &CertificateSeen, identity: &Recorded, remote: &str) -> String {
    if identity.is_ok() {
        return format!("The certificate names {remote}.");
    }
    match certificate.names.as_slice() {
        [] => format!("The certificate names no domain, and so not {remote}."),
        names => format!("The certificate names {} and not {remote}.", names.join(", ")),
    }
}

fn offer_told(offered: &Offered) -> String {
    let mut offers = Vec::new();
    if offered.starttls {
        offers.push(if offered.starttls_required { "STARTTLS (required)" } else { "STARTTLS" }.to_owned());
    }
    if !offered.mechanisms.is_empty() {
        offers.push(format!("SASL {}", offered.mechanisms.join(", ")));
    }
    if offered.dialback {
        offers.push("dialback".to_owned());
    }
    if offers.is_empty() {
        return "The server offered nothing to authenticate with.".to_owned();
    }
    format!("The server offered {}.", offers.join(", "))
}

fn tried_told(tried: &Tried) -> String {
    if tried.result.is_ok() {
        return format!("{} succeeded.", tried.method);
    }
    let why = if tried.detail.is_empty() { tried.result.as_str() } else { &tried.detail };
    format!("{} failed: {}.", tried.method, why.trim_end_matches('.'))
}
