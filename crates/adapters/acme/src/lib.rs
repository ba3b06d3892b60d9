//! The port `certifier`: makes the platform's own authority, reads what certificates say, and orders them at authorities
//! outside by ACME (RFC 8555). Keeps nothing; which certificate is wanted, and when, is not known here.

mod client;
mod make;
mod order;
mod read;

pub use order::AcmeCertifier;
