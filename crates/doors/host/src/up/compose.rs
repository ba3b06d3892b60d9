//! What is composed for these options. An option that says what the platform stands on is a field of [`Up`] and a line
//! here.

use super::{RuntimeKind, Up, address};
use crate::{data, error::HostError};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tow_platform::{
    AbortAt, ComposeError, Composed, CountIn, Crossings, Executes, KeysSeen, KeysUnknown, Layout,
    Location, NoCrossings, Platform, Real, ReconcileError, StoreError,
};

/// The platform, at rest.
pub(super) async fn composed(
    args: &Up,
    layout: &Layout,
    tow: &Path,
) -> Result<Platform, HostError> {
    let crossings = crossings();
    let executes = match args.runtime {
        RuntimeKind::Process => Executes::Process,
        RuntimeKind::Fake => Executes::Fake,
    };
    let machine = Real {
        layout: layout.clone(),
        tow: tow.to_path_buf(),
        listen: address::gateway(args.gateway.as_deref(), args.tls.https()).await?,
        trusted_proxies: args.doors.proxies(),
        acme: args.tls.acme()?,
        node: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        build_env: build_env(),
        allow_addresses: args.allow_address.clone(),
        location_roots: args.location_root.clone(),
        git_env: git_env(),
    };
    let adapters = executes
        .adapters(&machine, &crossings)
        .map_err(|e| HostError::new("host/adapters", e).untouched("everything"))?;
    address::gateway_can_listen(&machine.listen, &adapters).await?;
    let store = location(args.database.as_deref(), layout)?;
    // This directory is locked: a lease that its name still holds is nobody's any more.
    let holder = Some(data::identity(layout)?);
    let kept = store.clone();
    let config = Composed { store, crossings, force: true, holder, doors: args.doors.config() };
    let composed = tow_platform::compose(config, adapters).await.map_err(|error| match &error {
        ComposeError::Store(error) | ComposeError::Reconcile(ReconcileError::Store(error)) => {
            from_store(error)
        }
        ComposeError::Held { .. } => held(error.to_string()),
        _ => HostError::new("host/compose", error.to_string()),
    })?;
    data::note_database(layout, &kept)?;
    Ok(composed)
}

fn held(detail: String) -> HostError {
    HostError::new("host/held", detail)
        .untouched("the store and whatever runs")
        .hint("stop the other one; if it is dead, its lease ends at that time: start again then")
        .exits(5)
}

/// Refuses, before anything is made, where the store was sealed with keys that are not here: fresh ones would open
/// nothing. Keys of which a part is gone are a warning; whatever else is wrong is said when it is opened.
pub(super) async fn keys_fit(args: &Up, layout: &Layout) -> Result<(), HostError> {
    if args.runtime == RuntimeKind::Fake {
        return Ok(());
    }
    let store = location(args.database.as_deref(), layout)?;
    match tow_platform::keys_seen(layout, &store).await {
        Ok(KeysSeen::Lost(why)) => Err(HostError::new("keys/missing", why)
            .untouched("everything; no fresh keys were made")
            .hint(KEYS_HINT)),
        Ok(KeysSeen::Some(missing)) => {
            let named = missing.into_iter().take(3).collect::<Vec<_>>().join(", ");
            tracing::warn!("keys are missing that values were sealed with: {named}; {KEYS_HINT}");
            Ok(())
        }
        Err(KeysUnknown::Keys(error)) => Err(HostError::new(error.code(), error.to_string())
            .untouched("everything")
            .hint(error.hint())),
        Err(error @ KeysUnknown::Held { .. }) => Err(held(error.to_string())),
        Ok(KeysSeen::Fit) | Err(KeysUnknown::Store(_)) => Ok(()),
    }
}

/// What to do where keys are lost.
pub(crate) const KEYS_HINT: &str = "put the folder keys back into the data directory, or make another one of a backup: tow restore FILE --data DIR";

/// Where the store is: the database that was named, else the file in the data directory; refused where that directory
/// is known to keep everything in a database.
pub(crate) fn location(database: Option<&str>, layout: &Layout) -> Result<Location, HostError> {
    match database.filter(|text| !text.is_empty()) {
        None => match data::database(layout) {
            None => Ok(Location::File(layout.store())),
            Some(kept) => Err(HostError::new(
                "host/another-store",
                format!("everything of {} is kept in {kept}", layout.root().display()),
            )
            .untouched("everything")
            .hint(format!("say --database {kept} (with its password, or TOW_DATABASE)"))),
        },
        Some(text) => Location::parse(text)
            .map_err(|error| from_store(&error).untouched("everything").exits(2)),
    }
}

/// The store's error as one of ours.
pub(crate) fn from_store(error: &StoreError) -> HostError {
    HostError::new(error.code(), error.to_string()).stands(error.untouched()).hint(error.hint())
}

/// The binary's side of the crash tests: `TOW_CRASH_AT=K` aborts at the K-th crossing, `TOW_COUNT_CROSSINGS=FILE` writes
/// down each.
#[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
fn crossings() -> Arc<dyn Crossings> {
    if let Some(k) = std::env::var("TOW_CRASH_AT").ok().and_then(|k| k.parse().ok()) {
        return Arc::new(AbortAt::new(k));
    }
    let file = std::env::var_os("TOW_COUNT_CROSSINGS").filter(|file| !file.is_empty());
    match file.and_then(|file| CountIn::open(Path::new(&file)).ok()) {
        Some(count) => Arc::new(count),
        None => Arc::new(NoCrossings),
    }
}

/// What git needs of the environment.
fn git_env() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
    let named = std::env::vars_os();
    let text = named.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    tow_platform::git_environment(text)
}

/// What builds need of the environment: where tools are, proxies, certificates, the SSH agent.
fn build_env() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
    let named = std::env::vars_os();
    let text = named.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    tow_platform::build_environment(text)
}
