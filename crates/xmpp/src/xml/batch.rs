//! Batches: what crosses crates instead of single stanzas.
//!
//! A batch is one exact-size text, one token array and n first-level elements. Cloning and slicing share both. The
//! namespace bindings of the stream header are shared by all batches of a stream. The bytes are kept as the `str` that
//! they were found to be, so that no access validates them again.

use std::{ops::Range, sync::Arc};

use super::{
    ElementRef, Limits, XmlError, XmlWriter,
    token::{Namespace, Token},
    tokenizer::{self, Parts},
};

/// Complete first-level elements, validated. Cheap to clone.
#[derive(Clone)]
pub struct Batch {
    pub(crate) shared: Arc<Shared>,
    first: u32,
    end: u32,
}

pub(crate) struct Shared {
    pub(crate) text: Box<str>,
    pub(crate) tokens: Vec<Token>,
    /// Token index of each first-level element after the first, whose is 0.
    later_roots: Box<[u32]>,
    pub(crate) inherited: Inherited,
    /// Namespace names whose declaration holds references.
    unescaped: Box<[Box<str>]>,
}

/// The bindings in force around first-level elements: (prefix, namespace name), the default's prefix being empty.
pub(crate) type Inherited = Arc<[(Box<str>, Box<str>)]>;

impl Batch {
    /// Reads `bytes` as first-level elements of a stream between servers, in which [`ns::SERVER_STREAM`](super::ns) is
    /// bound, under [`Limits::own`]: for elements we made ourselves or got back from the link.
    pub fn from_xml(bytes: impl Into<Vec<u8>>) -> Result<Self, XmlError> {
        tokenizer::batch_of(bytes.into(), &Limits::own())
    }

    /// `text` as it was read.
    pub(crate) fn new(parts: Parts, text: Box<str>, inherited: Inherited) -> Self {
        let Parts { tokens, later_roots, unescaped } = parts;
        let end = if tokens.is_empty() { 0 } else { later_roots.len() as u32 + 1 };
        Self { shared: Arc::new(Shared { text, tokens, later_roots, inherited, unescaped }), first: 0, end }
    }

    /// How many first-level elements there are.
    pub fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    /// Whether there are none; the framer yields no such batch.
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// The n-th first-level element.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn element(&self, index: usize) -> ElementRef<'_> {
        assert!(index < self.len(), "element {index} of a batch of {}", self.len());
        let root = match self.first as usize + index {
            0 => 0,
            later => self.shared.later_roots[later - 1],
        };
        ElementRef::new(&self.shared, root)
    }

    /// The first-level elements in order.
    pub fn elements(&self) -> Elements<'_> {
        Elements { batch: self, range: 0..self.len() }
    }

    /// The batch of the elements `range`, sharing the bytes.
    ///
    /// # Panics
    /// When the range exceeds [`len`](Self::len).
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "a slice within the batch");
        Self {
            shared: Arc::clone(&self.shared),
            first: self.first + range.start as u32,
            end: self.first + range.end as u32,
        }
    }

    /// The batch of the n-th element alone, sharing the bytes.
    pub fn single(&self, index: usize) -> Self {
        self.slice(index..index + 1)
    }

    /// The batch of the n-th element alone with bytes of its own, so that it keeps no others in memory.
    pub fn detached(&self, index: usize) -> Self {
        if self.shared.later_roots.is_empty() {
            return self.clone();
        }
        let mut writer = XmlWriter::new();
        writer.forward(self.element(index), &[]);
        writer.into_batch()
    }

    /// Bytes of the batch's own elements.
    pub fn bytes(&self) -> usize {
        self.elements().map(|element| element.raw().len()).sum()
    }

    /// Bytes kept in memory as long as this batch or a slice of it lives, tokens not counted.
    pub fn bytes_retained(&self) -> usize {
        self.shared.text.len()
    }
}

impl Shared {
    #[inline]
    pub(crate) fn namespace(&self, namespace: Namespace) -> &str {
        match namespace {
            Namespace::None => "",
            Namespace::Xml => super::ns::XML,
            Namespace::Inherited(index) => &self.inherited[index as usize].1,
            Namespace::Declared(index) => match self.tokens[index as usize] {
                Token::Binding { value, .. } => value.of(&self.text),
                _ => "",
            },
            Namespace::Unescaped(index) => &self.unescaped[index as usize],
        }
    }
}

/// The first-level elements of a batch.
#[derive(Clone)]
pub struct Elements<'a> {
    batch: &'a Batch,
    range: Range<usize>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = ElementRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.range.next().map(|index| self.batch.element(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.elements().map(|element| element.raw())).finish()
    }
}
