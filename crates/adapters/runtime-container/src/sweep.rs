//! What nobody wants any more: containers and networks that are ours by their labels and whose instance is gone. What
//! is anybody else's is never touched.

use crate::create::{INSTANCE, OWNER, POD};
use crate::folder::Folders;
use crate::image::Trouble;
use crate::order::Order;
use crate::pod;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use tow_engine::{Engine, escaped};
use tow_names::Id;
use tow_ports::PortError;

/// So many are taken away at once.
const MOST: usize = 20;

/// A container of ours.
struct Ours {
    id: String,
    instance: Option<String>,
    pod: Option<String>,
}

/// All of ours on an engine.
async fn ours(engine: &Engine, owner: &str) -> Result<Vec<Ours>, Trouble> {
    let filters = json!({ "label": [format!("{OWNER}={owner}")] }).to_string();
    let said =
        engine.get(&format!("/containers/json?all=true&filters={}", escaped(&filters))).await?;
    let all = said.as_array().into_iter().flatten();
    Ok(all
        // Whatever an engine makes of the filter.
        .filter(|one| one["Labels"][OWNER] == owner)
        .filter_map(|one| {
            let label = |name: &str| {
                one["Labels"][name].as_str().filter(|text| !text.is_empty()).map(String::from)
            };
            Some(Ours {
                id: one["Id"].as_str()?.to_string(),
                instance: label(INSTANCE),
                pod: label(POD),
            })
        })
        .collect())
}

/// Takes away what belongs to no instance, a bounded number of it; how many were.
pub(crate) async fn sweep(folders: &Folders) -> Result<usize, Trouble> {
    let own = |err: std::io::Error| Trouble::Why(err.to_string());
    let owner = folders.owner().map_err(own)?;
    let mut gone = 0;
    for socket in folders.engines().map_err(own)? {
        let engine = Engine::at(socket);
        // Containers first, instances second: whatever was made meanwhile is not in the list.
        let Ok(all) = ours(&engine, &owner).await else { continue };
        let ids = folders.ids().map_err(own)?;
        let pods: BTreeSet<String> =
            ids.iter().filter_map(|id| Order::read(&folders.of(id)).ok().flatten()?.pod).collect();
        for one in all {
            let wanted = match (&one.instance, &one.pod) {
                (Some(instance), _) => ids.iter().any(|id| id.as_str() == instance),
                (None, Some(pod)) => pods.contains(pod),
                (None, None) => false,
            };
            if wanted || gone >= MOST {
                continue;
            }
            pod::remove(&engine, &one.id).await?;
            gone += 1;
        }
    }
    Ok(gone)
}

/// Every container of one instance on an engine.
pub(crate) async fn remove_all_of(engine: &Engine, owner: &str, id: &Id) -> Result<(), Trouble> {
    for one in ours(engine, owner).await? {
        if one.instance.as_deref() == Some(id.as_str()) {
            pod::remove(engine, &one.id).await?;
        }
    }
    Ok(())
}

/// Ends and takes away every container of the platform whose folder of containers is `dir`, and returns how many there
/// were: `tow down`, after every shim has ended what it could. [`PortError::Unavailable`] names the engine that does
/// not answer; nothing of it is known to be left where no container was ever made there.
pub async fn stop_everything(dir: &Path) -> Result<usize, PortError> {
    if !dir.is_dir() {
        return Ok(0);
    }
    let own = |err: std::io::Error| PortError::Unavailable(format!("{}: {err}", dir.display()));
    let folders = Folders::open(dir).map_err(own)?;
    let owner = folders.owner().map_err(own)?;
    let (mut count, mut away) = (0, Vec::new());
    for socket in folders.engines().map_err(own)? {
        let engine = Engine::at(socket);
        let all = match ours(&engine, &owner).await {
            Ok(all) => all,
            Err(Trouble::Away(why) | Trouble::Why(why)) => {
                away.push(why);
                continue;
            }
        };
        // Those that lean on a pod's network before the network.
        let (members, networks): (Vec<Ours>, Vec<Ours>) =
            all.into_iter().partition(|one| one.instance.is_some());
        for one in members.into_iter().chain(networks) {
            match pod::remove(&engine, &one.id).await {
                Ok(()) => count += 1,
                Err(Trouble::Away(why) | Trouble::Why(why)) => away.push(why),
            }
        }
    }
    if away.is_empty() { Ok(count) } else { Err(PortError::Unavailable(away.join("; "))) }
}
