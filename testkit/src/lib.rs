//! The test kit: the whole platform composed for tests, and the conformance suites of the ports.

pub mod conformance;
