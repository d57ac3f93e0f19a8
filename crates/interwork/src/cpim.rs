//! `message/cpim` (RFC 3862): a text in an envelope that asks for notifications of its fate (RFC 5438).
//!
//! Of the envelope what matters to us is read: subject, Message-ID and what is asked for. Who a message is from and for is
//! what the SIP request says, which its sender has proved; the From and To in here are not believed. Unknown header fields
//! are ignored unless `Require` names them (RFC 3862 §4.4).

use lexicon::Timestamp;

use crate::error::one_line;

/// The media type.
pub const CPIM: &str = "message/cpim";

/// The namespace of the header fields of notifications (RFC 5438 §6).
const IMDN: &str = "urn:ietf:params:imdn";

/// Most bytes of both headers.
const HEADER_BYTES_MAX: usize = 4096;
/// Longest Message-ID that is kept, in bytes.
const MESSAGE_ID_BYTES_MAX: usize = 256;

/// No envelope that we read, though its type says so: a 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Malformed message/cpim")]
pub struct Malformed;

/// What a sender asks to be told (RFC 5438 §6.2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// `positive-delivery`.
    pub delivery: bool,
    /// `negative-delivery`.
    pub failure: bool,
    /// `display`.
    pub display: bool,
}

/// An envelope with what is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope<'a> {
    /// One line.
    pub subject: Option<String>,
    /// What notifications refer to.
    pub message_id: Option<String>,
    /// Which; nothing without a Message-ID.
    pub wanted: Wanted,
    /// Of the content; `text/plain` where it is not said.
    pub content_type: String,
    /// The content.
    pub content: &'a [u8],
}

/// Reads an envelope.
///
/// # Errors
/// When its headers do not end, are too long, hold what is no header field, or require what we do not know.
pub fn read(body: &[u8]) -> Result<Envelope<'_>, Malformed> {
    let (message, rest) = header(body)?;
    let (entity, content) = header(rest)?;
    let named = |fields: &[Field<'_>], name: &str| {
        fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    if message.iter().any(|(name, _)| name.eq_ignore_ascii_case("Require")) {
        return Err(Malformed);
    }
    // `NS: imdn <urn:ietf:params:imdn>`: the prefix is the sender's choice (RFC 3862 §4.3).
    let prefixes = message.iter().filter(|(name, _)| name.eq_ignore_ascii_case("NS"));
    let prefix = prefixes
        .filter_map(|(_, value)| value.trim_end().strip_suffix('>')?.split_once('<'))
        .find(|(_, namespace)| *namespace == IMDN)
        .map(|(prefix, _)| prefix.trim().to_owned());
    let of_imdn = |name: &str| named(&message, &format!("{}.{name}", prefix.as_ref()?));
    let message_id = of_imdn("Message-ID").filter(|id| !id.is_empty() && id.len() <= MESSAGE_ID_BYTES_MAX);
    let asked = message_id.as_ref().and_then(|_| of_imdn("Disposition-Notification")).unwrap_or_default();
    let asks = |word: &str| asked.split(',').any(|one| one.trim().eq_ignore_ascii_case(word));
    Ok(Envelope {
        subject: named(&message, "Subject").map(|text| one_line(&text)).filter(|text| !text.is_empty()),
        wanted: Wanted {
            delivery: asks("positive-delivery"),
            failure: asks("negative-delivery"),
            display: asks("display"),
        },
        message_id,
        content_type: named(&entity, "Content-Type").unwrap_or_else(|| "text/plain".to_owned()),
        content,
    })
}

/// Name and value.
type Field<'a> = (&'a str, String);

/// The header fields up to the empty line, and what follows it.
fn header(bytes: &[u8]) -> Result<(Vec<Field<'_>>, &[u8]), Malformed> {
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        let end = rest.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n').ok_or(Malformed)?;
        at += end + 1;
        if at > HEADER_BYTES_MAX {
            return Err(Malformed);
        }
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| Malformed)?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Ok((fields, &bytes[at..]));
        }
        let (name, value) = line.split_once(':').ok_or(Malformed)?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(Malformed);
        }
        fields.push((name, value.trim().to_owned()));
    }
}

/// What is written around a content.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// The sender's URI.
    pub from: &'a str,
    /// The recipient's.
    pub to: &'a str,
    /// What notifications of it refer to.
    pub message_id: &'a str,
    /// When it was written.
    pub at: Timestamp,
    /// What is asked for.
    pub wanted: Wanted,
    /// Content-Type of the content.
    pub content_type: &'a str,
}

/// The envelope around `content`.
pub fn write(writing: Writing<'_>, content: &str) -> String {
    let Writing { from, to, message_id, at, wanted, content_type } = writing;
    let mut envelope = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nDateTime: {at}\r\nNS: imdn <{IMDN}>\r\nimdn.Message-ID: {message_id}\r\n"
    );
    let Wanted { delivery, failure, display } = wanted;
    let words = [(delivery, "positive-delivery"), (failure, "negative-delivery"), (display, "display")];
    let words: Vec<_> = words.into_iter().filter(|(asked, _)| *asked).map(|(_, word)| word).collect();
    if !words.is_empty() {
        envelope.push_str(&format!("imdn.Disposition-Notification: {}\r\n", words.join(", ")));
    }
    let length = content.len();
    envelope.push_str(&format!("\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{content}"));
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5438 §7.1.1, with the line between the headers that RFC 3862 §2 asks for.
    const EXAMPLE: &str = "From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: imdn \
        <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk324j\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n\
        imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\nContent-type: text/plain\r\n\
        Content-length: 12\r\n\r\nHello World\n";

    #[test]
    fn the_example_of_the_standard_is_read() {
        let envelope = read(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(envelope.message_id.as_deref(), Some("34jk324j"));
        assert_eq!(envelope.wanted, Wanted { delivery: true, failure: true, display: false });
        assert_eq!((envelope.content_type.as_str(), envelope.content), ("text/plain", &b"Hello World\n"[..]));
    }

    #[test]
    fn the_prefix_is_the_senders_choice_and_a_foreign_one_asks_for_nothing() {
        let other = EXAMPLE.replace("imdn.", "x.").replace("NS: imdn", "NS: x");
        assert!(read(other.as_bytes()).unwrap().wanted.delivery);
        let foreign = EXAMPLE.replace("urn:ietf:params:imdn", "urn:example");
        let envelope = read(foreign.as_bytes()).unwrap();
        assert_eq!((envelope.message_id, envelope.wanted), (None, Wanted::default()));
        let without_id = EXAMPLE.replace("imdn.Message-ID", "imdn.Other");
        assert_eq!(read(without_id.as_bytes()).unwrap().wanted, Wanted::default());
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let long = format!("Subject: {}\r\n\r\n\r\n", "x".repeat(HEADER_BYTES_MAX));
        for body in ["", "From: x\r\n", "From: x\r\n\r\nContent-Type: text/plain\r\n", "no field\r\n\r\n\r\n", &long] {
            assert_eq!(read(body.as_bytes()), Err(Malformed), "{body}");
        }
        assert_eq!(read(b"From: \xff\r\n\r\n\r\n"), Err(Malformed));
        let required = format!("Require: MyFeatures.VitalMessageOption\r\n{EXAMPLE}");
        assert_eq!(read(required.as_bytes()), Err(Malformed));
    }

    #[test]
    fn what_is_written_is_read_alike() {
        let wanted = Wanted { delivery: true, failure: false, display: true };
        let writing = Writing {
            from: "sip:juliet@fabrikam.example",
            to: "sip:romeo@contoso.example",
            message_id: "m1",
            at: Timestamp::from_millis(0),
            wanted,
            content_type: "text/plain;charset=UTF-8",
        };
        let written = write(writing, "Grüße");
        let envelope = read(written.as_bytes()).unwrap();
        assert_eq!((envelope.message_id.as_deref(), envelope.wanted), (Some("m1"), wanted));
        assert_eq!(envelope.content, "Grüße".as_bytes());
        assert!(written.contains("DateTime: 1970-01-01T00:00:00"));
    }

    proptest::proptest! {
        #[test]
        fn no_envelope_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read(&body);
            let _ = read(&[EXAMPLE.as_bytes(), &body].concat());
        }
    }
}
