//! Where an engine may be: what a `Runtime` says, else what the environment says by convention, else the usual sockets.

use crate::client::Engine;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one engine may take to say that it is there.
const GLANCE: Duration = Duration::from_secs(10);

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its socket.
    pub socket: PathBuf,
    /// What it calls itself: `Podman Engine 4.3.1`.
    pub name: String,
    /// The architecture of what it runs, in the words of images: `amd64`.
    pub architecture: String,
}

/// The sockets to try, in order; an error where what is said is no socket.
pub fn candidates(said: Option<&str>) -> Result<Vec<PathBuf>, String> {
    if let Some(said) = said {
        return Ok(vec![socket("engine", said)?]);
    }
    for name in ["DOCKER_HOST", "CONTAINER_HOST"] {
        #[expect(clippy::disallowed_methods, reason = "by convention these name the engine")]
        let value = std::env::var(name).unwrap_or_default();
        if !value.is_empty() {
            return Ok(vec![socket(name, &value)?]);
        }
    }
    #[expect(clippy::disallowed_methods, reason = "by convention a user's own sockets are there")]
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let user = rustix::process::getuid().as_raw();
    let own = own.unwrap_or_else(|| PathBuf::from(format!("/run/user/{user}")));
    let mut all = vec![own.join("podman/podman.sock"), own.join("docker.sock")];
    for usual in ["/run/podman/podman.sock", "/run/docker.sock", "/var/run/docker.sock"] {
        all.push(usual.into());
    }
    Ok(all)
}

fn socket(name: &str, said: &str) -> Result<PathBuf, String> {
    let path = said.strip_prefix("unix://").unwrap_or(said);
    if path.starts_with('/') {
        return Ok(path.into());
    }
    Err(format!("{name} is {said}: engines are reached by a socket of this machine, unix:///PATH"))
}

/// The first engine that answers. `said`: the socket that a `Runtime` names. An error says why there is none and what
/// helps.
pub async fn find(said: Option<&str>) -> Result<Found, String> {
    let all = candidates(said)?;
    let mut why = Vec::new();
    for path in all.iter().filter(|path| all.len() == 1 || path.exists()) {
        match look(path).await {
            Ok(found) => return Ok(found),
            Err(reason) => why.push(reason),
        }
    }
    if why.is_empty() {
        why.push("no container engine has a socket on this machine".into());
    }
    Err(format!(
        "{}; start one (such as `systemctl start podman.socket`), or name its socket as `engine` in the Runtime",
        why.join("; ")
    ))
}

/// Asks who is there.
pub async fn look(path: &Path) -> Result<Found, String> {
    let engine = Engine::at(path.to_path_buf());
    answers(&engine).await?;
    // An engine may ask half a dozen programs for their versions before it answers this.
    let said = engine.get("/version").await.map_err(|err| err.to_string())?;
    let name = said["Components"][0]["Name"].as_str().unwrap_or("container engine");
    let version = said["Version"].as_str().or(said["Components"][0]["Version"].as_str());
    let name = [name, version.unwrap_or_default()].join(" ").trim().to_string();
    Ok(Found { socket: path.into(), name, architecture: architecture(&said) })
}

/// It is there.
async fn answers(engine: &Engine) -> Result<(), String> {
    engine.glance("/_ping", GLANCE).await.map(drop).map_err(|err| err.to_string())
}

fn architecture(said: &Value) -> String {
    let arch = said["Arch"].as_str().or(said["Components"][0]["Details"]["Arch"].as_str());
    normal(arch.unwrap_or(std::env::consts::ARCH)).to_string()
}

/// An architecture in the words of images.
pub fn normal(architecture: &str) -> &str {
    match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_a_socket_or_refused() {
        let one = |said: &str| candidates(Some(said));
        assert_eq!(one("unix:///run/x.sock").unwrap(), [PathBuf::from("/run/x.sock")]);
        assert_eq!(one("/run/x.sock").unwrap(), [PathBuf::from("/run/x.sock")]);
        for bad in ["tcp://10.0.0.1:2375", "ssh://host", "run/x.sock", ""] {
            assert!(one(bad).unwrap_err().contains("unix:///PATH"), "{bad}");
        }
    }
}
