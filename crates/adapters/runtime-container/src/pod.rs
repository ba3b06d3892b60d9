//! A pod's network: made by the first of its containers that comes, joined by all, gone with the last instance. Whoever
//! makes, joins or takes it away holds the pod's lock.

use crate::create;
use crate::folder::Folders;
use crate::image::{Trouble, look};
use crate::order::Order;
use crate::pause;
use serde_json::{Value, json};
use tow_engine::{Engine, escaped};

/// There and running; the caller holds the lock. `architecture`: the engine's.
pub(crate) async fn ensure(
    engine: &Engine,
    order: &Order,
    architecture: &str,
) -> Result<(), Trouble> {
    let (Some(name), Some(pod)) = (order.pause(), &order.pod) else { return Ok(()) };
    match engine.get(&format!("/containers/{name}/json")).await {
        Ok(said) if said["State"]["Running"] == Value::Bool(true) => return Ok(()),
        Ok(_) => {}
        Err(err) if err.is_missing() => {
            let image = image(engine, architecture).await?;
            let body = create::pause(order, pod, &image);
            let made = engine.post(&format!("/containers/create?name={name}"), &body).await;
            match made {
                Err(err) if !err.is_conflict() => return Err(err.into()),
                _ => {}
            }
        }
        Err(err) => return Err(err.into()),
    }
    match engine.post(&format!("/containers/{name}/start"), &json!({})).await {
        Err(err) if !err.is_conflict() => {
            // One that can't be started, such as on a port that is taken, must not be in the way of the next try.
            let _ = remove(engine, &name).await;
            Err(err.into())
        }
        _ => Ok(()),
    }
}

/// The image that sleeps; sent to the engine where it does not have it.
async fn image(engine: &Engine, architecture: &str) -> Result<String, Trouble> {
    let unknown =
        || Trouble::Why(format!("containers can't share a network on an engine of {architecture}"));
    let name = pause::name(architecture).ok_or_else(unknown)?;
    if look(engine, &name).await?.is_none() {
        let archive = pause::archive(architecture).map_err(|err| Trouble::Why(err.to_string()))?;
        engine.upload("/images/load", archive).await?;
    }
    Ok(name)
}

/// Takes the network away where no instance is left that would use it.
pub(crate) async fn leave(
    folders: &Folders,
    order: &Order,
    engine: &Engine,
) -> Result<(), Trouble> {
    let (Some(name), Some(pod)) = (order.pause(), order.pod.clone()) else { return Ok(()) };
    let own = |err: std::io::Error| Trouble::Why(format!("the pod of {}: {err}", order.instance));
    let lock = {
        let (folders, pod) = (folders.clone(), pod.clone());
        tokio::task::spawn_blocking(move || folders.lock_pod(&pod)).await
    };
    let _lock = lock.map_err(|err| Trouble::Away(err.to_string()))?.map_err(own)?;
    for id in folders.ids().map_err(own)? {
        let other = Order::read(&folders.of(&id)).ok().flatten();
        if id != order.instance && other.is_some_and(|other| other.pod.as_ref() == Some(&pod)) {
            return Ok(());
        }
    }
    remove(engine, &name).await?;
    folders.forget_pod(&pod);
    Ok(())
}

/// Takes a container away, whatever it does; no error where there is none.
pub(crate) async fn remove(engine: &Engine, name: &str) -> Result<(), Trouble> {
    let path = format!("/containers/{}?force=true&v=true", escaped(name));
    match engine.ask(http::Method::DELETE, &path, None).await {
        Err(err) if !err.is_missing() => Err(err.into()),
        _ => Ok(()),
    }
}
