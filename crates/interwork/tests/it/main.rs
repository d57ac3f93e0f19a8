//! The crate from outside: whole messages of a conversation, read and answered.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod lync;
