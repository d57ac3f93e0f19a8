//! The foreign proof: real servers and clients that nobody here wrote.

mod direct_tls;
mod discovery;
mod programs;
mod rows;
mod world;
