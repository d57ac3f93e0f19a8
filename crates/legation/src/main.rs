//! The `legation` program.

fn main() {}
