//! legation

pub mod config;
