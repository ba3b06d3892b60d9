//! The time of day. The only way anybody learns it.

use async_trait::async_trait;
use tow_names::Timestamp;

/// A clock that may be simulated.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Returns at or after `until`.
    async fn sleep_until(&self, until: Timestamp);
}
