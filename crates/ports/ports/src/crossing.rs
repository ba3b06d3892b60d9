//! Where a process may die: before and after each commit and each effect. Nothing happens here in ordinary life; tests
//! stop the world at the k-th crossing, and the real binary aborts at it.

use async_trait::async_trait;

/// Before the effect, or after it with its answer lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing has happened yet.
    Before,
    /// It happened, and nobody was told.
    After,
}

/// Told of each crossing. May never return.
#[async_trait]
pub trait Crossings: Send + Sync {
    /// `point` names the crossing: `store.commit`, `runtime.start`, …
    async fn cross(&self, point: &'static str, when: When);
}

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCrossings;

#[async_trait]
impl Crossings for NoCrossings {
    async fn cross(&self, _: &'static str, _: When) {}
}
