//! Foreign programs for the tests: each file starts one program that nobody here wrote (or our own server as a child process),
//! waits until it can be seen to be ready, and ends it by its own process id when the value is dropped, also by a panic.
//!
//! Every test world has a loopback address of its own, so that worlds run beside each other. Nothing waits for a length
//! of time: every wait observes a log line, an answer or a port, under one bound ([`process::PATIENCE`]).
//!
//! The programs come from Debian; `./test` installs them. A missing program fails the test that needs it.

pub mod baresip;
pub mod browser;
pub mod ca;
pub mod component;
pub mod dns;
pub mod ejabberd;
pub mod kamailio;
pub mod legation;
pub mod loopback;
pub mod process;
pub mod prosody;
pub mod sip_user;
pub mod sipp;
pub mod slixmpp;
