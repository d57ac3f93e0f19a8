//! Scanner.

/// Where a scan stands.
#[derive(Debug, Default)]
pub(crate) struct Scanner;
