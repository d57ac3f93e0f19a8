//! The foreign proof: real servers and clients that nobody here wrote.

mod programs;
mod rows;
mod world;
