//! Tokenizer.

use super::{Batch, Limits, XmlError, XmlFault};

pub(crate) fn batch_of(_bytes: Vec<u8>, _limits: &Limits) -> Result<Batch, XmlError> {
    Err(XmlFault::Syntax.into())
}
