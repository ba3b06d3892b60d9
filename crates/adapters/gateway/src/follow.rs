//! A gateway whose place was taken, while it ends what it began: requests that wait there go on by the table that its
//! successor keeps, since nobody tells it of another. It only reads: files and sockets are the successor's.

use crate::keep::Keep;
use crate::served::Gateway;
use crate::sockets;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what is kept.
const LOOK: Duration = Duration::from_millis(50);

/// Goes on until it is dropped. `own`: which control socket was this gateway's.
pub(crate) async fn follow(gateway: Arc<Gateway>, dir: &Path, own: Option<u64>) {
    // Not the gateway's own: what is known there is about what it wrote itself.
    let keep = Keep::new(dir);
    let mut seen = None;
    loop {
        tokio::time::sleep(LOOK).await;
        // Who waits for nothing needs no table: what it is served by was found before.
        if gateway.routes.held() == 0 || own == sockets::owner(dir) {
            continue;
        }
        let looks = Some(keep.looks());
        if looks == seen {
            continue;
        }
        seen = looks;
        let reader = keep.clone();
        match tokio::task::spawn_blocking(move || reader.load()).await {
            Ok((kept, _)) => gateway.adopt(kept).await,
            Err(error) => tracing::warn!(%error, "what is kept could not be read"),
        }
    }
}
