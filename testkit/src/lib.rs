//! The test kit: the whole platform composed on the fakes and driven by hand, people who use it, a watch at every
//! crossing, and the conformance suites of the ports. Waits for nothing and sleeps never: time is the test's own.

pub mod binary;
pub mod conformance;
pub mod engine;
mod http;
mod image;
pub mod load;
mod person;
mod platform;
pub mod traffic;
mod watch;

pub use http::Answer;
pub use image::Image;
pub use person::{Person, TokenBody, change};
pub use platform::TestPlatform;
pub use watch::{Fault, Watch};

pub use tow_fake::{BuildScript, FakeClock, Script, To, World};
