//! Connections that stopped being HTTP: bytes both ways until both ends are done.

use crate::target::InFlight;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;

/// Per direction: what a WebSocket costs.
const BUFFER: usize = 4 * 1024;

/// Joins both ends. Counts as a request in flight until it is over.
pub(crate) async fn join(client: OnUpgrade, instance: OnUpgrade, in_flight: Arc<InFlight>) {
    let (client, instance) = match tokio::try_join!(client, instance) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgrade did not come to be");
            return;
        }
    };
    let mut client = TokioIo::new(client);
    let mut instance = TokioIo::new(instance);
    let copied =
        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut instance, BUFFER, BUFFER).await;
    if let Err(error) = copied {
        tracing::debug!(%error, "an upgraded connection broke");
    }
    drop(in_flight);
}
