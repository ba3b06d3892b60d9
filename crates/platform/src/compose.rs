//! Store and adapters become a platform.

use crate::{Adapters, seed::seed};
use std::sync::{Arc, OnceLock};
use tow_app::{App, AppError};
use tow_names::{Duration, Id, Timestamp};
use tow_ports::Crossings;
use tow_reconcile::{ReconcileError, Reconciler};
use tow_store::{Location, Store, StoreError};

/// What is composed.
#[derive(Clone)]
pub struct Composed {
    /// Where the store is.
    pub store: Location,
    /// Told of each crossing.
    pub crossings: Arc<dyn Crossings>,
    /// Whoever held the control lease is proven dead. Of no effect on a store that other machines reach, too.
    pub force: bool,
    /// Under which name the control lease is held. One that stays over restarts takes its own lease back at once.
    /// Without: a fresh one.
    pub holder: Option<String>,
    /// As whom the doors answer, and how often.
    pub doors: tow_server::ServerConfig,
}

/// Why nothing was composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control lease is held by another.
    #[error(
        "another control plane, {holder}, is in charge of this store until {until} unless it renews that"
    )]
    Held {
        /// Its name.
        holder: String,
        /// When it loses the lease if it is dead.
        until: Timestamp,
    },
    /// The controllers could not begin.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// The first objects could not be applied.
    #[error(transparent)]
    Seed(#[from] AppError),
}

/// A platform at rest: its doors are not open and its loop does not run yet.
pub struct Platform {
    /// The use-cases.
    pub app: App,
    /// The controllers.
    pub reconciler: Arc<Reconciler>,
    /// API and portal.
    pub router: tow_server::Router,
    store: Store,
    adapters: Adapters,
    gateway: Arc<OnceLock<String>>,
}

/// Wires everything. Opens the store, takes the control lease, seeds an empty store.
pub async fn compose(config: Composed, adapters: Adapters) -> Result<Platform, ComposeError> {
    let store = Store::open(&config.store, config.crossings.clone()).await?;
    let gateway = Arc::new(OnceLock::new());
    if adapters.gateway.is_none() {
        let _ = gateway.set("127.0.0.1:7080".to_string());
    }
    let boot = Id::fresh("boot").to_string();
    let parts = tow_reconcile::Parts {
        store: store.clone(),
        runtime: adapters.runtime.clone(),
        edge: adapters.edge.clone(),
        builder: adapters.builder.clone(),
        blobs: adapters.blobs.clone(),
        keys: adapters.keys.clone(),
        clock: adapters.clock.clone(),
        web: adapters.web.clone(),
        locations: adapters.locations.clone(),
        certifier: adapters.certifier.clone(),
        acme: adapters.acme.clone(),
        gateway: adapters.gateway.clone(),
    };
    // A lock on a data directory proves nothing about machines that share a server.
    let force = config.force && matches!(config.store, Location::File(_));
    let holder = config.holder.as_deref().unwrap_or(&boot);
    let Some(reconciler) = Reconciler::take(parts, holder, force).await? else {
        let held = store.lease("control").await?;
        let (holder, until) = held.map(|lease| (lease.holder, lease.expires)).unwrap_or_default();
        return Err(ComposeError::Held { holder, until });
    };
    let app = App::new(tow_app::Parts {
        store: store.clone(),
        runtime: adapters.runtime.clone(),
        edge: adapters.edge.clone(),
        builder: adapters.builder.clone(),
        blobs: adapters.blobs.clone(),
        images: adapters.images.clone(),
        keys: adapters.keys.clone(),
        clock: adapters.clock.clone(),
        web: adapters.web.clone(),
        locations: adapters.locations.clone(),
        certifier: adapters.certifier.clone(),
        boot,
        gateway: gateway.clone(),
    });
    if store.head().await? == 0 {
        seed(&app).await?;
    }
    app.installation().await?;
    let router = tow_server::router(app.clone(), tow_portal::router(app.clone()), config.doors);
    let reconciler = Arc::new(reconciler);
    Ok(Platform { app, reconciler, router, store, adapters, gateway })
}

impl Platform {
    /// The store, for tests that look at what is kept.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The adapters it stands on.
    pub const fn adapters(&self) -> &Adapters {
        &self.adapters
    }

    /// Waits until the gateway is bound and answers; its addresses. An error after `patience`, with what is known.
    pub async fn gateway_ready(&self, patience: Duration) -> Result<Vec<String>, String> {
        let Some(spec) = &self.adapters.gateway else { return Ok(Vec::new()) };
        let clock = &self.adapters.clock;
        let deadline = clock.now().plus(patience);
        loop {
            let seen = self.adapters.runtime.observe().await.map_err(|e| e.to_string())?;
            let seen = seen.into_iter().find(|seen| seen.id == spec.id);
            let answers = self.adapters.edge.observe().await.is_ok_and(|edge| edge.reachable);
            let bound = seen.as_ref().map(|s| s.listening.clone()).unwrap_or_default();
            // One that outlived its control plane gets what it is to listen on beside by being renewed.
            if let Some(first) = bound.first()
                && answers
                && bound.len() >= spec.listen.len()
            {
                let _ = self.gateway.set(first.clone());
                return Ok(bound);
            }
            if clock.now() >= deadline {
                let why = seen.map(|s| s.message).filter(|m| !m.is_empty());
                return Err(why.unwrap_or_else(|| "the gateway did not answer in time".into()));
            }
            clock.sleep_until(clock.now().plus(Duration::from_millis(5))).await;
        }
    }

    /// Closes the store's files.
    pub async fn close(self) {
        self.store.close().await;
    }
}
