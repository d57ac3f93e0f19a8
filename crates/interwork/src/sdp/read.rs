//! Reading a description: what RFC 4566 §5 demands must be there, and lines that we have no use for must be lines.

use super::{Description, Direction, MEDIA_MAX, MediaLine, Refusal, SDP_BYTES_MAX};

/// The letters of RFC 4566 §5; a description with another one must be ignored as a whole.
const TYPES: &[u8] = b"vosiuepcbtrzkam";

/// Empty lines after the last one are borne.
const LINE_END: [char; 2] = ['\r', '\n'];

/// Most types in a list of accepted ones.
const ACCEPT_TYPES_MAX: usize = 32;

impl Description {
    /// Reads a description and finds the medium that carries texts.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::default();
        if body.len() > SDP_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed)?;
        for (at, line) in text.trim_end_matches(LINE_END).lines().enumerate() {
            let (kind, value) = split_line(line).ok_or(Refusal::Malformed)?;
            if (at == 0) != (kind == b'v') {
                return Err(Refusal::Malformed);
            }
            reader.line(kind, value).ok_or(Refusal::Malformed)?;
        }
        reader.finish()
    }
}

/// `x=value`. `str::lines` has taken CR LF or LF off; a control character that is left ends the reading.
fn split_line(line: &str) -> Option<(u8, &str)> {
    let (kind, value) = line.split_once('=')?;
    let [kind] = *kind.as_bytes() else { return None };
    let is_clean = !value.chars().any(|c| c.is_control() && c != '\t');
    (TYPES.contains(&kind) && is_clean).then_some((kind, value))
}

#[derive(Default)]
struct Reader {
    has_origin: bool,
    has_name: bool,
    has_time: bool,
    direction: Option<Direction>,
    media: Vec<(MediaLine, Attributes)>,
}

/// What the attributes of one medium say.
#[derive(Default)]
struct Attributes {
    direction: Option<Direction>,
    accept_types: Option<Vec<String>>,
    accept_wrapped_types: Vec<String>,
}

impl Reader {
    fn line(&mut self, kind: u8, value: &str) -> Option<()> {
        match (kind, self.media.last_mut()) {
            (b'v', _) => (value.trim_end() == "0").then_some(()),
            (b'o', None) => {
                self.has_origin = true;
                (value.split_ascii_whitespace().count() == 6).then_some(())
            }
            (b's', None) => {
                self.has_name = true;
                Some(())
            }
            (b't', None) => {
                self.has_time = true;
                Some(())
            }
            (b'm', _) => {
                let line = media_line(value)?;
                let fits = self.media.len() < MEDIA_MAX;
                self.media.push((line, Attributes::default()));
                fits.then_some(())
            }
            // Lines of the session after its media, or of another than the session.
            (b'o' | b's' | b't' | b'u' | b'e' | b'p' | b'r' | b'z', Some(_)) => None,
            (b'a', None) => {
                self.direction = Direction::read(value).or(self.direction);
                Some(())
            }
            (b'a', Some((_, attributes))) => {
                attributes.line(value);
                Some(())
            }
            _ => Some(()),
        }
    }

    fn finish(self) -> Result<Description, Refusal> {
        if !(self.has_origin && self.has_name && self.has_time) {
            return Err(Refusal::Malformed);
        }
        let session_direction = self.direction;
        let (media, mut attributes): (Vec<_>, Vec<_>) = self.media.into_iter().unzip();
        let chosen = media.iter().position(|line| line.carries_texts() && line.port != 0).ok_or_else(|| {
            let is_msrp = |line: &MediaLine| line.media == "message" && line.port != 0;
            if media.iter().any(is_msrp) { Refusal::Transport } else { Refusal::Media }
        })?;
        let Attributes { direction, accept_types, accept_wrapped_types } = attributes.swap_remove(chosen);
        let direction = direction.or(session_direction).unwrap_or(Direction::SendReceive);
        let description = Description { media, chosen, direction, accept_types, accept_wrapped_types };
        if description.accepts("text/plain") { Ok(description) } else { Err(Refusal::Format) }
    }
}

impl MediaLine {
    fn carries_texts(&self) -> bool {
        ["message", "x-ms-message"].contains(&self.media.as_str()) && self.protocol.eq_ignore_ascii_case("sip")
    }
}

impl Attributes {
    fn line(&mut self, value: &str) {
        match value.split_once(':') {
            None => self.direction = Direction::read(value).or(self.direction),
            Some(("accept-types", list)) => self.accept_types = Some(types(list)),
            Some(("accept-wrapped-types", list)) => self.accept_wrapped_types = types(list),
            Some(_) => {}
        }
    }
}

/// Media types as in RFC 4975 §8.6, without their parameters.
fn types(list: &str) -> Vec<String> {
    let essence = |entry: &str| entry.split(';').next().unwrap_or_default().to_ascii_lowercase();
    list.split_ascii_whitespace().take(ACCEPT_TYPES_MAX).map(essence).collect()
}

/// `message 5060 sip null`; a number of ports after the first is read and means nothing here.
fn media_line(value: &str) -> Option<MediaLine> {
    let mut words = value.split_ascii_whitespace();
    let (media, port, protocol) = (words.next()?, words.next()?, words.next()?);
    let formats: Vec<&str> = words.collect();
    let port = port.split('/').next()?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_number { port.parse().ok()? } else { return None };
    (!formats.is_empty()).then(|| MediaLine {
        media: media.to_owned(),
        port,
        protocol: protocol.to_owned(),
        formats: formats.join(" "),
    })
}
