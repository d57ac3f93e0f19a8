//! Passwords of administrators: Argon2id (RFC 9106) with the parameters that OWASP names first for little memory, and a salt of
//! their own.
//!
//! The form is `v$m$t$p$salt$tag` (numbers, then Base64), so that parameters can be raised later without asking anybody.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64_NOPAD;
use subtle::ConstantTimeEq as _;

/// Fewest characters of a password, and most octets.
pub(crate) const CHARS_MIN: usize = 12;
const BYTES_MAX: usize = 1024;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const TAG_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// Why a text cannot be a password; none if it can.
pub(crate) fn fault(password: &str) -> Option<(&'static str, String)> {
    let chars = password.chars().count();
    if chars < CHARS_MIN {
        return Some(("too_short", format!("{chars} characters were entered; at least {CHARS_MIN} are needed")));
    }
    (password.len() > BYTES_MAX).then(|| ("too_long", format!("at most {BYTES_MAX} octets are allowed")))
}

/// What is stored of a password. Takes some ten milliseconds of one core.
pub(crate) async fn hash(password: String) -> String {
    let salt: [u8; SALT_BYTES] = net::entropy::bytes();
    let tag = derive(password, salt.to_vec(), (MEMORY_KIB, PASSES, LANES)).await.unwrap_or_default();
    let (salt, tag) = (BASE64_NOPAD.encode(&salt), BASE64_NOPAD.encode(&tag));
    format!("19${MEMORY_KIB}${PASSES}${LANES}${salt}${tag}")
}

/// Whether `password` is what `stored` was made of. Without one the same time passes, so that nobody learns which names exist.
pub(crate) async fn verify(password: String, stored: Option<&str>) -> bool {
    let Some((cost, salt, tag)) = stored.and_then(read) else {
        let _same_time = derive(password, vec![0; SALT_BYTES], (MEMORY_KIB, PASSES, LANES)).await;
        return false;
    };
    derive(password, salt, cost).await.is_some_and(|derived| !tag.is_empty() && bool::from(derived[..].ct_eq(&tag)))
}

type Cost = (u32, u32, u32);

fn read(stored: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = stored.split('$');
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (19, memory, passes, lanes) = (number()?, number()?, number()?, number()?) else { return None };
    let mut bytes = || BASE64_NOPAD.decode(parts.next()?.as_bytes()).ok();
    Some(((memory, passes, lanes), bytes()?, bytes()?))
}

/// Off the threads that serve others. None: the parameters make no sense.
async fn derive(password: String, salt: Vec<u8>, (memory, passes, lanes): Cost) -> Option<[u8; TAG_BYTES]> {
    let work = move || {
        let params = Params::new(memory, passes, lanes, Some(TAG_BYTES)).ok()?;
        let mut tag = [0; TAG_BYTES];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(password.as_bytes(), &salt, &mut tag).ok().map(|()| tag)
    };
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_verified_by_what_is_stored_of_it_alone() {
        let stored = hash("correct horse battery".to_owned()).await;
        assert!(stored.starts_with("19$19456$2$1$") && !stored.contains("horse"));
        assert_ne!(stored, hash("correct horse battery".to_owned()).await, "each has its own salt");
        assert!(verify("correct horse battery".to_owned(), Some(&stored)).await);
        for (password, stored) in [
            ("correct horse batterx", Some(stored.as_str())),
            ("correct horse battery", None),
            ("", Some("19$19456$2$1$$")),
            ("correct horse battery", Some("nonsense")),
            ("correct horse battery", Some("19$1$0$0$AAAA$AAAA")),
        ] {
            assert!(!verify(password.to_owned(), stored).await, "{password} {stored:?}");
        }
    }

    /// The tag that the reference implementation (by way of argon2-cffi) gives for the same.
    #[tokio::test]
    async fn the_tag_is_that_of_the_reference_implementation() {
        let tag = derive("correcthorse".to_owned(), b"somesaltsomesalt".to_vec(), (19_456, 2, 1)).await.unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&tag), REFERENCE);
    }

    const REFERENCE: &str = "7f95a2fe3b11987e717703a29ead8bdfeb000f2d9ca84c428343e79f8941c5ee";
}
