//! How a domain pair was authorised.

use std::fmt;

/// A way to authorise a domain pair. The order is that of strength: a lesser value is stronger.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// SASL EXTERNAL with certificates inside TLS (XEP-0178).
    SaslOverTls,
    /// Server dialback inside TLS (XEP-0220): encrypted, the certificate not trusted.
    TlsDialback,
    /// Server dialback on a plaintext connection.
    TcpDialback,
}

impl Method {
    /// All methods, strongest first.
    pub const ALL: [Self; 3] = [Self::SaslOverTls, Self::TlsDialback, Self::TcpDialback];

    /// The word used in the API, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SaslOverTls => "sasl_over_tls",
            Self::TlsDialback => "tls_dialback",
            Self::TcpDialback => "tcp_dialback",
        }
    }
}

/// The words of the product, for people.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SaslOverTls => "SASL over TLS",
            Self::TlsDialback => "TLS dialback",
            Self::TcpDialback => "TCP dialback",
        })
    }
}

/// A set of methods, iterated strongest first.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct MethodSet(u8);

impl MethodSet {
    /// The set without a method: nothing can be authorised.
    pub const EMPTY: Self = Self(0);

    /// The set of the given methods.
    pub const fn of(methods: &[Method]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < methods.len() {
            bits |= 1 << methods[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether `method` is in the set.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u8) != 0
    }

    /// Whether no method is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods of the set, strongest first.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.contains(*method))
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self(methods.into_iter().fold(0, |bits, method| bits | 1 << method as u8))
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("none");
        }
        let names: Vec<_> = self.iter().map(|method| method.to_string()).collect();
        f.pad(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_lists_its_methods_strongest_first() {
        let set = MethodSet::of(&[Method::TcpDialback, Method::SaslOverTls]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Method::SaslOverTls, Method::TcpDialback]);
        assert_eq!(set, set.iter().collect());
        assert!(!set.contains(Method::TlsDialback));
        assert_eq!(MethodSet::EMPTY.to_string(), "none");
    }
}
