//! What the documents say of one row against one partner's server: the method, or the refusal and its kind.
//!
//! Written from partner policy §2 (`docs/operator-guide.md`), RFC 6120, XEP-0178, XEP-0220 and XEP-0368, and from nothing
//! else: the table is a transcript of the policy's, not a use of the code that holds it. Each branch quotes the sentence
//! it obeys.

use lexicon::{CertificateFault, Method};

/// The values of the settings TLS and SASL, and of what the other side does about TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    Required,
    Optional,
    NotSupported,
}

/// One of the 18 rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) tls: Use,
    pub(crate) sasl: Use,
    pub(crate) dialback: bool,
    /// Empty where the row is invalid.
    pub(crate) methods: &'static [Method],
    /// Why it is not saved.
    pub(crate) invalid: Option<&'static str>,
}

use Method::{SaslOverTls as SASL, TcpDialback as TCP, TlsDialback as TLS};
use Use::{NotSupported as N, Optional as O, Required as R};

/// Partner policy §2: "The 18 rows".
pub(crate) const ROWS: [Row; 18] = [
    permitted(1, R, R, true, &[SASL]),
    permitted(2, R, R, false, &[SASL]),
    permitted(3, O, R, true, &[SASL]),
    permitted(4, O, R, false, &[SASL]),
    invalid(5, N, R, true, "sasl_requires_tls"),
    invalid(6, N, R, false, "sasl_requires_tls"),
    permitted(7, R, O, true, &[SASL, TLS]),
    permitted(8, R, O, false, &[SASL]),
    permitted(9, O, O, true, &[SASL, TLS, TCP]),
    permitted(10, O, O, false, &[SASL]),
    invalid(11, N, O, true, "sasl_requires_tls"),
    invalid(12, N, O, false, "sasl_requires_tls"),
    permitted(13, R, N, true, &[TLS]),
    invalid(14, R, N, false, "no_authentication_method"),
    permitted(15, O, N, true, &[TLS, TCP]),
    invalid(16, O, N, false, "no_authentication_method"),
    permitted(17, N, N, true, &[TCP]),
    invalid(18, N, N, false, "no_authentication_method"),
];

const fn permitted(number: u8, tls: Use, sasl: Use, dialback: bool, methods: &'static [Method]) -> Row {
    Row { number, tls, sasl, dialback, methods, invalid: None }
}

const fn invalid(number: u8, tls: Use, sasl: Use, dialback: bool, reason: &'static str) -> Row {
    Row { number, tls, sasl, dialback, methods: &[], invalid: Some(reason) }
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialler {
    We,
    They,
}

/// The certificate that the partner's server shows. As server in TLS it shows none only with anonymous key exchange,
/// which our TLS does not speak; the machine must not rely on that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Certificate {
    None,
    SelfSigned,
    WrongName,
    Expired,
    Untrusted,
    Valid,
}

impl Certificate {
    pub(crate) const ALL: [Self; 6] =
        [Self::None, Self::SelfSigned, Self::WrongName, Self::Expired, Self::Untrusted, Self::Valid];

    /// "The partner's certificate is good: chain, identity for the claimed domain, purpose, validity, pin."
    pub(crate) fn fault(self) -> Option<CertificateFault> {
        match self {
            Self::None => Some(CertificateFault::Missing),
            Self::SelfSigned => Some(CertificateFault::SelfSigned),
            Self::WrongName => Some(CertificateFault::WrongName),
            Self::Expired => Some(CertificateFault::Expired),
            Self::Untrusted => Some(CertificateFault::UntrustedIssuer),
            Self::Valid => None,
        }
    }
}

/// What the partner's server does about our certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opinion {
    Accepts,
    /// Refuses EXTERNAL with it, or does not use EXTERNAL because of it, and goes on.
    Distrusts,
    /// The same, and closes the stream.
    HangsUp,
    /// Ends the handshake with an alert.
    Alerts,
}

impl Opinion {
    pub(crate) const ALL: [Self; 4] = [Self::Accepts, Self::Distrusts, Self::HangsUp, Self::Alerts];
}

/// What the partner's server does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) tls: Use,
    pub(crate) certificate: Certificate,
    /// Offers EXTERNAL, or uses it where it is offered.
    pub(crate) external: bool,
    /// Offers dialback, or uses it where it is offered.
    pub(crate) dialback: bool,
    /// The connection begins with TLS (XEP-0368).
    pub(crate) direct: bool,
    pub(crate) opinion: Opinion,
}

/// What must come of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Authorised(Method),
    Refused(Said, Reason),
    /// Of an invalid row: the documents say no more.
    Nothing,
}

/// The last that we say on the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    /// Not even a closing tag.
    Nothing,
    ClosingTag,
    /// A stream error with this condition, and a closing tag.
    Error(&'static str),
}

/// What the report tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    TlsFailed,
    StarttlsAbsent,
    TlsExcluded,
    Certificate(CertificateFault),
    ExternalAbsent,
    ExternalRefused,
    DialbackAbsent,
    PeerClosed,
    PeerError(&'static str),
}

/// The outcome, on our side.
pub(crate) fn outcome(row: &Row, peer: &Peer, dialler: Dialler) -> Outcome {
    if row.invalid.is_some() {
        // "`Commit` refuses an *invalid* row, names reason and remedy, saves nothing."
        return Outcome::Nothing;
    }
    if peer.direct && peer.tls == N {
        // XEP-0368 §3: "the client or server MUST connect with direct TLS enabled"; "A protocol-level TLS failure ends
        // the attempt: no retry in plaintext."
        return Outcome::Refused(Said::Nothing, Reason::TlsFailed);
    }
    match dialler {
        Dialler::We => we_dial(row, peer),
        Dialler::They => they_dial(row, peer),
    }
}

const POLICY: Said = Said::Error("policy-violation");

fn we_dial(row: &Row, peer: &Peer) -> Outcome {
    let permits = |method| row.methods.contains(&method);
    if peer.direct && peer.opinion == Opinion::Alerts {
        return Outcome::Refused(Said::Nothing, Reason::TlsFailed);
    }
    if row.tls == N && peer.direct {
        // "`not_supported` TLS: STARTTLS neither advertised nor requested": such a connection is not begun.
        return Outcome::Refused(Said::Nothing, Reason::TlsExcluded);
    }
    // RFC 6120 §5.3.1: "If the receiving entity advertises only the STARTTLS feature or if [it] includes the <required/>
    // child element [...], the parties MUST consider TLS as mandatory-to-negotiate."
    let is_mandatory = peer.tls == R || peer.tls == O && !peer.dialback;
    if row.tls == N && is_mandatory {
        // RFC 6120 §4.9.3.23: "The receiving entity has advertised a mandatory-to-negotiate stream feature that the
        // initiating entity does not support, and has offered no other mandatory-to-negotiate feature".
        return Outcome::Refused(Said::Error("unsupported-feature"), Reason::TlsExcluded);
    }
    let tls_up = peer.direct || row.tls != N && peer.tls != N;
    if !tls_up && !permits(TCP) {
        // "`required` means must be negotiated"; rows 4 and 10: SASL over TLS is the only method.
        return Outcome::Refused(POLICY, Reason::StarttlsAbsent);
    }
    if tls_up && peer.opinion == Opinion::Alerts {
        return Outcome::Refused(Said::Nothing, Reason::TlsFailed);
    }
    // "SASL over TLS is available when TLS is up, EXTERNAL is offered, and the partner's certificate (the server's when
    // we dial) is good"; "Ours is judged by the partner (`<failure/>`)."
    let unavailable = match peer.certificate.fault() {
        Some(fault) => Some(Reason::Certificate(fault)),
        None if !peer.external => Some(Reason::ExternalAbsent),
        None if peer.opinion != Opinion::Accepts => Some(Reason::ExternalRefused),
        None => None,
    };
    if tls_up && permits(SASL) && unavailable.is_none() {
        return Outcome::Authorised(SASL);
    }
    // "If SASL over TLS is not available, or the peer answers SASL `<failure/>`, TLS dialback follows only where the row
    // permits it".
    let dialback = if tls_up { TLS } else { TCP };
    match (permits(dialback), unavailable) {
        (true, _) if peer.dialback => Outcome::Authorised(dialback),
        (true, _) => Outcome::Refused(POLICY, Reason::DialbackAbsent),
        // RFC 6120 §6.4.5: "If all handshakes fail and there are no remaining mechanisms [...], the initiating entity
        // SHOULD simply close the stream as described under Section 4.4".
        (false, Some(Reason::ExternalRefused)) => Outcome::Refused(Said::ClosingTag, Reason::ExternalRefused),
        // §13.7.2: "If any of those validation attempts fail, the validating entity MUST unilaterally terminate the
        // session." §4.9.3.14: "The entity has violated some local service policy".
        (false, Some(reason)) => Outcome::Refused(POLICY, reason),
        (false, None) => unreachable!("a row without dialback permits SASL"),
    }
}

fn they_dial(row: &Row, peer: &Peer) -> Outcome {
    let permits = |method| row.methods.contains(&method);
    if peer.direct && peer.opinion == Opinion::Alerts {
        return Outcome::Refused(Said::Nothing, Reason::TlsFailed);
    }
    if peer.direct && row.tls == N {
        // "direct TLS refused after the header with `policy-violation`".
        return Outcome::Refused(POLICY, Reason::TlsExcluded);
    }
    if !peer.direct && (row.tls == N || peer.tls == N) {
        return they_stay_in_plaintext(row, peer);
    }
    if peer.opinion == Opinion::Alerts {
        return Outcome::Refused(Said::Nothing, Reason::TlsFailed);
    }
    // XEP-0178 §3: "If the 'from' attribute [...] can be matched against one of the identifiers provided in the
    // certificate [...], Server2 SHOULD advertise the SASL EXTERNAL mechanism. If no match is found, Server2 MAY either
    // close Server1's TCP connection or continue with a Server Dialback negotiation."
    let fault = peer.certificate.fault();
    match fault {
        // RFC 6120 §6.4.5: "if according to local service policies weak identity verification is insufficient then the
        // receiving entity SHOULD instead close the stream with a <policy-violation/> stream error".
        Some(fault) if !permits(TLS) => return Outcome::Refused(POLICY, Reason::Certificate(fault)),
        _ => {}
    }
    if peer.opinion == Opinion::HangsUp {
        return Outcome::Refused(Said::ClosingTag, Reason::PeerClosed);
    }
    if permits(SASL) && fault.is_none() && peer.external && peer.opinion == Opinion::Accepts {
        return Outcome::Authorised(SASL);
    }
    if permits(TLS) && peer.dialback {
        return Outcome::Authorised(TLS);
    }
    // Nothing that both sides may use is left, and the peer goes.
    Outcome::Refused(Said::ClosingTag, Reason::PeerClosed)
}

fn they_stay_in_plaintext(row: &Row, peer: &Peer) -> Outcome {
    let dialback = row.methods.contains(&TCP);
    match (row.tls, peer.tls) {
        // "STARTTLS neither advertised nor requested": a peer that requires it goes (RFC 7590 §3.1).
        (N, R) => Outcome::Refused(Said::ClosingTag, Reason::PeerError("policy-violation")),
        // "TCP dialback" is in the row, and nobody insists on TLS.
        _ if dialback && peer.dialback => Outcome::Authorised(TCP),
        _ if dialback => Outcome::Refused(Said::ClosingTag, Reason::PeerClosed),
        // RFC 6120 §5.3.1: "the parties MUST consider TLS as mandatory-to-negotiate"; §4.9.3.23 for who cannot.
        _ => Outcome::Refused(Said::ClosingTag, Reason::PeerError("unsupported-feature")),
    }
}
