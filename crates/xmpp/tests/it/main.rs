//! Claims about whole machines, from outside the crate.

mod component;
mod corpora;
mod pair;
mod script;
mod stream_ack;
mod stream_bidi;
mod stream_chunks;
mod stream_dialback;
mod stream_errors;
mod stream_hostile;
mod stream_inbound;
mod stream_keep_alive;
mod stream_limits;
mod stream_outbound;
mod stream_rows;
mod stream_rows_oracle;
mod stream_rows_peer;
mod stream_rows_world;
mod xml_properties;
mod xml_vectors;

/// Public there, in the crate that fuzzes them.
#[allow(unreachable_pub)]
#[path = "../../../../fuzz/src/xmpp/targets.rs"]
mod fuzz_targets;
