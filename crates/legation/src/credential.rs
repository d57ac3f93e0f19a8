//! What is stored of a user's password: one digest credential for each algorithm (RFC 7616 §3.4.2, RFC 8760).
//!
//! The realm is the internal domain and the user name the one that people know, as endpoints are set up: `o'malley`,
//! though the address has `o\27malley`.

use lexicon::BareJid;
use panel::DigestChoice;
use sip::digest::{Algorithm, ha1};
use store::Credential;

pub(crate) fn of(address: &BareJid, password: &str, choice: DigestChoice) -> Vec<Credential> {
    let algorithms: &[Algorithm] = match choice {
        DigestChoice::Sha256Md5 => &[Algorithm::Sha256, Algorithm::Md5],
        DigestChoice::Md5 => &[Algorithm::Md5],
    };
    let user = interwork::uri::display_name(address);
    let realm = address.domain().as_ascii();
    let credential = |algorithm: &Algorithm| Credential {
        algorithm: algorithm.as_str().to_owned(),
        realm: realm.to_owned(),
        ha1: ha1(*algorithm, &user, realm, password),
    };
    algorithms.iter().map(credential).collect()
}

#[cfg(test)]
mod tests {
    use lexicon::Domain;

    use super::*;

    #[test]
    fn a_user_of_md5_has_no_other_credential() {
        let address = BareJid::of_user("alice", Domain::parse("contoso.example").unwrap()).unwrap();
        let both = of(&address, "secret", DigestChoice::Sha256Md5);
        assert_eq!(both.iter().map(|credential| &*credential.algorithm).collect::<Vec<_>>(), ["SHA-256", "MD5"]);
        let md5 = of(&address, "secret", DigestChoice::Md5);
        assert_eq!(md5, both[1..]);
        // printf 'alice:contoso.example:secret' | md5sum
        assert_eq!(md5[0].ha1, "8d88f39e5db96c0418db9d1c5bcc7ce9");
    }

    #[test]
    fn a_name_that_addresses_escape_is_hashed_as_people_type_it() {
        let address = BareJid::of_user("o\\27malley", Domain::parse("contoso.example").unwrap()).unwrap();
        // printf "o'malley:contoso.example:secret" | md5sum
        assert_eq!(of(&address, "secret", DigestChoice::Md5)[0].ha1, "7ca6b436eb375de3ac7f3fd826207dd8");
    }
}
