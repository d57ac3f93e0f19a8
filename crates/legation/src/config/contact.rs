//! Whether a text is a URI (RFC 3986): what a contact address of XEP-0157 must be.

/// Longest contact in octets.
const BYTES_MAX: usize = 1024;

/// Whether `text` has a scheme, something behind it, and nothing that a URI cannot hold (RFC 3986 §2, §3.1).
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut chars = scheme.chars();
    let is_scheme = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme && !rest.is_empty() && text.len() <= BYTES_MAX && is_made_of_uri_characters(rest)
}

/// Unreserved, reserved, and percent-encoded ones.
fn is_made_of_uri_characters(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()].iter().all(|digit| digit.is_some_and(|d| d.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uris_are_contacts() {
        for text in [
            "mailto:admin@contoso.example",
            "xmpp:help@contoso.example?message",
            "https://contoso.example/help%20me",
            "tel:+49-30-1234",
        ] {
            assert!(is_uri(text), "{text}");
        }
        for text in
            ["", "admin@contoso.example", "mailto:", "mail to:a@b", "1a:b", "mailto:a b", "mailto:é", "x:%2", "x:<y>"]
        {
            assert!(!is_uri(text), "{text}");
        }
    }
}
