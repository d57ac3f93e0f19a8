//! The first text of a session, which Lync carries in the INVITE itself (`ms-text-format`).
//!
//! `ms-text-format: text/plain; charset=UTF-8;msgr=…;ms-body=BASE64`, perhaps in several fields, one for each format of the
//! same text. The called side says `Supported: ms-text-format` in its 2xx if it took the text; otherwise the caller sends it
//! again as the first MESSAGE. So a text that we cannot read is no error: its sender finds out by the answer to that
//! MESSAGE. Others ignore the field, and the MESSAGE is all that they see.

use data_encoding::BASE64;
use sip::{Headers, Name};

use crate::body::{self, Media, base64};

/// The field, and the option tag that says it was taken.
pub const MS_TEXT_FORMAT: &str = "ms-text-format";

/// Most bytes of a text that rides in an INVITE, so that the header stays well within what servers take.
pub const FIRST_TEXT_BYTES_MAX: usize = 4096;

/// Fields that are looked at.
const FIELDS_MAX: usize = 8;

/// The text in an INVITE: of its formats plain text before HTML, each reduced to plain text.
pub fn read(headers: &Headers) -> Option<String> {
    let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(MS_TEXT_FORMAT)).take(FIELDS_MAX);
    let formats: Vec<Media<'_>> = named.filter_map(|(_, value)| Media::read(value)).collect();
    ["text/plain", "text/html"].iter().find_map(|wanted| {
        let mut fitting = formats.iter().filter(|media| media.essence() == *wanted);
        fitting.find_map(|media| body::text(media, &base64(media.param("ms-body")?.as_bytes())?).ok())
    })
}

/// The value of the field for `text`; none if it is too long, and so must wait for the session.
pub fn write(text: &str) -> Option<String> {
    let fits = text.len() <= FIRST_TEXT_BYTES_MAX;
    fits.then(|| format!("text/plain; charset=UTF-8;ms-body={}", BASE64.encode(text.as_bytes())))
}

/// Whether a 2xx to an INVITE says that the text in it was taken.
pub fn was_taken(answer: &Headers) -> bool {
    answer.values(Name::Supported).any(|tag| tag.eq_ignore_ascii_case(MS_TEXT_FORMAT))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(values: &[&str]) -> Headers {
        let mut headers = Headers::default();
        for value in values {
            headers.push_named("Ms-Text-Format", value).unwrap();
        }
        headers
    }

    /// Fields in the form of the gateway's reference ("First message"); no real server was at hand. "aGVsbG8=" is the
    /// base64 of "hello".
    #[test]
    fn the_text_of_an_invite_is_read() {
        for (values, text) in [
            (&["text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAA0ACgA;ms-body=aGVsbG8="][..], Some("hello")),
            (&["text/plain;charset=UTF-8;ms-body=aGVsbG8"], Some("hello")),
            (&["text/html;ms-body=PGI+aGVsbG88L2I+", "text/plain;ms-body=aGVsbG8="], Some("hello")),
            (&["text/html; charset=UTF-8;ms-body=PGI+aGVsbG88L2I+"], Some("hello")),
            (&["text/plain;ms-body=///=", "text/html;ms-body=PGI+aGVsbG88L2I+"], Some("hello")),
            (&["text/rtf;ms-body=aGVsbG8="], None),
            (&["text/x-msmsgsinvite;ms-body=aGVsbG8="], None),
            (&["text/plain; charset=UTF-8"], None),
            (&["text/plain;ms-body=*"], None),
            (&["text/plain;ms-body="], None),
            (&["text/plain;charset=utf-16;ms-body=aGVsbG8="], None),
            (&["ms-body=aGVsbG8="], None),
            (&[], None),
        ] {
            assert_eq!(read(&with(values)).as_deref(), text, "{values:?}");
        }
        let mut many = vec!["text/rtf;ms-body=aGVsbG8="; FIELDS_MAX];
        many.push("text/plain;ms-body=aGVsbG8=");
        assert_eq!(read(&with(&many)), None);
    }

    #[test]
    fn the_answer_says_whether_it_was_taken() {
        let mut answer = Headers::default();
        assert!(!was_taken(&answer));
        answer.push(Name::Supported, "timer, replaces").unwrap();
        assert!(!was_taken(&answer));
        answer.push(Name::Supported, "ms-sender, Ms-Text-Format").unwrap();
        assert!(was_taken(&answer));
    }

    #[test]
    fn a_long_text_waits_for_the_session() {
        assert_eq!(write("hello").unwrap(), "text/plain; charset=UTF-8;ms-body=aGVsbG8=");
        assert!(write(&"x".repeat(FIRST_TEXT_BYTES_MAX)).is_some());
        assert_eq!(write(&"x".repeat(FIRST_TEXT_BYTES_MAX + 1)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "\\PC{1,100}") {
            prop_assert_eq!(read(&with(&[&write(&text).unwrap()])), Some(text));
        }

        #[test]
        fn no_field_panics(value in "\\PC{0,100}|text/plain;ms-body=[A-Za-z0-9+/=]{0,60}|text/html;ms-body=[A-Za-z0-9+/=]{0,60}") {
            let _read = read(&with(&[&value]));
        }
    }
}
