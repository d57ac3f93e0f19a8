//! Targets over the XML and the addresses of XMPP.

pub mod events;
pub mod framer;
pub mod jid;
pub mod oracle;
pub mod tokenizer;
