//! Addresses: normalising is final, and what is normalised can be split again.

use lexicon::{BareJid, Domain, Jid, JidRef};

/// The input is an address.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(domain) = Domain::parse(text) {
        assert_eq!(Domain::parse(domain.as_ascii()).as_ref(), Ok(&domain), "A-labels");
        assert_eq!(Domain::parse(domain.as_unicode()).as_ref(), Ok(&domain), "U-labels");
    }
    let split = JidRef::split(text);
    let Ok(jid) = Jid::parse(text) else { return };
    assert!(split.is_ok(), "a valid address can be split");
    assert_eq!(Jid::parse(&jid.to_string()).as_ref(), Ok(&jid), "normalising is final");
    assert_eq!(BareJid::parse(&jid.bare().to_string()).as_ref(), Ok(jid.bare()), "so it is of the bare address");
}
