//! Character references of HTML: all numbers, and the names that clients write.
//!
//! HTML knows more than two thousand names; those of Latin-1, of common punctuation and the five of XML are known here. An
//! unknown one stays as it was written, so nothing is lost.

/// The names of U+00A0 to U+00FF in order (ISO 8879 Latin 1).
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 \
    sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring \
    AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash \
    Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml \
    igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn \
    yuml";

const OTHERS: [(&str, char); 24] = [
    ("amp", '&'),
    ("apos", '\''),
    ("bull", '\u{2022}'),
    ("dagger", '\u{2020}'),
    ("euro", '\u{20ac}'),
    ("gt", '>'),
    ("hellip", '\u{2026}'),
    ("larr", '\u{2190}'),
    ("ldquo", '\u{201c}'),
    ("lsaquo", '\u{2039}'),
    ("lsquo", '\u{2018}'),
    ("lt", '<'),
    ("mdash", '\u{2014}'),
    ("minus", '\u{2212}'),
    ("ndash", '\u{2013}'),
    ("quot", '"'),
    ("rarr", '\u{2192}'),
    ("rdquo", '\u{201d}'),
    ("rsaquo", '\u{203a}'),
    ("rsquo", '\u{2019}'),
    ("sbquo", '\u{201a}'),
    ("bdquo", '\u{201e}'),
    ("trade", '\u{2122}'),
    ("ensp", '\u{2002}'),
];

/// What HTML reads behind `&#128;` to `&#159;`: the characters of Windows-1252, U+FFFD where it has none.
const WINDOWS_1252: &str = "\u{20ac}\u{fffd}\u{201a}\u{192}\u{201e}\u{2026}\u{2020}\u{2021}\u{2c6}\u{2030}\u{160}\u{2039}\
    \u{152}\u{fffd}\u{17d}\u{fffd}\u{fffd}\u{2018}\u{2019}\u{201c}\u{201d}\u{2022}\u{2013}\u{2014}\u{2dc}\u{2122}\u{161}\
    \u{203a}\u{153}\u{fffd}\u{17e}\u{178}";

/// Longest name or number, in bytes.
const NAME_BYTES_MAX: usize = 10;

/// The character that the reference at the start of `text` stands for, and its length in bytes; none if it is none.
pub(super) fn at_start(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    let end = rest.bytes().take(NAME_BYTES_MAX + 1).position(|byte| byte == b';')?;
    let name = &rest[..end];
    let character = match name.strip_prefix('#') {
        Some(number) => numbered(number)?,
        None => named(name)?,
    };
    Some((character, end + 2))
}

/// `text` with its references replaced.
pub(super) fn decode(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        let (character, length) = at_start(&rest[at..]).unwrap_or(('&', 1));
        plain.push(character);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    plain
}

fn named(name: &str) -> Option<char> {
    if let Some((_, character)) = OTHERS.iter().find(|(known, _)| *known == name) {
        return Some(*character);
    }
    let index = LATIN_1.split(' ').filter(|word| !word.is_empty()).position(|known| known == name)?;
    char::from_u32(0xa0 + u32::try_from(index).ok()?)
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok()?,
        None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok()?,
        _ => return None,
    };
    let character = match code {
        0x80..=0x9f => WINDOWS_1252.chars().nth(code as usize - 0x80),
        code => char::from_u32(code).filter(|c| !c.is_control() || c.is_ascii_whitespace()),
    };
    Some(character.unwrap_or(char::REPLACEMENT_CHARACTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the HTML standard's table of named character references and its rules for numeric ones.
    #[test]
    fn references_become_characters() {
        for (text, plain) in [
            ("&amp;lt; &lt;b&gt; &quot;&apos;", "&lt; <b> \"'"),
            ("&nbsp;&iexcl;&szlig;&ouml;&yuml;&divide;", "\u{a0}\u{a1}\u{df}\u{f6}\u{ff}\u{f7}"),
            ("&#8364;&#x20AC;&#X20ac;&euro;&#128;", "\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}"),
            ("&#150;&#x81;&#0;&#xD800;&#x110000;&#1;", "\u{2013}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("AT&T &unknown; &; &#; &#x; &#+5; &amp", "AT&T &unknown; &; &#; &#x; &#+5; &amp"),
            ("&#99999999999999;", "&#99999999999999;"),
            ("a\n&#10;", "a\n\n"),
        ] {
            assert_eq!(decode(text), plain, "{text}");
        }
    }
}
