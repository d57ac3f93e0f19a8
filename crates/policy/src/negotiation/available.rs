//! Which method authorises a pair: the strongest that the row permits and that is available.

use std::fmt;

use lexicon::{CertificateFault, ChainVerdict, Method};

use super::Row;

/// What a stream offers at the moment a pair is about to be authorised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Available {
    /// TLS is up.
    pub tls: bool,
    /// SASL EXTERNAL is offered and no `<failure/>` has answered it.
    pub external: bool,
    /// The partner's certificate: chain, identity for the claimed domain, purpose, validity and pin. Ours is judged by
    /// the partner.
    pub certificate: ChainVerdict,
    /// The other side takes part in dialback.
    pub dialback: bool,
}

impl Available {
    fn has(self, method: Method) -> bool {
        match method {
            Method::SaslOverTls => self.tls && self.external && self.certificate.is_ok(),
            Method::TlsDialback => self.tls && self.dialback,
            Method::TcpDialback => !self.tls && self.dialback,
        }
    }
}

/// Why no method that the row permits is available.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unavailable {
    /// Every permitted method needs TLS and there is none.
    Tls,
    /// TLS is up where the row permits only plaintext.
    TlsNotSupported,
    /// The certificate is not good.
    Certificate(CertificateFault),
    /// SASL EXTERNAL is not offered or failed.
    External,
    /// The other side does not take part in dialback.
    Dialback,
    /// The row permits nothing.
    NoMethod,
}

/// For people: finishes "Not authorised: …".
impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => f.write_str("TLS is required and was not negotiated"),
            Self::TlsNotSupported => f.write_str("TLS is set to not_supported for this partner and was negotiated"),
            Self::Certificate(fault) => write!(f, "the certificate {fault}"),
            Self::External => f.write_str("SASL EXTERNAL was not offered or failed"),
            Self::Dialback => f.write_str("dialback is not supported by the other side"),
            Self::NoMethod => f.write_str("the partner's negotiation permits no method"),
        }
    }
}

impl Row {
    /// The strongest permitted method that is available.
    pub fn method(&self, available: Available) -> Result<Method, Unavailable> {
        if let Some(method) = self.methods.iter().find(|method| available.has(*method)) {
            return Ok(method);
        }
        let permits_tls = self.permits(Method::SaslOverTls) || self.permits(Method::TlsDialback);
        Err(match (available.tls, available.certificate) {
            _ if self.methods.is_empty() => Unavailable::NoMethod,
            (true, _) if !permits_tls => Unavailable::TlsNotSupported,
            (false, _) if !self.permits(Method::TcpDialback) => Unavailable::Tls,
            (true, Err(fault)) if self.permits(Method::SaslOverTls) => Unavailable::Certificate(fault),
            (true, Ok(())) if self.permits(Method::SaslOverTls) => Unavailable::External,
            _ => Unavailable::Dialback,
        })
    }
}

/// A pair was authorised less strongly than at this partner's last success.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Downgrade {
    /// SASL before, dialback now: the certificate is no longer trusted.
    Certificate,
    /// TLS before, none now.
    Tls,
}

impl Downgrade {
    /// The name of the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate_downgrade",
            Self::Tls => "tls_downgrade",
        }
    }
}

/// Compares the method really used with that of the last success.
pub fn downgrade(last: Option<Method>, now: Method) -> Option<Downgrade> {
    match (last?, now) {
        (Method::SaslOverTls | Method::TlsDialback, Method::TcpDialback) => Some(Downgrade::Tls),
        (Method::SaslOverTls, Method::TlsDialback) => Some(Downgrade::Certificate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::ROWS;

    const GOOD: Available = Available { tls: true, external: true, certificate: Ok(()), dialback: true };
    const UNTRUSTED: Available = Available { certificate: Err(CertificateFault::SelfSigned), ..GOOD };
    const REJECTED: Available = Available { external: false, ..GOOD };
    const PLAIN: Available = Available { tls: false, external: false, ..UNTRUSTED };
    const SILENT: Available = Available { dialback: false, ..UNTRUSTED };

    /// "Available decides the method": per row against a good certificate, a bad one, a SASL failure, no TLS, and
    /// neither a good certificate nor dialback.
    #[test]
    fn each_row_takes_the_strongest_method_that_is_available() {
        use Method::{SaslOverTls as SASL, TcpDialback as TCP, TlsDialback as TLS};
        use Unavailable::{Dialback, External, NoMethod, TlsNotSupported};
        let self_signed = Unavailable::Certificate(CertificateFault::SelfSigned);
        let no_tls = Unavailable::Tls;
        for (numbers, expected) in [
            (&[1, 2, 8][..], [Ok(SASL), Err(self_signed), Err(External), Err(no_tls), Err(self_signed)]),
            (&[3, 4, 10], [Ok(SASL), Err(self_signed), Err(External), Err(no_tls), Err(self_signed)]),
            (&[7], [Ok(SASL), Ok(TLS), Ok(TLS), Err(no_tls), Err(self_signed)]),
            (&[9], [Ok(SASL), Ok(TLS), Ok(TLS), Ok(TCP), Err(self_signed)]),
            (&[13], [Ok(TLS), Ok(TLS), Ok(TLS), Err(no_tls), Err(Dialback)]),
            (&[15], [Ok(TLS), Ok(TLS), Ok(TLS), Ok(TCP), Err(Dialback)]),
            (&[17], [Err(TlsNotSupported), Err(TlsNotSupported), Err(TlsNotSupported), Ok(TCP), Err(TlsNotSupported)]),
            (&[5, 6, 11, 12, 14, 16, 18], [Err(NoMethod); 5]),
        ] {
            for number in numbers {
                let row = &ROWS[usize::from(number - 1u8)];
                assert_eq!(row.number, *number);
                let found = [GOOD, UNTRUSTED, REJECTED, PLAIN, SILENT].map(|available| row.method(available));
                assert_eq!(found, expected, "row {number}");
            }
        }
    }

    #[test]
    fn a_weaker_method_than_last_time_is_an_event() {
        use Method::{SaslOverTls, TcpDialback, TlsDialback};
        for (last, now, event) in [
            (None, TcpDialback, None),
            (Some(SaslOverTls), SaslOverTls, None),
            (Some(TlsDialback), SaslOverTls, None),
            (Some(TcpDialback), TlsDialback, None),
            (Some(SaslOverTls), TlsDialback, Some("certificate_downgrade")),
            (Some(SaslOverTls), TcpDialback, Some("tls_downgrade")),
            (Some(TlsDialback), TcpDialback, Some("tls_downgrade")),
        ] {
            assert_eq!(downgrade(last, now).map(Downgrade::as_str), event, "{last:?} then {now}");
        }
    }
}
