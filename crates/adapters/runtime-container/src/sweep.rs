//! What nobody wants any more: containers and networks that are ours by their labels and whose instance is gone. What
//! is anybody else's is never touched.

use crate::create::{INSTANCE, OWNER, POD};
use crate::folder::Folders;
use crate::image::Trouble;
use crate::order::{Now, Order};
use crate::pod;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use tow_engine::{Engine, escaped};
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
    let (mut gone, mut left) = (0, Vec::new());
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
            match pod::remove(&engine, &one.id).await {
                Ok(()) => gone += 1,
                // The others are not to blame for it.
                Err(Trouble::Away(why) | Trouble::Why(why)) => left.push(why),
            }
        }
    }
    if left.is_empty() { Ok(gone) } else { Err(Trouble::Why(left.join("; "))) }
}

/// Every container of one instance on an engine. By their names where it can list none: some engines list nothing at all
/// while one container is broken, be it whose it may.
pub(crate) async fn remove_all_of(
    engine: &Engine,
    order: &Order,
    attempt: u32,
) -> Result<(), Trouble> {
    let id = &order.instance;
    let all = match ours(engine, &order.owner).await {
        Err(Trouble::Why(_)) => return remove_by_name(engine, order, attempt).await,
        all => all?,
    };
    for one in all {
        if one.instance.as_deref() == Some(id.as_str()) {
            pod::remove(engine, &one.id).await?;
        }
    }
    Ok(())
}

/// The containers that an instance may have by now: the one before is taken away only when the next is made.
async fn remove_by_name(engine: &Engine, order: &Order, attempt: u32) -> Result<(), Trouble> {
    for attempt in [attempt.saturating_sub(1), attempt].into_iter().filter(|attempt| *attempt > 0) {
        pod::remove(engine, &order.container(attempt)).await?;
    }
    Ok(())
}

/// What is known of without a list: how many instances and networks are gone, and what could not be taken away.
async fn remove_known(folders: &Folders, engine: &Engine, socket: &Path) -> (usize, Vec<String>) {
    let (mut count, mut left, mut networks) = (0, Vec::new(), BTreeSet::new());
    for id in folders.ids().unwrap_or_default() {
        let folder = folders.of(&id);
        let (Ok(Some(order)), Ok(Some(now))) = (Order::read(&folder), Now::read(&folder)) else {
            continue;
        };
        if now.engine.as_deref() != Some(socket) {
            continue;
        }
        networks.extend(order.pause());
        match remove_by_name(engine, &order, now.attempt).await {
            Ok(()) => count += 1,
            Err(Trouble::Away(why) | Trouble::Why(why)) => left.push(why),
        }
    }
    for name in networks {
        match pod::remove(engine, &name).await {
            Ok(()) => count += 1,
            Err(Trouble::Away(why) | Trouble::Why(why)) => left.push(why),
        }
    }
    (count, left)
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
        let engine = Engine::at(socket.clone());
        let mut all = ours(&engine, &owner).await;
        if let Err(Trouble::Why(_)) = all {
            // Perhaps one of ours is what it can't list.
            let (gone, left) = remove_known(&folders, &engine, &socket).await;
            count += gone;
            away.extend(left);
            all = ours(&engine, &owner).await;
        }
        let all = match all {
            Ok(all) => all,
            Err(Trouble::Why(why)) => {
                tracing::warn!(engine = %socket.display(), "it lists no containers: {why}");
                continue;
            }
            Err(Trouble::Away(why)) => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::sync::{Arc, Mutex};

    /// An engine that lists nothing, because one container of somebody else's is broken, and takes away what it is told to.
    fn broken(socket: &Path) -> Arc<Mutex<Vec<String>>> {
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                let _ = lines.find(|line| line.as_ref().map_or(true, String::is_empty));
                let (status, body) = match first.starts_with("DELETE") {
                    true => ("204 No Content", ""),
                    false => ("500 Internal Server Error", r#"{"message":"netns is gone"}"#),
                };
                told.lock().unwrap().push(first);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        asked
    }

    #[tokio::test]
    async fn one_broken_container_keeps_no_other_from_going() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("engine.sock");
        let asked = broken(&socket);
        let folders = Folders::open(&dir.path().join("c")).unwrap();
        folders.remember(&socket).unwrap();
        let id = tow_names::Id::fresh("i");
        let folder = folders.of(&id);
        std::fs::create_dir_all(folder.path()).unwrap();
        let order = json!({
            "v": 1, "owner": folders.owner().unwrap(), "instance": id, "title": "", "pod": "pod", "engines": [],
            "pull": "never", "credentials": null, "image": "x", "program": {"program": "image", "image": "x"},
            "artifact": false, "env": {}, "files": [], "ports": {}, "mounts": [], "volumes": "/none", "bounds": {}
        });
        std::fs::write(folder.order(), order.to_string()).unwrap();
        let order = Order::read(&folder).unwrap().unwrap();
        let now = Now { attempt: 3, engine: Some(socket.clone()), ..Now::default() };
        now.write(&folder).unwrap();
        let gone = stop_everything(&dir.path().join("c")).await.unwrap();
        assert_eq!(gone, 2, "the container and its network");
        let all = asked.lock().unwrap().join("\n");
        for name in [order.container(2), order.container(3), order.pause().unwrap()] {
            assert!(
                all.contains(&format!("DELETE /containers/{name}?force=true")),
                "{name}: {all}"
            );
        }
        asked.lock().unwrap().clear();
        remove_all_of(&Engine::at(socket), &order, now.attempt).await.unwrap();
        let all = asked.lock().unwrap().join("\n");
        assert!(all.contains(&format!("DELETE /containers/{}?", order.container(3))), "{all}");
    }
}
