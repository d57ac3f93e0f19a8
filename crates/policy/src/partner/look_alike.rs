//! Warns of internationalised names that can be taken for another name.
//!
//! A label that mixes Latin, Greek and Cyrillic letters, or consists only of Cyrillic or Greek letters that look like
//! Latin ones, is shown with its A-label form. This is the simple part of UTS #39: it warns, it never refuses.

use lexicon::Domain;

use crate::FieldWarning;

/// Cyrillic and Greek small letters that look like Latin ones in common typefaces.
const LATIN_TWINS: &str = "асеорхуѕіјһԁԛԝαορνικ";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
}

fn script(c: char) -> Option<Script> {
    match c {
        'a'..='z' | '\u{df}'..='\u{f6}' | '\u{f8}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Script::Latin),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Script::Greek),
        '\u{400}'..='\u{52f}' => Some(Script::Cyrillic),
        _ => None,
    }
}

fn is_doubtful(label: &str) -> bool {
    let mut scripts = label.chars().filter_map(script);
    let Some(first) = scripts.next() else { return false };
    if scripts.any(|other| other != first) {
        return true;
    }
    first != Script::Latin && label.chars().filter(|c| script(*c).is_some()).all(|c| LATIN_TWINS.contains(c))
}

/// The warning for `domain`, if it is internationalised and doubtful.
pub(super) fn warning(field: &'static str, domain: &Domain) -> Option<FieldWarning> {
    let doubtful = domain.is_internationalised() && domain.as_unicode().split('.').any(is_doubtful);
    doubtful.then(|| {
        FieldWarning::new(
            field,
            "look_alike_domain",
            format!(
                "{domain} holds letters that look like those of another alphabet; check that {} is meant",
                domain.as_ascii()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mixed_or_twin_letters_are_warned_of() {
        for (name, expected) in [
            ("fabrikam.example", false),
            ("bücher.example", false),
            ("пример.example", false),
            ("παράδειγμα.example", false),
            ("例え.example", false),
            ("f\u{430}brikam.example", true),
            ("\u{430}\u{441}\u{435}.example", true),
            ("\u{3bf}\u{3bf}.example", true),
        ] {
            let found = warning("primary_domain", &Domain::parse(name).unwrap());
            assert_eq!(found.is_some(), expected, "{name}");
        }
        let found = warning("primary_domain", &Domain::parse("f\u{430}brikam.example").unwrap()).unwrap();
        assert_eq!(found.code, "look_alike_domain");
        assert!(found.message.contains("xn--"), "{}", found.message);
    }
}
