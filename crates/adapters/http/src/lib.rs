//! The port `web` over HTTP and TLS: one client, one guard before every connection. Knows no webhook and no location,
//! and decides nothing but which addresses it does not go to.
//!
//! What keeps it from being turned against its own network:
//! - names are looked up here, each address is judged ([`Allow`]), and the connection goes to exactly the address that
//!   was judged: there is no second look-up that could answer otherwise;
//! - that holds for each redirect too, because each is a request of its own;
//! - nothing is decompressed, bodies are counted while they stream, and everything has a deadline.

mod address;
mod connect;
mod fetch;
mod tls;

pub use address::{Allow, AllowError};
pub use connect::{Resolve, System};
pub use fetch::HttpWeb;
