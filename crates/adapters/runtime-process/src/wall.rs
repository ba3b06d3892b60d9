//! The time of day for the shim, which has no injected clock: it is a process of its own. The adapter's side asks its
//! [`tow_ports::Clock`]; nobody else reads the time here.

use tow_names::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the shim's one look at the clock")]
pub(crate) fn now() -> Timestamp {
    let micros = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// Pauses; the adapter waits for real processes, so the wait is real too.
pub(crate) async fn pause(length: std::time::Duration) {
    tokio::time::sleep(length).await;
}
