//! From a composed platform to one that answers, until a signal ends it.

use super::{Up, address, compose, whole};
use crate::{
    Global, data, demo, down,
    error::HostError,
    executable, ready,
    stop::{Reason, Signals, stop_all},
    upgrade::{self, Become},
};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::{sync::watch, task::JoinHandle};
use tow_client::PlatformFile;
use tow_names::Duration;
use tow_platform::{Layout, Platform};

/// Composes, opens the doors, lets the controllers run, and ends all of it when told to.
/// Answers what this process is to become, where it is to be upgraded.
pub(super) async fn serve(
    args: &Up,
    global: &Global,
    layout: &Layout,
) -> Result<Option<Become>, HostError> {
    let mut signals = Signals::listen()?;
    tokio::spawn(upgrade::reap_inherited());
    let listeners = address::listeners(args.listen.as_deref()).await?;
    let address = listeners
        .first()
        .and_then(|l| l.local_addr().ok())
        .ok_or_else(|| HostError::new("host/listen", "nothing listens"))?;
    let schedule = args.backups.schedule()?;
    compose::keys_fit(args, layout).await?;
    let tow = executable::copy(layout)?;
    let platform = compose::composed(args, layout, &tow).await?;
    let (tell, told) = watch::channel(false);
    let router = platform.router.clone();
    let platform = Arc::new(platform);

    let running = platform.clone();
    let stop = told.clone();
    let mut loops = tokio::spawn(async move { running.reconciler.run(stop).await });
    let mut closing = told.clone();
    let doors = tokio::spawn(tow_platform::serve(listeners, router, async move {
        let _ = closing.wait_for(|stop| *stop).await;
    }));

    let opened = tokio::select! {
        opened = open(&platform, layout, address, args, global) => opened,
        reason = signals.wait(layout) => {
            let _ = tell.send(true);
            ended(reason, layout, &tow, &mut loops).await?;
            return Ok(ordered(reason, layout, &tow, address));
        }
    };
    if let Err(error) = opened {
        let _ = tell.send(true);
        return Err(error);
    }
    let backups = match schedule {
        Some(schedule) => {
            let store = compose::location(args.database.as_deref(), layout)?;
            let (app, layout) = (platform.app.clone(), layout.clone());
            let made = tow_platform::backup::keep_going(app, layout, store, schedule, told.clone());
            Some(tokio::spawn(made))
        }
        None => None,
    };
    let looking = tokio::spawn(whole::look(layout.clone(), platform.store().location().clone()));
    let demo = args.demo.then(|| tokio::spawn(demo::run(layout.clone(), global.for_programs())));

    let reason = tokio::select! {
        reason = signals.wait(layout) => reason,
        lost = &mut loops => {
            let _ = tell.send(true);
            let why = match lost {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(())) => "the controllers ended".into(),
                Err(panic) => panic.to_string(),
            };
            return Err(HostError::new("host/lost", format!("no longer in charge: {why}"))
                .untouched("workloads and gateway, which go on serving")
                .after_it_was_up());
        }
    };
    for task in demo.into_iter().chain(backups).chain([looking]) {
        // Half a backup goes with whoever writes it.
        task.abort();
    }
    let _ = tell.send(true);
    let _ = doors.await;
    ended(reason, layout, &tow, &mut loops).await.map_err(HostError::after_it_was_up)?;
    Ok(ordered(reason, layout, &tow, address))
}

fn ordered(reason: Reason, layout: &Layout, tow: &Path, address: SocketAddr) -> Option<Become> {
    (reason == Reason::Upgrade).then(|| Become::ordered(layout, tow, address.to_string()))?
}

/// After the doors are closed: the loop ends; on an interrupt, so does everything that runs.
async fn ended<T>(
    reason: Reason,
    layout: &Layout,
    tow: &Path,
    loops: &mut JoinHandle<T>,
) -> Result<(), HostError> {
    let patience = std::time::Duration::from_secs(5);
    if tokio::time::timeout(patience, &mut *loops).await.is_err() {
        // Whatever it was about to do is journaled; the next start goes on from there.
        loops.abort();
    }
    let _ = std::fs::remove_file(layout.platform_file());
    match reason {
        Reason::Interrupt => {
            upgrade::mention("stopping workloads and gateway");
            stop_all(layout, tow).await?;
            upgrade::mention("stopped");
        }
        Reason::Terminate if down::is_under_way(layout) => {
            upgrade::mention("told to end by tow down, which stops workloads and gateway");
        }
        Reason::Terminate => upgrade::mention(
            "told to end by a signal; workloads and gateway go on serving, and tow up takes them over",
        ),
        Reason::Upgrade => {}
    }
    Ok(())
}

/// Everything answers: token, link, and the file by which others find the platform.
async fn open(
    platform: &Platform,
    layout: &Layout,
    address: SocketAddr,
    args: &Up,
    global: &Global,
) -> Result<(), HostError> {
    let bound = platform.gateway_ready(Duration::from_secs(15)).await.map_err(|why| {
        HostError::new("host/gateway", format!("the gateway: {why}"))
            .hint("choose another address with --gateway or --https; port 0 picks a free one")
    })?;
    address::refuse_elsewhere(args.gateway.as_deref(), args.tls.https(), &bound)?;
    let at_hand = std::fs::read_to_string(layout.token_file()).unwrap_or_default();
    let door = platform
        .app
        .let_owner_in(at_hand.trim())
        .await
        .map_err(|error| HostError::new("host/access", error.to_string()))?;
    if let Some(token) = &door.token {
        data::write_private(&layout.token_file(), token)?;
    }
    let url = format!("http://{address}");
    let gateway = bound.first().cloned().unwrap_or_else(|| address::GATEWAY.into());
    let build = executable::name(layout);
    if let Some(build) = &build
        && let Err(error) = platform.app.note_build(build).await
    {
        tracing::warn!(%error, "which build runs could not be written down");
    }
    let file = PlatformFile {
        url: url.clone(),
        gateway: format!("http://{gateway}"),
        https: bound.get(1).map(|address| format!("https://{address}")),
        data: layout.root().display().to_string(),
        build,
        pid: std::process::id(),
        sign_in: door.path.map(|path| format!("{url}{path}")),
    };
    // The link stays out of the file: it is for whoever sees this terminal.
    let kept = PlatformFile { sign_in: None, ..file.clone() };
    let text = serde_json::to_string(&kept)
        .map_err(|e| HostError::new("host/platform-file", e.to_string()))?;
    data::write_private(&layout.platform_file(), &text)?;
    match upgrade::before() {
        Some(_) => upgrade::mention(&format!("upgraded; the platform answers at {url}")),
        None if upgrade::is_successor() => {
            upgrade::mention(&format!("as it was; the platform answers at {url}"));
        }
        None => ready::say(&file, true, global),
    }
    Ok(())
}
