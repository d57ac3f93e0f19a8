//! The whole server as a library: `start(Config)` makes a running server, `commands::main` is the program.
//!
//! The roles do not know each other; they meet here. [`server`] wires them, the courier carries policy from the store to
//! those without one, and [`commands`] is what people type. Whatever another crate could hold is not here.

pub mod commands;
pub mod config;
pub mod demo;
pub mod server;

mod certificates;
mod client;
mod courier;
mod credential;
mod doctor;
mod live;
mod ops;
mod output;
mod ports;
mod probes;
mod published;

pub use config::Config;
pub use ops::OpsError;
pub use server::{Addresses, Running, StartError, start};
