//! `tow up --rehearse`, which nobody types: the start of a platform without its doors. The control plane that is to
//! become another program lets that one rehearse first, as a process of its own: one that crashes or hangs then takes
//! nobody's place. All that it does is what its start would do, and is gone on with by whoever starts next.

use super::{Up, address, compose};
use crate::{error::HostError, executable};
use tow_names::Duration;
use tow_platform::{Layout, ReconcileError};

/// Composes, takes one look at everything that runs, and ends.
pub(super) async fn rehearse(args: &Up, layout: &Layout) -> Result<(), HostError> {
    compose::keys_fit(args, layout).await?;
    let tow = executable::copy(layout)?;
    let platform = compose::composed(args, layout, &tow).await?;
    match platform.reconciler.tick().await {
        Err(lost @ ReconcileError::Lost(_)) => {
            return Err(HostError::new("host/lost", format!("not in charge: {lost}")));
        }
        // What does not answer just now is tried again by whoever starts, and says nothing about this program.
        Err(error) => tracing::warn!(%error, "rehearsal"),
        Ok(_) => {}
    }
    let bound = platform
        .gateway_ready(Duration::from_secs(15))
        .await
        .map_err(|why| HostError::new("host/gateway", format!("the gateway: {why}")))?;
    address::refuse_elsewhere(args.gateway.as_deref(), args.tls.https(), &bound)?;
    platform.close().await;
    Ok(())
}
