//! What an image stands on: nothing, an image of a registry, or a folder in the OCI layout.

use crate::registry::Registry;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tow_names::{Digest, Tally};
use tow_ports::{ImageOrder, PortError};

/// A layer of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseLayer {
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) media: String,
}

/// A base, read but for its layers.
pub(crate) struct Base {
    pub(crate) config: Value,
    pub(crate) layers: Vec<BaseLayer>,
    from: From,
}

enum From {
    Nothing,
    Registry(Box<Registry>),
    Layout(PathBuf),
}

/// Reads a base; every text is held to its digest.
pub(crate) async fn read(
    base: &str,
    order: &ImageOrder,
    env: &BTreeMap<String, String>,
) -> Result<Base, PortError> {
    if base == "scratch" {
        return Ok(Base { config: Value::Null, layers: Vec::new(), from: From::Nothing });
    }
    let (architecture, _) = platform(&order.platform);
    let (manifest, from) = match base.strip_prefix("layout:") {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            let index = json(&read_file(&folder.join("index.json"))?, "index.json")?;
            let digest = pick(&index, architecture).ok_or_else(|| none(base, architecture))?;
            let mut manifest = json(&blob(&folder, &digest)?, &digest)?;
            if let Some(digest) = pick(&manifest, architecture) {
                manifest = json(&blob(&folder, &digest)?, &digest)?;
            }
            (manifest, From::Layout(folder))
        }
        None => {
            let registry = Registry::of(base, None, env)?;
            let mut manifest = json(&registry.manifest(None).await?, base)?;
            if manifest["manifests"].is_array() {
                let digest =
                    pick(&manifest, architecture).ok_or_else(|| none(base, architecture))?;
                manifest = json(&registry.manifest(Some(&digest)).await?, base)?;
            }
            (manifest, From::Registry(Box::new(registry)))
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let layers = manifest["layers"]
        .as_array()
        .ok_or_else(|| {
            PortError::Refused(format!("{base} is no image: its manifest has no layers"))
        })?
        .iter()
        .map(|layer| BaseLayer {
            digest: text(&layer["digest"]),
            size: layer["size"].as_u64().unwrap_or(0),
            media: text(&layer["mediaType"]),
        })
        .collect();
    let digest = text(&manifest["config"]["digest"]);
    let bytes = match &from {
        From::Nothing => Vec::new(),
        From::Layout(folder) => blob(folder, &digest)?,
        From::Registry(registry) => registry.bytes(&digest).await?,
    };
    let config = json(&bytes, &digest)?;
    if config["architecture"].as_str().is_some_and(|said| said != architecture) {
        return Err(PortError::Refused(format!(
            "{base} is for {}, and the artifact was built for {architecture}",
            config["architecture"]
        )));
    }
    Ok(Base { config, layers, from })
}

impl Base {
    /// A layer as a file in `dir`, held to its digest.
    pub(crate) async fn fetch(&self, layer: &BaseLayer, dir: &Path) -> Result<PathBuf, PortError> {
        let to = dir.join(layer.digest.replace(':', "-"));
        match &self.from {
            From::Nothing => return Err(PortError::NotThere(layer.digest.clone())),
            From::Registry(registry) => registry.fetch(&layer.digest, layer.size, &to).await?,
            From::Layout(folder) => {
                std::fs::copy(path(folder, &layer.digest)?, &to)
                    .map_err(|error| PortError::Refused(format!("{}: {error}", layer.digest)))?;
            }
        }
        held_to(&to, &layer.digest)?;
        Ok(to)
    }
}

/// As registries name what an artifact runs on.
pub(crate) fn platform(said: &str) -> (&'static str, &'static str) {
    let architecture = match said.rsplit('/').next() {
        Some("aarch64") => "arm64",
        Some("arm") => "arm",
        Some("riscv64") => "riscv64",
        _ => "amd64",
    };
    (architecture, "linux")
}

/// The digest in an index of what is for this architecture.
fn pick(index: &Value, architecture: &str) -> Option<String> {
    let all = index["manifests"].as_array()?;
    let fits = |entry: &&Value| {
        entry["platform"]["architecture"].as_str().is_none_or(|said| said == architecture)
            && entry["platform"]["os"].as_str().is_none_or(|said| said == "linux")
    };
    Some(all.iter().find(fits)?["digest"].as_str()?.to_string())
}

fn none(base: &str, architecture: &str) -> PortError {
    PortError::Refused(format!("{base} holds nothing for linux/{architecture}"))
}

fn json(bytes: &[u8], what: &str) -> Result<Value, PortError> {
    serde_json::from_slice(bytes)
        .map_err(|error| PortError::Refused(format!("{what} is no JSON: {error}")))
}

fn read_file(path: &Path) -> Result<Vec<u8>, PortError> {
    std::fs::read(path)
        .map_err(|error| PortError::Refused(format!("{} can't be read: {error}", path.display())))
}

/// Where a layout keeps a blob. Source: the OCI image layout, `blobs/<alg>/<encoded>`.
fn path(folder: &Path, digest: &str) -> Result<PathBuf, PortError> {
    let digest: Digest = digest
        .parse()
        .map_err(|_| PortError::Refused(format!("{digest:?} is no digest that can be held")))?;
    Ok(folder.join("blobs/sha256").join(digest.hex()))
}

fn blob(folder: &Path, digest: &str) -> Result<Vec<u8>, PortError> {
    let path = path(folder, digest)?;
    let bytes = read_file(&path)?;
    if Digest::of(&bytes).as_str() != digest {
        return Err(lies(digest));
    }
    Ok(bytes)
}

fn held_to(file: &Path, digest: &str) -> Result<(), PortError> {
    let broken = |error: std::io::Error| PortError::Refused(format!("{digest}: {error}"));
    let mut tally = Tally::new(std::io::sink());
    std::io::copy(&mut std::fs::File::open(file).map_err(broken)?, &mut tally).map_err(broken)?;
    let (_, seen, _) = tally.finish().map_err(broken)?;
    if seen.as_str() == digest { Ok(()) } else { Err(lies(digest)) }
}

fn lies(digest: &str) -> PortError {
    PortError::Refused(format!("the base is not what it says: {digest} is something else"))
}
