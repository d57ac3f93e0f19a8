//! legation
