//! All tests of reading and writing texts, in one binary: each further one is a further link.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "what a test meets is its own")]

mod backstage;
mod catalog_rules;
mod corpus;
mod damaged;
mod hostile;
mod negative;
mod oracle;
mod query;
mod reading;
mod substitutions;
