//! House rules as tests: who may depend on whom, what pure crates never reach, how manifests and sources look.

mod edges;
mod manifests;
mod sources;
mod versions;
