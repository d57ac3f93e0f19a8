//! Stanzas on their way out, measured: a machine keeps to the peer's limits and counts what is acknowledged.

use bytes::Bytes;

use crate::xml::XmlWriter;

/// Whole stanzas of one pair, in `jabber:server` as default namespace, to be written together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stanzas {
    bytes: Bytes,
    count: usize,
    longest: usize,
}

impl Stanzas {
    /// One stanza.
    pub fn one(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { count: 1, longest: bytes.len(), bytes }
    }

    /// One stanza for each of `items`, as `write` writes it.
    pub fn written<T>(items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut XmlWriter, T)) -> Self {
        let mut writer = XmlWriter::new();
        let (mut count, mut longest) = (0, 0);
        for item in items {
            let before = writer.len();
            write(&mut writer, item);
            count += 1;
            longest = longest.max(writer.len() - before);
        }
        Self { bytes: writer.finish(), count, longest }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the longest.
    pub fn longest_bytes(&self) -> usize {
        self.longest
    }

    /// As written.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Why stanzas were not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnsentReason {
    /// The pair is not authorised here, or the stream is closing. Another stream may take them.
    NotOpen,
    /// One of them has more bytes than the peer says it accepts (XEP-0478 §4): its sender gets `policy-violation`. The
    /// stream goes on, and takes the others.
    TooLong {
        /// What the peer accepts.
        bytes_max: u64,
    },
}
